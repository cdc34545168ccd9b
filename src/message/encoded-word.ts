/**
 * Encoded words in header fields, RFC 2047 with the language suffix of RFC 2231 §5.
 *
 *     encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
 *
 * Programs cut them inside a character, inside a base64 group, inside quotes and across lines, so
 * neighbours of one charset are joined as octets before they are decoded.
 */
import { type CharsetContext, decodeAs, decodeText, isStateful } from './charset.ts';
import { canonicalCharset } from './charset-label.ts';
import { unfold } from './header.ts';

/** Text of an unstructured field from its raw octets (Latin-1, folds kept). */
export function decodeUnstructured(raw: string, context: CharsetContext): string {
  return decodeEncodedWords(decodeRaw(raw, context), context);
}

/** Raw octets as Unicode; encoded words stay as they are. */
export function decodeRaw(raw: string, context: CharsetContext): string {
  if (!/[\x1b\x80-\xff]/.test(raw)) return raw;
  return decodeText(Buffer.from(raw, 'latin1'), undefined, context).text;
}

interface Word {
  /** As written. */
  readonly charset: string;
  readonly encoding: 'b' | 'q';
  readonly text: string;
  /** Offset behind the word. */
  readonly end: number;
}

/** Replaces encoded words; whatever is none, even nearly one, stays as it is. */
export function decodeEncodedWords(text: string, context: CharsetContext): string {
  let open = text.indexOf('=?');
  if (open < 0) return unfold(text);
  const lastEnd = text.lastIndexOf('?=');
  const pieces: string[] = [];
  let run: Word[] = [];
  let plainStart = 0;
  while (open >= 0) {
    const word = readWord(text, open, lastEnd);
    if (word === undefined) {
      open = text.indexOf('=?', open + 2);
      continue;
    }
    const between = text.slice(plainStart, open);
    if (run.length > 0 && isBlank(between)) {
      // White space between encoded words separates them and is not text (RFC 2047 §6.2).
    } else {
      pieces.push(decodeRun(run, context), unfold(between));
      run = [];
    }
    run.push(word);
    plainStart = word.end;
    open = text.indexOf('=?', word.end);
  }
  pieces.push(decodeRun(run, context), unfold(text.slice(plainStart)));
  return pieces.join('');
}

/** Encoded words decoded, white space and control characters as single blanks. */
export function displayName(text: string, context: CharsetContext): string {
  if (text === '') return '';
  const decoded = decodeEncodedWords(text, context);
  if (!/[\x00-\x1f\x7f]| {2}/.test(decoded)) return decoded.trim();
  return decoded
    .replace(/[\x00-\x1f\x7f]/g, ' ')
    .replaceAll(/ {2,}/g, ' ')
    .trim();
}

/** A word as a token of a structured field, from its `lastIndex` on. */
export const encodedWord = /=\?[^?\s]{1,80}\?[bBqQ]\?[^?"<>]*\?=/y;

/** Longest charset name with its language that is taken for one. */
const charsetLengthMax = 80;

/** `lastEnd` is where the last `?=` of `text` is: keeps the search for an end from running on in vain. */
function readWord(text: string, open: number, lastEnd: number): Word | undefined {
  const charsetEnd = text.indexOf('?', open + 2);
  if (charsetEnd < 0 || charsetEnd - open > charsetLengthMax || text[charsetEnd + 2] !== '?')
    return undefined;
  const charset = text.slice(open + 2, charsetEnd).trim();
  const encoding = text[charsetEnd + 1]?.toLowerCase();
  if ((encoding !== 'b' && encoding !== 'q') || /[<>"=]/.test(charset)) return undefined;
  const start = charsetEnd + 3;
  const close = start > lastEnd ? -1 : endOfWord(text, start, encoding);
  if (close >= 0) return { charset, encoding, text: text.slice(start, close), end: close + 2 };
  // The field was cut inside the word: what is there is read.
  const rest = /^[\w+/=.-]*\??$/.exec(text.slice(start, start + 2000));
  if (rest === null || rest[0] === '') return undefined;
  return { charset, encoding, text: rest[0].replace('?', ''), end: start + rest[0].length };
}

/** Offset of the closing `?=`, which there is. */
function endOfWord(text: string, start: number, encoding: 'b' | 'q'): number {
  let close = text.indexOf('?=', start);
  // QUIRK: some programs leave `?` as it is in Q: `=?utf-8?Q?Wie?=20bitte=3F?=`.
  while (encoding === 'q' && /^[0-9A-F]{2}$/.test(text.slice(close + 2, close + 4))) {
    const next = text.indexOf('?=', close + 2);
    if (next < 0 || /\s/.test(text.slice(close, Math.min(next, close + 100)))) break;
    close = next;
  }
  return close;
}

function isBlank(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit !== 0x20 && unit !== 0x09 && unit !== 0x0d && unit !== 0x0a) return false;
  }
  return true;
}

const noOctets = Buffer.alloc(0);

function isSameCharset(one: Word, other: Word): boolean {
  return one.charset === other.charset || one.charset.toLowerCase() === other.charset.toLowerCase();
}

/** Decodes adjacent words, joining the octets of those with one charset. */
function decodeRun(run: readonly Word[], context: CharsetContext): string {
  let text = '';
  let index = 0;
  while (index < run.length) {
    const first = run[index];
    if (first === undefined) break;
    const charset = canonicalCharset(first.charset);
    const pieces: Buffer[] = [];
    do {
      const word = run[index];
      if (word === undefined || !isSameCharset(word, first)) break;
      const { octets, next } = decodeWord(run, index);
      pieces.push(octets);
      index = next;
      // Each word of ISO-2022 begins anew in ASCII: joined, the second would be read in the wrong set.
    } while (charset === undefined || !isStateful(charset));
    const [octets = noOctets] = pieces;
    text += decodeText(pieces.length > 1 ? Buffer.concat(pieces) : octets, first.charset, context).text;
  }
  return text;
}

/** Base64 as it should be, where the length is one of whole groups. */
const wholeGroups = /^[\w+/-]*={0,2}$/;

/** The octets of the word at `index`, with those of the words that go on with its base64. */
function decodeWord(run: readonly Word[], index: number): { readonly octets: Buffer; readonly next: number } {
  const first = run[index];
  if (first?.encoding !== 'b') return { octets: decodeQ(first?.text ?? ''), next: index + 1 };
  if (first.text.length % 4 === 0 && wholeGroups.test(first.text))
    return { octets: Buffer.from(first.text, 'base64'), next: index + 1 };
  const pieces: string[] = [];
  let length = 0;
  let isPadded = false;
  let next = index;
  for (let word: Word | undefined = first; word !== undefined; word = run[next]) {
    if (word.encoding !== 'b' || !isSameCharset(word, first)) break;
    const data = word.text.replace(/[^\w+/=-]/g, '');
    pieces.push(data);
    length += data.length;
    if (data !== '') isPadded = data.endsWith('=');
    next++;
    // Base64 cut in the middle of a group goes on in the next word.
    if (isPadded || length % 4 === 0) break;
  }
  return { octets: decodeBase64Text(pieces.join('')), next };
}

function decodeBase64Text(data: string): Buffer {
  const inner = data.indexOf('=');
  if (inner < 0 || inner >= data.length - 2) return Buffer.from(data, 'base64');
  return Buffer.concat(data.split(/=+/).map((part) => Buffer.from(part, 'base64')));
}

/** The Q encoding, RFC 2047 §4.2: `_` is a blank. Folds inside the word are dropped. */
function decodeQ(text: string): Buffer {
  const octets = text
    .replaceAll('_', ' ')
    .replace(/\r?\n[ \t]?/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_: string, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
  // Characters past 0xFF were raw 8-bit text that is already decoded: they cannot be octets of the word.
  return /[^\x00-\xff]/.test(octets) ? Buffer.from(octets, 'utf8') : Buffer.from(octets, 'latin1');
}

/** Name of a charset used by an encoded word in `raw`, canonical; plain ASCII and UTF-8 tell nothing. */
export function charsetOfWords(raw: string): string | undefined {
  const lastEnd = raw.lastIndexOf('?=');
  let open = raw.indexOf('=?');
  while (open >= 0) {
    const word = readWord(raw, open, lastEnd);
    const charset = word === undefined ? undefined : canonicalCharset(word.charset);
    if (charset !== undefined && charset !== 'us-ascii' && charset !== 'utf-8') return charset;
    open = raw.indexOf('=?', word === undefined ? open + 2 : word.end);
  }
  return undefined;
}

/** Octets of a parameter (RFC 2231) in its charset. */
export function decodeOctets(octets: string, charset: string | undefined, context: CharsetContext): string {
  const bytes = Buffer.from(octets, 'latin1');
  const canonical = charset === undefined ? undefined : canonicalCharset(charset);
  return canonical === 'utf-8' ? decodeAs(bytes, 'utf-8') : decodeText(bytes, charset, context).text;
}
