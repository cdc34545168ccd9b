/**
 * Quoted-printable, RFC 2045 §6.7.
 *
 *     "=" HEXDIG HEXDIG    one octet; lower case digits are accepted
 *     "=" *WSP CRLF        soft line break, nothing
 *     *WSP CRLF            trailing white space was added on the way and is removed
 *
 * Any other `=` stands for itself (§6.7 "robust" handling).
 */

const equals = 0x3d;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

const none = 255;
/** Octets from which on the size of what comes out is found out first. */
const countedFrom = 1 << 20;
const digits = new Uint8Array(256).fill(none);
for (let digit = 0; digit < 16; digit++) {
  const character = digit.toString(16);
  digits[character.charCodeAt(0)] = digit;
  digits[character.toUpperCase().charCodeAt(0)] = digit;
}

export function decodeQuotedPrintable(source: Buffer, start: number, end: number): Buffer {
  if (isIdentical(source, start, end)) return source.subarray(start, end);
  const output = Buffer.allocUnsafe(end - start - 2 * codedOctets(source, start, end));
  return output.subarray(0, decodeInto(output, source, start, end));
}

/** The same in pieces, one after the other, from about `pieceBytes` octets each. A piece dies at the next one. */
export function* quotedPrintablePieces(
  source: Buffer,
  start: number,
  end: number,
  pieceBytes = 1 << 20,
): Generator<Buffer> {
  if (isIdentical(source, start, end)) {
    yield source.subarray(start, end);
    return;
  }
  let output: Buffer = Buffer.alloc(0);
  for (let from = start; from < end; ) {
    const to = safeCut(source, Math.min(from + pieceBytes, end), end);
    if (output.length < to - from) output = Buffer.allocUnsafe(to - from);
    yield output.subarray(0, decodeInto(output, source, from, to));
    from = to;
  }
}

/** From `wanted` on, where what stands before does not change what follows: behind an octet that is itself. */
function safeCut(source: Buffer, wanted: number, end: number): number {
  for (let at = wanted; at < end; at++) {
    const before = source[at - 1] ?? 0;
    const isItself = before !== 0x20 && before !== 0x09 && before !== carriageReturn && before !== equals;
    if (isItself && source[at - 2] !== equals) return at;
  }
  return end;
}

function isIdentical(source: Buffer, start: number, end: number): boolean {
  return !source.subarray(start, end).includes(equals) && !hasTrailingBlanks(source, start, end);
}

/** Returns how many octets it wrote: no more than it read. */
function decodeInto(output: Buffer, source: Buffer, start: number, end: number): number {
  let length = 0;
  /** Output length behind the last octet that is no literal blank: where a line end cuts back to. */
  let solid = 0;
  for (let position = start; position < end; position++) {
    const octet = source[position] ?? 0;
    if (octet === equals) {
      const high = position + 1 < end ? (digits[source[position + 1] ?? 0] ?? none) : none;
      const low = position + 2 < end ? (digits[source[position + 2] ?? 0] ?? none) : none;
      if (high !== none && low !== none) {
        output[length++] = (high << 4) | low;
        position += 2;
      } else {
        const next = softBreak(source, position + 1, end);
        if (next < 0) output[length++] = equals;
        else position = next - 1;
      }
      solid = length;
    } else if (octet === lineFeed) {
      const carriage = length > solid && output[length - 1] === carriageReturn;
      length = solid;
      if (carriage) output[length++] = carriageReturn;
      output[length++] = lineFeed;
      solid = length;
    } else {
      output[length++] = octet;
      if (octet !== 0x20 && octet !== 0x09 && octet !== carriageReturn) solid = length;
    }
  }
  return length;
}

/** So many triples become one octet each; looked for only where it spares memory. */
function codedOctets(source: Buffer, start: number, end: number): number {
  let count = 0;
  if (end - start < countedFrom) return count;
  const body = source.subarray(start, end);
  for (let at = body.indexOf(equals); at >= 0 && at + 2 < body.length; at = body.indexOf(equals, at + 1)) {
    if (digits[body[at + 1] ?? 0] === none || digits[body[at + 2] ?? 0] === none) continue;
    count++;
    at += 2;
  }
  return count;
}

/** Offset behind a soft line break whose `=` precedes `position`, -1 where there is none. */
function softBreak(source: Buffer, position: number, end: number): number {
  let next = position;
  while (next < end && (source[next] === 0x20 || source[next] === 0x09)) next++;
  if (next >= end) return end;
  if (source[next] === lineFeed) return next + 1;
  if (source[next] !== carriageReturn) return -1;
  while (next < end && source[next] === carriageReturn) next++;
  return source[next] === lineFeed ? next + 1 : next;
}

function hasTrailingBlanks(source: Buffer, start: number, end: number): boolean {
  for (
    let feed = source.indexOf(lineFeed, start);
    feed >= 0 && feed < end;
    feed = source.indexOf(lineFeed, feed + 1)
  ) {
    const before = source[feed - 1] === carriageReturn ? source[feed - 2] : source[feed - 1];
    if (before === 0x20 || before === 0x09) return true;
  }
  return false;
}
