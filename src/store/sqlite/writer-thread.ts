/** A thread that writes batches into a SQLite file by a connection of its own, see `ThreadWriter`. */
import { strict as assert } from 'node:assert';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Database } from 'libsql';
import { failureOf, MailprocError } from '../../core/errors.ts';
import { BatchWriter } from './batch-writer.ts';
import { openDatabase } from './open-database.ts';
import { sqliteError } from './sqlite-error.ts';
import { type PackedMails, unpackMails } from './sqlite-mail.ts';
import type { FromThread, ThreadTask, ToThread } from './thread-messages.ts';

interface Opened {
  readonly database: Database;
  readonly writer: BatchWriter;
}

class WriterThread {
  readonly #port: MessagePort;
  readonly #path: string;
  readonly #opening: Promise<Opened>;

  constructor(port: MessagePort, { path, busyTimeoutMs }: ThreadTask) {
    this.#port = port;
    this.#path = path;
    this.#opening = openDatabase(path, busyTimeoutMs).then((database) => {
      return { database, writer: new BatchWriter(database, path) };
    });
    // Whoever writes hears of it.
    this.#opening.catch(() => undefined);
    port.on('message', (message: ToThread) => {
      // What it throws is a broken invariant and ends the thread.
      void (message.kind === 'write' ? this.#write(message.mails) : this.#close());
    });
  }

  async #write(mails: PackedMails): Promise<void> {
    try {
      const { writer } = await this.#opened();
      this.#send({
        kind: 'stored',
        stored: writer.write(mails.keys, unpackMails(mails)),
      });
    } catch (error) {
      if (!(error instanceof MailprocError)) throw error;
      this.#send({ kind: 'failed', failure: failureOf(error) });
    }
  }

  async #close(): Promise<void> {
    const opened = await this.#opened().catch(() => undefined);
    opened?.database.close();
    this.#port.close();
  }

  async #opened(): Promise<Opened> {
    try {
      return await this.#opening;
    } catch (error) {
      throw sqliteError(error, `open ${this.#path}`);
    }
  }

  #send(message: FromThread): void {
    this.#port.postMessage(message);
  }
}

assert(parentPort !== null, 'this module is where a thread begins');
new WriterThread(parentPort, workerData as ThreadTask);
