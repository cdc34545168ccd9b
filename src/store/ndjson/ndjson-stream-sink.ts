/**
 * One JSON object a line into a pipe. A pipe cannot be read back: only what this run has written is
 * known, and a replaced row comes as a second line with the same id, of which the later counts.
 */
import type { Writable } from 'node:stream';
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import { KnownMails } from '../known-mails.ts';
import type { Sink, Stored, StoredTable } from '../sink.ts';
import { fileError } from '../store-error.ts';
import { formatLine } from './line.ts';

export class NdjsonStreamSink implements Sink {
  readonly url: string = 'ndjson:-';
  readonly #stream: Writable;
  readonly #known = new KnownMails();
  /** The reader has gone, as `head` does when it has seen enough: no error, and nothing more to write. */
  #readerGone = false;
  #last: Promise<unknown> = Promise.resolve();

  /** The stream is not closed by the sink: standard output belongs to the process. */
  constructor(stream: Writable) {
    this.#stream = stream;
  }

  async open(): Promise<void> {
    // The write's callback gets the error too; without a listener it would end the process.
    this.#stream.on('error', () => undefined);
  }

  write(batch: readonly MailRecord[]): Promise<Stored> {
    const written = this.#last.then(() => this.#writeNext(batch));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    return this.#known.tables(day);
  }

  async close(): Promise<void> {
    await this.#last;
  }

  async #writeNext(batch: readonly MailRecord[]): Promise<Stored> {
    const { writes, stored } = this.#known.plan(batch, this.url);
    let lines = '';
    for (const { record, mail } of writes) {
      lines += formatLine(mail.id, record);
      if (lines.length < storeLimits.blockBytes) continue;
      await this.#send(Buffer.from(lines));
      lines = '';
    }
    if (lines !== '') await this.#send(Buffer.from(lines));
    for (const { key, mail } of writes) this.#known.remember(key, mail);
    return stored;
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.#readerGone) return;
    const error = await new Promise<NodeJS.ErrnoException | null | undefined>((done) => {
      this.#stream.write(bytes, done);
    });
    if (error === null || error === undefined) return;
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') {
      throw fileError(error, 'write to standard output');
    }
    this.#readerGone = true;
  }
}
