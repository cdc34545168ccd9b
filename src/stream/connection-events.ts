/**
 * The events of one connection, well-formed whatever happens: `open` first, nothing behind `close` of
 * both sides or behind the consumer's `false`. `open` waits for the first octet: until then a late SYN
 * can still tell who the client is, and scans and refused connections cost no consumer.
 */
import { anomaly } from '../core/anomaly.ts';
import { endpointText } from './address.ts';
import type { Direction } from './direction.ts';
import type { RunState } from './run-state.ts';
import type { CloseReason, Connection, Sender, Sighting, StreamConsumer, StreamEvent } from './types.ts';

/** Who tells of itself when it opens; `id` is its number. */
interface Described {
  describe(id: number): Connection;
}

export class ConnectionEvents {
  readonly #run: RunState;
  readonly #described: Described;
  /** While it is open. */
  #connection: Connection | undefined;
  #isOpened = false;
  #consumer: StreamConsumer | undefined;
  #clientIsFirst = true;
  #state: 'unopened' | 'open' | 'ignored' | 'closed' = 'unopened';
  #finishedEarly: Direction[] | undefined;
  readonly #firstCapture: number;

  constructor(run: RunState, described: Described) {
    this.#run = run;
    this.#firstCapture = run.capture;
    this.#described = described;
  }

  get opened(): boolean {
    return this.#isOpened;
  }

  /** Nobody is interested any more. */
  get ignored(): boolean {
    return this.#state === 'ignored';
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Which endpoint is the client; has no effect behind `open`. */
  set clientIsFirst(value: boolean) {
    if (!this.opened) this.#clientIsFirst = value;
  }

  /** The first octet of `bytes` has `sequence` and was carried by the packet of `seen`. */
  data(direction: Direction, bytes: Buffer, sequence: number, seen: Sighting): void {
    this.#open();
    const { counts } = this.#run;
    if (this.#state !== 'open') {
      counts.ignoredOctets += bytes.length;
      return;
    }
    counts.deliveredOctets += bytes.length;
    this.#send({ kind: 'data', sender: this.#senderOf(direction), bytes, sequence, seen });
  }

  gap(direction: Direction, length: number, sequence: number): void {
    this.#open();
    if (this.#state !== 'open') return;
    const { counts, seen } = this.#run;
    counts.gaps += 1;
    counts.gapOctets += length;
    const sender = this.#senderOf(direction);
    this.#send({ kind: 'gap', sender, length, sequence, seen });
    if (this.#state !== 'open') return;
    this.#anomaly('stream.gap', `${length} octets of the ${sender} are not in the capture`);
  }

  /** This side sends no more. */
  closeSide(direction: Direction): void {
    if (this.#state === 'unopened') {
      this.#finishedEarly ??= [];
      this.#finishedEarly.push(direction);
    }
    if (this.#state !== 'open') return;
    this.#send({ kind: 'close', side: this.#senderOf(direction), reason: 'fin' });
  }

  closeBoth(reason: CloseReason): void {
    const { counts } = this.#run;
    if (this.#state === 'open') {
      counts.closed[reason] += 1;
      this.#consumer?.receive({ kind: 'close', side: 'both', reason });
    }
    this.#consumer = undefined;
    // Thousands of closed connections are remembered for stragglers.
    this.#connection = undefined;
    this.#state = 'closed';
  }

  bufferLimit(): void {
    if (this.#state !== 'open') return;
    this.#anomaly('stream.buffer-limit', 'too many octets wait for a missing segment');
  }

  #open(): void {
    if (this.#state !== 'unopened') return;
    const { counts, observer } = this.#run;
    counts.opened += 1;
    const connection = this.#described.describe(counts.opened);
    if (!connection.handshakeSeen) counts.midstreamStarts += 1;
    this.#connection = connection;
    this.#isOpened = true;
    this.#consumer = observer.accept(connection, this.#firstCapture);
    this.#state = 'open';
    this.#send({ kind: 'open', connection });
    const finished = this.#finishedEarly ?? [];
    this.#finishedEarly = undefined;
    for (const direction of finished) this.closeSide(direction);
  }

  #send(event: StreamEvent): void {
    if (this.#consumer?.receive(event) !== false) return;
    this.#run.counts.closed.ignored += 1;
    this.#consumer = undefined;
    this.#state = 'ignored';
  }

  #senderOf(direction: Direction): Sender {
    return direction.isFirst === this.#clientIsFirst ? 'client' : 'server';
  }

  #anomaly(code: 'stream.gap' | 'stream.buffer-limit', what: string): void {
    if (this.#connection === undefined) return;
    const { client, server } = this.#connection;
    const between = `connection ${endpointText(client)} to ${endpointText(server)}`;
    this.#run.observer.anomaly(anomaly(code, `frame ${this.#run.seen.frame}`, `${between}: ${what}`));
  }
}
