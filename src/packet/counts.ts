/** What became of all packets, so that the octets of a capture add up. */
import type { Header, Outcome } from './cursor.ts';

/** Packets and their captured octets. */
export class Tally {
  packets = 0;
  octets = 0;

  add(packets: number, octets: number): void {
    this.packets += packets;
    this.octets += octets;
  }
}

export class PacketCounts {
  /** Every packet given to the decoder. */
  readonly all = new Tally();
  /**
   * Each packet is in exactly one class: packets and octets of the classes add up to `all` at any time.
   * Fragments are `fragment-waiting` until their datagram is complete, then they count with it.
   */
  readonly classes: Readonly<Record<Outcome, Tally>> = {
    segment: new Tally(),
    'not-ip': new Tally(),
    'not-tcp': new Tally(),
    'unknown-link-type': new Tally(),
    malformed: new Tally(),
    truncated: new Tally(),
    'nesting-limit': new Tally(),
    'fragment-waiting': new Tally(),
    'fragment-dropped': new Tally(),
  };
  /** Segments handed out; fewer than the packets of their class where fragments came together. */
  segments = 0;
  /** TCP payload within the octets of the class `segment`; the rest of them is headers and padding. */
  payloadOctets = 0;
  /** Payload of segments that the snap length cut off: not among the octets. */
  missingOctets = 0;

  /** Packets of unknown link types, by LINKTYPE_ number. */
  readonly unknownLinkTypes = new Map<number, number>();
  /** Packets of the classes `malformed` and `truncated`, by the header that was so. */
  readonly malformedHeaders = new Map<Header, number>();
  readonly truncatedHeaders = new Map<Header, number>();

  /** Datagrams put together from fragments. */
  datagramsComplete = 0;
  /** Given up because fragments did not arrive in time. */
  datagramsIncomplete = 0;
  /** Given up because `packetLimits` allows no more of them. */
  datagramsOverLimit = 0;
  /** Fragments that had arrived before. */
  fragmentCopies = 0;
}

export function countOne<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
