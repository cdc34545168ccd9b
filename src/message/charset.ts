/**
 * Charsets: octets to Unicode. Labels are those of the WHATWG Encoding standard and what mail programs
 * wrote before it; where a label is missing or cannot be right the octets decide.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { guessCharset, isPairedText, utf8IsCertain } from './charset-guess.ts';
import { canonicalCharset, isChinese } from './charset-label.ts';
import { decodeHz } from './hz.ts';
import { decodeShifted } from './iso-2022.ts';
import { decodeSingleByte, isSingleByteCharset } from './single-byte.ts';
import { decodeUtf7 } from './utf7.ts';

/** What the rest of the mail tells about octets without a (credible) charset. */
export interface CharsetContext {
  /** Charset, canonical, that other fields or parts of the mail name; undefined where none does. */
  readonly mailCharset: string | undefined;
  readonly defaultCharset: string;
}

export interface DecodedText {
  readonly text: string;
  /** `unknown`: the label means nothing to us. `damaged`: octets that the charset does not have. */
  readonly problem: 'unknown' | 'damaged' | undefined;
}

const replacement = '\ufffd';
const decoders = new Map<string, TextDecoder>();

/** Decodes `bytes` labelled `label`, which may be missing, misspelt or wrong. */
export function decodeText(bytes: Buffer, label: string | undefined, context: CharsetContext): DecodedText {
  const charset = label === undefined ? undefined : canonicalCharset(label);
  if (charset !== undefined && isStateful(charset)) return decodeStateful(bytes, charset, context);
  if (isAscii(bytes)) {
    if (!bytes.includes(0x1b)) return { text: bytes.toString('latin1'), problem: undefined };
    return checked(decodeAs(bytes, guessCharset(bytes, context)));
  }
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return decodeUtf8(bytes, context);
  if (charset === undefined) {
    const known = label === undefined || label === '' || /unknown|8bit|default|none/i.test(label);
    const decoded = decodeGuessed(bytes, context);
    return known ? decoded : { text: decoded.text, problem: 'unknown' };
  }
  if (charset === 'us-ascii') return decodeGuessed(bytes, context);
  if (charset === 'utf-8') return decodeUtf8(bytes, context);
  return decodeLabelled(bytes, charset, context);
}

/** Decodes by `charset`, which must be canonical, and nothing else. */
export function decodeAs(bytes: Buffer, charset: string): string {
  if (charset === 'us-ascii') return bytes.toString('latin1');
  if (charset === 'utf-8' && isUtf8(bytes)) return withoutMark(bytes.toString('utf8'));
  switch (charset) {
    case 'hz-gb-2312':
      return decodeHz(bytes);
    case 'utf-7':
      return decodeUtf7(bytes);
    case 'iso-2022-kr':
    case 'iso-2022-cn':
      return decodeAs(decodeShifted(bytes), charset === 'iso-2022-kr' ? 'euc-kr' : 'gb18030');
    case 'utf-16':
      return decodeAs(bytes, utf16Order(bytes));
    case 'utf-32':
      return decodeUtf32(bytes);
    default:
      return isSingleByteCharset(charset)
        ? decodeSingleByte(bytes, charset)
        : decoderOf(charset).decode(bytes);
  }
}

function decoderOf(charset: string): TextDecoder {
  let decoder = decoders.get(charset);
  if (decoder === undefined) {
    decoder = new TextDecoder(charset);
    decoders.set(charset, decoder);
  }
  return decoder;
}

function checked(text: string): DecodedText {
  return { text, problem: text.includes(replacement) ? 'damaged' : undefined };
}

function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function decodeGuessed(bytes: Buffer, context: CharsetContext): DecodedText {
  return checked(decodeAs(bytes, guessCharset(bytes, context)));
}

/** Text labelled UTF-8 may be cut or hold a stray octet; only where most of it is no UTF-8 the label is wrong. */
function decodeUtf8(bytes: Buffer, context: CharsetContext): DecodedText {
  if (isUtf8(bytes)) return { text: withoutMark(bytes.toString('utf8')), problem: undefined };
  const text = decodeAs(bytes, 'utf-8');
  let wrong = 0;
  let right = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0xfffd) wrong++;
    else if (unit >= 0x80) right++;
  }
  if (wrong <= right) return { text, problem: 'damaged' };
  return decodeGuessed(bytes, context);
}

/** The label counts unless the octets refute it: valid UTF-8 in another charset is hardly ever chance. */
function decodeLabelled(bytes: Buffer, charset: string, context: CharsetContext): DecodedText {
  if (isUtf8(bytes)) {
    const singleByte = !isMultiByte(charset);
    if (utf8IsCertain(bytes) || (singleByte && charset.endsWith('1252')))
      return checked(bytes.toString('utf8'));
  }
  // QUIRK: Chinese mail labelled iso-8859-1 is common (Outlook Express on English Windows).
  if (charset === 'windows-1252' && isPairedText(bytes)) {
    const other = context.mailCharset;
    return checked(decodeAs(bytes, other !== undefined && isMultiByte(other) ? other : 'gb18030'));
  }
  const text = decodeAs(bytes, charset);
  if (text.includes(replacement) && isUtf8(bytes)) return checked(bytes.toString('utf8'));
  return checked(text);
}

function decodeStateful(bytes: Buffer, charset: string, context: CharsetContext): DecodedText {
  if (charset.startsWith('utf-16') || charset.startsWith('utf-32')) {
    // Text without a single NUL, all 7-bit, was never UTF-16: the label is wrong.
    const mislabelled = !bytes.includes(0) && (isAscii(bytes) || (isUtf8(bytes) && utf8IsCertain(bytes)));
    return checked(decodeAs(bytes, mislabelled ? 'utf-8' : charset));
  }
  if (!isAscii(bytes)) {
    if (isUtf8(bytes)) return checked(bytes.toString('utf8'));
    // QUIRK: iso-2022-jp is also claimed for plain Shift_JIS and EUC-JP (old Windows mailers).
    const text = decodeAs(bytes, charset);
    return text.includes(replacement) ? decodeGuessed(bytes, context) : checked(text);
  }
  return checked(decodeAs(bytes, charset));
}

export function isStateful(charset: string): boolean {
  return (
    charset.startsWith('iso-2022') ||
    charset.startsWith('utf-16') ||
    charset.startsWith('utf-32') ||
    charset === 'utf-7' ||
    charset === 'hz-gb-2312'
  );
}

function isMultiByte(charset: string): boolean {
  return isChinese(charset) || /^(?:big5|euc-|shift_jis)/.test(charset);
}

/** RFC 2781 §4.3: the mark decides, else big-endian; mail programs on Windows wrote little-endian, so the octets are asked. */
function utf16Order(bytes: Buffer): 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  let even = 0;
  let odd = 0;
  const sample = Math.min(bytes.length, 4096);
  for (let index = 0; index < sample; index++) {
    // The high half of line ends, blanks, Latin letters and CJK punctuation: 0x00 and 0x30.
    if (bytes[index] !== 0 && bytes[index] !== 0x30) continue;
    if (index % 2 === 0) even++;
    else odd++;
  }
  return odd > even ? 'utf-16le' : 'utf-16be';
}

function decodeUtf32(bytes: Buffer): string {
  const usable = bytes.subarray(0, bytes.length - (bytes.length % 4));
  const little = usable.length >= 4 && (usable[0] !== 0 || usable[1] !== 0);
  const units = Buffer.allocUnsafe(usable.length);
  let length = 0;
  for (let index = 0; index < usable.length; index += 4) {
    const code = little ? usable.readUInt32LE(index) : usable.readUInt32BE(index);
    if (code === 0xfeff) continue;
    if (code < 0x10000) {
      length = units.writeUInt16LE(code, length);
    } else if (code <= 0x10ffff) {
      length = units.writeUInt16LE(0xd800 + ((code - 0x10000) >> 10), length);
      length = units.writeUInt16LE(0xdc00 + (code & 0x3ff), length);
    } else {
      length = units.writeUInt16LE(0xfffd, length);
    }
  }
  return decoderOf('utf-16le').decode(units.subarray(0, length));
}
