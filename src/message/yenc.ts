/**
 * yEnc, http://www.yenc.org/yenc-draft.1.3.txt: octets plus 42, with `=` before the critical ones.
 *
 *     =ybegin line=128 size=123456 name=mybinary.dat
 *     …
 *     =yend size=123456 crc32=abcdef12
 */
import { crc32 } from 'node:zlib';
import { messageLimits } from '../core/limits.ts';
import type { EmbeddedFile, ExtractedFiles } from './uuencode.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const escapeOctet = 0x3d;
/** Octets of a control line looked at. */
const controlLineMax = 1000;

/** Takes all yEnc files out of `text`; undefined where there is none. */
export function extractYenc(text: Buffer): ExtractedFiles | undefined {
  const files: EmbeddedFile[] = [];
  const rest: Buffer[] = [];
  let kept = 0;
  let start = lineWith(text, '=ybegin ', 0);
  while (start >= 0 && files.length <= messageLimits.partsMax) {
    const begin = controlLine(text, start);
    let dataStart = lineAfter(text, start);
    const isPart = text.toString('latin1', dataStart, dataStart + 7) === '=ypart ';
    if (isPart) dataStart = lineAfter(text, dataStart);
    const found = lineWith(text, '=yend', dataStart);
    const dataEnd = found < 0 ? text.length : found;
    const bytes = decodeYenc(text, dataStart, dataEnd);
    const damaged = found < 0 || !isIntact(bytes, controlLine(text, dataEnd));
    files.push({ name: /\bname=(.*)$/.exec(begin)?.[1]?.trim(), bytes, damaged });
    rest.push(text.subarray(kept, start));
    kept = found < 0 ? text.length : lineAfter(text, found);
    start = lineWith(text, '=ybegin ', kept);
  }
  if (files.length === 0) return undefined;
  rest.push(text.subarray(kept));
  return { files, rest: Buffer.concat(rest) };
}

function isIntact(bytes: Buffer, endLine: string): boolean {
  const size = /\bsize=(\d{1,15})/.exec(endLine)?.[1];
  if (size !== undefined && Number(size) !== bytes.length) return false;
  const checksum = (/\bpcrc32=([0-9a-f]{1,8})\b/i.exec(endLine) ??
    /\bcrc32=([0-9a-f]{1,8})\b/i.exec(endLine))?.[1];
  return checksum === undefined || Number.parseInt(checksum, 16) === crc32(bytes);
}

/** Undoes the encoding of the octets from `start` to `end`; line ends are no data. */
function decodeYenc(text: Buffer, start: number, end: number): Buffer {
  const output = Buffer.allocUnsafe(end - start);
  let length = 0;
  for (let position = start; position < end; position++) {
    const octet = text[position] ?? 0;
    if (octet === lineFeed || octet === carriageReturn) continue;
    if (octet === escapeOctet) output[length++] = (text[++position] ?? 0) - 64 - 42;
    else output[length++] = octet - 42;
  }
  return output.subarray(0, length);
}

function controlLine(text: Buffer, start: number): string {
  return text.toString('latin1', start, Math.min(lineAfter(text, start), start + controlLineMax)).trim();
}

function lineWith(text: Buffer, prefix: string, from: number): number {
  if (text.toString('latin1', from, from + prefix.length) === prefix) return from;
  const found = text.indexOf(`\n${prefix}`, Math.max(0, from - 1), 'latin1');
  return found < 0 ? -1 : found + 1;
}

function lineAfter(text: Buffer, from: number): number {
  const feed = text.indexOf(lineFeed, from);
  return feed < 0 ? text.length : feed + 1;
}
