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
  readonly #sections: ReadonlyMap<string, readonly Section[]>;

  constructor(raw: string) {
    const semicolon = raw.indexOf(';');
    const head = semicolon < 0 ? raw : raw.slice(0, semicolon);
    const [value = '', ...misplaced] = head.trim().split(/[\s(,]/, 2);
    this.value = value.toLowerCase().replaceAll('"', '');
    const sections = new Map<string, Section[]>();
    // A missing `;` behind the type: `text/plain charset=gbk`.
    const from = misplaced.length > 0 && head.includes('=') ? head.indexOf(value) + value.length : semicolon;
    this.overLimit = from >= 0 && !readSections(raw, from, sections);
    this.#sections = sections;
  }

  /** Plain text of a parameter such as `boundary` or `charset`, undecoded. */
  get(name: string): string | undefined {
    const sections = this.#sections.get(name);
    if (sections === undefined) return undefined;
    const { octets } = joinSections(sections);
    return octets.replace(/\r?\n/g, '').trim();
  }

  /** A parameter meant for people, such as `filename`. */
  decoded(name: string, context: CharsetContext): string | undefined {
    const sections = this.#sections.get(name);
    if (sections === undefined) return undefined;
    const { octets, charset, extended } = joinSections(sections);
    // What RFC 2231 has decoded is final; encoded words in plain parameters are forbidden, common, and meant.
    return extended ? decodeOctets(octets, charset, context) : decodeUnstructured(octets, context).trim();
  }
}

/** False where there were more than `parametersMax`. */
function readSections(raw: string, from: number, sections: Map<string, Section[]>): boolean {
  let position = from;
  let count = 0;
  while (position < raw.length) {
    const start = skipSeparators(raw, position);
    let nameEnd = start;
    while (nameEnd < raw.length && !/[=;\s"]/.test(raw[nameEnd] ?? '')) nameEnd++;
    let equals = nameEnd;
    while (isSpace(raw.charCodeAt(equals))) equals++;
    if (raw[equals] !== '=' || nameEnd === start) {
      position = Math.max(nameEnd, start + 1);
      continue;
    }
    if (++count > messageLimits.parametersMax) return false;
    const { text, end } = readValue(raw, equals + 1);
    addSection(sections, raw.slice(start, nameEnd).toLowerCase(), text);
    position = end;
  }
  return true;
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
  const lost = /\s[\w*-]+=(?!\?|$)/.exec(raw.slice(start, end));
  if (lost !== null) end = start + lost.index;
  return { text: raw.slice(start, end).trim(), end };
}

/** A quoted string; undefined where its closing quote is missing. */
function readQuoted(raw: string, start: number): { readonly text: string; readonly end: number } | undefined {
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

function addSection(sections: Map<string, Section[]>, attribute: string, text: string): void {
  const match = /^([^*]+)(?:\*(\d{1,4}))?(\*)?$/.exec(attribute);
  const name = match?.[1] ?? attribute;
  const numbered = match?.[2] !== undefined;
  const section = { index: numbered ? Number(match[2]) : -1, extended: match?.[3] === '*', text };
  const known = sections.get(name);
  if (known === undefined) sections.set(name, [section]);
  else known.push(section);
}

/** `name*` is preferred, then sections in their order, then the plain form; of duplicates the first counts. */
function joinSections(sections: readonly Section[]): {
  readonly octets: string;
  readonly charset: string | undefined;
  readonly extended: boolean;
} {
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
