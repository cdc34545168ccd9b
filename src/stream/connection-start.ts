/**
 * The first moments of a connection: who is the client, with which sequence number each direction starts,
 * and the segments that wait until both are known. A SYN that comes behind data still counts.
 */
import type { Segment } from '../packet/types.ts';
import type { Direction } from './direction.ts';
import type { Flow } from './flow-table.ts';
import { ownCopy } from './held-octets.ts';
import type { RunState } from './run-state.ts';
import { carriesOctets, dataSequence, isAcknowledging, isEnding, isReset } from './segment-facts.ts';
import type { Sighting } from './types.ts';

export interface WaitingSegment {
  /** A copy of its own. */
  readonly segment: Segment;
  readonly sentByFirst: boolean;
  readonly seen: Sighting;
}

const none: readonly WaitingSegment[] = [];
const noAddress = Buffer.alloc(0);

export class ConnectionStart {
  readonly #run: RunState;
  readonly #flow: Flow;
  #waiting: readonly WaitingSegment[] = none;
  #over = false;
  #endWaits = false;
  /** How many segments of the connection had come when a side was first heard, the later one of the two. */
  #lastNews = 0;
  #handshakeSeen = false;
  #clientIsFirst: boolean;

  constructor(run: RunState, flow: Flow) {
    this.#run = run;
    this.#flow = flow;
    this.#clientIsFirst = this.#firstLooksLikeClient();
  }

  get handshakeSeen(): boolean {
    return this.#handshakeSeen;
  }

  get clientIsFirst(): boolean {
    return this.#clientIsFirst;
  }

  /** Segments no longer wait. */
  get isOver(): boolean {
    return this.#over;
  }

  get holdsSegments(): boolean {
    return this.#waiting.length > 0;
  }

  /** A FIN or RST is among what waits. */
  get endWaits(): boolean {
    return this.#endWaits;
  }

  /** Learns from a SYN or SYN-ACK. */
  synchronise(segment: Segment, sender: Direction, receiver: Direction): void {
    const isAnswer = isAcknowledging(segment);
    if (!this.#handshakeSeen) this.#clientIsFirst = isAnswer ? receiver.isFirst : sender.isFirst;
    this.#handshakeSeen = true;
    const sequence = dataSequence(segment);
    if (!sender.started) sender.begin(sequence);
    else if (sender.untouched && sender.origin !== sequence) sender.beginAgain(sequence);
    if (sender.origin === sequence) sender.synchronised = true;
    if (!isAnswer) return;
    if (!receiver.started) receiver.begin(this.#startBefore(receiver, segment.acknowledgment));
    else receiver.acknowledge(segment.acknowledgment);
  }

  /** Whether a SYN must be of a new connection: another initial sequence number, and not just a late one. */
  isForeign(segment: Segment, sender: Direction, receiver: Direction): boolean {
    const start = sender.started ? sender.origin : this.#lowestWaiting(sender);
    if (start === undefined) return false;
    const distance = (start - dataSequence(segment)) | 0;
    const isNear = distance >= 0 && distance <= this.#run.limits.startWindowBytes;
    if (!sender.started) return !isNear;
    if (distance === 0 || (!sender.synchronised && isNear)) return false;
    const answersThisClient =
      isAcknowledging(segment) && receiver.started && receiver.origin === segment.acknowledgment;
    const hasData = !sender.untouched || !receiver.untouched || this.#lowestWaiting(sender) !== undefined;
    return hasData && !answersThisClient;
  }

  /**
   * Keeps a copy of `segment` if it says anything; `false` when it is time to conclude: no room for more, or
   * `startSegmentsMax` segments have passed since a side was first heard. `segments` counts this one too.
   */
  wait(segment: Segment, sentByFirst: boolean, segments: number): boolean {
    const { limits, counts } = this.#run;
    if (carriesOctets(segment) || isEnding(segment)) {
      if (!this.#waiting.some((one) => one.sentByFirst === sentByFirst)) this.#lastNews = segments;
      const waiting = { segment: this.#copy(segment), sentByFirst, seen: this.#run.seen };
      this.#waiting = [...this.#waiting, waiting];
      this.#endWaits ||= isEnding(segment);
      counts.heldOctets += segment.payloadLength;
      this.#run.heldCost += segment.payloadLength + limits.heldSegmentBytes;
    }
    return this.#run.heldCost <= limits.heldBytesMax && segments - this.#lastNews < limits.startSegmentsMax;
  }

  /**
   * Settles where both directions start: behind a SYN where the other side waited for octets, else at the first
   * that was captured. Returns what has waited, in the order of the capture.
   */
  conclude(first: Direction, second: Direction): readonly WaitingSegment[] {
    const { counts, limits } = this.#run;
    const holeBytesMax = this.#handshakeSeen ? limits.startHoleBytes : 0;
    for (const direction of [first, second]) {
      const lowest = this.#lowestWaiting(direction);
      if (!direction.started && lowest !== undefined) direction.beginLate(lowest, holeBytesMax);
    }
    for (const { segment } of this.#waiting) {
      counts.heldOctets -= segment.payloadLength;
      this.#run.heldCost -= segment.payloadLength + limits.heldSegmentBytes;
    }
    const waiting = this.#waiting;
    this.#waiting = none;
    this.#over = true;
    return waiting;
  }

  /** With TCP Fast Open (RFC 7413) the SYN-ACK acknowledges octets of the SYN as well. */
  #startBefore(direction: Direction, acknowledgment: number): number {
    const lowest = this.#lowestWaiting(direction) ?? acknowledgment;
    const distance = (acknowledgment - lowest) | 0;
    return distance > 0 && distance <= this.#run.limits.startWindowBytes ? lowest : acknowledgment;
  }

  /** Few segments wait, and all are near each other. */
  #lowestWaiting(direction: Direction): number | undefined {
    let lowest: number | undefined;
    for (const { segment, sentByFirst } of this.#waiting) {
      if (sentByFirst !== direction.isFirst || isReset(segment)) continue;
      const sequence = dataSequence(segment);
      if (lowest === undefined || ((sequence - lowest) | 0) < 0) lowest = sequence;
    }
    return lowest;
  }

  /** Without a SYN the side that is not at a mail port is the client, or else that of the higher port. */
  #firstLooksLikeClient(): boolean {
    const { firstPort, secondPort } = this.#flow;
    const firstIsMail = this.#run.mailPorts.has(firstPort);
    const secondIsMail = this.#run.mailPorts.has(secondPort);
    return firstIsMail === secondIsMail ? firstPort >= secondPort : secondIsMail;
  }

  /** Field by field: the packet decoder's segment is one reused object, perhaps with accessors. */
  #copy(segment: Segment): Segment {
    const { sequence, acknowledgment, flags, payloadLength, missingLength, ipLength, ttl } = segment;
    const { sourcePort, targetPort, seconds, nanoseconds, frame, payloadOffset } = segment;
    return {
      // Who sent it is kept beside it; the addresses themselves are not asked for again.
      sourceAddress: noAddress,
      targetAddress: noAddress,
      sourcePort,
      targetPort,
      sequence,
      acknowledgment,
      flags,
      buffer: ownCopy(segment.buffer, payloadOffset, payloadOffset + payloadLength),
      payloadOffset: 0,
      payloadLength,
      missingLength,
      ipLength,
      ttl,
      seconds,
      nanoseconds,
      frame,
    };
  }
}
