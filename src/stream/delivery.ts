/**
 * Hands the octets of one connection over in order: at once where they are next, later where others are
 * missing, which are declared a gap when nobody can expect them any more. Everything held is bounded.
 */
import type { Segment } from '../packet/types.ts';
import type { ConnectionEvents } from './connection-events.ts';
import { countDiscarded } from './counts.ts';
import type { Direction } from './direction.ts';
import type { RunState } from './run-state.ts';

export class Delivery {
  readonly #run: RunState;
  readonly #events: ConnectionEvents;
  #limitReported = false;

  constructor(run: RunState, events: ConnectionEvents) {
    this.#run = run;
    this.#events = events;
  }

  /** Delivers what is next, holds what comes too early, and forgets the rest. */
  take(segment: Segment, sender: Direction, position: number, arrival: number): void {
    const length = segment.payloadLength;
    if (position === sender.next && sender.end === undefined && sender.held.count === 0) {
      if (length > 0) this.#pass(segment, sender, length);
      return;
    }
    const { counts } = this.#run;
    const wanted = Math.min(length, Math.max(0, (sender.end ?? Number.POSITIVE_INFINITY) - position));
    const known = Math.min(wanted, Math.max(0, sender.next - position));
    if (wanted < length) countDiscarded(counts, length - wanted, 'behind-fin');
    counts.duplicateOctets += known;
    if (known === wanted) return;
    const start = segment.payloadOffset + known;
    const bytes = segment.buffer.subarray(start, segment.payloadOffset + wanted);
    if (position > sender.next) this.#hold(sender, position, bytes, arrival);
    else this.#deliver(sender, bytes);
  }

  /** In order and nothing held: the usual case costs one view and one event. */
  #pass(segment: Segment, sender: Direction, length: number): void {
    const start = sender.next;
    sender.next = start + length;
    const { payloadOffset } = segment;
    const bytes = segment.buffer.subarray(payloadOffset, payloadOffset + length);
    this.#events.data(sender, bytes, sender.sequenceOf(start), this.#run.seen);
  }

  /** `bytes` start at `sender.next`; where held octets overlap them, those were captured first. */
  #deliver(sender: Direction, bytes: Buffer): void {
    const start = sender.next;
    const end = start + bytes.length;
    let delivered = 0;
    while (sender.next < end) {
      const from = sender.next;
      const to = Math.min(end, sender.held.first?.position ?? end);
      sender.next = to;
      if (to > from) {
        const view = to - from === bytes.length ? bytes : bytes.subarray(from - start, to - start);
        this.#events.data(sender, view, sender.sequenceOf(from), this.#run.seen);
        delivered += to - from;
      }
      this.#deliverHeld(sender);
    }
    this.#run.counts.duplicateOctets += bytes.length - delivered;
  }

  #deliverHeld(sender: Direction): void {
    const { counts, limits } = this.#run;
    while (sender.held.first?.position === sender.next) {
      const piece = sender.held.shift();
      if (piece === undefined) return;
      counts.heldOctets -= piece.bytes.length;
      this.#run.heldCost -= piece.bytes.length + limits.heldSegmentBytes;
      sender.next += piece.bytes.length;
      this.#events.data(sender, piece.bytes, sender.sequenceOf(piece.position), piece.seen);
    }
  }

  #hold(sender: Direction, position: number, bytes: Buffer, arrival: number): void {
    if (this.#events.ignored) {
      this.#run.counts.ignoredOctets += bytes.length;
      return;
    }
    const before = sender.held.octets;
    const countBefore = sender.held.count;
    sender.hold(position, bytes, this.#run.seen, arrival);
    this.#recount(sender, before, countBefore);
    this.#run.counts.duplicateOctets += bytes.length - (sender.held.octets - before);
    while (this.#holdsTooMuch(sender)) {
      this.passHole(sender);
      if (!this.#limitReported) this.#events.bufferLimit();
      this.#limitReported = true;
    }
  }

  #holdsTooMuch({ held }: Direction): boolean {
    const { limits, heldCost } = this.#run;
    if (held.count === 0) return false;
    return (
      held.octets > limits.heldBytesPerDirectionMax ||
      held.count > limits.heldSegmentsMax ||
      heldCost > limits.heldBytesMax
    );
  }

  #recount({ held }: Direction, octetsBefore: number, countBefore: number): void {
    const octets = held.octets - octetsBefore;
    this.#run.counts.heldOctets += octets;
    this.#run.heldCost += octets + (held.count - countBefore) * this.#run.limits.heldSegmentBytes;
  }

  /** Gives up what was acknowledged long ago; `segments` counts those of the connection so far. */
  passOldHoles(direction: Direction, segments: number): void {
    for (let end = direction.holeEnd; end !== undefined; end = direction.holeEnd) {
      if (direction.acknowledged < end) return;
      if (segments - direction.holeArrival < this.#run.limits.gapSegments) return;
      this.passHole(direction);
    }
  }

  /** Gives up the first hole of `direction`. */
  passHole(direction: Direction): void {
    const end = direction.holeEnd;
    if (end === undefined) return;
    if (this.#isDoubtful(direction, end)) {
      const octets = direction.held.shift()?.bytes.length ?? 0;
      this.#run.counts.heldOctets -= octets;
      this.#run.heldCost -= octets + this.#run.limits.heldSegmentBytes;
      countDiscarded(this.#run.counts, octets, 'doubtful');
      return;
    }
    this.#gap(direction, end);
    this.#deliverHeld(direction);
  }

  /** One forged segment far ahead must not turn all that follows into retransmissions. */
  #isDoubtful(direction: Direction, end: number): boolean {
    const isLong = end - direction.next > this.#run.limits.doubtfulGapBytes;
    return isLong && direction.acknowledged < end && direction.held.firstStandsAlone;
  }

  /** What must have been sent behind the last octet captured; nothing is held any more. */
  passTail(direction: Direction): void {
    const end = direction.lastPosition(this.#run.limits);
    if (end > direction.next) this.#gap(direction, end);
  }

  #gap(direction: Direction, end: number): void {
    const start = direction.next;
    direction.next = end;
    this.#events.gap(direction, end - start, direction.sequenceOf(start));
  }

  /** Where a FIN was believed or nobody listens, what is held has no place in the stream. */
  dropHeld(direction: Direction): void {
    const countBefore = direction.held.count;
    if (countBefore === 0) return;
    const octets = direction.held.clear();
    this.#recount(direction, octets, countBefore);
    if (this.#events.ignored) this.#run.counts.ignoredOctets += octets;
    else countDiscarded(this.#run.counts, octets, 'behind-fin');
  }
}
