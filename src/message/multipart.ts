/**
 * The tree of entities, RFC 2046 §5.1, in one pass over the octets for all open boundaries.
 *
 *     delimiter       := CRLF "--" boundary *LWSP
 *     close-delimiter := CRLF "--" boundary "--" *LWSP
 *
 * A line that begins with `--` is compared with every open boundary, the innermost first, so an inner
 * multipart that is never closed ends where its parent goes on. No recursion: nesting costs a stack entry.
 */
import { messageLimits } from '../core/limits.ts';
import { createEntity, type Entity, isEmbeddedMail, isMultipart } from './entity.ts';
import { readHeader } from './header.ts';
import { OpenBoundaries } from './open-boundaries.ts';

/** Bounds and damage of one mail, shared by all buffers that are read for it. */
export interface TreeState {
  parts: number;
  headerLimit: boolean;
  depthLimit: boolean;
  partLimit: boolean;
  parameterLimit: boolean;
  brokenLines: number;
  /** Headers that the mail's end cut off. */
  headersCutOff: number;
}

export interface TreePlace {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  readonly defaultType?: string;
  /** Boundary that a multipart does not name itself. */
  readonly boundary?: string;
}

/** Reads the entity whose header begins at `place.start`, with everything inside it. */
export function readEntity(source: Buffer, place: TreePlace, state: TreeState): Entity {
  return new EntityReader(source, place, state).readEntity();
}

/** Reads the parts of `parent` from `source`, which is its body, with a boundary that was found there. */
export function readParts(source: Buffer, parent: Entity, place: TreePlace, state: TreeState): void {
  new EntityReader(source, place, state).readParts(parent);
}

interface OpenEntity {
  readonly entity: Entity;
  /** Set for a multipart. */
  readonly boundary: string | undefined;
}

interface Delimiter {
  /** Index in the stack of open entities. */
  readonly level: number;
  readonly closing: boolean;
  readonly lineStart: number;
  /** Offset behind the line. */
  readonly next: number;
}

const lineFeed = 0x0a;
const hyphen = 0x2d;

class EntityReader {
  readonly #source: Buffer;
  readonly #place: TreePlace;
  readonly #state: TreeState;
  readonly #open: OpenEntity[] = [];
  /** undefined as long as there was none: most mails have none. */
  #boundaries: OpenBoundaries | undefined;
  /** Length of the longest boundary so far: more of a line is never compared. */
  #longest = 0;
  #position: number;

  constructor(source: Buffer, place: TreePlace, state: TreeState) {
    this.#source = source;
    this.#place = place;
    this.#state = state;
    this.#position = place.start;
  }

  readEntity(): Entity {
    const root = this.#enter(this.#place.defaultType ?? 'text/plain', this.#place.boundary);
    this.#readToEnd();
    return root;
  }

  readParts(parent: Entity): void {
    this.#push(parent, this.#place.boundary);
    this.#readToEnd();
  }

  #readToEnd(): void {
    while (this.#boundaries?.isEmpty === false) {
      const delimiter = this.#nextDelimiter();
      if (delimiter === undefined) break;
      this.#closeAbove(delimiter.level, this.#contentEnd(delimiter.lineStart), true);
      this.#position = delimiter.next;
      if (delimiter.closing) this.#closeAbove(delimiter.level - 1, delimiter.next, true);
      else if (!this.#enterPart(delimiter.level)) break;
    }
    this.#closeAbove(-1, this.#place.end, false);
  }

  /** False where the mail has too many parts. */
  #enterPart(level: number): boolean {
    if (this.#state.parts >= messageLimits.partsMax) {
      this.#state.partLimit = true;
      return false;
    }
    this.#state.parts++;
    const parent = this.#open[level]?.entity;
    const part = this.#enter(
      parent?.mediaType === 'multipart/digest' ? 'message/rfc822' : 'text/plain',
      undefined,
    );
    parent?.children.push(part);
    return true;
  }

  /** Reads the header at the current position, and the headers of mails that begin right behind it. */
  #enter(defaultType: string, boundary: string | undefined): Entity {
    const first = this.#readHeader(defaultType, boundary);
    let entity = first;
    while (isEmbeddedMail(entity) && this.#mayOpen(entity)) {
      const inner = this.#readHeader('text/plain', undefined);
      entity.children.push(inner);
      entity = inner;
    }
    return first;
  }

  #readHeader(defaultType: string, boundary: string | undefined): Entity {
    const block = readHeader(this.#source, this.#position, this.#place.end, this.#isDelimiter);
    const state = this.#state;
    if (block.overLimit) state.headerLimit = true;
    if (block.cutOff) state.headersCutOff++;
    state.brokenLines += block.brokenLines;
    this.#position = block.bodyStart;
    const entity = createEntity(block.header, {
      source: this.#source,
      bodyStart: block.bodyStart,
      depth: this.#place.depth + this.#open.length,
      defaultType,
    });
    if (entity.contentType.overLimit || entity.disposition?.overLimit === true) state.parameterLimit = true;
    const named = boundary ?? (isMultipart(entity) ? entity.contentType.get('boundary') : undefined);
    const opened = named !== undefined && this.#withinDepth(entity);
    this.#push(entity, opened ? (named === '' ? undefined : named) : undefined);
    return entity;
  }

  #push(entity: Entity, boundary: string | undefined): void {
    this.#open.push({ entity, boundary });
    if (boundary === undefined) return;
    this.#boundaries ??= new OpenBoundaries();
    this.#boundaries.open(boundary, this.#open.length - 1);
    this.#longest = Math.max(this.#longest, boundary.length);
  }

  /** An encoded mail has to be decoded first; where its text is plain to see the encoding is not true. */
  #mayOpen(entity: Entity): boolean {
    if (!this.#withinDepth(entity)) return false;
    if (entity.encoding === 'identity') return true;
    const line = this.#source.toString(
      'latin1',
      entity.bodyStart,
      Math.min(entity.bodyStart + 80, this.#place.end),
    );
    return entity.encoding === 'base64' && /^(?:[A-Za-z][\w-]*: |From |>From )/.test(line);
  }

  #withinDepth(entity: Entity): boolean {
    if (entity.depth < messageLimits.depthMax) return true;
    this.#state.depthLimit = true;
    return false;
  }

  /** Ends every open entity above `level`. */
  #closeAbove(level: number, bodyEnd: number, delimited: boolean): void {
    while (this.#open.length - 1 > level) {
      const closed = this.#open.pop();
      if (closed === undefined) return;
      if (closed.boundary !== undefined) this.#boundaries?.close(closed.boundary);
      closed.entity.bodyEnd = Math.max(closed.entity.bodyStart, bodyEnd);
      closed.entity.delimited = delimited;
    }
  }

  /** The line end before a delimiter belongs to it (§5.1.1). */
  #contentEnd(lineStart: number): number {
    let end = lineStart;
    if (this.#source[end - 1] === lineFeed) end--;
    if (this.#source[end - 1] === 0x0d) end--;
    return end;
  }

  #nextDelimiter(): Delimiter | undefined {
    const { end } = this.#place;
    let lineStart = this.#position;
    if (this.#source[lineStart] !== hyphen || this.#source[lineStart + 1] !== hyphen) {
      lineStart = this.#source.indexOf('\n--', Math.max(0, lineStart - 1)) + 1;
    }
    while (lineStart > 0 || this.#position === 0) {
      if (lineStart >= end) return undefined;
      const delimiter = this.#delimiterAt(lineStart);
      if (delimiter !== undefined) return delimiter;
      const found = this.#source.indexOf('\n--', lineStart);
      if (found < 0) return undefined;
      lineStart = found + 1;
    }
    return undefined;
  }

  readonly #isDelimiter = (lineStart: number): boolean => this.#delimiterAt(lineStart) !== undefined;

  #delimiterAt(lineStart: number): Delimiter | undefined {
    const source = this.#source;
    const boundaries = this.#boundaries;
    if (
      boundaries === undefined ||
      boundaries.isEmpty ||
      source[lineStart] !== hyphen ||
      source[lineStart + 1] !== hyphen
    )
      return undefined;
    const feed = source.indexOf(lineFeed, lineStart);
    const next = feed < 0 || feed >= this.#place.end ? this.#place.end : feed + 1;
    let lineEnd = next;
    while (lineEnd > lineStart && (source[lineEnd - 1] ?? 0) <= 0x20) lineEnd--;
    const line = source.toString(
      'latin1',
      lineStart + 2,
      Math.min(lineEnd, lineStart + 4 + this.#longest + 1),
    );
    const found = boundaries.match(line);
    return found === undefined ? undefined : { ...found, lineStart, next };
  }
}

/** Octets of a line looked at for a boundary: RFC 2046 allows 70. */
const boundaryLengthMax = 2000;

/** The boundary of a body whose header does not name the right one: its first line `--…` that is followed by a header. */
export function guessBoundary(source: Buffer, start: number, end: number): string | undefined {
  let lineStart =
    source[start] === hyphen && source[start + 1] === hyphen ? start : source.indexOf('\n--', start) + 1;
  for (let tries = 0; tries < 10 && lineStart > 0 - Number(start === 0) && lineStart < end; tries++) {
    const feed = source.indexOf(lineFeed, lineStart);
    if (feed < 0 || feed >= end) return undefined;
    const line = source
      .toString('latin1', lineStart, Math.min(feed, lineStart + boundaryLengthMax))
      .trimEnd();
    const follows = source.toString('latin1', feed + 1, Math.min(feed + 80, end));
    if (/^--[^\s-]|^---*[^\s-]/.test(line) && /^(?:Content-[\w-]+\s*:|\r?\n)/i.test(follows))
      return line.slice(2);
    const found = source.indexOf('\n--', feed);
    if (found < 0) return undefined;
    lineStart = found + 1;
  }
  return undefined;
}
