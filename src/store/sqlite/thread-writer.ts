/**
 * Writes batches by a thread, so that mails are read while those before them are stored. SQLite knows no other
 * way: its calls return when the disk has answered.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { errorOf, MailprocError } from '../../core/errors.ts';
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import type { Stored } from '../sink.ts';
import { packMails } from './sqlite-mail.ts';
import type { FromThread, ThreadTask, ToThread } from './thread-messages.ts';

interface Waiting {
  readonly resolve: (stored: Stored) => void;
  readonly reject: (reason: MailprocError) => void;
}

export class ThreadWriter {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  /** For the answers to their batches, oldest first. */
  readonly #waiting: Waiting[] = [];
  /** Why it cannot be used any more. */
  #death: MailprocError | undefined;

  /** The file is there, with the common tables. The thread ends with `close`. */
  constructor(task: ThreadTask) {
    this.#path = task.path;
    // The compiler does not rewrite URLs: this is the name that the module has when it is compiled.
    this.#worker = new Worker(new URL('./writer-thread.js', import.meta.url), {
      name: 'mailproc sqlite',
      workerData: task,
      resourceLimits: {
        maxOldGenerationSizeMb: storeLimits.threadHeapMegabytesMax,
        maxYoungGenerationSizeMb: storeLimits.threadYoungMegabytesMax,
      },
    });
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(new Error('the thread has ended')));
    this.#ended = once(this.#worker, 'exit').catch(() => undefined);
  }

  /** See `Sink.write`; batches are written in the order of the calls. */
  write(batch: readonly MailRecord[]): Promise<Stored> {
    if (this.#death !== undefined) return Promise.reject(this.#death);
    const mails = packMails(batch);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const { ranks, numbers, kinds } = mails;
      this.#send({ kind: 'write', mails }, [ranks.buffer, numbers.buffer, kinds.buffer] as ArrayBuffer[]);
    });
  }

  /** Resolves when the file is closed, behind all batches. */
  async close(): Promise<void> {
    this.#send({ kind: 'close' }, []);
    await this.#ended;
  }

  #receive(message: FromThread): void {
    const waiting = this.#waiting.shift();
    if (message.kind === 'stored') {
      waiting?.resolve(message.stored);
      return;
    }
    waiting?.reject(errorOf(message.failure));
  }

  /** Only a mistake of ours, or too little memory, ends a thread. */
  #die(cause: Error): void {
    this.#death ??= new MailprocError('store.failed', `write ${this.#path}: ${cause.message}`, {
      hint: 'what is stored is whole; run it again to go on',
      cause,
    });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#death);
  }

  #send(message: ToThread, transfer: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(message, transfer);
  }
}
