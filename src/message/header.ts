/**
 * Header of an entity, RFC 5322 §2.2 and §3.6.8, read from octets that may keep none of its rules.
 *
 *     field        =  field-name ":" unstructured CRLF
 *     field-name   =  1*ftext        ; %d33-57 / %d59-126
 *     unfolding    =  a CRLF followed by white space is removed
 *
 * A value is kept as raw octets, one per character (Latin-1), folds included: its charset is known only
 * after the whole mail was looked at, and an encoded word may be folded in its middle.
 */
import { messageLimits } from '../core/limits.ts';

export interface HeaderBlock {
  readonly header: Header;
  /** Offset of the first octet of the body. */
  readonly bodyStart: number;
  /** The octets ended inside the header: neither empty line nor body followed. */
  readonly cutOff: boolean;
  /** Lines that are no field and were skipped. */
  readonly brokenLines: number;
  /** Fields were left out because of `messageLimits`. */
  readonly overLimit: boolean;
}

/** Of each field: its start, behind its name, its value's start, behind its value; from the header's start on. */
const offsetsOfField = 4;

/** The fields of one entity in the order they were written. Values are cut out when they are asked for: most never are. */
export class Header {
  /** The header's octets as Latin-1. */
  readonly #block: string;
  readonly #offsets: readonly number[];
  /** In lower case. */
  readonly #names: readonly string[];

  constructor(block: string, offsets: readonly number[]) {
    this.#block = block;
    this.#offsets = offsets;
    const names: string[] = [];
    for (let at = 0; at < offsets.length; at += offsetsOfField) {
      names.push(lowerCaseName(block.slice(offsets[at], offsets[at + 1])));
    }
    this.#names = names;
  }

  get size(): number {
    return this.#names.length;
  }

  /** Value of the first field with this name (lower case): a second `Subject:` is not shown by any reader. */
  first(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.value(index);
  }

  all(name: string): readonly string[] {
    const values: string[] = [];
    let index = this.#names.indexOf(name);
    for (; index >= 0; index = this.#names.indexOf(name, index + 1)) values.push(this.value(index));
    return values;
  }

  /** Raw octets as Latin-1 with its folds, trimmed. */
  value(index: number): string {
    const at = index * offsetsOfField;
    return this.#block.slice(this.#offsets[at + 2], this.#offsets[at + 3]).trim();
  }
}

/** The usual spellings of usual fields: so each of these names is a single string, and compared as fast as a number. */
const usualNames: ReadonlyMap<string, string> = new Map(
  (
    'From To Cc Reply-To Subject Date Message-ID Message-Id MIME-Version Mime-Version Content-Type ' +
    'Content-Transfer-Encoding Content-Disposition Content-ID Received Return-Path X-Mailer User-Agent X-Priority ' +
    'Importance References In-Reply-To DKIM-Signature'
  )
    .split(' ')
    .map((name) => [name, name.toLowerCase()]),
);

function lowerCaseName(written: string): string {
  return usualNames.get(written) ?? written.toLowerCase();
}

/** A field removed from its line: `\r\n\t` becomes `\t` (RFC 5322 §2.2.3). */
export function unfold(value: string): string {
  return value.includes('\n') ? value.replaceAll('\n', '').replaceAll('\r', '') : value;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const tab = 0x09;
const colon = 0x3a;
const hyphen = 0x2d;

/**
 * Reads the header that begins at `start`. `isDelimiter` tells whether the line at an offset is a
 * boundary of an enclosing multipart: it ends the entity even where the empty line is missing.
 */
export function readHeader(
  source: Buffer,
  start: number,
  end: number,
  isDelimiter: (lineStart: number) => boolean,
): HeaderBlock {
  return new HeaderReader(source, start, end, isDelimiter).read();
}

/** `mailbox` is the `From ` line of an mbox file, no field wherever a program left it; `body` begins with this very line. */
type LineKind = 'empty' | 'field' | 'fold' | 'mailbox' | 'broken' | 'body';

/** Offsets instead of an object for each line and field: there are as many of them as a small mail has words. */
class HeaderReader {
  readonly #source: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #isDelimiter: (lineStart: number) => boolean;
  /** As `Header` takes them. */
  readonly #offsets: number[] = [];
  /** A fold belongs to the last field: no line that is none was skipped behind it. */
  #mayGoOn = false;

  constructor(source: Buffer, start: number, end: number, isDelimiter: (lineStart: number) => boolean) {
    this.#source = source;
    this.#start = start;
    this.#end = end;
    this.#isDelimiter = isDelimiter;
  }

  read(): HeaderBlock {
    const source = this.#source;
    const start = this.#start;
    const end = this.#end;
    let position = start;
    let bodyStart: number | undefined;
    let brokenLines = 0;
    let overLimit = false;
    while (position < end && bodyStart === undefined) {
      const next = nextLine(source, position, end);
      const lineEnd = trimLineEnd(source, position, next);
      const nameEnd = fieldNameEnd(source, position, lineEnd);
      switch (this.#kindOf(position, lineEnd, next, nameEnd)) {
        case 'empty':
          bodyStart = next;
          break;
        case 'body':
          bodyStart = position;
          break;
        case 'fold':
          if (this.#mayGoOn) this.#setLastEnd(lineEnd - start);
          break;
        case 'field':
          overLimit ||= this.#isFull(position);
          this.#mayGoOn = !overLimit;
          if (!overLimit) this.#addField(position, nameEnd, lineEnd);
          break;
        case 'broken':
          brokenLines++;
          this.#mayGoOn = false;
          break;
        case 'mailbox':
      }
      position = next;
    }
    // A value that reaches over the limit is cut there, the fields before it are kept.
    if (this.#lastEnd > messageLimits.headerBytesMax) {
      this.#setLastEnd(messageLimits.headerBytesMax);
      overLimit = true;
    }
    const cutOff = bodyStart === undefined && end > start && source[end - 1] !== lineFeed;
    const header = new Header(source.toString('latin1', start, start + this.#lastEnd), this.#offsets);
    return { header, bodyStart: bodyStart ?? end, cutOff, brokenLines, overLimit };
  }

  get #lastEnd(): number {
    return this.#offsets.at(-1) ?? 0;
  }

  #setLastEnd(offset: number): void {
    this.#offsets[this.#offsets.length - 1] = offset;
  }

  #isFull(position: number): boolean {
    const fields = this.#offsets.length / offsetsOfField;
    return fields >= messageLimits.headerFieldsMax || position - this.#start >= messageLimits.headerBytesMax;
  }

  #addField(position: number, nameEnd: number, lineEnd: number): void {
    const start = this.#start;
    let valueStart = nameEnd;
    while (this.#source[valueStart] !== colon) valueStart++;
    this.#offsets.push(position - start, nameEnd - start, valueStart + 1 - start, lineEnd - start);
  }

  #kindOf(position: number, lineEnd: number, next: number, nameEnd: number): LineKind {
    if (lineEnd === position) return 'empty';
    const source = this.#source;
    const end = this.#end;
    const first = source[position];
    if (first === hyphen && this.#isDelimiter(position)) return 'body';
    if (first === space || first === tab) {
      return isBlankSeparator(source, position, lineEnd, next, end) ? 'empty' : 'fold';
    }
    if (nameEnd >= 0) return 'field';
    if (isMailboxSeparator(source, position, lineEnd)) return 'mailbox';
    if (this.#mayGoOn && this.#goesOnWithoutFold(position)) return 'fold';
    return this.#offsets.length > 0 && fieldFollows(source, next, end) ? 'broken' : 'body';
  }

  /** Lost indentation: the line begins with an encoded word, or the one before ends with a comma or inside a word. */
  #goesOnWithoutFold(position: number): boolean {
    const source = this.#source;
    if (source[position] === 0x3d && source[position + 1] === 0x3f) return true;
    const end = this.#start + this.#lastEnd;
    if (source[end - 1] === 0x2c) return true;
    const valueStart = this.#start + (this.#offsets.at(-2) ?? 0);
    const tail = source.toString('latin1', Math.max(valueStart, end - 100), end);
    const opened = tail.lastIndexOf('=?');
    return opened >= 0 && /^=\?[^?\s]+\?[bBqQ]\?[^?\s]*$/.test(tail.slice(opened));
  }
}

function nextLine(source: Buffer, position: number, end: number): number {
  // Lines of a header are so short that a call into the runtime would take longer.
  let at = position;
  while (at < end && source[at] !== lineFeed) at++;
  return at < end ? at + 1 : end;
}

/** Offset behind the last octet of a line that is no line end; any number of CR counts as one. */
function trimLineEnd(source: Buffer, start: number, next: number): number {
  let lineEnd = next;
  if (lineEnd > start && source[lineEnd - 1] === lineFeed) lineEnd--;
  while (lineEnd > start && source[lineEnd - 1] === carriageReturn) lineEnd--;
  return lineEnd;
}

/** Offset behind the field name of a line, -1 where the line is no field. White space before the colon is obsolete syntax (§4.5). */
function fieldNameEnd(source: Buffer, start: number, end: number): number {
  let position = start;
  while (position < end) {
    const octet = source[position] ?? 0;
    if (octet <= space || octet === colon || octet >= 0x7f) break;
    position++;
  }
  if (position === start) return -1;
  let behind = position;
  while (behind < end && (source[behind] === space || source[behind] === tab)) behind++;
  return behind < end && source[behind] === colon ? position : -1;
}

/** A line of white space alone folds (§4.2 obs-FWS) if more header follows, and ends the header otherwise. */
function isBlankSeparator(
  source: Buffer,
  start: number,
  lineEnd: number,
  next: number,
  end: number,
): boolean {
  for (let position = start; position < lineEnd; position++) {
    const octet = source[position];
    if (octet !== space && octet !== tab) return false;
  }
  if (next >= end) return true;
  const first = source[next];
  if (first === carriageReturn || first === lineFeed) return false;
  if (first === space || first === tab) return false;
  return fieldNameEnd(source, next, trimLineEnd(source, next, nextLine(source, next, end))) < 0;
}

function isMailboxSeparator(source: Buffer, start: number, end: number): boolean {
  const quoted = source[start] === 0x3e ? 1 : 0;
  return end - start >= 5 && source.toString('latin1', start + quoted, start + quoted + 5) === 'From ';
}

const wellKnown =
  /^(?:x-|content-|resent-|list-|received|return-path|from|to|cc|bcc|subject|date|message-id|mime-version|reply-to|sender|in-reply-to|references|importance|priority|user-agent|delivered-to|dkim-|authentication-)/i;

/** Lines looked at behind a broken one: a header that goes on does so soon. */
const linesAhead = 20;

/** The header goes on behind a broken line: a well-known field follows, or nothing but fields up to the empty line. */
function fieldFollows(source: Buffer, from: number, end: number): boolean {
  let position = from;
  let onlyFields = position < end;
  for (let line = 0; line < linesAhead && position < end; line++) {
    const next = nextLine(source, position, end);
    const lineEnd = trimLineEnd(source, position, next);
    if (lineEnd === position) return onlyFields && line > 0;
    const nameEnd = fieldNameEnd(source, position, Math.min(lineEnd, position + 80));
    if (nameEnd >= 0 && wellKnown.test(source.toString('latin1', position, nameEnd + 1))) return true;
    const folded = line > 0 && (source[position] === space || source[position] === tab);
    if (nameEnd < 0 && !folded) onlyFields = false;
    position = next;
  }
  return false;
}
