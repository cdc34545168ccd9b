/**
 * One TCP connection put in order (RFC 9293 §3.4 to §3.10), as a bystander sees it: segments may be
 * missing, doubled, exchanged, cut or forged, and the capture may start and end anywhere.
 *
 * - **Start.** Until the first sequence number of both directions is known (from the SYN, or from the
 *   acknowledgment in the SYN-ACK) segments are held, at most `startSegmentsMax` segments of the
 *   connection. Then the lowest sequence number held is the start. So data before its SYN is fine.
 * - **Overlap.** The octet captured first stays.
 * - **Gap.** A hole is given up when the receiver has acknowledged what lies behind it and `gapSegments`
 *   more segments of the connection have passed, when what is held behind it exceeds a limit, or when the
 *   connection ends. Segments are counted, not time: captures without time stamps and clocks that jump exist.
 * - **End.** Both FINs, or a RST within the window, end the connection at once where nothing is missing,
 *   and otherwise after `closeSegments` segments of the capture, since FIN and RST can overtake data.
 */
import { type Segment, TcpFlag } from '../packet/types.ts';
import { addressText } from './address.ts';
import { ConnectionEvents } from './connection-events.ts';
import { countDiscarded } from './counts.ts';
import { Direction } from './direction.ts';
import type { Flow } from './flow-table.ts';
import { ownCopy } from './held-octets.ts';
import type { RecencyLinks } from './recency-list.ts';
import type { RunState } from './run-state.ts';
import type { CloseReason, Connection, Endpoint, Sighting } from './types.ts';

/** A segment that waits for the start of its connection. */
interface WaitingSegment {
  readonly segment: Segment;
  readonly sentByFirst: boolean;
  readonly seen: Sighting;
}

export class FollowedConnection implements Flow, RecencyLinks<FollowedConnection> {
  readonly hash: number;
  readonly fingerprint: number;
  readonly firstAddress: Buffer;
  readonly firstPort: number;
  readonly secondAddress: Buffer;
  readonly secondPort: number;
  nextInChain: FollowedConnection | undefined;
  older: FollowedConnection | undefined;
  newer: FollowedConnection | undefined;
  /** Packet clock at its last segment; written by the owner. */
  lastSeconds = 0;
  /** Where the owner keeps it; written by the owner. */
  shelf: 'unopened' | 'open' | 'none' = 'none';
  /** The end is announced; written by the owner once it has noted when to insist on it. */
  endIsAwaited = false;

  readonly #run: RunState;
  readonly #events: ConnectionEvents;
  readonly #first = new Direction(true);
  readonly #second = new Direction(false);
  #waiting: WaitingSegment[] | undefined = [];
  #handshakeSeen = false;
  #clientIsFirst: boolean;
  #segments = 0;
  #strangeSegments = 0;
  #resetSeen = false;
  #limitReported = false;

  constructor(run: RunState, segment: Segment, hash: number, fingerprint: number) {
    this.#run = run;
    this.hash = hash;
    this.fingerprint = fingerprint;
    this.firstAddress = ownCopy(segment.sourceAddress, 0, segment.sourceAddress.length);
    this.firstPort = segment.sourcePort;
    this.secondAddress = ownCopy(segment.targetAddress, 0, segment.targetAddress.length);
    this.secondPort = segment.targetPort;
    this.#clientIsFirst = this.#firstLooksLikeClient();
    this.#events = new ConnectionEvents(run, (id) => this.#describe(id));
  }

  get opened(): boolean {
    return this.#events.opened;
  }

  get ignored(): boolean {
    return this.#events.ignored;
  }

  get closed(): boolean {
    return this.#events.closed;
  }

  /** FIN or RST have been seen, but octets before them not. */
  get isEnding(): boolean {
    if (this.#waiting !== undefined) {
      return this.#waiting.some(({ segment }) => (segment.flags & (TcpFlag.fin | TcpFlag.rst)) !== 0);
    }
    return this.#resetSeen || (this.#first.end !== undefined && this.#second.end !== undefined);
  }

  /** `segment` is of this connection; it is read before this returns. */
  receive(segment: Segment, sentByFirst: boolean): void {
    const sender = sentByFirst ? this.#first : this.#second;
    const receiver = sentByFirst ? this.#second : this.#first;
    this.#segments += 1;
    sender.seen = true;
    if ((segment.flags & TcpFlag.syn) !== 0) this.#synchronise(segment, sender, receiver);
    else if (isAcknowledging(segment)) receiver.acknowledge(segment.acknowledgment);
    if (this.#waiting === undefined) this.#order(segment, sender, receiver);
    else this.#wait(this.#waiting, segment, sentByFirst);
  }

  /** Hands out all there is, holes as gaps, and closes the connection. */
  finish(reason: CloseReason): void {
    this.#start();
    while (this.#passEarliestHole()) if (this.closed) return;
    for (const direction of [this.#first, this.#second]) this.#passTail(direction);
    this.#closeSides();
    if (this.closed) return;
    this.#dropHeld(this.#first);
    this.#dropHeld(this.#second);
    this.#events.closeBoth(this.#resetSeen ? 'rst' : reason);
  }

  /**
   * Whether `segment` must be of a new connection that uses the same addresses and ports (RFC 9293
   * §3.6.1): a SYN with another initial sequence number behind data, or numbers that fit nowhere.
   */
  startsAnew(segment: Segment, sentByFirst: boolean): boolean {
    const sender = sentByFirst ? this.#first : this.#second;
    const receiver = sentByFirst ? this.#second : this.#first;
    if ((segment.flags & TcpFlag.syn) !== 0) return this.#isForeignSyn(segment, sender, receiver);
    if (!carriesOctets(segment) || !sender.started) return false;
    if (!this.closed && this.#strangeSegments < this.#run.limits.strangeSegmentsMax) return false;
    const position = sender.positionOf(dataSequence(segment));
    if (!sender.isPlausible(position, this.#run.limits)) return true;
    return this.closed && position > sender.highest + this.#run.limits.retransmittedBytesMax;
  }

  // ---- start ----

  #isForeignSyn(segment: Segment, sender: Direction, receiver: Direction): boolean {
    const distance = (this.#lowestSequence(sender) - dataSequence(segment)) | 0;
    const isNear = distance >= 0 && distance <= this.#run.limits.startWindowBytes;
    if (!sender.started) return this.closed || (this.#hasWaiting(sender) && !isNear);
    if (distance === 0) return false;
    if (!sender.synchronised && isNear) return false;
    const answersThisClient =
      isAcknowledging(segment) && receiver.started && receiver.origin === segment.acknowledgment;
    const hasData = !sender.untouched || !receiver.untouched || this.#hasWaiting(sender);
    return hasData && !answersThisClient;
  }

  #synchronise(segment: Segment, sender: Direction, receiver: Direction): void {
    const isAnswer = isAcknowledging(segment);
    if (!this.#handshakeSeen) this.#clientIsFirst = isAnswer ? receiver.isFirst : sender.isFirst;
    this.#handshakeSeen = true;
    this.#events.clientIsFirst = this.#clientIsFirst;
    const sequence = dataSequence(segment);
    if (!sender.started) sender.begin(sequence);
    else if (sender.untouched && sender.origin !== sequence) sender.beginAgain(sequence);
    if (sender.origin === sequence) sender.synchronised = true;
    if (!isAnswer) return;
    // With TCP Fast Open (RFC 7413) the answer acknowledges octets of the SYN as well.
    if (!receiver.started) receiver.begin(this.#startBefore(receiver, segment.acknowledgment));
    else receiver.acknowledge(segment.acknowledgment);
  }

  #startBefore(direction: Direction, sequence: number): number {
    if (!this.#hasWaiting(direction)) return sequence;
    const lowest = this.#lowestSequence(direction);
    const distance = (sequence - lowest) | 0;
    return distance > 0 && distance <= this.#run.limits.startWindowBytes ? lowest : sequence;
  }

  #wait(waiting: WaitingSegment[], segment: Segment, sentByFirst: boolean): void {
    const { limits, counts, seen } = this.#run;
    if (carriesOctets(segment) || (segment.flags & (TcpFlag.fin | TcpFlag.rst)) !== 0) {
      waiting.push({ segment: this.#keep(segment), sentByFirst, seen });
      counts.heldOctets += segment.payloadLength;
      this.#run.heldCost += segment.payloadLength + limits.heldSegmentBytes;
    }
    const bothKnown = this.#first.started && this.#second.started;
    const isLong = this.#segments >= limits.startSegmentsMax || this.#run.heldCost > limits.heldBytesMax;
    if (bothKnown || isLong) this.#start();
  }

  /** Goes through what has waited, in the order of the capture. */
  #start(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    for (const direction of [this.#first, this.#second]) {
      if (!direction.started && this.#hasWaiting(direction)) direction.begin(this.#lowestSequence(direction));
    }
    this.#waiting = undefined;
    if (waiting.length === 0) return;
    const { seen, counts, limits } = this.#run;
    for (const { segment, sentByFirst, seen: seenThen } of waiting) {
      counts.heldOctets -= segment.payloadLength;
      this.#run.heldCost -= segment.payloadLength + limits.heldSegmentBytes;
      this.#run.lookAgain(seenThen);
      if (sentByFirst) this.#order(segment, this.#first, this.#second);
      else this.#order(segment, this.#second, this.#first);
    }
    this.#run.lookAgain(seen);
  }

  #hasWaiting(direction: Direction): boolean {
    return (
      this.#waiting?.some((one) => one.sentByFirst === direction.isFirst && !isReset(one.segment)) ?? false
    );
  }

  /** The start of `direction`, or the lowest sequence number that waits (all are near each other). */
  #lowestSequence(direction: Direction): number {
    if (direction.started) return direction.origin;
    let lowest: number | undefined;
    for (const { segment, sentByFirst } of this.#waiting ?? []) {
      if (sentByFirst !== direction.isFirst || isReset(segment)) continue;
      const sequence = dataSequence(segment);
      if (lowest === undefined || ((sequence - lowest) | 0) < 0) lowest = sequence;
    }
    return lowest ?? 0;
  }

  // ---- octets ----

  #order(segment: Segment, sender: Direction, receiver: Direction): void {
    if (this.closed) {
      countDiscarded(this.#run.counts, segment.payloadLength, 'after-close');
      return;
    }
    if (isReset(segment)) {
      countDiscarded(this.#run.counts, segment.payloadLength, 'with-rst');
      if (this.#resetIsValid(segment, sender, receiver)) this.#noteReset(segment, sender);
    } else if (carriesOctets(segment) || (segment.flags & TcpFlag.fin) !== 0) {
      this.#place(segment, sender);
    }
    this.#passOldHoles(sender);
    this.#passOldHoles(receiver);
    this.#closeSides();
    this.#closeWhereReset();
  }

  #place(segment: Segment, sender: Direction): void {
    const { counts, limits } = this.#run;
    const sequence = dataSequence(segment);
    if (!sender.started) sender.begin(sequence);
    sender.chooseOrigin(sequence);
    const position = sender.positionOf(sequence);
    if (!sender.isPlausible(position, limits)) {
      this.#strangeSegments += 1;
      countDiscarded(counts, segment.payloadLength, 'out-of-window');
      return;
    }
    this.#strangeSegments = 0;
    if (isKeepAlive(segment, position, sender)) {
      countDiscarded(counts, segment.payloadLength, 'keep-alive');
      return;
    }
    const end = position + segment.payloadLength + segment.missingLength;
    if ((segment.flags & TcpFlag.fin) !== 0) this.#noteEnd(sender, end);
    sender.highest = Math.max(sender.highest, Math.min(end, sender.end ?? end));
    this.#take(segment, sender, position);
  }

  /** A FIN before octets already seen, or far behind them, is none of this stream's. */
  #noteEnd(sender: Direction, end: number): void {
    if (sender.end !== undefined || end < sender.next || end < sender.highest) return;
    if (end > sender.highest + this.#run.limits.doubtfulGapBytes) return;
    sender.end = end;
    sender.endArrival = this.#segments;
  }

  /** Delivers what is next, holds what comes too early, and forgets the rest. */
  #take(segment: Segment, sender: Direction, position: number): void {
    const { counts } = this.#run;
    const length = segment.payloadLength;
    const wanted = Math.min(length, Math.max(0, (sender.end ?? Number.POSITIVE_INFINITY) - position));
    const known = Math.min(wanted, Math.max(0, sender.next - position));
    if (wanted < length) countDiscarded(counts, length - wanted, 'behind-fin');
    counts.duplicateOctets += known;
    if (known === wanted) return;
    const start = segment.payloadOffset + known;
    // In order and nothing held: the usual case costs one view and one event.
    const bytes = segment.buffer.subarray(start, segment.payloadOffset + wanted);
    if (position > sender.next) this.#hold(sender, position, bytes);
    else this.#deliver(sender, bytes);
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

  #hold(sender: Direction, position: number, bytes: Buffer): void {
    if (this.ignored) {
      this.#run.counts.ignoredOctets += bytes.length;
      return;
    }
    const before = sender.held.octets;
    const countBefore = sender.held.count;
    sender.held.insert(position, bytes, this.#run.seen, this.#segments);
    this.#recount(sender, before, countBefore);
    this.#run.counts.duplicateOctets += bytes.length - (sender.held.octets - before);
    while (this.#holdsTooMuch(sender)) {
      this.#passHole(sender);
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

  // ---- holes ----

  #passOldHoles(direction: Direction): void {
    for (let end = direction.holeEnd; end !== undefined; end = direction.holeEnd) {
      if (direction.acknowledged < end) return;
      if (this.#segments - direction.holeArrival < this.#run.limits.gapSegments) return;
      this.#passHole(direction);
    }
  }

  /** In the order of the capture, so that commands and replies stay in step as well as they can. */
  #passEarliestHole(): boolean {
    const [one, other] = [this.#first, this.#second].filter(({ held }) => held.count > 0);
    if (one === undefined) return false;
    this.#passHole(other !== undefined && other.holeArrival < one.holeArrival ? other : one);
    return true;
  }

  /** Gives up the first hole of `direction`. */
  #passHole(direction: Direction): void {
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

  #passTail(direction: Direction): void {
    const end = direction.lastPosition(this.#run.limits);
    const isDoubtful = end - direction.next > this.#run.limits.doubtfulGapBytes;
    if (end > direction.next && (!isDoubtful || direction.acknowledged >= end)) this.#gap(direction, end);
  }

  #gap(direction: Direction, end: number): void {
    const start = direction.next;
    direction.next = end;
    this.#events.gap(direction, end - start, direction.sequenceOf(start));
  }

  // ---- end ----

  #closeSides(): void {
    this.#closeSide(this.#first);
    this.#closeSide(this.#second);
    if (this.#first.finished && this.#second.finished && !this.ignored) this.#events.closeBoth('fin');
  }

  #closeSide(direction: Direction): void {
    if (direction.finished || direction.end === undefined || direction.next < direction.end) return;
    this.#dropHeld(direction);
    direction.finished = true;
    this.#events.closeSide(direction);
  }

  /** RFC 5961 §3 asks for the exact number; a bystander cannot know it and asks for the window. */
  #resetIsValid(segment: Segment, sender: Direction, receiver: Direction): boolean {
    const { limits } = this.#run;
    if (sender.started) {
      const position = sender.positionOf(segment.sequence);
      const lowest = Math.min(sender.acknowledged, sender.highest + 1) - 1;
      const isLate = sender.acknowledged > 0 ? position < lowest : position < -1;
      return !isLate && position <= Math.max(sender.next, sender.highest) + limits.resetWindowBytes;
    }
    // The answer to a SYN has sequence number 0 and acknowledges it (RFC 9293 §3.5.2).
    if (!isAcknowledgingReset(segment) || !receiver.started) return true;
    const position = receiver.positionOf(segment.acknowledgment);
    return position >= 0 && position <= receiver.highest + limits.resetWindowBytes;
  }

  #noteReset(segment: Segment, sender: Direction): void {
    this.#resetSeen = true;
    if (sender.started) sender.resetPosition = sender.positionOf(segment.sequence);
  }

  #closeWhereReset(): void {
    if (!this.#resetSeen || this.closed || this.ignored) return;
    const { limits } = this.#run;
    if (this.#first.isComplete(limits) && this.#second.isComplete(limits)) this.#events.closeBoth('rst');
  }

  /** Where a FIN was believed or nobody listens, what is held has no place in the stream. */
  #dropHeld(direction: Direction): void {
    const countBefore = direction.held.count;
    if (countBefore === 0) return;
    const octets = direction.held.clear();
    this.#recount(direction, octets, countBefore);
    if (this.ignored) this.#run.counts.ignoredOctets += octets;
    else countDiscarded(this.#run.counts, octets, 'behind-fin');
  }

  /** Gives back all memory of a connection nobody is interested in. */
  release(): void {
    this.#start();
    this.#dropHeld(this.#first);
    this.#dropHeld(this.#second);
  }

  // ---- what is known of it ----

  /** Without a SYN the side that is not at a mail port is the client, or else that of the higher port. */
  #firstLooksLikeClient(): boolean {
    const firstIsMail = this.#run.mailPorts.has(this.firstPort);
    const secondIsMail = this.#run.mailPorts.has(this.secondPort);
    return firstIsMail === secondIsMail ? this.firstPort >= this.secondPort : secondIsMail;
  }

  #describe(id: number): Connection {
    const first = endpoint(this.firstAddress, this.firstPort);
    const second = endpoint(this.secondAddress, this.secondPort);
    const [client, server] = this.#clientIsFirst ? [first, second] : [second, first];
    this.#events.clientIsFirst = this.#clientIsFirst;
    return { id, client, server, handshakeSeen: this.#handshakeSeen };
  }

  #keep(segment: Segment): Segment {
    const { sequence, acknowledgment, flags, payloadLength, missingLength, ipLength, ttl } = segment;
    const { sourcePort, targetPort, seconds, nanoseconds, frame, buffer, payloadOffset } = segment;
    return {
      sourceAddress: this.firstAddress,
      targetAddress: this.secondAddress,
      sourcePort,
      targetPort,
      sequence,
      acknowledgment,
      flags,
      buffer: ownCopy(buffer, payloadOffset, payloadOffset + payloadLength),
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

function endpoint(address: Buffer, port: number): Endpoint {
  return { address: addressText(address), port };
}

/** A SYN takes the first sequence number; its data, if any, has the next. */
export function dataSequence(segment: Segment): number {
  return (segment.flags & TcpFlag.syn) === 0 ? segment.sequence : (segment.sequence + 1) >>> 0;
}

export function carriesOctets(segment: Segment): boolean {
  return segment.payloadLength > 0 || segment.missingLength > 0;
}

function isReset(segment: Segment): boolean {
  return (segment.flags & TcpFlag.rst) !== 0;
}

function isAcknowledging(segment: Segment): boolean {
  return (segment.flags & (TcpFlag.ack | TcpFlag.rst)) === TcpFlag.ack;
}

function isAcknowledgingReset(segment: Segment): boolean {
  return (segment.flags & TcpFlag.ack) !== 0;
}

/**
 * RFC 9293 §3.8.4: a probe may carry one garbage octet that the receiver has already acknowledged. NUL is
 * what such octets are, and no mail dialogue: any other octet may be a late one of its own and is kept.
 */
function isKeepAlive(segment: Segment, position: number, sender: Direction): boolean {
  return (
    segment.payloadLength === 1 &&
    segment.missingLength === 0 &&
    sender.next <= position &&
    position + 1 === sender.acknowledged &&
    segment.buffer[segment.payloadOffset] === 0
  );
}
