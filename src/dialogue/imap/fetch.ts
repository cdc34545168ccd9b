/**
 * FETCH responses, RFC 9051 §7.5.2. Items come in any order, unasked for, and each as often as the server
 * likes; a whole message may be a literal or a quoted string.
 *
 *     message-data = nz-number SP ("EXPUNGE" / ("FETCH" SP msg-att))
 *     msg-att      = "(" msg-att-item *(SP msg-att-item) ")"
 */
import type { Place } from '../half-stream.ts';
import type { CollectedMessage } from '../message-collector.ts';
import type { Description } from './assembly.ts';
import { isContentSection, isHeaderSection, type SectionItem, sectionItem } from './section.ts';
import type { Unit } from './unit.ts';
import { isNil, type Str, textOf, type Value, ValueReader } from './value.ts';

export interface FetchedContent {
  readonly item: SectionItem;
  readonly content: CollectedMessage;
  /** The length that the server announced; undefined where the announcement was cut. */
  readonly length: number | undefined;
  /** Octets that were captured. */
  readonly captured: number;
  /** The announced length is not the content's. */
  readonly mismatch: boolean;
}

export interface FetchResponse {
  readonly sequence: number;
  readonly uid: number | undefined;
  readonly contents: readonly FetchedContent[];
  /** The response broke off where this one's length was to be announced. */
  readonly cut: SectionItem | undefined;
  readonly description: Description;
  /** Header fields were fetched and no content: a listing. */
  readonly isListing: boolean;
  readonly limitReached: boolean;
}

const SPACE = 0x20;
const nothing: Value = { kind: 'atom', text: '' };

/** Undefined where `unit` is no FETCH response. */
export function fetchResponse(unit: Unit): FetchResponse | undefined {
  const reader = new ValueReader(unit);
  if (reader.atom() !== '*') return undefined;
  reader.skipSpaces();
  const sequence = numberOf(reader.atom());
  reader.skipSpaces();
  if (sequence === undefined || reader.atom().toUpperCase() !== 'FETCH') return undefined;
  reader.skipSpaces();
  if (!reader.openList()) return undefined;
  const told = new Told();
  for (let item = readItem(reader, unit.damaged); item; item = readItem(reader, unit.damaged))
    told.note(item);
  return told.response(sequence, unit, reader.limitReached);
}

/** What a response tells of a message; of an item that stands there twice, the last one that says anything. */
class Told {
  readonly #contents: FetchedContent[] = [];
  #uid: Value | undefined;
  #size: Value | undefined;
  #envelope: Value | undefined;
  #body: Value | undefined;
  #bodyStructure: Value | undefined;
  #last: Item | undefined;

  note(item: Item): void {
    const { name, value, isCut } = item;
    this.#last = item;
    const content = contentOf(item);
    if (content !== undefined) this.#contents.push(content);
    if (isCut || isNil(value)) return;
    if (name === 'UID') this.#uid = value;
    else if (name === 'RFC822.SIZE') this.#size = value;
    else if (name === 'ENVELOPE') this.#envelope = value;
    else if (name === 'BODY') this.#body = value;
    else if (name === 'BODYSTRUCTURE') this.#bodyStructure = value;
  }

  response(sequence: number, unit: Unit, limitReached: boolean): FetchResponse {
    const contents = this.#contents;
    const description: Description = {
      size: numberOf(textOf(this.#size)),
      envelope: this.#envelope,
      structure: this.#bodyStructure ?? this.#body,
      structureExtended: this.#bodyStructure !== undefined,
    };
    const hasHeader = this.#envelope !== undefined || contents.length > 0;
    const cut = unit.damaged ? cutContent(this.#last, unit) : undefined;
    const isListing =
      hasHeader && cut === undefined && contents.every(({ item }) => isHeaderSection(item.section));
    const uid = numberOf(textOf(this.#uid));
    return { sequence, uid, contents, cut, description, isListing, limitReached };
  }
}

interface Item {
  readonly name: string;
  readonly value: Value;
  /** Its end was not captured. */
  readonly isCut: boolean;
}

/**
 * The next item. In a response that broke off the last value is cut, even where it looks whole; a literal is not: it
 * says how long it is.
 */
function readItem(reader: ValueReader, isDamaged: boolean): Item | undefined {
  for (;;) {
    reader.skipSpaces();
    if (reader.isAtEnd || reader.closeList()) return undefined;
    const name = reader.itemName().toUpperCase();
    const value = reader.value();
    if (value === undefined && name === '') return undefined;
    if (value === undefined) {
      if (isDamaged && reader.isAtEnd) return { name, value: nothing, isCut: true };
      continue;
    }
    const isLiteral = value.kind === 'string' && value.literal !== undefined;
    return { name, value, isCut: isDamaged && !isLiteral && reader.isAtEnd };
  }
}

const lengthMarker = /^~?\{\d{0,15}\+?\}?\r?$/;

/** What the last item of a response that broke off would have held, unless it is header fields. */
function cutContent(last: Item | undefined, { fragments }: Unit): SectionItem | undefined {
  if (!last?.isCut || last.value.kind !== 'atom') return undefined;
  const text = fragments.at(-1);
  // `BODY[]` may go on with `<0>`, and `RFC822` with `.SIZE`.
  const isNamed = last.value === nothing && text?.kind === 'text' && text.octet(text.length - 1) === SPACE;
  if (!isNamed && !lengthMarker.test(last.value.text)) return undefined;
  const item = sectionItem(last.name);
  return item !== undefined && isContentSection(item.section) ? item : undefined;
}

function contentOf({ name, value, isCut }: Item): FetchedContent | undefined {
  const item = sectionItem(name);
  if (item === undefined || value.kind !== 'string') return undefined;
  // Asked for a part that does not exist, servers send an empty string.
  if (/^[\d.]+$/.test(item.section) && value.length === 0 && value.literal === undefined) return undefined;
  const { literal } = value;
  if (literal !== undefined) {
    const { content, length, captured, mismatch } = literal;
    return { item, content, length, captured, mismatch };
  }
  const { length } = value;
  return { item, content: quotedContent(value, isCut), length, captured: length, mismatch: false };
}

function quotedContent(value: Str, isCut: boolean): CollectedMessage {
  const first: Place = value.start;
  const missing = isCut ? [{ offset: value.length, length: undefined }] : [];
  return { octets: value.octets, missing, first, last: first.seen, cut: false };
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
