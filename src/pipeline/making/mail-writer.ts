/** Joins the writing stages for one share of the connections: raw messages in, records and files out, counted. */
import type { CaptureFile } from '../../capture/types.ts';
import type { RawMessage } from '../../dialogue/types.ts';
import type { MailRecord } from '../../record/types.ts';
import type { Watcher } from '../job.ts';
import { countAnomaly, type ShareCounts } from '../report.ts';
import type { MadeMail } from './mail-maker.ts';
import type { MailMaking } from './mail-making.ts';

export interface RecordsBegun {
  /** In the order of the messages; resolves when the files are durable. */
  readonly records: Promise<readonly MailRecord[]>;
}

export class MailWriter {
  readonly #making: MailMaking;
  readonly #counts: ShareCounts;
  readonly #anomaly: Watcher['anomaly'];

  constructor(making: MailMaking, counts: ShareCounts, anomaly: Watcher['anomaly']) {
    this.#making = making;
    this.#counts = counts;
    this.#anomaly = anomaly;
  }

  /** Messages of the series `files`; see `MailMaking`. */
  async begin(found: readonly RawMessage[], files: readonly CaptureFile[]): Promise<RecordsBegun> {
    const places = found.map(({ first }) => first.frame);
    const { made } = await this.#making.begin(found, files);
    const records = made.then((mails) => mails.map((mail, index) => this.#count(mail, places[index] ?? 0)));
    // Whoever waits for them hears of it.
    records.catch(() => undefined);
    return { records };
  }

  /** Resolves when nothing is in hand. */
  done(): Promise<void> {
    return this.#making.done();
  }

  /** `frame` of the mail's first octet. */
  #count({ record, anomalies, imagesFound, imagesWritten }: MadeMail, frame: number): MailRecord {
    const { images } = this.#counts;
    images.found += imagesFound;
    images.written += imagesWritten;
    for (const each of anomalies) {
      countAnomaly(this.#counts, each.code);
      if (each.code === 'record.image-invalid') images.invalid++;
      // What is wrong within a mail is told by the place in the mail: the frame says which one.
      const isByFrame = /\bframe \d+$/.test(each.at);
      const at = isByFrame ? each.at : `frame ${frame}, ${each.at} of the mail`;
      this.#anomaly(record.columns.file_path, each.code, at, each.detail);
    }
    return record;
  }
}
