/** The TCP header (RFC 9293 §3.1) as a `Segment`. */
import type { Packet } from '../capture/types.ts';
import type { Cursor, Next } from './cursor.ts';
import { octet, uint16, uint32 } from './octets.ts';
import type { Segment } from './types.ts';

/** Octets of the header that must be captured: up to the flags. */
const neededOctets = 14;

/** The one object that a decoder hands out again and again; see `Segment`. */
export class ReusedSegment implements Segment {
  readonly #sourceIpv4 = Buffer.alloc(4);
  readonly #targetIpv4 = Buffer.alloc(4);
  readonly #sourceIpv6 = Buffer.alloc(16);
  readonly #targetIpv6 = Buffer.alloc(16);

  sourceAddress: Buffer = this.#sourceIpv4;
  targetAddress: Buffer = this.#targetIpv4;
  sourcePort = 0;
  targetPort = 0;
  sequence = 0;
  acknowledgment = 0;
  flags = 0;
  buffer: Buffer = this.sourceAddress;
  payloadOffset = 0;
  payloadLength = 0;
  missingLength = 0;
  ipLength = 0;
  ttl = 0;
  seconds = 0;
  nanoseconds = 0;
  frame = 0;

  /** Reads the TCP header at the cursor; the outcome is `segment` when there is one. */
  read(cursor: Cursor): Next {
    if (!cursor.has(neededOctets)) return cursor.short();
    const { buffer, offset, end, wireEnd } = cursor;
    const headerLength = (octet(buffer, offset + 12) >> 4) << 2;
    const payloadStart = offset + headerLength;
    if (headerLength < 20 || payloadStart > wireEnd) return cursor.stop('malformed');
    this.sourcePort = uint16(buffer, offset);
    this.targetPort = uint16(buffer, offset + 2);
    this.sequence = uint32(buffer, offset + 4);
    this.acknowledgment = uint32(buffer, offset + 8);
    this.flags = octet(buffer, offset + 13);
    this.buffer = buffer;
    // The snap length may have cut the options: the numbers are known, and so is what is missing.
    this.payloadOffset = Math.min(payloadStart, end);
    this.payloadLength = end - this.payloadOffset;
    this.missingLength = wireEnd - payloadStart - this.payloadLength;
    this.ipLength = cursor.ipLength;
    this.ttl = cursor.ttl;
    this.#copyAddresses(cursor);
    return cursor.stop('segment');
  }

  locate(packet: Packet): void {
    this.seconds = packet.seconds;
    this.nanoseconds = packet.nanoseconds;
    this.frame = packet.frame;
  }

  /** Into buffers of its own: a view would be a new object for every packet. */
  #copyAddresses({ addressBuffer, addressOffset, addressLength }: Cursor): void {
    const source = addressLength === 4 ? this.#sourceIpv4 : this.#sourceIpv6;
    const target = addressLength === 4 ? this.#targetIpv4 : this.#targetIpv6;
    for (let index = 0; index < addressLength; index++) {
      source[index] = octet(addressBuffer, addressOffset + index);
      target[index] = octet(addressBuffer, addressOffset + addressLength + index);
    }
    this.sourceAddress = source;
    this.targetAddress = target;
  }
}
