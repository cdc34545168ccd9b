/** One SMTP command line, RFC 5321 §4.1. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import type { Line } from '../half-stream.ts';

export interface Command {
  /** In capitals; empty where the line begins with no letter. */
  readonly verb: string;
  /** What follows the verb, without white space around it. */
  readonly argument: string;
  readonly seen: Sighting;
}

/** BDAT, RFC 3030 §2. */
export interface ChunkHeader {
  readonly length: number;
  readonly last: boolean;
}

export function parseCommand(line: Line): Command {
  // Thousands may wait for their answers: an endless line must not be kept for each.
  const text = line.text(dialogueLimits.commandBytesMax);
  const start = text.length - text.trimStart().length;
  let end = start;
  while (isLetterOrDigit(text.charCodeAt(end))) end++;
  return {
    verb: text.slice(start, end).toUpperCase(),
    argument: text.slice(end).trim(),
    seen: line.start.seen,
  };
}

function isLetterOrDigit(code: number): boolean {
  const small = code | 0x20;
  return (small >= 0x61 && small <= 0x7a) || (code >= 0x30 && code <= 0x39);
}

export function parseChunkHeader(argument: string): ChunkHeader | undefined {
  const match = /^(\d{1,15})(?:\s+(LAST))?$/i.exec(argument);
  return match === null ? undefined : { length: Number(match[1]), last: match[2] !== undefined };
}

/** So many octets tell whether a line is a command. */
export const commandBytesLookedAt = 1024;

const commandLine =
  /^(?:(?:MAIL\s+FROM|RCPT\s+TO)\s*:|(?:HELO|EHLO|LHLO)(?:\s+\S+)?\s*$|(?:DATA|RSET|QUIT|NOOP|STARTTLS)\s*$|BDAT\s+\d+(?:\s+LAST)?\s*$|AUTH\s+[A-Z0-9_-]+(?:\s+[A-Za-z0-9+/=]+)?\s*$|XCLIENT\s+[A-Z]+=)/i;

/** A line that can hardly be anything but a command: for places where the dialogue must be found again. */
export function looksLikeCommand(line: string): boolean {
  return commandLine.test(line.slice(0, commandBytesLookedAt));
}

const beginnings = { FROM: /^FROM\s*:?\s*/i, TO: /^TO\s*:?\s*/i } as const;

/**
 * The address of `MAIL FROM:<…>` or `RCPT TO:<…>`, or undefined where the argument is not of that form.
 *
 *     mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF      RFC 5321 §4.1.1.2
 *
 * QUIRK: no colon, spaces around it and paths without angle brackets are sent and accepted.
 */
export function pathAddress(argument: string, keyword: 'FROM' | 'TO'): string | undefined {
  // As nearly all are written.
  const isUsual = keyword === 'FROM' ? argument.startsWith('FROM:<') : argument.startsWith('TO:<');
  const match = isUsual ? undefined : beginnings[keyword].exec(argument);
  if (match === null) return undefined;
  const path = argument.slice(match === undefined ? keyword.length + 1 : match[0].length);
  if (!path.startsWith('<')) return path.slice(0, endOutsideQuotes(path, 0, ' ')).trim();
  const address = path.slice(1, endOutsideQuotes(path, 1, '>')).trim();
  // A source route, `@a,@b:user@c`, is ignored (RFC 5321 §4.1.1.3).
  return address.startsWith('@') ? address.slice(address.indexOf(':') + 1) : address;
}

const quote = 0x22;
const backslash = 0x5c;

/** Where `wanted` stands outside a quoted string, from `start` on; the text's length if nowhere. */
function endOutsideQuotes(text: string, start: number, wanted: string): number {
  const wantedCode = wanted.charCodeAt(0);
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted && code === backslash) at++;
    else if (code === quote) quoted = !quoted;
    else if (!quoted && code === wantedCode) return at;
  }
  if (!quoted) return text.length;
  // A quote that is never closed is an ordinary character.
  const unquoted = text.indexOf(wanted, start);
  return unquoted < 0 ? text.length : unquoted;
}

/** For the trace: nothing that lets anybody log in. */
export function withoutSecrets(command: Command): string {
  const { verb, argument } = command;
  if (verb === 'AUTH') return `AUTH ${argument.replace(/\s+\S.*$/s, ' ***')}`;
  return argument === '' ? verb : `${verb} ${argument}`;
}
