/**
 * Reads a series by several threads. Each reads the captures itself and follows its share of the
 * connections; only finished records and counts come back. A worker that is far ahead of the others waits.
 */
import { strict as assert } from 'node:assert';
import { Worker } from 'node:worker_threads';
import { errorOf, type MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import { unpackDelivery } from './packed-delivery.ts';
import type { SeriesSummary } from './series-reader.ts';
import type { SeriesTask, ShareReceiver } from './share-reader.ts';
import { workerDied } from './worker-died.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

export class SeriesWorkers {
  readonly #threads: readonly SeriesThread[];

  /** A thread for each of `makers`, which starts so many to make its mails; they end with `close`. */
  constructor(makers: readonly number[]) {
    this.#threads = makers.map((count, index) => new SeriesThread(`${index + 1} of ${makers.length}`, count));
  }

  get count(): number {
    return this.#threads.length;
  }

  /**
   * `task` by all workers, with one receiver for each; see `readShare`. Once one of them fails, the others
   * come to an end, too: the promise is rejected with the first reason when all have.
   */
  async read(
    task: Omit<SeriesTask, 'share'>,
    receivers: readonly ShareReceiver[],
    signal: AbortSignal,
  ): Promise<SeriesSummary[]> {
    assert(receivers.length === this.count, 'each worker has a receiver');
    const halt = new AbortController();
    const stop = () => halt.abort(signal.reason);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      const shares = this.#threads.map((thread, index) => {
        const receiver = receivers[index];
        assert(receiver !== undefined);
        const share = { index, of: this.count };
        return thread.read({ ...task, share }, receiver, halt.signal).catch((reason: unknown) => {
          halt.abort(reason);
          throw reason;
        });
      });
      await Promise.allSettled(shares);
      if (halt.signal.aborted) throw halt.signal.reason;
      return await Promise.all(shares);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }
}

type Outcome =
  | Extract<FromWorker, { kind: 'done' | 'stopped' }>
  | { readonly kind: 'failed'; readonly error: MailprocError };

class SeriesThread {
  readonly #name: string;
  readonly #worker: Worker;
  #receiver: ShareReceiver | undefined;
  /** Settles the promise of `read`. */
  #settle: (outcome: Outcome) => void = () => undefined;
  /** What went wrong in this thread while the worker was at work. */
  #trouble: { readonly reason: unknown } | undefined;
  /** Why it cannot be used any more. */
  #death: MailprocError | undefined;

  /** `name` tells a person which one it is; `makers` make its mails. */
  constructor(name: string, makers: number) {
    this.#name = name;
    // The compiler does not rewrite URLs: this is the name that the module has when it is compiled.
    this.#worker = new Worker(new URL('./series-worker.js', import.meta.url), {
      name: `mailproc ${name}`,
      workerData: makers,
      resourceLimits: { maxOldGenerationSizeMb: pipelineLimits.workerHeapMegabytesMax },
    });
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(new Error('the thread has ended')));
  }

  async read(task: SeriesTask, receiver: ShareReceiver, signal: AbortSignal): Promise<SeriesSummary> {
    if (this.#death !== undefined) throw this.#death;
    const stop = () => this.#send({ kind: 'stop' });
    signal.addEventListener('abort', stop);
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#receiver = receiver;
      this.#settle = resolve;
      this.#send({ kind: 'read', task });
      if (signal.aborted) stop();
    });
    signal.removeEventListener('abort', stop);
    this.#receiver = undefined;
    if (this.#trouble !== undefined) throw this.#trouble.reason;
    if (outcome.kind === 'done') return outcome.summary;
    throw outcome.kind === 'failed' ? outcome.error : signal.reason;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'delivery':
        this.#answer(this.#receiver?.deliver(unpackDelivery(message.delivery)), () => ({ kind: 'written' }));
        return;
      case 'reads-on':
        this.#answer(this.#receiver?.readsOn(message.isWanted), (isWanted) => ({ kind: 'agreed', isWanted }));
        return;
      case 'failed':
        this.#settle({ kind: 'failed', error: errorOf(message.failure) });
        return;
      case 'done':
        this.#receiver?.end();
        this.#settle(message);
        return;
      case 'stopped':
        this.#settle(message);
        return;
    }
  }

  /** Where the receiver fails the worker is stopped, and the promise of `read` is settled when it has. */
  #answer<Result>(received: Promise<Result> | undefined, answer: (result: Result) => ToWorker): void {
    received?.then(
      (result) => this.#send(answer(result)),
      (reason: unknown) => {
        this.#trouble ??= { reason };
        this.#send({ kind: 'stop' });
      },
    );
  }

  /** Only a mistake of ours, or too little memory, ends a thread. */
  #die(cause: Error): void {
    this.#death ??= workerDied(`read captures by worker ${this.#name}`, cause);
    this.#settle({ kind: 'failed', error: this.#death });
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
