/** Joins the writing stages: raw messages in, rows and image files out. */
import type { CaptureFile } from '../capture/types.ts';
import type { ZoneClock } from '../core/clock.ts';
import { pipelineLimits } from '../core/limits.ts';
import type { RawMessage } from '../dialogue/types.ts';
import { decodeMessage } from '../message/decode-message.ts';
import { buildRecord } from '../record/build-record.ts';
import type { MailRecord } from '../record/types.ts';
import { ImageFolder } from '../store/image-folder.ts';
import type { Sink } from '../store/sink.ts';
import type { Job, Watcher } from './job.ts';
import { countAnomaly, type Report } from './report.ts';

export class MailWriter {
  readonly #job: Job;
  readonly #sink: Sink;
  readonly #clock: ZoneClock;
  readonly #images: ImageFolder;
  readonly #report: Report;
  readonly #watcher: Watcher;

  constructor(job: Job, sink: Sink, clock: ZoneClock, report: Report, watcher: Watcher) {
    this.#job = job;
    this.#sink = sink;
    this.#clock = clock;
    this.#images = new ImageFolder(job.imageFolder);
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
      batch.push(await this.#record(raw, files));
      octets += raw.bytes.length;
      if (batch.length < pipelineLimits.batchRecords && octets < pipelineLimits.batchBytes) continue;
      await this.#write(batch);
      batch = [];
      octets = 0;
    }
    await this.#write(batch);
    signal.throwIfAborted();
  }

  async #record(raw: RawMessage, files: readonly CaptureFile[]): Promise<MailRecord> {
    const message = decodeMessage(raw.bytes);
    const built = await buildRecord(raw, message, {
      // A mail belongs to the day in whose capture it began, also where it ended behind midnight.
      day: files[raw.first.capture]?.day ?? this.#job.day,
      clock: this.#clock,
      captures: files.map((file) => file.path),
      imageFolder: this.#job.imageFolder,
    });
    // Images first: a run killed in between leaves no row that names an image which is not there.
    const { written } = await this.#images.write(built.images);
    const { images } = this.#report;
    images.found += built.images.length;
    images.written += written;
    for (const each of [...raw.anomalies, ...message.anomalies, ...built.anomalies]) {
      countAnomaly(this.#report, each.code);
      if (each.code === 'record.image-invalid') images.invalid++;
      this.#watcher.anomaly(built.record.columns.file_path, each.code, each.at, each.detail);
    }
    this.#countMail(built.record);
    return built.record;
  }

  #countMail({ protocol, columns, detail }: MailRecord): void {
    const counts = this.#report.mails[protocol];
    counts.seen++;
    counts.octets += detail.raw_size;
    if (columns.parse_sign === 0) counts.incomplete++;
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
