/** One TCP segment as it was seen in a packet (RFC 9293 §3.1). */

/**
 * The decoder reuses one object: it and its views are valid only until the next packet. Addresses are
 * views of 4 or 16 octets in network byte order; lengths are octets.
 */
export interface Segment {
  readonly sourceAddress: Buffer;
  readonly targetAddress: Buffer;
  readonly sourcePort: number;
  readonly targetPort: number;
  /** 32 bits, unsigned. */
  readonly sequence: number;
  readonly acknowledgment: number;
  /** The flag octet: see `TcpFlag`. */
  readonly flags: number;
  /** Holds the captured payload at `payloadOffset` … `payloadOffset + payloadLength`. */
  readonly buffer: Buffer;
  readonly payloadOffset: number;
  readonly payloadLength: number;
  /** Payload that was on the wire behind the captured part but was cut off by the snap length. */
  readonly missingLength: number;
  /** Total length of the innermost IP packet (record: `len`), and its TTL or hop limit. */
  readonly ipLength: number;
  readonly ttl: number;
  /** When and where: see `Packet`. */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly frame: number;
}

export const TcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 } as const;
