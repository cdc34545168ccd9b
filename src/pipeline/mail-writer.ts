/** Joins the writing stages: raw messages in, rows in the store and files out, all of it counted. */
import type { CaptureFile } from '../capture/types.ts';
import type { ZoneClock } from '../core/clock.ts';
import { pipelineLimits } from '../core/limits.ts';
import type { RawMessage } from '../dialogue/types.ts';
import type { MailRecord } from '../record/types.ts';
import type { Sink } from '../store/sink.ts';
import type { Job, Watcher } from './job.ts';
import { type MadeMail, MailMaker } from './mail-maker.ts';
import { countAnomaly, type Report } from './report.ts';

export class MailWriter {
  readonly #maker: MailMaker;
  readonly #sink: Sink;
  readonly #report: Report;
  readonly #watcher: Watcher;

  constructor(job: Job, sink: Sink, clock: ZoneClock, report: Report, watcher: Watcher) {
    this.#maker = new MailMaker(job, clock);
    this.#sink = sink;
    this.#report = report;
    this.#watcher = watcher;
  }

  /**
   * Decodes and stores `messages` of the series `files`; resolves when all of them are durable. Ends early,
   * with what is stored whole, when `signal` is aborted.
   */
  async store(
    messages: readonly RawMessage[],
    files: readonly CaptureFile[],
    signal: AbortSignal,
  ): Promise<void> {
    let batch: MailRecord[] = [];
    let octets = 0;
    for (const raw of messages) {
      signal.throwIfAborted();
      batch.push(this.#count(await this.#maker.make(raw, files)));
      octets += raw.bytes.length;
      if (batch.length < pipelineLimits.batchRecords && octets < pipelineLimits.batchBytes) continue;
      await this.#write(batch);
      batch = [];
      octets = 0;
    }
    await this.#write(batch);
    signal.throwIfAborted();
  }

  /** Takes over what making a mail has told; returns its record. */
  #count({ record, anomalies, imagesFound, imagesWritten }: MadeMail): MailRecord {
    const { images } = this.#report;
    images.found += imagesFound;
    images.written += imagesWritten;
    for (const each of anomalies) {
      countAnomaly(this.#report, each.code);
      if (each.code === 'record.image-invalid') images.invalid++;
      this.#watcher.anomaly(record.columns.file_path, each.code, each.at, each.detail);
    }
    const counts = this.#report.mails[record.protocol];
    counts.seen++;
    counts.octets += record.detail.raw_size;
    if (record.columns.parse_sign === 0) counts.incomplete++;
    return record;
  }

  async #write(batch: readonly MailRecord[]): Promise<void> {
    for (const protocol of new Set(batch.map((record) => record.protocol))) {
      const stored = await this.#sink.write(batch.filter((record) => record.protocol === protocol));
      const counts = this.#report.mails[protocol];
      counts.added += stored.added;
      counts.replaced += stored.replaced;
      counts.known += stored.known;
    }
  }
}
