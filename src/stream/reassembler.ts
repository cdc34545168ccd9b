/**
 * TCP reassembly (RFC 9293): segments in capture order become events of connections. Decides which
 * connections exist and for how long; how one is put in order is in connection.ts.
 *
 * Memory is bounded by `streamLimits`, whatever the capture holds. Time is packet time, and only idle
 * connections are judged by it.
 */
import { anomaly } from '../core/anomaly.ts';
import { streamLimits } from '../core/limits.ts';
import { type Segment, TcpFlag } from '../packet/types.ts';
import { FollowedConnection } from './connection.ts';
import { countDiscarded, type StreamCounts } from './counts.ts';
import { FirstInFirstOut } from './first-in-first-out.ts';
import { flowHash, workerOf } from './flow-hash.ts';
import { FlowTable, isSentByFirst } from './flow-table.ts';
import { IgnoredFlows } from './ignored-flows.ts';
import { PacketClock } from './packet-clock.ts';
import { RecencyList } from './recency-list.ts';
import { type MailPorts, RunState, type StreamLimits } from './run-state.ts';
import { carriesOctets } from './segment-facts.ts';
import type { CloseReason, StreamObserver } from './types.ts';

export interface ReassemblerOptions {
  /** Tell the client from the server where the handshake was not captured. */
  readonly mailPorts: MailPorts;
  /** Follow only the connections of this worker; every connection belongs to one of 0 … `of - 1`. */
  readonly share?: { readonly index: number; readonly of: number };
  readonly limits?: StreamLimits;
}

export class Reassembler {
  readonly #run: RunState;
  readonly #share: { readonly index: number; readonly of: number } | undefined;
  readonly #limits: StreamLimits;
  /** Hostile traffic cannot aim at a chain of the table; results do not depend on it. */
  readonly #seed = (Math.random() * 0x1_0000_0000) | 0;
  readonly #table = new FlowTable<FollowedConnection>();
  readonly #ignored: IgnoredFlows;
  readonly #unopened = new RecencyList<FollowedConnection>();
  readonly #open = new RecencyList<FollowedConnection>();
  readonly #closed = new FirstInFirstOut<FollowedConnection>();
  readonly #ending = new FirstInFirstOut<{ readonly connection: FollowedConnection; readonly due: number }>();
  readonly #clock: PacketClock;
  /** Segments of all shares, so that nothing depends on the number of workers. */
  #position = 0;

  constructor(observer: StreamObserver, options: ReassemblerOptions) {
    this.#limits = options.limits ?? streamLimits;
    this.#run = new RunState(observer, options.mailPorts, this.#limits);
    this.#share = options.share !== undefined && options.share.of > 1 ? options.share : undefined;
    this.#ignored = new IgnoredFlows(this.#limits.ignoredConnectionSlots, this.#seed);
    this.#clock = new PacketClock(this.#limits.clockSegments);
  }

  /** Grows as segments come; see `StreamCounts`. */
  get counts(): Readonly<StreamCounts> {
    return this.#run.counts;
  }

  /**
   * Takes the next segment of the capture. Events go out before this returns; views in them are views of
   * the segment's buffer or of held copies, and die with the consumer's return.
   */
  receive(segment: Segment, captureIndex: number): void {
    this.#position += 1;
    const clockMoved = this.#clock.see(segment.seconds);
    // Also of other shares: what times out now was ended by this packet, whoever follows its connection.
    this.#run.look(segment, captureIndex);
    const share = this.#share;
    if (share === undefined || workerOf(segment, share.of) === share.index) {
      this.#receive(segment);
    }
    this.#finishEnding();
    if (clockMoved) this.#finishIdle();
  }

  /**
   * Capture files, by their index, in which connections were first seen that no consumer knows yet and that may
   * still say something. A network is full of scans: what nobody has answered for minutes is none of them.
   */
  unopenedSince(): ReadonlySet<number> {
    const captures = new Set<number>();
    const earliest = this.#clock.seconds - this.#limits.handshakeSeconds;
    for (const { firstCapture, lastSeconds, holdsSegments } of this.#unopened) {
      if (holdsSegments || lastSeconds >= earliest) captures.add(firstCapture);
    }
    return captures;
  }

  /** The capture ends here: closes all connections, longest idle first. Nothing may be received afterwards. */
  end(): void {
    for (const list of [this.#unopened, this.#open]) {
      while (list.oldest !== undefined) this.#finish(list.oldest, 'end');
    }
  }

  #receive(segment: Segment): void {
    const { counts } = this.#run;
    counts.segments += 1;
    counts.payloadOctets += segment.payloadLength;
    const hash = flowHash(segment, this.#seed);
    const known = this.#table.find(segment, hash);
    if (known === undefined && !this.#opensConnection(segment, hash)) return;
    const sentByFirst = known === undefined || isSentByFirst(known, segment);
    const connection = this.#connectionFor(segment, hash, known, sentByFirst);
    if (connection.closed) {
      countDiscarded(counts, segment.payloadLength, 'after-close');
      return;
    }
    connection.lastSeconds = this.#clock.seconds;
    connection.receive(segment, connection !== known || sentByFirst);
    this.#shelve(connection);
    while (this.#run.observer.isCrowded?.() === true && this.#open.oldest !== undefined) {
      this.#closeLongestIdle('connections hold too much together');
    }
  }

  /** Whether a segment of no known connection is worth one. */
  #opensConnection(segment: Segment, hash: number): boolean {
    const { counts } = this.#run;
    const { flags } = segment;
    const startsAfresh = (flags & (TcpFlag.syn | TcpFlag.ack | TcpFlag.rst)) === TcpFlag.syn;
    // Acknowledgments alone and refusals tell nothing about a stream.
    if ((flags & (TcpFlag.syn | TcpFlag.fin)) === 0 && !carriesOctets(segment)) return false;
    if (this.#ignored.has(segment, hash)) {
      if (startsAfresh) this.#ignored.delete(hash);
      else counts.ignoredOctets += segment.payloadLength;
      return startsAfresh;
    }
    if ((flags & TcpFlag.rst) === 0) return true;
    countDiscarded(counts, segment.payloadLength, 'with-rst');
    return false;
  }

  #connectionFor(
    segment: Segment,
    hash: number,
    known: FollowedConnection | undefined,
    sentByFirst: boolean,
  ): FollowedConnection {
    if (known?.startsAnew(segment, sentByFirst) === false) {
      if (known.shelf !== 'none') this.#listOf(known.shelf).touch(known);
      return known;
    }
    if (known !== undefined) {
      this.#finish(known, 'reuse');
      this.#table.remove(known);
    }
    const fresh = new FollowedConnection(this.#run, segment, hash, this.#ignored.fingerprint(segment));
    fresh.shelf = 'unopened';
    this.#table.add(fresh);
    this.#unopened.add(fresh);
    this.#makeRoom(hash);
    return fresh;
  }

  #makeRoom(hash: number): void {
    const { connectionsMax, unopenedConnectionsMax, equalHashesMax } = this.#limits;
    const crowded = this.#table.overlong(hash, equalHashesMax);
    if (crowded !== undefined) {
      this.#finish(crowded, 'limit');
      this.#table.remove(crowded);
    }
    const { oldest } = this.#unopened;
    if (oldest !== undefined && this.#unopened.size > unopenedConnectionsMax) this.#finish(oldest, 'limit');
    if (this.#open.size > connectionsMax) this.#closeLongestIdle(`more than ${connectionsMax} connections`);
  }

  #closeLongestIdle(why: string): void {
    const { oldest } = this.#open;
    if (oldest === undefined) return;
    const detail = `${why}: the longest idle one is closed`;
    this.#run.observer.anomaly(anomaly('stream.connection-limit', `frame ${this.#run.seen.frame}`, detail));
    this.#finish(oldest, 'limit');
  }

  #finish(connection: FollowedConnection, reason: CloseReason): void {
    if (!connection.closed) connection.finish(reason);
    this.#shelve(connection);
  }

  /** Puts a connection where its state belongs: the order of use, the closed ones, or nowhere. */
  #shelve(connection: FollowedConnection): void {
    if (connection.shelf === 'none') return;
    if (connection.ignored) {
      this.#ignored.add(connection.fingerprint, connection.hash);
      connection.release();
    }
    if (connection.ignored || connection.closed) {
      this.#listOf(connection.shelf).remove(connection);
      connection.shelf = 'none';
      if (connection.closed && connection.opened) this.#remember(connection);
      else this.#table.remove(connection);
      return;
    }
    if (connection.opened && connection.shelf === 'unopened') {
      this.#unopened.remove(connection);
      this.#open.add(connection);
      connection.shelf = 'open';
    }
    if (!connection.endIsAwaited && connection.isEnding) {
      connection.endIsAwaited = true;
      this.#ending.push({ connection, due: this.#position + this.#limits.closeSegments });
    }
  }

  #listOf(shelf: 'unopened' | 'open'): RecencyList<FollowedConnection> {
    return shelf === 'open' ? this.#open : this.#unopened;
  }

  /** A closed connection stays in the table for a while, so that stragglers find it. */
  #remember(connection: FollowedConnection): void {
    this.#closed.push(connection);
    if (this.#closed.length <= this.#limits.closedConnectionsMax) return;
    const forgotten = this.#closed.shift();
    if (forgotten !== undefined) this.#table.remove(forgotten);
  }

  #finishEnding(): void {
    for (let next = this.#ending.first; next !== undefined && next.due <= this.#position; ) {
      this.#ending.shift();
      const { connection } = next;
      connection.endIsAwaited = false;
      // A FIN that waited for the start of its connection may have turned out to be one of two.
      if (connection.shelf !== 'none' && connection.isEnding) this.#finish(connection, 'fin');
      next = this.#ending.first;
    }
  }

  #finishIdle(): void {
    const { seconds } = this.#clock;
    for (const list of [this.#unopened, this.#open]) {
      for (let { oldest } = list; oldest !== undefined; { oldest } = list) {
        // After a jump back of the clock the old times would be in the future for long.
        oldest.lastSeconds = Math.min(oldest.lastSeconds, seconds);
        if (seconds - oldest.lastSeconds <= this.#limits.idleSeconds) break;
        this.#finish(oldest, 'idle');
      }
    }
  }
}
