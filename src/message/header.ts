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

export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  /** Raw octets as Latin-1 with its folds, trimmed. */
  readonly value: string;
}

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

/** The fields of one entity in the order they were written. */
export class Header {
  readonly fields: readonly HeaderField[];

  constructor(fields: readonly HeaderField[]) {
    this.fields = fields;
  }

  /** Value of the first field with this name (lower case): a second `Subject:` is not shown by any reader. */
  first(name: string): string | undefined {
    for (const field of this.fields) {
      if (field.name === name) return field.value;
    }
    return undefined;
  }

  all(name: string): readonly string[] {
    return this.fields.filter((field) => field.name === name).map((field) => field.value);
  }
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

interface Span {
  readonly nameEnd: number;
  readonly valueStart: number;
  readonly start: number;
  end: number;
}

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
  const spans: Span[] = [];
  let current: Span | undefined;
  let position = start;
  let bodyStart: number | undefined;
  let brokenLines = 0;
  let overLimit = false;
  while (position < end && bodyStart === undefined) {
    const line = lineAt(source, position, end);
    switch (kindOf(source, line, end, current, spans.length > 0, isDelimiter)) {
      case 'empty':
        bodyStart = line.next;
        break;
      case 'body':
        bodyStart = position;
        break;
      case 'fold':
        if (current !== undefined) current.end = line.end;
        break;
      case 'field': {
        overLimit ||=
          spans.length >= messageLimits.headerFieldsMax || position - start >= messageLimits.headerBytesMax;
        current = overLimit ? undefined : spanOf(source, line);
        if (current !== undefined) spans.push(current);
        break;
      }
      case 'broken':
        brokenLines++;
        current = undefined;
        break;
      case 'mailbox':
    }
    position = line.next;
  }
  // A value that reaches over the limit is cut there, the fields before it are kept.
  const last = spans.at(-1);
  if (last !== undefined && last.end > start + messageLimits.headerBytesMax) {
    last.end = start + messageLimits.headerBytesMax;
    overLimit = true;
  }
  const cutOff = bodyStart === undefined && end > start && source[end - 1] !== lineFeed;
  const header = new Header(fieldsOf(source, start, spans));
  return { header, bodyStart: bodyStart ?? end, cutOff, brokenLines, overLimit };
}

interface Line {
  readonly start: number;
  /** Behind the last octet that is no line end. */
  readonly end: number;
  /** The next line's start. */
  readonly next: number;
  /** Behind the field name, -1 where the line is no field. */
  readonly nameEnd: number;
}

function lineAt(source: Buffer, start: number, end: number): Line {
  const next = nextLine(source, start, end);
  const lineEnd = trimLineEnd(source, start, next);
  return { start, end: lineEnd, next, nameEnd: fieldNameEnd(source, start, lineEnd) };
}

function spanOf(source: Buffer, line: Line): Span {
  return {
    start: line.start,
    nameEnd: line.nameEnd,
    valueStart: source.indexOf(colon, line.nameEnd) + 1,
    end: line.end,
  };
}

/** `mailbox` is the `From ` line of an mbox file, no field wherever a program left it; `body` begins with this very line. */
type LineKind = 'empty' | 'field' | 'fold' | 'mailbox' | 'broken' | 'body';

function kindOf(
  source: Buffer,
  line: Line,
  end: number,
  current: Span | undefined,
  anyField: boolean,
  isDelimiter: (lineStart: number) => boolean,
): LineKind {
  if (line.end === line.start) return 'empty';
  const first = source[line.start];
  if (first === hyphen && isDelimiter(line.start)) return 'body';
  if (first === space || first === tab) {
    return isBlankSeparator(source, line.start, line.end, line.next, end) ? 'empty' : 'fold';
  }
  if (line.nameEnd >= 0) return 'field';
  if (isMailboxSeparator(source, line.start, line.end)) return 'mailbox';
  if (current !== undefined && continuesWithoutFold(source, line.start, current)) return 'fold';
  return anyField && fieldFollows(source, line.next, end) ? 'broken' : 'body';
}

function fieldsOf(source: Buffer, start: number, spans: readonly Span[]): HeaderField[] {
  const last = spans.at(-1);
  if (last === undefined) return [];
  const block = source.toString('latin1', start, last.end);
  return spans.map((span) => ({
    name: block.slice(span.start - start, span.nameEnd - start).toLowerCase(),
    value: block.slice(span.valueStart - start, span.end - start).trim(),
  }));
}

function nextLine(source: Buffer, position: number, end: number): number {
  const found = source.indexOf(lineFeed, position);
  return found < 0 || found >= end ? end : found + 1;
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

/** Lost indentation: the line begins with an encoded word, or the one before ends with a comma or inside a word. */
function continuesWithoutFold(source: Buffer, start: number, before: Span): boolean {
  if (source[start] === 0x3d && source[start + 1] === 0x3f) return true;
  if (source[before.end - 1] === 0x2c) return true;
  const tail = source.toString('latin1', Math.max(before.valueStart, before.end - 100), before.end);
  const opened = tail.lastIndexOf('=?');
  return opened >= 0 && /^=\?[^?\s]+\?[bBqQ]\?[^?\s]*$/.test(tail.slice(opened));
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
