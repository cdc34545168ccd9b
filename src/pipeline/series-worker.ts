/** A worker thread: reads one share after the other for the thread that started it, see `SeriesWorkers`. */
import { strict as assert } from 'node:assert';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { failureOf, MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import { factsOf } from '../store/row.ts';
import { packDelivery } from './packed-delivery.ts';
import { equip, type ShareEquipment } from './share-equipment.ts';
import { readShare, type SeriesTask, type ShareDelivery, type ShareReceiver } from './share-reader.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

class SeriesWorker implements ShareReceiver {
  readonly #port: MessagePort;
  readonly #stopping = new AbortController();
  /** Threads that make its mails. */
  readonly #makers: number;
  /** Of all tasks, which are of one job; it ends with the thread. */
  #equipment: ShareEquipment | undefined;
  /** Octets of the deliveries that the other side has not written yet, oldest first. */
  readonly #unwritten: number[] = [];
  /** Called when a delivery was written, and when the other side wants an end. */
  #goOn: () => void = () => undefined;
  /** Called with the answer to the question that was asked last. */
  #answer: (isWanted: boolean) => void = () => undefined;

  constructor(port: MessagePort, makers: number) {
    this.#port = port;
    this.#makers = makers;
    port.on('message', (message: ToWorker) => this.#receive(message));
  }

  async deliver(delivery: ShareDelivery): Promise<void> {
    this.#unwritten.push(delivery.records.reduce((sum, { record }) => sum + factsOf(record).octets, 0));
    const packed = packDelivery(delivery);
    this.#send({ kind: 'delivery', delivery: packed }, packed.rows.blocks);
    while (this.#isFarAhead && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    }
  }

  get #isFarAhead(): boolean {
    const { deliveriesAheadMax, deliveredBytesAheadMax } = pipelineLimits;
    const octets = this.#unwritten.reduce((sum, each) => sum + each, 0);
    return this.#unwritten.length >= deliveriesAheadMax || octets > deliveredBytesAheadMax;
  }

  readsOn(isWanted: boolean): Promise<boolean> {
    this.#send({ kind: 'reads-on', isWanted });
    return new Promise((resolve) => {
      this.#answer = resolve;
      if (this.#stopping.signal.aborted) resolve(false);
    });
  }

  end(): void {
    // `done` says it.
  }

  #receive(message: ToWorker): void {
    switch (message.kind) {
      case 'read':
        // What it throws is a broken invariant and ends the thread.
        void this.#read(message.task);
        return;
      case 'written':
        this.#unwritten.shift();
        this.#goOn();
        return;
      case 'agreed':
        this.#answer(message.isWanted);
        return;
      case 'stop':
        this.#stopping.abort();
        this.#goOn();
        this.#answer(false);
        return;
    }
  }

  async #read(task: SeriesTask): Promise<void> {
    const { signal } = this.#stopping;
    try {
      this.#equipment ??= await equip(task.job, this.#makers);
      this.#send({ kind: 'done', summary: await readShare(task, this, signal, this.#equipment) });
    } catch (error) {
      if (signal.aborted && error === signal.reason) {
        this.#send({ kind: 'stopped' });
      } else if (error instanceof MailprocError) {
        this.#send({ kind: 'failed', failure: failureOf(error) });
      } else {
        throw error;
      }
    }
  }

  #send(message: FromWorker, moved: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, moved);
  }
}

assert(parentPort !== null, 'this module is where a worker thread begins');
new SeriesWorker(parentPort, workerData as number);
