/**
 * Base64, RFC 2045 §6.8, as broken as it comes: junk characters, padding in the middle, none at the end,
 * a list server's footer behind it, octets missing in the capture.
 *
 * Clean data goes through the runtime's decoder; the result's length tells whether it was clean, since
 * that decoder skips junk and stops at the first padding.
 */

export interface DecodedOctets {
  readonly bytes: Buffer;
  /** The last group lacks characters: something was cut off. */
  readonly cutOff: boolean;
}

/** Text handed to the runtime's decoder at once; small pieces stay in the processor's cache. */
const chunkBytes = 1 << 16;

const padding = 0x3d;
const lineFeed = 0x0a;
const junk = 64;
const blank = 65;
const pad = 66;

const values = new Uint8Array(256).fill(junk);
for (const [index, character] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  values[character.charCodeAt(0)] = index;
}
for (const octet of [0x09, 0x0a, 0x0d, 0x20]) values[octet] = blank;
values[padding] = pad;

/** Decodes `source` from `start` to `end`. `gaps` are offsets in `source` where octets are missing, in order. */
export function decodeBase64(
  source: Buffer,
  start: number,
  end: number,
  gaps: readonly number[] = [],
): DecodedOctets {
  const inside = gaps.slice(firstAbove(gaps, start), firstAbove(gaps, end - 1));
  if (inside.length > 0) return decodeAroundGaps(source, start, end, inside);
  return decodeUniform(source, start, end) ?? decodeLenient(source, start, end);
}

/** Index of the first of `gaps` that is more than `offset`: a mail may have many parts and many gaps. */
function firstAbove(gaps: readonly number[], offset: number): number {
  let low = 0;
  let high = gaps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((gaps[middle] ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Lines of equal length without junk: the common case. Undefined where the data is not like that. */
function decodeUniform(source: Buffer, start: number, end: number): DecodedOctets | undefined {
  let last = end;
  while (last > start && values[source[last - 1] ?? 0] === blank) last--;
  if (last === start) return { bytes: Buffer.alloc(0), cutOff: false };
  const characters = countCharacters(source, start, last);
  if (characters === undefined) return undefined;
  let padded = 0;
  while (padded < 2 && source[last - 1 - padded] === padding) padded++;
  const expected = Math.floor(((characters - padded) * 3) / 4);
  const bytes = Buffer.allocUnsafe(expected + 3);
  const step = chunkOf(source, start, last);
  let length = 0;
  for (let position = start; position < last; position += step) {
    const chunk = source.toString('latin1', position, Math.min(last, position + step));
    const written = bytes.write(chunk, length, bytes.length - length, 'base64');
    length += written;
    // A chunk that yields less than it should holds junk or an early padding: the slow way will tell.
    if (written % 3 !== 0 && position + step < last) return undefined;
  }
  // The runtime also takes the URL alphabet, which in mail is a footer's rule and no data.
  const view = source.subarray(start, last);
  if (length !== expected || view.includes(0x2d) || view.includes(0x5f)) return undefined;
  return { bytes: bytes.subarray(0, length), cutOff: (characters - padded) % 4 === 1 };
}

/** Octets from one line's beginning to the next one's; all of the data where it is one line. */
function strideOf(source: Buffer, start: number, last: number): number {
  const feed = source.indexOf(lineFeed, start);
  return feed < 0 || feed >= last ? last - start : feed + 1 - start;
}

/** Characters that are no line end, undefined where lines differ in length before the last one. */
function countCharacters(source: Buffer, start: number, last: number): number | undefined {
  const stride = strideOf(source, start, last);
  if (stride === last - start) return stride;
  const lineEnd = source[start + stride - 2] === 0x0d ? 2 : 1;
  for (let feed = start + stride - 1; feed < last; feed += stride) {
    if (source[feed] !== lineFeed) return undefined;
  }
  const lines = Math.floor((last - start) / stride);
  const rest = (last - start) % stride;
  return lines * (stride - lineEnd) + rest;
}

/** Octets of whole lines and whole groups, near `chunkBytes`. */
function chunkOf(source: Buffer, start: number, last: number): number {
  const stride = strideOf(source, start, last);
  // Four lines hold whole groups whatever their length is.
  return stride === last - start
    ? chunkBytes
    : Math.max(1, Math.floor(chunkBytes / (stride * 4))) * stride * 4;
}

/** Group by group: junk is skipped, padding ends a group and the next one begins afresh. */
function decodeLenient(source: Buffer, start: number, end: number): DecodedOctets {
  const bytes = Buffer.allocUnsafe(Math.ceil(((end - start) * 3) / 4) + 3);
  let length = 0;
  let group = 0;
  let count = 0;
  let atFooter = false;
  for (let position = start; position < end; position++) {
    const octet = source[position] ?? 0;
    const value = values[octet] ?? junk;
    if (value < 64) {
      group = (group << 6) | value;
      if (++count < 4) continue;
      bytes[length++] = group >> 16;
      bytes[length++] = group >> 8;
      bytes[length++] = group;
      group = 0;
      count = 0;
    } else if (value === pad) {
      length = endGroup(bytes, length, group, count);
      group = 0;
      count = 0;
      atFooter = true;
    } else if (octet === lineFeed && count === 0) {
      const blankLine = isBlankAt(source, position + 1, end);
      if ((atFooter || blankLine) && footerFollows(source, position + 1, end)) break;
      atFooter = false;
    }
  }
  const cutOff = count === 1;
  length = endGroup(bytes, length, group, count);
  return { bytes: bytes.subarray(0, length), cutOff };
}

/** Two characters left over are one octet, three are two, one is nothing. */
function endGroup(bytes: Buffer, length: number, group: number, count: number): number {
  if (count === 2) bytes[length++] = group >> 4;
  if (count === 3) {
    bytes[length++] = group >> 10;
    bytes[length++] = group >> 2;
  }
  return length;
}

function isBlankAt(source: Buffer, position: number, end: number): boolean {
  return (
    position < end &&
    (source[position] === lineFeed || (source[position] === 0x0d && source[position + 1] === lineFeed))
  );
}

/** Octets looked at to tell data from a footer. */
const footerProbe = 100;

/** The next line with content is text (blanks inside, foreign characters), not base64. */
function footerFollows(source: Buffer, from: number, end: number): boolean {
  let position = from;
  const stop = Math.min(end, from + footerProbe);
  while (position < stop && values[source[position] ?? 0] === blank) position++;
  let characters = 0;
  let foreign = 0;
  for (; position < stop && source[position] !== lineFeed; position++) {
    const value = values[source[position] ?? 0] ?? junk;
    if (value < 64 || value === pad) characters++;
    else if (source[position] !== 0x0d) foreign++;
  }
  return foreign * 10 > characters;
}

/** Behind a gap the groups are out of step until the next line, which begins with a whole group. */
function decodeAroundGaps(
  source: Buffer,
  start: number,
  end: number,
  gaps: readonly number[],
): DecodedOctets {
  const pieces: Buffer[] = [];
  let position = start;
  for (const gap of gaps) {
    if (gap < position) continue;
    pieces.push(decodeBase64(source, position, gap).bytes);
    const feed = source.indexOf(lineFeed, gap);
    position = feed < 0 || feed >= end ? end : feed + 1;
  }
  const tail = decodeBase64(source, position, end);
  pieces.push(tail.bytes);
  // That the gaps cost something is known already.
  return { bytes: Buffer.concat(pieces), cutOff: tail.cutOff };
}
