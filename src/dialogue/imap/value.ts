/**
 * Second stage of reading IMAP: the values of a response, RFC 9051 §4. Tolerant: what is malformed or cut
 * ends the list it stands in; nothing here throws or recurses.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Place } from '../half-stream.ts';
import { heapOctets, type Octets } from '../octets.ts';
import type { Text } from './text.ts';
import type { Literal, Unit } from './unit.ts';

interface Atom {
  readonly kind: 'atom';
  /** Octets as Latin-1; `NIL` is an atom. */
  readonly text: string;
}

/** A quoted string or a literal. */
export interface Str {
  readonly kind: 'string';
  readonly length: number;
  /** Of a quoted string its octets as Latin-1, quoting undone. */
  readonly text: string | undefined;
  /** Quoting undone; of a literal what was captured. */
  readonly octets: Octets;
  readonly literal: Literal | undefined;
  readonly start: Place;
}

/** Most are read as text, and few as octets. */
class Quoted implements Str {
  readonly kind = 'string';
  readonly text: string;
  readonly literal = undefined;
  readonly start: Place;

  constructor(text: string, start: Place) {
    this.text = text;
    this.start = start;
  }

  get length(): number {
    return this.text.length;
  }

  get octets(): Octets {
    return heapOctets(Buffer.from(this.text, 'latin1'));
  }
}

interface List {
  readonly kind: 'list';
  readonly items: readonly Value[];
}

export type Value = Atom | Str | List;

const itemNameLengthMax = 2000;

const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const TILDE = 0x7e;

/** Reads a unit from its beginning; every method moves on. */
export class ValueReader {
  readonly #fragments: readonly (Text | Literal)[];
  #index = 0;
  #at = 0;
  #values = 0;
  #limitReached = false;

  constructor(unit: Unit) {
    this.#fragments = unit.fragments;
  }

  /** Values beyond the limits were passed over. */
  get limitReached(): boolean {
    return this.#limitReached;
  }

  get isAtEnd(): boolean {
    return this.#octet() === undefined && !this.#literalComes();
  }

  skipSpaces(): void {
    while (this.#octet() === SPACE) this.#at++;
  }

  /** Takes `(`, or says that something else comes. */
  openList(): boolean {
    return this.#take(OPEN);
  }

  closeList(): boolean {
    return this.#take(CLOSE);
  }

  /** Everything up to a space or parenthesis; empty where none comes. */
  atom(): string {
    const text = this.#text();
    if (text === undefined) return '';
    const start = this.#at;
    while (this.#at < text.length && !endsAtom(text.octet(this.#at))) this.#at++;
    return text.part(start, this.#at);
  }

  /** A FETCH item's name: `BODY[HEADER.FIELDS (FROM "To")]<0>` holds spaces and parentheses. */
  itemName(): string {
    let name = '';
    let bracketed = false;
    let quoted = false;
    let text = this.#text();
    let start = this.#at;
    for (;;) {
      const octet = this.#octet();
      if (this.#text() !== text) {
        // Texts can follow one another, too.
        if (text !== undefined) name += text.part(start);
        text = this.#text();
        start = 0;
      }
      if (octet === undefined) {
        if (text !== undefined) name += text.part(start, this.#at);
        // A field name may itself be a literal.
        const literal = bracketed ? this.#takeLiteral() : undefined;
        if (literal === undefined) return name.slice(0, itemNameLengthMax);
        const { octets } = literal.content;
        if (name.length < itemNameLengthMax)
          name += octets.read(0, Math.min(octets.length, 100)).toString('latin1');
        text = this.#text();
        start = this.#at;
        continue;
      }
      if (!bracketed && endsAtom(octet)) break;
      if (octet === QUOTE) quoted = !quoted;
      if (!quoted && octet === OPEN_BRACKET) bracketed = true;
      if (!quoted && octet === CLOSE_BRACKET) bracketed = false;
      this.#at++;
    }
    if (text !== undefined) name += text.part(start, this.#at);
    return name.slice(0, itemNameLengthMax);
  }

  /** The next value with everything inside it; undefined at a `)` or the end. */
  value(): Value | undefined {
    this.skipSpaces();
    if (!this.openList()) return this.#simple();
    const outermost: Value[] = [];
    const open: Value[][] = [outermost];
    let tooDeep = 0;
    while (open.length > 0) {
      this.skipSpaces();
      if (this.openList()) {
        if (open.length < dialogueLimits.listDepthMax) open.push(this.#nest(open.at(-1)));
        else tooDeep++;
      } else if (this.closeList()) {
        if (tooDeep > 0) tooDeep--;
        else open.pop();
      } else {
        const simple = this.#simple();
        if (simple === undefined) break;
        if (tooDeep === 0) this.#keep(open.at(-1), simple);
      }
      if (tooDeep > 0) this.#limitReached = true;
    }
    return { kind: 'list', items: outermost };
  }

  #nest(outer: Value[] | undefined): Value[] {
    const items: Value[] = [];
    this.#keep(outer, { kind: 'list', items });
    return items;
  }

  #keep(list: Value[] | undefined, value: Value): void {
    if (this.#values++ < dialogueLimits.listValuesMax) list?.push(value);
    else this.#limitReached = true;
  }

  #simple(): Atom | Str | undefined {
    const literal = this.#takeLiteral();
    if (literal !== undefined) {
      const { octets, first } = literal.content;
      return { kind: 'string', length: octets.length, text: undefined, octets, literal, start: first };
    }
    const octet = this.#octet();
    if (octet === undefined || octet === CLOSE) return undefined;
    if (octet === QUOTE) return this.#quoted();
    const text = this.atom();
    // A `(` in the middle of nowhere is the caller's; anything else unreadable is stepped over.
    if (text === '' && octet !== OPEN) this.#at++;
    return { kind: 'atom', text };
  }

  #quoted(): Str {
    const text = this.#text() as Text;
    const start = this.#at + 1;
    let end = start;
    let escaped = false;
    while (end < text.length && text.octet(end) !== QUOTE) {
      if (text.octet(end) === BACKSLASH) {
        escaped = true;
        end++;
      }
      end++;
    }
    this.#at = end + 1;
    const raw = text.part(start, end);
    const sequence = (text.start.sequence + start) >>> 0;
    const place = { sequence, seen: text.start.seen };
    return new Quoted(escaped ? raw.replace(/\\(.)/gs, '$1') : raw, place);
  }

  #take(wanted: number): boolean {
    if (this.#octet() !== wanted) return false;
    this.#at++;
    return true;
  }

  #text(): Text | undefined {
    const fragment = this.#fragments[this.#index];
    return fragment?.kind === 'text' ? fragment : undefined;
  }

  /** The next octet of the text; undefined at its end and before a literal's announcement. */
  #octet(): number | undefined {
    for (;;) {
      const text = this.#text();
      if (text === undefined) return undefined;
      const octet = text.octet(this.#at);
      const announces = octet === OPEN_BRACE || octet === TILDE;
      if (octet !== undefined && !(announces && this.#literalComes())) return octet;
      if (octet !== undefined || this.#fragments[this.#index + 1]?.kind !== 'text') return undefined;
      this.#index++;
      this.#at = 0;
    }
  }

  /** Only the rest `{5}` of this text stands before a literal. */
  #literalComes(): boolean {
    const fragment = this.#fragments[this.#index];
    if (fragment?.kind === 'literal') return true;
    if (fragment === undefined || this.#fragments[this.#index + 1]?.kind !== 'literal') return false;
    const rest = fragment.length - this.#at;
    if (rest === 0) return true;
    // The longest announcement is `~{999999999999999+}`.
    return rest <= 20 && /^~?\{\d+\+?\}$/.test(fragment.part(this.#at));
  }

  #takeLiteral(): Literal | undefined {
    if (!this.#literalComes()) return undefined;
    if (this.#fragments[this.#index]?.kind === 'text') this.#index++;
    const literal = this.#fragments[this.#index];
    this.#index++;
    this.#at = 0;
    return literal?.kind === 'literal' ? literal : undefined;
  }
}

export function isNil(value: Value | undefined): boolean {
  return value?.kind === 'atom' && value.text.toUpperCase() === 'NIL';
}

/** The octets of an atom or string, as many as a line may have; undefined for NIL, lists and nothing. */
export function octetsOf(value: Value | undefined): Buffer | undefined {
  if (value === undefined || value.kind === 'list' || isNil(value)) return undefined;
  if (value.kind === 'atom') return Buffer.from(value.text, 'latin1');
  return value.octets.read(0, Math.min(value.octets.length, dialogueLimits.lineBytesMax));
}

/** The same as Latin-1 text. */
export function textOf(value: Value | undefined): string | undefined {
  if (value?.kind === 'atom') return isNil(value) ? undefined : value.text;
  if (value?.kind === 'string' && value.text !== undefined) return value.text;
  return octetsOf(value)?.toString('latin1');
}

export function itemsOf(value: Value | undefined): readonly Value[] | undefined {
  return value?.kind === 'list' ? value.items : undefined;
}

function endsAtom(octet: number | undefined): boolean {
  return octet === SPACE || octet === OPEN || octet === CLOSE;
}
