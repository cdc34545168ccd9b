/**
 * The client's octets after a loss, until it is clear what they are: commands, or the end of a mail whose
 * beginning is not in the capture.
 *
 * They are a mail if they end as one, CRLF.CRLF, before the first command, and if the server's answer
 * is no complaint about syntax; or if several lines of it break off together with the connection.
 */
import type { StreamGap } from '../../stream/types.ts';
import type { Line, Place } from '../half-stream.ts';
import type { DialogueMemory } from '../octets.ts';
import { looksLikeCommand } from './command.ts';
import { DataText } from './end-of-data.ts';
import type { HeldMail } from './pending.ts';

/** Fewer lines without an end may be the rest of a command or of a SASL exchange. */
const brokenLinesMin = 4;

/** `DATA` and its line end. */
const dataBytes = 6;
/** MAIL and RCPT are seldom longer, the first packet of a mail seldom shorter. */
const commandBytesMax = 100;

const lineEnds = { crlf: '\r\n', lf: '\n', cut: '' } as const;

export class LostText {
  /** Octets that were lost before those that were captured. */
  #lost: number;
  /** Replies that were sent before what follows the loss. */
  #answers = 0;
  #lastAnswer: number | undefined;
  #text: DataText | undefined;
  #lines = 0;

  constructor(lost: number) {
    this.#lost = lost;
  }

  get isBegun(): boolean {
    return this.#text !== undefined;
  }

  noteAnswer(code: number): void {
    this.#answers++;
    this.#lastAnswer = code;
  }

  /** Code of the last reply before what follows the loss. */
  get lastAnswer(): number | undefined {
    return this.#lastAnswer;
  }

  /**
   * The server had asked for text before these octets: they are the mail. Its beginning is there if it begins as a
   * mail does, and no more was lost than the commands take that were answered meanwhile.
   */
  beginText(place: Place, start: Buffer, memory: DialogueMemory): DataText {
    // DATA, and a command for each other answer.
    const isExplained = this.#lost <= dataBytes + (this.#answers - 1) * commandBytesMax;
    return new DataText(place, memory, !(isExplained && startsWithField(start)));
  }

  addGap(gap: StreamGap): void {
    if (this.#text === undefined) this.#lost += gap.length;
    else this.#text.addGap(gap);
  }

  add(line: Line, memory: DialogueMemory): 'text' | 'command' | 'end' {
    if (line.end !== 'cut' && looksLikeCommand(line.latin1(1024))) return 'command';
    this.#text ??= new DataText(line.start, memory, true);
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
    return { method: 'DATA', message, wireBytes, ended: end !== undefined, isAskedFor: true };
  }
}

/** The octets begin as a mail does, with the name of a header field, and not as a part of one does. */
export function startsWithField(start: Buffer): boolean {
  return /^(?!content-)[!-9;-~]{1,76}:/i.test(start.toString('latin1'));
}

/** So many octets tell whether they begin with a field. */
export const fieldBytesLookedAt = 128;

/** These octets may be part of a field's name: more are needed to tell. */
export function mayBecomeField(start: Buffer): boolean {
  return /^[!-9;-~]{0,76}$/.test(start.toString('latin1'));
}
