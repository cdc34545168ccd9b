/** Joins the writing stages for one share of the connections: raw messages in, records and files out, counted. */
import type { CaptureFile } from '../capture/types.ts';
import type { ZoneClock } from '../core/clock.ts';
import type { RawMessage } from '../dialogue/types.ts';
import type { MailRecord } from '../record/types.ts';
import type { Job, Watcher } from './job.ts';
import { type MadeMail, MailMaker } from './mail-maker.ts';
import { countAnomaly, type ShareCounts } from './report.ts';

export class MailWriter {
  readonly #maker: MailMaker;
  readonly #counts: ShareCounts;
  readonly #anomaly: Watcher['anomaly'];

  constructor(job: Job, clock: ZoneClock, counts: ShareCounts, anomaly: Watcher['anomaly']) {
    this.#maker = new MailMaker(job, clock);
    this.#counts = counts;
    this.#anomaly = anomaly;
  }

  /** The record of a message of the series `files`; a promise where it has files: resolves when they are durable. */
  record(raw: RawMessage, files: readonly CaptureFile[]): MailRecord | Promise<MailRecord> {
    const made = this.#maker.make(raw, files);
    return made instanceof Promise ? made.then((mail) => this.#count(raw, mail)) : this.#count(raw, made);
  }

  #count(raw: RawMessage, { record, anomalies, imagesFound, imagesWritten }: MadeMail): MailRecord {
    const { images } = this.#counts;
    images.found += imagesFound;
    images.written += imagesWritten;
    for (const each of anomalies) {
      countAnomaly(this.#counts, each.code);
      if (each.code === 'record.image-invalid') images.invalid++;
      // What is wrong within a mail is told by the place in the mail: the frame says which one.
      const isByFrame = /\bframe \d+$/.test(each.at);
      const at = isByFrame ? each.at : `frame ${raw.first.frame}, ${each.at} of the mail`;
      this.#anomaly(record.columns.file_path, each.code, at, each.detail);
    }
    return record;
  }
}
