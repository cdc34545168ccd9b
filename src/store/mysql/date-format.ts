/**
 * Dates as Java's lenient SimpleDateFormat reads and writes them, for the numeric pattern letters. Partition
 * rules were written for it: what it makes of `2022-1-7` or `2022-02-30` decides where rows are.
 */
import { millisecondsPerDay, ZoneClock } from '../../core/clock.ts';
import { configError } from './config/config-error.ts';

type Field = 'y' | 'M' | 'd' | 'H' | 'm' | 's' | 'S';

type Token =
  | { readonly kind: 'field'; readonly field: Field; readonly count: number }
  | { readonly kind: 'literal'; readonly text: string };

const fieldLetters = 'yMdHmsS';

export class DateFormat {
  readonly #tokens: readonly Token[];
  readonly #clock: ZoneClock;

  /** `where` is for errors. */
  constructor(pattern: string, timeZone: string, where: string) {
    this.#tokens = tokens(pattern, where);
    this.#clock = new ZoneClock(timeZone);
  }

  /** Milliseconds since 1970, or undefined where the text does not begin with such a date. */
  parse(text: string): number | undefined {
    const fields: Record<Field, number> = { y: 1970, M: 1, d: 1, H: 0, m: 0, s: 0, S: 0 };
    let position = 0;
    for (const [index, token] of this.#tokens.entries()) {
      if (token.kind === 'literal') {
        if (!text.startsWith(token.text, position)) return undefined;
        position += token.text.length;
        continue;
      }
      const number = readNumber(text, position, this.#isFollowedByField(index) ? token.count : undefined);
      if (number === undefined) return undefined;
      fields[token.field] = number.value;
      position = number.end;
    }
    return this.#fromWallClock(wallClock(fields));
  }

  format(milliseconds: number): string {
    const wall = new Date(this.wallClock(milliseconds));
    return this.#tokens
      .map((token) => (token.kind === 'literal' ? token.text : digits(wall, token)))
      .join('');
  }

  /** What a clock running on UTC would have counted where the zone's clock shows the same. */
  wallClock(milliseconds: number): number {
    return milliseconds + this.#offset(milliseconds);
  }

  /** The next day at the same time of day. */
  nextDay(milliseconds: number): number {
    return (
      this.#fromWallClock(this.wallClock(milliseconds) + millisecondsPerDay) ??
      milliseconds + millisecondsPerDay
    );
  }

  /** Digits of fields that stand side by side (`yyyyMMdd`) can be told apart by their count alone. */
  #isFollowedByField(index: number): boolean {
    return this.#tokens[index + 1]?.kind === 'field';
  }

  /** Times that a clock change skips are moved on by it; of times that it repeats, the second one is meant. */
  #fromWallClock(wall: number): number | undefined {
    if (Number.isNaN(wall)) return undefined;
    const before = this.#offset(wall - millisecondsPerDay);
    const after = this.#offset(wall + millisecondsPerDay);
    return this.#offset(wall - after) === after ? wall - after : wall - before;
  }

  #offset(milliseconds: number): number {
    const seconds = Math.floor(milliseconds / 1000);
    const shown = this.#clock.dateTime(BigInt(seconds) * 1_000_000_000n).replace(' ', 'T');
    return Date.parse(`${shown}Z`) - seconds * 1000;
  }
}

function tokens(pattern: string, where: string): readonly Token[] {
  const result: Token[] = [];
  for (const [part, quoted] of pattern.matchAll(/'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'/g)) {
    const letter = part.charAt(0);
    if (part === "''") result.push({ kind: 'literal', text: "'" });
    else if (quoted !== undefined) result.push({ kind: 'literal', text: quoted.replaceAll("''", "'") });
    else if (letter === "'") throw configError(where, `a quote is not closed in "${pattern}"`);
    else if (!/[A-Za-z]/.test(letter)) result.push({ kind: 'literal', text: part });
    else result.push({ kind: 'field', field: fieldOf(part, pattern, where), count: part.length });
  }
  if (!result.some((token) => token.kind === 'field'))
    throw configError(where, `"${pattern}" is no date format`);
  return result;
}

/** Names of months, years of two digits and the like depend on the language or on today's date. */
function fieldOf(letters: string, pattern: string, where: string): Field {
  const field = letters.charAt(0);
  const isNumeric = fieldLetters.includes(field) && !(field === 'y' && letters.length < 3);
  if (isNumeric && !(field === 'M' && letters.length > 2)) return field as Field;
  throw configError(where, `"${letters}" in the date format "${pattern}" is not supported`, 'use yyyy-MM-dd');
}

interface ReadNumber {
  readonly value: number;
  readonly end: number;
}

/** Blanks before a number are skipped. With `width` it must end within so many characters of `start`. */
function readNumber(text: string, start: number, width: number | undefined): ReadNumber | undefined {
  let begin = start;
  while (text[begin] === ' ' || text[begin] === '\t') begin++;
  const end = width === undefined ? begin + 11 : start + width;
  if (width !== undefined && end > text.length) return undefined;
  const digits = /^-?\d+/.exec(text.slice(begin, end))?.[0];
  // No date needs more digits, and more would leave the range of dates.
  if (digits === undefined || digits.length > 9) return undefined;
  return { value: Number(digits), end: begin + digits.length };
}

/** Lenient: month 13 is January of the next year, 30 February is 1 or 2 March. NaN outside the range of dates. */
function wallClock(fields: Readonly<Record<Field, number>>): number {
  const date = new Date(0);
  date.setUTCFullYear(fields.y, fields.M - 1, fields.d);
  date.setUTCHours(fields.H, fields.m, fields.s, fields.S);
  return date.getTime();
}

function digits(wall: Date, { field, count }: { readonly field: Field; readonly count: number }): string {
  const values: Readonly<Record<Field, number>> = {
    y: wall.getUTCFullYear(),
    M: wall.getUTCMonth() + 1,
    d: wall.getUTCDate(),
    H: wall.getUTCHours(),
    m: wall.getUTCMinutes(),
    s: wall.getUTCSeconds(),
    S: wall.getUTCMilliseconds(),
  };
  return String(values[field]).padStart(count, '0');
}
