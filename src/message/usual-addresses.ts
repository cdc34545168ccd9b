/**
 * Address lists as nearly every program writes them, RFC 5322 §3.4 without groups, comments and obsolete forms: read
 * in one pass, where the parser for everything else (`address.ts`) takes several. Both come to the same result.
 *
 *     a@b   name <a@b>   "name, first" <a@b>   =?utf-8?B?…?= <a@b>   and lists of these
 */
import { messageLimits } from '../core/limits.ts';
import type { CharsetContext } from './charset.ts';
import { displayName, encodedWord } from './encoded-word.ts';
import type { Address } from './types.ts';

const comma = 0x2c;
const lessThan = 0x3c;
const greaterThan = 0x3e;
const space = 0x20;

/** Undefined where something in `text` (raw octets as Latin-1) is not as usual. */
export function parseUsualAddresses(text: string, context: CharsetContext): readonly Address[] | undefined {
  if (/[^\t\n\r -~]/.test(text)) return undefined;
  const addresses: Address[] = [];
  let position = 0;
  while (position < text.length) {
    const start = skipWhiteSpace(text, position);
    const stop = endOfWords(text, start);
    if (stop < 0) return undefined;
    const words = text.slice(start, stop);
    if (text.charCodeAt(stop) === lessThan) {
      const close = endOfAddress(text, stop + 1);
      if (close < 0) return undefined;
      addresses.push({
        name: displayName(words.replaceAll('"', ''), context),
        address: text.slice(stop + 1, close),
      });
      position = behindComma(text, close + 1);
      if (position < 0) return undefined;
    } else {
      const address = words.trim();
      if (address !== '') {
        if (!address.includes('@') || /[ "=]/.test(address)) return undefined;
        addresses.push({ name: '', address });
      }
      position = stop + 1;
    }
  }
  return addresses.length > messageLimits.addressesMax ? undefined : addresses;
}

/** Folds are usual between mailboxes only. */
function skipWhiteSpace(text: string, from: number): number {
  let position = from;
  for (; position < text.length; position++) {
    const unit = text.charCodeAt(position);
    if (unit !== space && unit !== 0x09 && unit !== 0x0a && unit !== 0x0d) break;
  }
  return position;
}

/** Offset of the `<`, the comma or the end behind the words at `from`; -1 where there is anything else. */
function endOfWords(text: string, from: number): number {
  let position = from;
  while (position < text.length) {
    const unit = text.charCodeAt(position);
    if (unit === lessThan || unit === comma) return position;
    if (unit === 0x22) position = endOfQuoted(text, position + 1);
    else if (unit === 0x3d) position = behindEquals(text, position);
    else position = isPlain(unit) ? position + 1 : -1;
    if (position < 0) return -1;
  }
  return position;
}

/** Offset behind the closing quote; -1 where something inside is quoted itself, or folded. */
function endOfQuoted(text: string, from: number): number {
  for (let position = from; position < text.length; position++) {
    const unit = text.charCodeAt(position);
    if (unit === 0x22) return position + 1;
    if (unit < space || unit === 0x5c) return -1;
  }
  return -1;
}

/** An encoded word is one token, whatever its text holds. */
function behindEquals(text: string, position: number): number {
  encodedWord.lastIndex = position;
  return encodedWord.test(text) ? encodedWord.lastIndex : position + 1;
}

/** Offset of the `>`; -1 where the brackets hold nothing, or more than an address. */
function endOfAddress(text: string, from: number): number {
  for (let position = from; position < text.length; position++) {
    const unit = text.charCodeAt(position);
    if (unit === greaterThan) return position > from ? position : -1;
    if (!isPlain(unit) || unit === space || unit === comma || unit === lessThan) return -1;
  }
  return -1;
}

/** Offset behind the comma, or the end; -1 where something comes before it. */
function behindComma(text: string, from: number): number {
  let position = from;
  while (text.charCodeAt(position) === space) position++;
  if (position >= text.length) return position;
  return text.charCodeAt(position) === comma ? position + 1 : -1;
}

/** No fold and none of `"`, `(`, `)`, `:`, `;`, `>` and the backslash. */
function isPlain(unit: number): boolean {
  if (unit < space) return false;
  switch (unit) {
    case 0x22:
    case 0x28:
    case 0x29:
    case 0x3a:
    case 0x3b:
    case greaterThan:
    case 0x5c:
      return false;
    default:
      return true;
  }
}
