/**
 * Uuencoded files inside text, as Outlook and the Unix mailers of the nineties sent them (POSIX uuencode).
 *
 *     begin 644 name
 *     M…                 the first character is the count of octets of the line
 *     `
 *     end
 */

import { messageLimits } from '../core/limits.ts';

export interface EmbeddedFile {
  /** Raw octets of the name as Latin-1. */
  readonly name: string | undefined;
  readonly bytes: Buffer;
  /** The end is missing or a checksum is wrong. */
  readonly damaged: boolean;
}

export interface ExtractedFiles {
  readonly files: readonly EmbeddedFile[];
  /** The text without them. */
  readonly rest: Buffer;
}

const lineFeed = 0x0a;

/** Takes all uuencoded files out of `text`; undefined where there is none. */
export function extractUuencoded(text: Buffer): ExtractedFiles | undefined {
  const files: EmbeddedFile[] = [];
  const rest: Buffer[] = [];
  let kept = 0;
  let position = 0;
  // One more than are kept, so that the list of files notes it; the rest stays in the text.
  while (files.length <= messageLimits.partsMax) {
    const start = nextBegin(text, position);
    if (start < 0) break;
    const bodyStart = lineAfter(text, start);
    const name = beginLine.exec(text.toString('latin1', start, Math.min(bodyStart, start + 500)))?.[2];
    const body = name === undefined ? undefined : decodeUuencodedBody(text, bodyStart, text.length);
    if (body === undefined) {
      position = bodyStart;
      continue;
    }
    files.push({ name: name?.trim(), bytes: body.bytes, damaged: !body.ended });
    rest.push(text.subarray(kept, start));
    kept = body.end;
    position = body.end;
  }
  if (files.length === 0) return undefined;
  rest.push(text.subarray(kept));
  return { files, rest: Buffer.concat(rest) };
}

/** `begin-base64` is POSIX too but was never common in mail. */
const beginLine = /^begin ([0-7]{3,4}) +([^\r\n]*)/;

function nextBegin(text: Buffer, from: number): number {
  if (from === 0 && text.toString('latin1', 0, 6) === 'begin ') return 0;
  const found = text.indexOf('\nbegin ', Math.max(0, from - 1));
  return found < 0 ? -1 : found + 1;
}

/** A whole body in this encoding (Content-Transfer-Encoding: x-uuencode), with or without its begin line. */
export function decodeUuencoded(
  source: Buffer,
  start: number,
  end: number,
): { bytes: Buffer; damaged: boolean } {
  const view = source.subarray(start, end);
  const begin = nextBegin(view, 0);
  const body = decodeUuencodedBody(view, begin < 0 ? 0 : lineAfter(view, begin), view.length);
  return body === undefined ? { bytes: view, damaged: true } : { bytes: body.bytes, damaged: !body.ended };
}

interface DecodedBody {
  readonly bytes: Buffer;
  /** Offset behind the `end` line, or of the first line that is no data. */
  readonly end: number;
  readonly ended: boolean;
}

/** Undefined where not even the first line is data: the word "begin" was just text. */
function decodeUuencodedBody(text: Buffer, start: number, stop: number): DecodedBody | undefined {
  const extent = measureBody(text, start, stop);
  if (extent.octets === 0) return undefined;
  const bytes = Buffer.allocUnsafe(extent.octets + 3);
  let length = 0;
  let position = start;
  while (position < extent.end) {
    const next = lineAfter(text, position);
    const lineEnd = trimLine(text, position, next);
    if (lineEnd > position && !isEnd(text, position, lineEnd))
      length += decodeLine(text, position, lineEnd, bytes, length);
    position = next;
  }
  return { bytes: bytes.subarray(0, length), end: extent.end, ended: extent.ended };
}

/** Measured first, so that a mail full of `begin` lines reserves no memory for each. */
function measureBody(
  text: Buffer,
  start: number,
  stop: number,
): { octets: number; end: number; ended: boolean } {
  let octets = 0;
  let position = start;
  while (position < stop) {
    const next = lineAfter(text, position);
    const lineEnd = trimLine(text, position, next);
    if (isEnd(text, position, lineEnd)) return { octets, end: next, ended: true };
    if (lineEnd > position) {
      if (!isDataLine(text, position, lineEnd)) break;
      octets += sixBits(text[position] ?? 0);
    }
    position = next;
  }
  return { octets, end: position, ended: false };
}

function trimLine(text: Buffer, start: number, next: number): number {
  let end = next;
  while (end > start && (text[end - 1] === lineFeed || text[end - 1] === 0x0d)) end--;
  return end;
}

function isEnd(text: Buffer, start: number, end: number): boolean {
  return end - start >= 3 && end - start <= 5 && text.toString('latin1', start, end).trimEnd() === 'end';
}

/** A count, then as many characters as it needs. Trailing blanks may be stripped; some programs add a check character. */
function isDataLine(text: Buffer, start: number, end: number): boolean {
  const count = sixBits(text[start] ?? 0);
  if (count < 0) return false;
  const needed = Math.ceil(count / 3) * 4;
  const found = end - start - 1;
  if (found > needed + 2 || (found < needed - 2 && !endsInZeros(text, start, end))) return false;
  for (let index = start; index < end; index++) {
    if (sixBits(text[index] ?? 0) < 0) return false;
  }
  return true;
}

/** Decodes a data line into `output` and returns its octets. */
function decodeLine(text: Buffer, start: number, end: number, output: Buffer, at: number): number {
  const count = sixBits(text[start] ?? 0);
  let length = at;
  for (let group = start + 1; length - at < count; group += 4) {
    let bits = 0;
    for (let index = 0; index < 4; index++) {
      bits = (bits << 6) | (group + index < end ? sixBits(text[group + index] ?? 0) : 0);
    }
    output[length] = bits >> 16;
    output[length + 1] = bits >> 8;
    output[length + 2] = bits;
    length = Math.min(length + 3, at + count);
  }
  return count;
}

/** A shortened line is believed only where at least half of it is there. */
function endsInZeros(text: Buffer, start: number, end: number): boolean {
  return (end - start) * 2 > Math.ceil(sixBits(text[start] ?? 0) / 3) * 4;
}

function sixBits(octet: number): number {
  return octet < 0x20 || octet > 0x60 ? -1 : (octet - 0x20) & 0x3f;
}

function lineAfter(text: Buffer, from: number): number {
  const feed = text.indexOf(lineFeed, from);
  return feed < 0 ? text.length : feed + 1;
}
