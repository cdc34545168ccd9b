/**
 * What one side of a connection sends, counted in positions: 0 is the octet behind the SYN, or the first
 * octet known. Positions are plain numbers, so that only the step from a sequence number to a position
 * has to think of the wrap at 2^32 (RFC 9293 §3.4).
 */
import { HeldOctets } from './held-octets.ts';
import type { StreamLimits } from './run-state.ts';
import type { Sighting } from './types.ts';

/** In most connections nothing comes before its turn. */
const nothingHeld = new HeldOctets();

export class Direction {
  /** Whether its sender is the first endpoint of the connection. */
  readonly isFirst: boolean;
  held = nothingHeld;
  /** Any segment of it was captured: in captures of one direction the other is never seen. */
  seen = false;
  /** It is known which sequence number has position 0. */
  started = false;
  /** A SYN told which one. */
  synchronised = false;
  /** The next octet to deliver. */
  next = 0;
  /** Behind the last octet known to have been sent. */
  highest = 0;
  /** Behind the last octet the receiver has acknowledged; a FIN counts as one. */
  acknowledged = 0;
  /** Behind the last octet, told by a FIN, and the connection's segments up to it. */
  end: number | undefined;
  endArrival = 0;
  /** The `close` of this side is done. */
  finished = false;
  #origin = 0;
  /** Of a SYN sent again with another initial sequence number: the data tells which one was meant. */
  #otherOrigin: number | undefined;
  /** The lowest acknowledgment that came before the start is known. */
  #earlyAcknowledgment: number | undefined;

  constructor(isFirst: boolean) {
    this.isFirst = isFirst;
  }

  get origin(): number {
    return this.#origin;
  }

  get untouched(): boolean {
    return this.next === 0 && this.highest === 0 && this.end === undefined;
  }

  /** `sequence` gets position 0. */
  begin(sequence: number): void {
    this.started = true;
    this.#origin = sequence >>> 0;
    if (this.#earlyAcknowledgment !== undefined) this.acknowledge(this.#earlyAcknowledgment);
    this.#earlyAcknowledgment = undefined;
  }

  /** A second SYN before any data. */
  beginAgain(sequence: number): void {
    this.#otherOrigin = this.#origin;
    this.acknowledged = 0;
    this.begin(sequence);
  }

  /** The first data starts at `sequence`: goes back to an earlier SYN if that is where it points. */
  chooseOrigin(sequence: number): void {
    if (this.#otherOrigin !== undefined && this.untouched && sequence === this.#otherOrigin) {
      this.beginAgain(sequence);
    }
  }

  /** Copies octets that come before their turn, see `HeldOctets`. */
  hold(position: number, bytes: Buffer, seen: Sighting, arrival: number): void {
    if (this.held === nothingHeld) this.held = new HeldOctets();
    this.held.insert(position, bytes, seen, arrival);
  }

  /** The position nearest to `next`. */
  positionOf(sequence: number): number {
    return this.next + ((sequence - this.sequenceOf(this.next)) | 0);
  }

  sequenceOf(position: number): number {
    return (this.#origin + position) >>> 0;
  }

  isPlausible(position: number, limits: StreamLimits): boolean {
    return (
      position <= this.next + limits.windowBytesMax && position >= this.next - limits.retransmittedBytesMax
    );
  }

  /** Octets up to `end` were sent; a single segment far ahead is not yet believed. */
  reach(end: number, limits: StreamLimits): void {
    const sent = Math.min(end, this.end ?? end);
    const isFar = sent > Math.max(this.next, this.highest) + limits.doubtfulGapBytes;
    if (sent > this.highest && !isFar) this.highest = sent;
  }

  acknowledge(sequence: number): void {
    if (this.started) {
      this.acknowledged = Math.max(this.acknowledged, this.positionOf(sequence));
      return;
    }
    const early = this.#earlyAcknowledgment ?? sequence;
    this.#earlyAcknowledgment = ((sequence - early) | 0) < 0 ? sequence : early;
  }

  /** Begins where the receiver waited for octets before any were seen, if `sequence` is not far behind. */
  beginLate(sequence: number, holeBytesMax: number): void {
    const early = this.#earlyAcknowledgment ?? sequence;
    const distance = (sequence - early) | 0;
    this.begin(distance > 0 && distance <= holeBytesMax ? early : sequence);
  }

  /** Where the first hole ends: at held octets, or at the FIN; undefined where there is none. */
  get holeEnd(): number | undefined {
    const { first } = this.held;
    if (first !== undefined) return first.position;
    return this.end !== undefined && this.end > this.next ? this.end : undefined;
  }

  /** The connection's segments up to the one that showed the hole. */
  get holeArrival(): number {
    return this.held.first?.arrival ?? this.endArrival;
  }

  /**
   * Behind the last octet that must have been sent. Acknowledgments count only where the direction itself
   * was captured: of the other direction nothing is known that could be called a loss.
   */
  lastPosition(limits: StreamLimits): number {
    if (this.end !== undefined) return this.end;
    const beyond = this.acknowledged - this.highest;
    // One more than was seen is the FIN, which takes a sequence number and was not captured.
    const believed = this.seen && beyond > 1 && beyond <= limits.doubtfulGapBytes;
    return believed ? this.acknowledged : this.highest;
  }
}
