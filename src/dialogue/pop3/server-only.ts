/** What an answer is as far as it tells by itself, for where its command is not in the capture. */
import type { AnswerForm } from './command.ts';

const answerLine = /^(?:\+OK|-ERR)(?:\s|$)/i;
/** `number size` or `number unique-id`, as LIST and UIDL have it. */
const listLine = /^\d+ \S+\s*$/;
/** RFC 5322 §2.2: a field name of printable characters and a colon. */
const headerLine = /^(?:[!-9;-~]{1,76}[ \t]*:|From )/;

/** `next` is the line behind the answer, undefined where nothing follows. */
export function guessAnswerForm(next: string | undefined): AnswerForm {
  if (next === undefined || answerLine.test(next)) return 'line';
  if (headerLine.test(next)) return 'mail';
  return listLine.test(next) || /^[A-Z]/.test(next) || next === '.' ? 'listing' : 'line';
}

export function isAnswerLine(line: string): boolean {
  // As nearly all are written.
  return line === '+OK' || line.startsWith('+OK ') || answerLine.test(line);
}

/** The first line is a field of a header. */
export function beginsLikeMail(text: Buffer): boolean {
  return headerLine.test(text.toString('latin1', 0, 128));
}

/** The first line of `bytes`; undefined while its line end has not come. */
export function firstLine(bytes: Buffer): string | undefined {
  const lineFeed = bytes.indexOf(0x0a);
  return lineFeed < 0 ? undefined : bytes.toString('latin1', 0, lineFeed).trimEnd();
}

export function secondLine(bytes: Buffer): string | undefined {
  return firstLine(bytes.subarray(bytes.indexOf(0x0a) + 1));
}
