/** Records into the store, in batches that depend on the records alone: ids are the same in every run. */
import { pipelineLimits } from '../core/limits.ts';
import type { MailProtocol } from '../dialogue/types.ts';
import type { MailRecord } from '../record/types.ts';
import { factsOf } from '../store/row.ts';
import type { Sink } from '../store/sink.ts';
import type { Report } from './report.ts';

export class RecordWriter {
  readonly #sink: Sink;
  readonly #mails: Report['mails'];
  readonly #signal: AbortSignal;
  /** By protocol, in the order of their first record: a store writes a batch into one table. */
  readonly #batches = new Map<MailProtocol, MailRecord[]>();
  #octets = 0;
  /**
   * When the batches are written that were sent last, and those before them. While the store writes some, the next
   * ones wait and others are filled: two at a time are on their way.
   */
  #latest: Promise<void> = Promise.resolve();
  #before: Promise<void> = Promise.resolve();

  /** Once `signal` is aborted the batches at hand are written to their end, and no other one is begun. */
  constructor(sink: Sink, report: Report, signal: AbortSignal) {
    this.#sink = sink;
    this.#mails = report.mails;
    this.#signal = signal;
  }

  /** Waits until there is room for the next ones; what does not fill a batch waits for them, or for `flush`. */
  async write(records: readonly MailRecord[]): Promise<void> {
    const { batchRecords, batchBytes } = pipelineLimits;
    for (const record of records) {
      const batch = this.#batches.get(record.protocol) ?? [];
      this.#batches.set(record.protocol, batch);
      batch.push(record);
      this.#octets += factsOf(record).octets;
      if (this.#octets >= batchBytes) await this.#begin([...this.#batches.values()]);
      else if (batch.length >= batchRecords) await this.#begin([batch]);
    }
  }

  /** Resolves when all records given so far are durable. */
  async flush(): Promise<void> {
    await this.#begin([...this.#batches.values()]);
    await this.#latest;
    this.#signal.throwIfAborted();
  }

  /** Resolves when nothing is on its way any more, also where it could not be written. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#before, this.#latest]);
  }

  /** Sends `batches` on their way, as soon as those before the last ones are written. */
  async #begin(batches: readonly MailRecord[][]): Promise<void> {
    for (const [protocol, batch] of this.#batches) {
      if (!batches.includes(batch)) continue;
      this.#batches.delete(protocol);
      this.#octets -= batch.reduce((sum, record) => sum + factsOf(record).octets, 0);
    }
    await this.#before;
    this.#signal.throwIfAborted();
    this.#before = this.#latest;
    this.#latest = this.#writeAll(batches, this.#latest);
    // Whoever sends the next ones hears of it.
    this.#latest.catch(() => undefined);
  }

  async #writeAll(batches: readonly (readonly MailRecord[])[], previous: Promise<void>): Promise<void> {
    await previous;
    this.#signal.throwIfAborted();
    for (const batch of batches) {
      const [first] = batch;
      if (first === undefined) continue;
      const stored = await this.#sink.write(batch);
      const counts = this.#mails[first.protocol];
      counts.added += stored.added;
      counts.replaced += stored.replaced;
      counts.known += stored.known;
      for (const record of batch) this.#count(record);
    }
  }

  #count(record: MailRecord): void {
    const { protocol, octets, isWhole } = factsOf(record);
    const counts = this.#mails[protocol];
    counts.seen++;
    counts.octets += octets;
    if (!isWhole) counts.incomplete++;
  }
}
