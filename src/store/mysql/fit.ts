/**
 * Values and the columns that take them. A table that exists may be narrower than mail is, or know fewer
 * characters: what does not fit is cut or replaced here, where it can be counted, and never by the server.
 */
import { mysqlLimits } from '../../core/limits.ts';

export interface ColumnLimit {
  readonly name: string;
  readonly kind: 'text' | 'integer' | 'timestamp' | 'other';
  /** Of texts. */
  readonly charactersMax: number;
  readonly octetsMax: number;
  /** As MySQL names it, in small letters; `utf8` is `utf8mb3`. undefined for octets. */
  readonly characterSet: string | undefined;
  /** Of integers. */
  readonly least: bigint;
  readonly greatest: bigint;
  readonly isNullable: boolean;
}

export type Value = string | number | bigint | null;

/** The value itself where it fits, so that `===` tells. */
export function fit(value: Value, column: ColumnLimit): Value {
  if (value === null) return column.isNullable ? null : column.kind === 'integer' ? 0 : '';
  if (column.kind === 'text') return fitText(String(value), column);
  if (column.kind === 'timestamp') return fitTimestamp(String(value));
  if (column.kind === 'integer' && typeof value !== 'string') return fitInteger(value, column);
  return value;
}

function fitInteger(value: number | bigint, column: ColumnLimit): number | bigint {
  if (value < column.least) return column.least;
  return value > column.greatest ? column.greatest : value;
}

/** A TIMESTAMP holds 1970 to 2038 in UTC; a day is left for the zone. */
function fitTimestamp(text: string): string {
  if (text < '1970-01-02 00:00:00') return '1970-01-02 00:00:00';
  return text > '2038-01-18 00:00:00' ? '2038-01-18 00:00:00' : text;
}

function fitText(text: string, column: ColumnLimit): string {
  return cutOctets(cutCharacters(knownCharacters(text, column.characterSet), column.charactersMax), column);
}

/** Of the character sets that are computed here; the server writes `?` for what another one lacks. */
function knownCharacters(text: string, characterSet: string | undefined): string {
  switch (characterSet) {
    case 'utf8mb3':
    case 'ucs2':
      return text.replace(/[\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
    case 'latin1':
      return text.replace(notWindows1252, '?');
    case 'ascii':
      return text.replace(/[^\0-\x7F]/gu, '?');
    default:
      return text;
  }
}

/** MySQL's latin1 is Windows-1252: https://dev.mysql.com/doc/refman/8.0/en/charset-we-sets.html. */
const notWindows1252 = /[^\0-\x7F\xA0-\xFF€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]/gu;

/** A character is what MySQL counts: a code point. */
function cutCharacters(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  let end = 0;
  for (let count = 0; count < charactersMax && end < text.length; count++) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return end >= text.length ? text : text.slice(0, end);
}

function cutOctets(text: string, column: ColumnLimit): string {
  switch (column.characterSet) {
    case 'latin1':
    case 'ascii':
      return cutCharacters(text, column.octetsMax);
    case 'utf8mb3':
    case 'utf8mb4':
    case undefined:
      return cutUtf8(text, column.octetsMax);
    default:
      // No character of any set of MySQL has more than four octets.
      return text.length * 4 <= column.octetsMax
        ? text
        : cutCharacters(text, Math.floor(column.octetsMax / 4));
  }
}

/** Cuts at a character boundary. */
export function cutUtf8(text: string, octetsMax: number): string {
  if (text.length * 3 <= octetsMax || Buffer.byteLength(text) <= octetsMax) return text;
  const octets = Buffer.from(text);
  let end = octetsMax;
  while (end > 0 && ((octets[end] ?? 0) & 0xc0) === 0x80) end--;
  return octets.toString('utf8', 0, end);
}

/** Counts what was cut or replaced, and tells of each column once. */
export class Cuts {
  readonly #counts = new Map<string, number>();
  readonly #report: (code: string, detail: string) => void;

  constructor(report: (code: string, detail: string) => void) {
    this.#report = report;
  }

  /** By `table.column`. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  count(table: string, column: ColumnLimit): void {
    const name = `${table}.${column.name}`;
    const before = this.#counts.get(name) ?? 0;
    if (before === 0 && this.#counts.size >= mysqlLimits.cutColumnsMax) return;
    this.#counts.set(name, before + 1);
    if (before === 0)
      this.#report(
        'record.value-cut',
        `${name} (${described(column)}) does not hold every value: cut or replaced`,
      );
  }
}

function described(column: ColumnLimit): string {
  if (column.kind !== 'text') return column.kind;
  return `${column.charactersMax} characters, ${column.characterSet ?? 'octets'}`;
}
