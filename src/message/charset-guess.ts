/**
 * Charset of octets that nobody labelled, from the octets alone and what the rest of the mail says.
 *
 * Strictly valid UTF-8 is nearly always UTF-8, but not proof: one to three hanzi in GB 2312 are valid
 * two-octet UTF-8 in 18 %, 3 % and 0.6 % of cases, so a mail that elsewhere says GB is believed then.
 * What is left is told apart by how each charset's text looks: pairs, single letters, frequent lead octets.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import type { CharsetContext } from './charset.ts';
import { canonicalCharset, isChinese } from './charset-label.ts';

/** Octets looked at; a longer text says the same again. */
const sampleBytes = 8192;

/** Canonical name of the most probable charset. */
export function guessCharset(bytes: Buffer, context: CharsetContext): string {
  if (isAscii(bytes)) return guessEscapes(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const { mailCharset } = context;
  if (isUtf8(bytes)) {
    const doubtful = mailCharset !== undefined && isChinese(mailCharset) && !hasThreeOctets(bytes);
    return doubtful ? 'gb18030' : 'utf-8';
  }
  const sample = bytes.subarray(0, sampleBytes);
  const shape = shapeOf(sample);
  if (mailCharset !== undefined && mailCharset !== 'utf-8' && mailCharset !== 'windows-1252') {
    if (!mailCharset.startsWith('iso-2022')) return isChinese(mailCharset) ? 'gb18030' : mailCharset;
    if (mailCharset === 'iso-2022-jp') return looksShiftJis(shape) ? 'shift_jis' : 'euc-jp';
  }
  return guessByShape(sample, shape, context);
}

/** Strictly valid UTF-8 with at least three characters of three octets: no other charset's text looks like that. */
export function utf8IsCertain(bytes: Buffer): boolean {
  let long = 0;
  let short = 0;
  for (const octet of bytes.subarray(0, sampleBytes)) {
    if (octet >= 0xe0) long++;
    else if (octet >= 0xc2) short++;
  }
  return long >= 3 && long > short;
}

/** Text of octet pairs as in GB 2312: octets from 0x80 only in runs of even length, and some long ones. */
export function isPairedText(bytes: Buffer): boolean {
  const shape = shapeOf(bytes.subarray(0, sampleBytes));
  return shape.oddRuns === 0 && shape.evenRuns > 0 && shape.high >= 8 && shape.longestRun >= 4;
}

interface Shape {
  /** Octets from 0x80. */
  readonly high: number;
  /** Maximal runs of such octets, by length. */
  readonly evenRuns: number;
  readonly oddRuns: number;
  /** Runs of one octet between ASCII letters or at a word's edge: accents of a Latin script. */
  readonly singleRuns: number;
  readonly longestRun: number;
  /** Runs between two small ASCII letters: an umlaut inside a word. */
  readonly insideWords: number;
  /** Read as pairs: how many, how many of them end in an ASCII octet, and the count of each lead octet. */
  readonly pairs: number;
  readonly asciiTrails: number;
  readonly leads: Uint32Array;
  /** Octets 0xC0–0xDF and 0xE0–0xFF: lower and upper case in KOI8-R, upper and lower case in windows-1251. */
  readonly lowLetters: number;
  readonly highLetters: number;
}

function shapeOf(bytes: Buffer): Shape {
  let high = 0;
  let evenRuns = 0;
  let oddRuns = 0;
  let singleRuns = 0;
  let longestRun = 0;
  let insideWords = 0;
  let run = 0;
  let lowLetters = 0;
  let highLetters = 0;
  for (let index = 0; index <= bytes.length; index++) {
    const octet = bytes[index] ?? 0;
    if (octet >= 0x80) {
      high++;
      run++;
      if (octet >= 0xe0) highLetters++;
      else if (octet >= 0xc0) lowLetters++;
      continue;
    }
    if (run === 0) continue;
    if (run % 2 === 0) evenRuns++;
    else oddRuns++;
    if (run === 1) singleRuns++;
    if (run > longestRun) longestRun = run;
    if (isSmallLetter(octet) && isSmallLetter(bytes[index - run - 1] ?? 0)) insideWords++;
    run = 0;
  }
  return {
    high,
    evenRuns,
    oddRuns,
    singleRuns,
    longestRun,
    insideWords,
    lowLetters,
    highLetters,
    ...pairsOf(bytes),
  };
}

function isSmallLetter(octet: number): boolean {
  return octet >= 0x61 && octet <= 0x7a;
}

function pairsOf(bytes: Buffer): Pick<Shape, 'pairs' | 'asciiTrails' | 'leads'> {
  const leads = new Uint32Array(256);
  let pairs = 0;
  let asciiTrails = 0;
  for (let index = 0; index + 1 < bytes.length; index++) {
    const lead = bytes[index] ?? 0;
    if (lead < 0x80) continue;
    index++;
    pairs++;
    leads[lead] = (leads[lead] ?? 0) + 1;
    if ((bytes[index] ?? 0) < 0x80) asciiTrails++;
  }
  return { pairs, asciiTrails, leads };
}

/** Seven-bit text with escape sequences is ISO 2022: RFC 1468, 1557, 1922. */
function guessEscapes(bytes: Buffer): string {
  if (bytes.includes('\x1b$)C')) return 'iso-2022-kr';
  if (bytes.includes('\x1b$)A')) return 'iso-2022-cn';
  return bytes.includes('\x1b$') ? 'iso-2022-jp' : 'us-ascii';
}

function hasThreeOctets(bytes: Buffer): boolean {
  return bytes.some((octet) => octet >= 0xe0);
}

function guessByShape(sample: Buffer, shape: Shape, context: CharsetContext): string {
  const fallback = canonicalCharset(context.defaultCharset) ?? 'gb18030';
  const fits = (charset: string): boolean => isAllOf(sample, charset);
  if (looksShiftJis(shape) && fits('shift_jis')) return 'shift_jis';
  if (looksEucJp(shape) && fits('euc-jp')) return 'euc-jp';
  const runs = shape.evenRuns + shape.oddRuns;
  const accents = shape.singleRuns > 0 && shape.singleRuns * 3 >= runs && shape.longestRun <= 3;
  const latin = accents || (shape.longestRun <= 2 && shape.insideWords === runs);
  if (latin && fallback === 'gb18030') return 'windows-1252';
  if (looksEucKr(shape) && fits('euc-kr')) return 'euc-kr';
  if (shape.asciiTrails * 5 > shape.pairs && fits('big5')) return 'big5';
  if (fallback !== 'utf-8' && fits(fallback)) return fallback;
  if (fits('gb18030')) return 'gb18030';
  const letters = shape.lowLetters + shape.highLetters;
  if (letters * 10 > shape.high * 9 && shape.longestRun >= 3) {
    return shape.highLetters > shape.lowLetters ? 'windows-1251' : 'koi8-r';
  }
  return shape.oddRuns === 0 ? 'gb18030' : 'windows-1252';
}

const decoders = new Map<string, TextDecoder>();

/** Every octet has a meaning in `charset`; a character may be cut off at the end. */
function isAllOf(sample: Buffer, charset: string): boolean {
  // To make a decoder costs more than short texts do, and a mail may have a hundred thousand of them.
  const decoder = decoders.get(charset) ?? new TextDecoder(charset);
  decoders.set(charset, decoder);
  const text = decoder.decode(sample, { stream: true });
  // Ends the stream: the next text begins anew.
  decoder.decode();
  return !text.includes('\ufffd');
}

/** Kana (leads 0x82 and 0x83) are about half of Japanese text and rare leads elsewhere. */
function looksShiftJis({ leads, pairs }: Shape): boolean {
  return pairs >= 4 && ((leads[0x82] ?? 0) + (leads[0x83] ?? 0)) * 3 > pairs;
}

/** Rows 4 and 5 are the kana in EUC-JP and hardly used in GB 2312. */
function looksEucJp({ leads, pairs }: Shape): boolean {
  return pairs >= 4 && ((leads[0xa4] ?? 0) + (leads[0xa5] ?? 0)) * 4 > pairs;
}

/** Hangul fill rows 0xB0 to 0xC8; Chinese text of some length always has hanzi behind them. */
function looksEucKr({ leads, pairs, oddRuns }: Shape): boolean {
  if (pairs < 16 || oddRuns > 0) return false;
  let hangul = 0;
  for (let lead = 0xb0; lead <= 0xc8; lead++) hangul += leads[lead] ?? 0;
  return hangul * 20 >= pairs * 19;
}
