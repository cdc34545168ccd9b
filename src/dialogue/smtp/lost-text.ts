/**
 * The client's octets after a loss, until it is clear what they are: commands, or the end of a mail whose
 * beginning is not in the capture.
 *
 * They are a mail if they end as one, CRLF.CRLF, before the first command, and if the server's answer
 * is no complaint about syntax; or if several lines of it break off together with the connection.
 */
import type { StreamGap } from '../../stream/types.ts';
import type { Line, Place } from '../half-stream.ts';
import { looksLikeCommand } from './command.ts';
import { DataText } from './end-of-data.ts';
import type { HeldMail } from './pending.ts';

/** Fewer lines without an end may be the rest of a command or of a SASL exchange. */
const brokenLinesMin = 4;

const lineEnds = { crlf: '\r\n', lf: '\n', cut: '' } as const;

export class LostText {
  /** The client's very first octets: nothing is known to be missing before them. */
  readonly #atStart: boolean;
  #text: DataText | undefined;
  #lines = 0;

  constructor(atStart: boolean) {
    this.#atStart = atStart;
  }

  get isBegun(): boolean {
    return this.#text !== undefined;
  }

  /** The server had asked for text before these octets: they are the mail. */
  beginText(place: Place): DataText {
    return new DataText(place, !this.#atStart);
  }

  addGap(gap: StreamGap): void {
    this.#text?.addGap(gap);
  }

  add(line: Line): 'text' | 'command' | 'end' {
    if (line.end !== 'cut' && looksLikeCommand(line.bytes.toString('latin1', 0, 1024))) return 'command';
    this.#text ??= new DataText(line.start, true);
    this.#lines++;
    const bytes = Buffer.concat([line.bytes, Buffer.from(lineEnds[line.end])]);
    this.#text.add({ bytes, start: line.start });
    return this.#text.strictEnd === undefined ? 'text' : 'end';
  }

  /** The mail in it, if it is one. */
  finish(): HeldMail | undefined {
    const text = this.#text;
    const end = text?.strictEnd;
    if (text === undefined || (end === undefined && this.#lines < brokenLinesMin)) return undefined;
    const { message, wireBytes } = text.cut(end);
    return { method: 'DATA', message, wireBytes, ended: end !== undefined };
  }
}
