/**
 * One TCP connection put in order (RFC 9293 §3.4 to §3.10), as a bystander sees it: segments may be
 * missing, doubled, exchanged, cut or forged, and the capture may start and end anywhere.
 *
 * - **Start.** Segments are held until the first sequence number of both directions is known, from the SYN or
 *   from the acknowledgment in the SYN-ACK. Where that does not come, `startSegmentsMax` segments of the
 *   connection after a side was first heard the lowest sequence number held is the start. So data before its
 *   SYN is fine.
 * - **Overlap.** The octet captured first stays.
 * - **Gap.** A hole is given up when the receiver has acknowledged what lies behind it and `gapSegments`
 *   more segments of the connection have passed, when what is held behind it exceeds a limit, or when the
 *   connection ends. Segments are counted, not time: captures without time stamps and clocks that jump exist.
 * - **End.** Both FINs end the connection at once where nothing is missing, and otherwise after
 *   `closeSegments` segments of the capture, since they can overtake data. So does a RST within the window:
 *   it does not tell how much the other side had sent.
 */
import { type Segment, TcpFlag } from '../packet/types.ts';
import type { KeptAddress } from './address-book.ts';
import { ConnectionEvents } from './connection-events.ts';
import { ConnectionStart } from './connection-start.ts';
import { countDiscarded } from './counts.ts';
import { Delivery } from './delivery.ts';
import { Direction } from './direction.ts';
import type { Flow } from './flow-table.ts';
import type { RecencyLinks } from './recency-list.ts';
import type { RunState } from './run-state.ts';
import { carriesOctets, dataSequence, isAcknowledging, isReset } from './segment-facts.ts';
import type { CloseReason, Connection, Endpoint } from './types.ts';

export class FollowedConnection implements Flow, RecencyLinks<FollowedConnection> {
  readonly hash: number;
  readonly fingerprint: number;
  readonly firstAddress: KeptAddress;
  readonly firstPort: number;
  readonly secondAddress: KeptAddress;
  readonly secondPort: number;
  /** Index of the capture file in which it was first seen. */
  readonly firstCapture: number;
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
  readonly #delivery: Delivery;
  readonly #start: ConnectionStart;
  readonly #first = new Direction(true);
  readonly #second = new Direction(false);
  #segments = 0;
  #strangeSegments = 0;
  #resetSeen = false;

  constructor(run: RunState, segment: Segment, hash: number, fingerprint: number) {
    this.#run = run;
    this.hash = hash;
    this.fingerprint = fingerprint;
    this.firstCapture = run.capture;
    this.firstAddress = run.addresses.keep(segment.sourceAddress);
    this.firstPort = segment.sourcePort;
    this.secondAddress = run.addresses.keep(segment.targetAddress);
    this.secondPort = segment.targetPort;
    this.#start = new ConnectionStart(run, this);
    this.#events = new ConnectionEvents(run, this);
    this.#delivery = new Delivery(run, this.#events);
  }

  get opened(): boolean {
    return this.#events.opened;
  }

  /** Octets of it wait for its start to be known. */
  get holdsSegments(): boolean {
    return this.#start.holdsSegments;
  }

  get ignored(): boolean {
    return this.#events.ignored;
  }

  get closed(): boolean {
    return this.#events.closed;
  }

  /** FIN or RST have been seen, and octets before them perhaps not. A side never seen has no FIN to wait for. */
  get isEnding(): boolean {
    if (!this.#start.isOver) return this.#start.endWaits;
    const first = this.#first.end !== undefined;
    const second = this.#second.end !== undefined;
    return this.#resetSeen || (first && (second || !this.#second.seen)) || (second && !this.#first.seen);
  }

  /** `segment` is of this connection; it is read before this returns. */
  receive(segment: Segment, sentByFirst: boolean): void {
    const sender = sentByFirst ? this.#first : this.#second;
    const receiver = sentByFirst ? this.#second : this.#first;
    this.#segments += 1;
    sender.seen = true;
    if ((segment.flags & TcpFlag.syn) !== 0) this.#start.synchronise(segment, sender, receiver);
    else if (isAcknowledging(segment)) receiver.acknowledge(segment.acknowledgment);
    if (this.#start.isOver) this.#order(segment, sender, receiver);
    else this.#wait(segment, sentByFirst);
  }

  /** Hands out all there is, holes as gaps, and closes the connection. */
  finish(reason: CloseReason): void {
    this.#begin();
    while (this.#passEarliestHole()) if (this.closed) return;
    for (const direction of [this.#first, this.#second]) this.#delivery.passTail(direction);
    this.#closeSides();
    if (this.closed) return;
    this.#delivery.dropHeld(this.#first);
    this.#delivery.dropHeld(this.#second);
    this.#events.closeBoth(this.#resetSeen ? 'rst' : reason);
  }

  /** Gives back all memory of a connection nobody is interested in. */
  release(): void {
    this.#begin();
    this.#delivery.dropHeld(this.#first);
    this.#delivery.dropHeld(this.#second);
  }

  /**
   * Whether `segment` must be of a new connection that uses the same addresses and ports (RFC 9293
   * §3.6.1): a SYN with another initial sequence number behind data, or numbers that fit nowhere.
   */
  startsAnew(segment: Segment, sentByFirst: boolean): boolean {
    const sender = sentByFirst ? this.#first : this.#second;
    const receiver = sentByFirst ? this.#second : this.#first;
    if ((segment.flags & TcpFlag.syn) !== 0) {
      if (this.closed && !sender.started) return true;
      return this.#start.isForeign(segment, sender, receiver);
    }
    if (!carriesOctets(segment) || !sender.started) return false;
    if (!this.closed && this.#strangeSegments < this.#run.limits.strangeSegmentsMax) return false;
    const position = sender.positionOf(dataSequence(segment));
    if (!sender.isPlausible(position, this.#run.limits)) return true;
    return this.closed && position > sender.highest + this.#run.limits.retransmittedBytesMax;
  }

  #wait(segment: Segment, sentByFirst: boolean): void {
    const mayWait = this.#start.wait(segment, sentByFirst, this.#segments);
    const bothKnown = this.#first.started && this.#second.started;
    if (bothKnown || !mayWait) this.#begin();
  }

  /** Goes through what has waited, in the order of the capture. */
  #begin(): void {
    if (this.#start.isOver) return;
    const { seen } = this.#run;
    for (const waiting of this.#start.conclude(this.#first, this.#second)) {
      this.#run.lookAgain(waiting.seen);
      if (waiting.sentByFirst) this.#order(waiting.segment, this.#first, this.#second);
      else this.#order(waiting.segment, this.#second, this.#first);
    }
    this.#run.lookAgain(seen);
  }

  #order(segment: Segment, sender: Direction, receiver: Direction): void {
    if (this.closed) {
      countDiscarded(this.#run.counts, segment.payloadLength, 'after-close');
      return;
    }
    if (isReset(segment)) {
      countDiscarded(this.#run.counts, segment.payloadLength, 'with-rst');
      if (this.#resetIsValid(segment, sender, receiver)) this.#resetSeen = true;
    } else if (carriesOctets(segment) || (segment.flags & TcpFlag.fin) !== 0) {
      this.#place(segment, sender);
    }
    this.#delivery.passOldHoles(sender, this.#segments);
    this.#delivery.passOldHoles(receiver, this.#segments);
    this.#closeSides();
  }

  #place(segment: Segment, sender: Direction): void {
    const { counts, limits } = this.#run;
    const sequence = dataSequence(segment);
    if (!sender.started) sender.beginLate(sequence, limits.startWindowBytes);
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
    sender.reach(end, limits);
    this.#delivery.take(segment, sender, position, this.#segments);
  }

  /** A FIN before octets already seen, or far behind them, is none of this stream's. */
  #noteEnd(sender: Direction, end: number): void {
    const known = Math.max(sender.next, sender.highest);
    if (sender.end !== undefined || end < known) return;
    if (end > known + this.#run.limits.doubtfulGapBytes) return;
    sender.end = end;
    sender.endArrival = this.#segments;
  }

  /** In the order of the capture, so that commands and replies stay in step as well as they can. */
  #passEarliestHole(): boolean {
    const [one, other] = [this.#first, this.#second].filter(({ held }) => held.count > 0);
    if (one === undefined) return false;
    this.#delivery.passHole(other !== undefined && other.holeArrival < one.holeArrival ? other : one);
    return true;
  }

  #closeSides(): void {
    this.#closeSide(this.#first);
    this.#closeSide(this.#second);
    if (this.#first.finished && this.#second.finished && !this.ignored) this.#events.closeBoth('fin');
  }

  #closeSide(direction: Direction): void {
    if (direction.finished || direction.end === undefined || direction.next < direction.end) return;
    this.#delivery.dropHeld(direction);
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
    if ((segment.flags & TcpFlag.ack) === 0 || !receiver.started) return true;
    const position = receiver.positionOf(segment.acknowledgment);
    return position >= 0 && position <= receiver.highest + limits.resetWindowBytes;
  }

  /** Called when the connection opens. */
  describe(id: number): Connection {
    const { clientIsFirst, handshakeSeen } = this.#start;
    const first: Endpoint = { address: this.firstAddress.text, port: this.firstPort };
    const second: Endpoint = { address: this.secondAddress.text, port: this.secondPort };
    const client = clientIsFirst ? first : second;
    const server = clientIsFirst ? second : first;
    this.#events.clientIsFirst = clientIsFirst;
    return { id, client, server, handshakeSeen };
  }
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
