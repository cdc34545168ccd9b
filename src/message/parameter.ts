/**
 * Structured fields with parameters: Content-Type (RFC 2045 §5.1), Content-Disposition (RFC 2183), with
 * continuations and charsets of RFC 2231.
 *
 *     parameter := attribute ["*" section] ["*"] "=" (token / quoted-string)
 *     extended  := [charset] "'" [language] "'" *( "%" 2HEXDIG / attribute-char )
 */
import { messageLimits } from '../core/limits.ts';
import type { CharsetContext } from './charset.ts';
import { decodeOctets, decodeUnstructured } from './encoded-word.ts';

interface Section {
  /** Of the parameter, lower case. */
  readonly name: string;
  /** -1 where the name is not followed by a number. */
  readonly index: number;
  /** Percent-encoded: written with a `*` behind the name. */
  readonly extended: boolean;
  readonly text: string;
}

export class ParameterizedValue {
  /** What stands before the first `;`, lower case, without comments. */
  readonly value: string;
  /** Parameters were left out because of `messageLimits`. */
  readonly overLimit: boolean;
  /** In the order written; a handful, where a map would cost more than it finds. */
  readonly #sections: Section[] = [];

  constructor(raw: string) {
    const semicolon = raw.indexOf(';');
    const head = semicolon < 0 ? raw : raw.slice(0, semicolon);
    const words = head.trim();
    const valueEnd = words.search(/[\s(,]/);
    const value = valueEnd < 0 ? words : words.slice(0, valueEnd);
    this.value = value.toLowerCase().replaceAll('"', '');
    // A missing `;` behind the type: `text/plain charset=gbk`.
    const from = valueEnd >= 0 && head.includes('=') ? head.indexOf(value) + value.length : semicolon;
    this.overLimit = from >= 0 && !readSections(raw, from, this.#sections);
  }

  /** Plain text of a parameter such as `boundary` or `charset`, undecoded. */
  get(name: string): string | undefined {
    const parameter = this.#joined(name);
    if (parameter === undefined) return undefined;
    const { octets } = parameter;
    return (octets.includes('\n') ? octets.replace(/\r?\n/g, '') : octets).trim();
  }

  /** A parameter meant for people, such as `filename`. */
  decoded(name: string, context: CharsetContext): string | undefined {
    const parameter = this.#joined(name);
    if (parameter === undefined) return undefined;
    const { octets, charset, extended } = parameter;
    // What RFC 2231 has decoded is final; encoded words in plain parameters are forbidden, common, and meant.
    return extended ? decodeOctets(octets, charset, context) : decodeUnstructured(octets, context).trim();
  }

  #joined(name: string): Parameter | undefined {
    const sections = this.#sections;
    const first = sections.findIndex((section) => section.name === name);
    if (first < 0) return undefined;
    return joinSections(sections.filter((section, index) => index >= first && section.name === name));
  }
}

/** False where there were more than `parametersMax`. */
function readSections(raw: string, from: number, sections: Section[]): boolean {
  let position = from;
  while (position < raw.length) {
    const start = skipSeparators(raw, position);
    let nameEnd = start;
    while (nameEnd < raw.length && !endsName(raw.charCodeAt(nameEnd))) nameEnd++;
    let equals = nameEnd;
    while (isSpace(raw.charCodeAt(equals))) equals++;
    if (raw[equals] !== '=' || nameEnd === start) {
      position = Math.max(nameEnd, start + 1);
      continue;
    }
    if (sections.length >= messageLimits.parametersMax) return false;
    const { text, end } = readValue(raw, equals + 1);
    sections.push(sectionOf(raw.slice(start, nameEnd).toLowerCase(), text));
    position = end;
  }
  return true;
}

/** `=`, `;`, `"` and white space, that of Latin-1 included. */
function endsName(unit: number): boolean {
  return unit === 0x3d || unit === 0x3b || unit === 0x22 || unit === 0xa0 || isSpace(unit);
}

function skipSeparators(raw: string, from: number): number {
  let position = from;
  while (position < raw.length) {
    const unit = raw.charCodeAt(position);
    if (unit === 0x28) {
      const close = raw.indexOf(')', position);
      if (close < 0) return raw.length;
      position = close + 1;
    } else if (isSpace(unit) || unit === 0x3b || unit === 0x2c) {
      position++;
    } else {
      return position;
    }
  }
  return position;
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

function readValue(raw: string, from: number): { readonly text: string; readonly end: number } {
  let start = from;
  while (isSpace(raw.charCodeAt(start))) start++;
  if (raw[start] === '"') {
    const quoted = readQuoted(raw, start + 1);
    if (quoted !== undefined) return quoted;
    start++;
  }
  let end = raw.indexOf(';', start);
  if (end < 0) end = raw.length;
  // A missing `;` before the next parameter.
  const equals = raw.indexOf('=', start);
  const lost = equals < 0 || equals >= end ? null : /\s[\w*-]+=(?!\?|$)/.exec(raw.slice(start, end));
  if (lost !== null) end = start + lost.index;
  return { text: raw.slice(start, end).trim(), end };
}

/** A quoted string; undefined where its closing quote is missing. */
function readQuoted(raw: string, start: number): { readonly text: string; readonly end: number } | undefined {
  const quote = raw.indexOf('"', start);
  if (quote < 0) return undefined;
  const plain = raw.slice(start, quote);
  return plain.includes('\\') ? readEscaped(raw, start) : { text: plain, end: quote + 1 };
}

/** The same with backslashes in it. */
function readEscaped(
  raw: string,
  start: number,
): { readonly text: string; readonly end: number } | undefined {
  let text = '';
  let copied = start;
  for (let position = start; position < raw.length; position++) {
    const character = raw[position];
    if (character === '"') return { text: text + raw.slice(copied, position), end: position + 1 };
    const next = raw[position + 1];
    // QUIRK: old Outlook writes `C:\temp\a.jpg` unescaped, so a backslash escapes only what needs it.
    if (character === '\\' && (next === '"' || next === '\\')) {
      text += raw.slice(copied, position);
      copied = position + 1;
      position++;
    }
  }
  return undefined;
}

function sectionOf(attribute: string, text: string): Section {
  const match = attribute.includes('*') ? /^([^*]+)(?:\*(\d{1,4}))?(\*)?$/.exec(attribute) : null;
  if (match === null) return { name: attribute, index: -1, extended: false, text };
  const [, name = attribute, index, star] = match;
  return { name, index: index === undefined ? -1 : Number(index), extended: star === '*', text };
}

interface Parameter {
  readonly octets: string;
  readonly charset: string | undefined;
  readonly extended: boolean;
}

/** `name*` is preferred, then sections in their order, then the plain form; of duplicates the first counts. */
function joinSections(sections: readonly Section[]): Parameter {
  const [only] = sections;
  if (sections.length === 1 && only?.extended === false)
    return { octets: only.text, charset: undefined, extended: false };
  const whole = sections.find((section) => section.index < 0 && section.extended);
  const numbered = sections.filter((section) => section.index >= 0).sort((a, b) => a.index - b.index);
  const plain = sections.find((section) => section.index < 0);
  const used =
    whole !== undefined ? [whole] : numbered.length > 0 ? numbered : plain !== undefined ? [plain] : [];
  const first = used[0];
  const extended = used.some((section) => section.extended);
  if (!extended || first === undefined)
    return { octets: used.map(({ text }) => text).join(''), charset: undefined, extended };
  const marked = /^([^']{0,60})'[^']{0,60}'/.exec(first.text);
  let seen = -1;
  const octets: string[] = [];
  for (const section of used) {
    if (section.index >= 0 && section.index === seen) continue;
    seen = section.index;
    const text = section === first && marked !== null ? section.text.slice(marked[0].length) : section.text;
    octets.push(section.extended ? decodePercent(text) : text);
  }
  const charset = marked?.[1];
  return { octets: octets.join(''), charset: charset === '' ? undefined : charset, extended };
}

function decodePercent(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_: string, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
