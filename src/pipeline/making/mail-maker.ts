/**
 * One raw message to its record and its files. Knows neither the store nor the report: a worker thread can do
 * it and hand on what comes out, which is plain data.
 */
import type { CaptureFile } from '../../capture/types.ts';
import type { Anomaly } from '../../core/anomaly.ts';
import type { ZoneClock } from '../../core/clock.ts';
import { heapOctets } from '../../dialogue/octets.ts';
import type { MissingRange, RawMessage } from '../../dialogue/types.ts';
import { decodeMessage } from '../../message/decode-message.ts';
import type { Message } from '../../message/types.ts';
import { type BuiltRecord, buildRecord } from '../../record/build-record.ts';
import { messageFile } from '../../record/message-file.ts';
import type { MailRecord } from '../../record/types.ts';
import { SafeFolder } from '../../store/safe-folder.ts';
import type { Job } from '../job.ts';

export type MailOutputs = Pick<Job, 'day' | 'imageFolder' | 'attachmentFolder' | 'messageFolder'>;

/** A raw message whose octets are at hand as they are. */
export type FoundMail = Omit<RawMessage, 'octets'>;

export interface MadeMail {
  readonly record: MailRecord;
  /** Of all stages from the dialogue on. */
  readonly anomalies: readonly Anomaly[];
  readonly imagesFound: number;
  /** Those that were not there before. */
  readonly imagesWritten: number;
}

export class MailMaker {
  readonly #outputs: MailOutputs;
  readonly #clock: ZoneClock;
  /** Of the series that the last mail was seen in. */
  #paths: { readonly of: readonly CaptureFile[]; readonly paths: readonly string[] } = { of: [], paths: [] };
  readonly #images: SafeFolder;
  readonly #attachments: SafeFolder | undefined;
  readonly #messages: SafeFolder | undefined;

  constructor(outputs: MailOutputs, clock: ZoneClock) {
    this.#outputs = outputs;
    this.#clock = clock;
    this.#images = new SafeFolder(outputs.imageFolder);
    this.#attachments = folderOf(outputs.attachmentFolder);
    this.#messages = folderOf(outputs.messageFolder);
  }

  /**
   * `bytes` are those of the mail, and `files` the series that it was seen in. A promise where the mail has files: it
   * resolves when they are durable. A run killed before the row is stored leaves files without a row, never a row that
   * names a file which is not there. What is returned holds no view of `bytes`.
   */
  make(found: FoundMail, bytes: Buffer, files: readonly CaptureFile[]): MadeMail | Promise<MadeMail> {
    const raw = { ...found, octets: heapOctets(bytes) };
    const message = decodeMessage(bytes, { gaps: gapOffsets(raw.missing) });
    const built = buildRecord(raw, message, {
      // Over midnight a mail belongs to the day in whose capture it ended, the one that `file_path` names.
      day: files[raw.last.capture]?.day ?? this.#outputs.day,
      clock: this.#clock,
      captures: this.#pathsOf(files),
      imageFolder: this.#outputs.imageFolder,
      attachmentFolder: this.#outputs.attachmentFolder,
    });
    if (built instanceof Promise || this.#messages !== undefined) return this.#write(raw, message, built);
    return madeMail(raw, message, built, 0);
  }

  async #write(
    raw: RawMessage,
    message: Message,
    building: BuiltRecord | Promise<BuiltRecord>,
  ): Promise<MadeMail> {
    const built = await building;
    const { written } = await this.#images.write(built.images);
    await this.#attachments?.write(built.attachments);
    await this.#messages?.write([messageFile(raw, built.record)]);
    return madeMail(raw, message, built, written);
  }

  #pathsOf(files: readonly CaptureFile[]): readonly string[] {
    if (this.#paths.of !== files) this.#paths = { of: files, paths: files.map((file) => file.path) };
    return this.#paths.paths;
  }
}

function madeMail(raw: RawMessage, message: Message, built: BuiltRecord, imagesWritten: number): MadeMail {
  return {
    record: built.record,
    anomalies: [...raw.anomalies, ...message.anomalies, ...built.anomalies],
    imagesFound: built.images.length,
    imagesWritten,
  };
}

function folderOf(path: string | undefined): SafeFolder | undefined {
  return path === undefined ? undefined : new SafeFolder(path);
}

/** Where in the recovered octets each hole is: `offset` counts the lost ones before it, these do not. */
export function gapOffsets(missing: readonly MissingRange[]): number[] {
  if (missing.length === 0) return [];
  let lost = 0;
  return missing.map(({ offset, length }) => {
    const gap = offset - lost;
    lost += length ?? 0;
    return gap;
  });
}
