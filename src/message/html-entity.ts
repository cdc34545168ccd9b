/** Character references, HTML §13.5: numeric ones, and all that have a name. */
import { namesWithoutSemicolon, readEntityNames } from './html-entity-names.ts';

let names: ReadonlyMap<string, string> | undefined;

/** The longest name has 31 characters. */
const reference = /&(?:#(\d{1,8})|#[xX]([0-9a-fA-F]{1,7})|([A-Za-z][A-Za-z0-9]{1,30}));?/g;

/** Text with its character references resolved; what is none stays as it is. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(reference, (whole: string, decimal?: string, hexadecimal?: string, name?: string) => {
    if (decimal !== undefined) return characterOf(Number.parseInt(decimal, 10));
    if (hexadecimal !== undefined) return characterOf(Number.parseInt(hexadecimal, 16));
    names ??= readEntityNames();
    const known = whole.endsWith(';') ? names.get(name ?? '') : undefined;
    return known ?? withoutSemicolon(whole, names);
  });
}

/** Names that mean something without a semicolon have two to six characters. */
const shortNameMax = 6;

/** §13.2.5.73: `&nbspText` is a blank and text; the longest name counts. */
function withoutSemicolon(whole: string, known: ReadonlyMap<string, string>): string {
  for (let length = Math.min(shortNameMax, whole.length - 1); length >= 2; length--) {
    const name = whole.slice(1, 1 + length);
    if (namesWithoutSemicolon.has(name)) return (known.get(name) ?? '') + whole.slice(1 + length);
  }
  return whole;
}

/** §13.2.5.84: 0x80 to 0x9F mean windows-1252; what is no character becomes U+FFFD. */
function characterOf(code: number): string {
  if (code >= 0x80 && code <= 0x9f) return windows1252[code - 0x80] ?? '\ufffd';
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  return String.fromCodePoint(code);
}

const windows1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
