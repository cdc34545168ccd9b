/** How far the headers of one packet are decoded, and what the innermost IP header said. */
import type { Packet } from '../capture/types.ts';

/** A header that may come next. Each has one function that reads it and tells what follows. */
export type Header =
  // link layers
  | 'ethernet'
  | 'raw-ip'
  | 'bsd-loopback'
  | 'linux-cooked'
  | 'linux-cooked-2'
  | 'cisco-hdlc'
  | 'ppp-direction'
  | 'nflog'
  | 'pflog'
  | 'enc'
  | 'ipnet'
  | 'radiotap'
  | 'ppi'
  | 'ieee802.11'
  // between link and IP
  | 'vlan'
  | 'backbone-tag'
  | 'llc'
  | 'mpls'
  | 'pppoe'
  | 'ppp'
  | 'nsh'
  // IP
  | 'ipv4'
  | 'ipv6'
  | 'extension'
  | 'fragment'
  // above IP
  | 'tcp'
  | 'udp'
  | 'gre'
  | 'erspan-2'
  | 'erspan-3'
  | 'vxlan'
  | 'vxlan-gpe'
  | 'geneve'
  | 'gtp-u'
  | 'teredo'
  | 'l2tp';

/** What became of a packet. */
export type Outcome =
  | 'segment'
  | 'not-ip'
  | 'not-tcp'
  | 'unknown-link-type'
  /** A header contradicts itself, or the packet ends in it. */
  | 'malformed'
  /** The snap length cut the packet within its headers. */
  | 'truncated'
  /** More headers than `packetLimits` allows. */
  | 'nesting-limit'
  /** Kept until the other fragments of its datagram arrive. */
  | 'fragment-waiting'
  /** A copy, or one of a datagram that stayed incomplete. */
  | 'fragment-dropped';

/** Read by each header function at `offset`, moved behind the header. One object is reused for all packets. */
export class Cursor {
  buffer: Buffer = Buffer.alloc(0);
  offset = 0;
  /** Behind the last captured octet that belongs to the current layer. */
  end = 0;
  /** Behind the last octet that the current layer had on the wire; beyond `end` where the packet was cut. */
  wireEnd = 0;
  outcome: Outcome = 'not-ip';
  /** A length field of an outer layer has set `wireEnd`. */
  #isLimited = false;

  /** The innermost IP header so far: where its addresses are (4 or 16 octets, source first). */
  addressBuffer: Buffer = this.buffer;
  addressOffset = 0;
  addressLength = 4;
  ipLength = 0;
  ttl = 0;
  /** IPv4 protocol or IPv6 next header of what is at `offset`. */
  protocol = 0;
  fragmentOffset = 0;
  moreFragments = false;
  identification = 0;

  /** Packets and captured octets whose fate is decided here: more than one where fragments come together. */
  packets = 0;
  octets = 0;
  /** Packet time. */
  seconds = 0;

  start(packet: Packet): void {
    this.buffer = packet.buffer;
    this.offset = packet.offset;
    this.end = packet.offset + packet.capturedLength;
    this.wireEnd = packet.offset + Math.max(packet.originalLength, packet.capturedLength);
    this.#isLimited = false;
    this.packets = 1;
    this.octets = packet.capturedLength;
    this.seconds = packet.seconds;
  }

  has(length: number): boolean {
    return this.offset + length <= this.end;
  }

  /** Moves behind a header whose length was checked. */
  skip(length: number, next: Header): Header {
    this.offset += length;
    return next;
  }

  /**
   * Ends the current layer after `length` octets: what follows is padding or a check sequence. The outermost
   * length field is believed even beyond the frame, because some tools cut frames without keeping the
   * original length; a length within a layer that has one itself is not.
   */
  limit(length: number): void {
    const limit = this.offset + length;
    this.wireEnd = this.#isLimited ? Math.min(limit, this.wireEnd) : limit;
    this.end = Math.min(limit, this.end);
    this.#isLimited = true;
  }

  stop(outcome: Outcome): undefined {
    this.outcome = outcome;
    return undefined;
  }

  /** The header does not fit: cut by the snap length, or never complete. */
  short(): undefined {
    return this.stop(this.wireEnd > this.end ? 'truncated' : 'malformed');
  }
}

/** What a header function returns: the next header, or undefined after `stop`. */
export type Next = Header | undefined;
