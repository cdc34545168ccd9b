/** One mail as RETR and TOP send it, RFC 1939 §5 and §7. */
import type { Sighting, StreamGap } from '../../stream/types.ts';
import { DotUnstuffer } from '../dot-stuffing.ts';
import type { Line, Place, Run } from '../half-stream.ts';
import { type CollectedMessage, MessageCollector } from '../message-collector.ts';
import { chunksOf, type DialogueMemory, type Octets } from '../octets.ts';
import { type Command, topNumbers } from './command.ts';

/** Clients that want the whole mail ask for more lines than any mail has. */
const allLines = 99_999;
/** Lines that look like text: fewer of them may be the rest of any answer. */
const textLinesMin = 4;

export class MailText {
  /** Undefined where the command was not captured. */
  readonly command: Command | undefined;
  /** Where the answer began. */
  readonly begun: Sighting;
  /** What stood before it was lost, the answer's line too. */
  readonly isTail: boolean;
  /** Octets as the answer's line tells them: `+OK 120 octets`. */
  readonly announcedBytes: number | undefined;
  readonly #unstuffer: DotUnstuffer;
  readonly #collector: MessageCollector;
  readonly #begin: Place;
  #wireBytes = 0;

  /** `answer` is the line before the mail; QUIRK: where that ends in a bare LF, the mail's lines do too. */
  constructor(command: Command | undefined, begin: Place, answer: Line | undefined, memory: DialogueMemory) {
    this.#collector = new MessageCollector(memory);
    this.command = command;
    this.begun = begin.seen;
    this.#begin = begin;
    this.#unstuffer = new DotUnstuffer(answer?.end === 'lf' ? 'any' : 'crlf');
    this.isTail = answer === undefined;
    const announced = /^\+OK\s+(\d{1,15})\b/i.exec(answer?.latin1(80) ?? '');
    this.announcedBytes = announced === null ? undefined : Number(announced[1]);
    if (!this.isTail) return;
    this.#unstuffer.skipGap();
    this.#collector.addMissing(undefined);
  }

  /** Takes octets up to the end; returns what is behind it, and whether that was reached. */
  add(run: Run): { readonly ended: boolean; readonly rest: Run | undefined } {
    const { text, taken, endBytes } = this.#unstuffer.push(run);
    for (const part of text) this.#collector.add(part.bytes, part.start);
    this.#wireBytes += taken - endBytes;
    const { bytes, start } = run;
    const sequence = (start.sequence + taken) >>> 0;
    const rest =
      taken < bytes.length ? { bytes: bytes.subarray(taken), start: { ...start, sequence } } : undefined;
    return { ended: endBytes > 0, rest };
  }

  /** Octets that its holes take. */
  get cost(): number {
    return this.#collector.cost;
  }

  addGap(gap: StreamGap): void {
    this.#unstuffer.skipGap();
    this.#collector.addMissing(gap.length);
    this.#wireBytes += gap.length;
  }

  /** The mail breaks off: how much of it is missing is not known. */
  breakOff(): void {
    this.#collector.addMissing(undefined);
  }

  get wireBytes(): number {
    return this.#wireBytes;
  }

  finish(): CollectedMessage {
    return this.#collector.finish(this.#begin);
  }
}

/** What an answer to RETR, TOP or an unknown command is. */
export type MailKind = 'mail' | 'header-listing' | 'part';

/**
 * The answer to a TOP is the whole mail if more lines were asked for than the body has, or if it is as long as the
 * server said that the mail is. `sizeOf` tells the size of a mail by its number, where LIST told it.
 */
export function kindOfMail(
  { command, isTail, announcedBytes }: MailText,
  message: CollectedMessage,
  ended: boolean,
  sizeOf: (message: number) => number | undefined,
): MailKind {
  if (command === undefined && isTail) return looksLikeText(message.octets) ? 'mail' : 'part';
  // A mail may have no body, and then the answer says how long it is.
  const isAnnounced = ended && announcedBytes === message.octets.length;
  if (command === undefined) return isAnnounced || bodyLines(message.octets) > 0 ? 'mail' : 'header-listing';
  if (command.verb !== 'TOP') return 'mail';
  const top = topNumbers(command.argument);
  if (top === undefined) return 'part';
  if (top.lines === 0) return 'header-listing';
  if (top.lines >= allLines) return 'mail';
  const isWhole = ended && message.missing.length === 0;
  if (!isWhole) return 'part';
  if (sizeOf(top.message) === message.octets.length) return 'mail';
  return bodyLines(message.octets) < top.lines ? 'mail' : 'part';
}

/** Lines behind the empty line that ends the header. */
function bodyLines(octets: Octets): number {
  /** Lines before the body, and in it; undefined before the empty line. */
  let headerLines = 0;
  let lines: number | undefined;
  /** Of the line in progress. */
  let length = 0;
  let isCarriageReturn = false;
  for (const chunk of chunksOf(octets)) {
    for (let at = 0; at < chunk.length; ) {
      const lineFeed = chunk.indexOf(0x0a, at);
      const end = lineFeed < 0 ? chunk.length : lineFeed;
      if (length === 0 && end > at) isCarriageReturn = chunk[at] === 0x0d;
      length += end - at;
      at = end + 1;
      if (lineFeed < 0) break;
      const isEmpty = length === 0 || (length === 1 && isCarriageReturn);
      if (lines !== undefined) lines++;
      else if (isEmpty && headerLines > 0) lines = 0;
      headerLines++;
      length = 0;
    }
  }
  return lines === undefined ? 0 : lines + Math.min(length, 1);
}

/** The end of something, and not of a listing: of LIST and UIDL (numbers) or CAPA (words in capitals). */
function looksLikeText(octets: Octets): boolean {
  const start = octets.read(0, Math.min(octets.length, 65_536));
  const lines = start.toString('latin1').split(/\r?\n/);
  const listed = /^(?:\d+ \S+|[A-Z][A-Z0-9-]*(?: [A-Z0-9-]+)*)?\s*$/;
  return lines.filter((line) => !listed.test(line)).length >= textLinesMin;
}
