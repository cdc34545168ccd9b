/** Records into the store, in batches that depend on the records alone: ids are the same in every run. */
import { pipelineLimits } from '../core/limits.ts';
import type { MailRecord } from '../record/types.ts';
import type { Sink } from '../store/sink.ts';
import type { Report } from './report.ts';

export class RecordWriter {
  readonly #sink: Sink;
  readonly #mails: Report['mails'];
  readonly #signal: AbortSignal;
  #batch: MailRecord[] = [];
  #octets = 0;

  /** Once `signal` is aborted a batch is written to its end, and no other one is begun. */
  constructor(sink: Sink, report: Report, signal: AbortSignal) {
    this.#sink = sink;
    this.#mails = report.mails;
    this.#signal = signal;
  }

  /** Waits until there is room for the next ones; what does not fill a batch waits for them, or for `flush`. */
  async write(records: readonly MailRecord[]): Promise<void> {
    for (const record of records) {
      this.#batch.push(record);
      this.#octets += record.detail.raw_size;
      const { batchRecords, batchBytes } = pipelineLimits;
      if (this.#batch.length >= batchRecords || this.#octets >= batchBytes) await this.flush();
    }
  }

  /** Resolves when all records given so far are durable. */
  async flush(): Promise<void> {
    this.#signal.throwIfAborted();
    const batch = this.#batch;
    this.#batch = [];
    this.#octets = 0;
    for (const protocol of new Set(batch.map((record) => record.protocol))) {
      const ofProtocol = batch.filter((record) => record.protocol === protocol);
      const stored = await this.#sink.write(ofProtocol);
      const counts = this.#mails[protocol];
      counts.added += stored.added;
      counts.replaced += stored.replaced;
      counts.known += stored.known;
      for (const record of ofProtocol) this.#count(record);
    }
    this.#signal.throwIfAborted();
  }

  #count({ protocol, columns, detail }: MailRecord): void {
    const counts = this.#mails[protocol];
    counts.seen++;
    counts.octets += detail.raw_size;
    if (columns.parse_sign === 0) counts.incomplete++;
  }
}
