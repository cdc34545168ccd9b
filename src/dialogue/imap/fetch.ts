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
import type { Unit } from './fragmentizer.ts';
import { isHeaderSection, type SectionItem, sectionItem } from './section.ts';
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
  const items = readItems(reader, unit.damaged);
  const contents = items.flatMap((item) => contentOf(item) ?? []);
  const last = (wanted: string): Value | undefined =>
    items.findLast(({ name, value, isCut }) => name === wanted && !isCut && !isNil(value))?.value;
  const structure = last('BODYSTRUCTURE');
  const description: Description = {
    size: numberOf(textOf(last('RFC822.SIZE'))),
    envelope: last('ENVELOPE'),
    structure: structure ?? last('BODY'),
    structureExtended: structure !== undefined,
  };
  const header = description.envelope !== undefined || contents.length > 0;
  const cut = unit.damaged ? cutContent(items.at(-1), unit) : undefined;
  const isListing =
    header && cut === undefined && contents.every(({ item }) => isHeaderSection(item.section));
  const uid = numberOf(textOf(last('UID')));
  return { sequence, uid, contents, cut, description, isListing, limitReached: reader.limitReached };
}

interface Item {
  readonly name: string;
  readonly value: Value;
  /** Its end was not captured. */
  readonly isCut: boolean;
}

/** Where the response breaks off, its last value is cut, wherever that was; but a literal says how long it is. */
function readItems(reader: ValueReader, isDamaged: boolean): Item[] {
  const items: Item[] = [];
  for (;;) {
    reader.skipSpaces();
    if (reader.isAtEnd || reader.closeList()) return items;
    const name = reader.itemName().toUpperCase();
    const value = reader.value();
    if (value === undefined && name === '') return items;
    if (value === undefined) {
      if (isDamaged && reader.isAtEnd) items.push({ name, value: nothing, isCut: true });
      continue;
    }
    const isLiteral = value.kind === 'string' && value.literal !== undefined;
    items.push({ name, value, isCut: isDamaged && !isLiteral && reader.isAtEnd });
  }
}

const lengthMarker = /^~?\{\d{0,15}\+?\}?\r?$/;

/** What the last item of a response that broke off would have held, unless it is header fields. */
function cutContent(last: Item | undefined, { fragments }: Unit): SectionItem | undefined {
  if (!last?.isCut || last.value.kind !== 'atom') return undefined;
  const text = fragments.at(-1);
  // `BODY[]` may go on with `<0>`, and `RFC822` with `.SIZE`.
  const isNamed = last.value === nothing && text?.kind === 'text' && text.bytes.at(-1) === SPACE;
  if (!isNamed && !lengthMarker.test(last.value.text)) return undefined;
  const item = sectionItem(last.name);
  const isContent = item !== undefined && !/^HEADER|\.(?:MIME|HEADER)/.test(item.section);
  return isContent ? item : undefined;
}

function contentOf({ name, value, isCut }: Item): FetchedContent | undefined {
  const item = sectionItem(name);
  if (item === undefined || value.kind !== 'string') return undefined;
  // Asked for a part that does not exist, servers send an empty string.
  if (/^[\d.]+$/.test(item.section) && value.octets.length === 0 && value.literal === undefined)
    return undefined;
  const { literal } = value;
  if (literal !== undefined) {
    const { content, length, captured, mismatch } = literal;
    return { item, content, length, captured, mismatch };
  }
  const { length } = value.octets;
  return { item, content: quotedContent(value, isCut), length, captured: length, mismatch: false };
}

function quotedContent(value: Str, isCut: boolean): CollectedMessage {
  const first: Place = value.start;
  const missing = isCut ? [{ offset: value.octets.length, length: undefined }] : [];
  return { octets: value.octets, missing, first, last: first.seen, cut: false };
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
