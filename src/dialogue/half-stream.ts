/**
 * One direction's unread octets, cut into units (lines, runs of a literal) before anybody parses them:
 * a malformed unit then costs that unit alone, and every octet can still be traced to its packet.
 */
import { dialogueLimits } from '../core/limits.ts';
import type { Sighting, StreamData, StreamGap } from '../stream/types.ts';

const LF = 0x0a;
const CR = 0x0d;
/** What a piece costs beside its octets, its sighting included; measured. */
const pieceOverheadBytes = 512;
/** Unread pieces that are looked at together, and the average below which they are merged. */
const piecesBeforeMerge = 4096;
const smallPieceBytes = 256;

/** Where an octet was seen. */
export interface Place {
  /** TCP sequence number, or position within a layer. */
  readonly sequence: number;
  readonly seen: Sighting;
}

export interface Line {
  /** Without its line end; owned by the receiver. */
  readonly bytes: Buffer;
  /** `cut`: the line ended in a gap, at the end of the stream, or was shortened at the limit. */
  readonly end: 'crlf' | 'lf' | 'cut';
  readonly start: Place;
  /** The last octet of the line end. */
  readonly last: Sighting;
  /** Octets the line took in the stream, line end included; of a shortened line those kept. */
  readonly wireBytes: number;
}

/** Consecutive octets that one packet carried; owned by the receiver. */
export interface Run {
  readonly bytes: Buffer;
  readonly start: Place;
}

/** Octets are copied once, on arrival, because the view in an event dies. */
type Piece = { readonly kind: 'data'; readonly bytes: Buffer; readonly place: Place } | StreamGap;

export class HalfStream {
  readonly #lineBytesMax: number;
  #pieces: Piece[] = [];
  /** First piece not read yet, and the octets of it that were read. */
  #head = 0;
  #offset = 0;
  #unread = 0;
  /** Pieces before this one are not worth merging any more, and the octets of those behind it. */
  #settled = 0;
  #unsettledBytes = 0;
  /** Pieces and octets from the head on that hold no LF: searched once, not at every event. */
  #searchedPieces = 0;
  #searchedBytes = 0;
  /** A shortened line was handed out; its rest is dropped up to the next LF. */
  #droppingLine = false;

  constructor(lineBytesMax: number = dialogueLimits.lineBytesMax) {
    this.#lineBytesMax = lineBytesMax;
  }

  push(event: StreamData | StreamGap): void {
    if (event.kind === 'gap') {
      this.#pushPiece(event);
      return;
    }
    if (event.bytes.length === 0) return;
    const place = { sequence: event.sequence, seen: event.seen };
    this.#pushPiece({ kind: 'data', bytes: Buffer.from(event.bytes), place });
    this.#unread += event.bytes.length;
    this.#unsettledBytes += event.bytes.length;
  }

  #pushPiece(piece: Piece): void {
    this.#pieces.push(piece);
    if (this.#pieces.length - Math.max(this.#settled, this.#head) >= piecesBeforeMerge) this.#settle();
  }

  /**
   * Many tiny pieces that nobody reads would cost a hundred times the memory of their octets. Merged ones
   * keep the place of the first octet only; that the order of thousands of packets is lost in this way
   * costs less than the memory.
   */
  #settle(): void {
    // The piece that is being read keeps its offset.
    const from = Math.max(this.#settled, this.#head + 1);
    if (this.#unsettledBytes < piecesBeforeMerge * smallPieceBytes) {
      const merged = mergeNeighbours(this.#pieces.slice(from));
      const removed = this.#pieces.length - from - merged.length;
      this.#pieces.length = from;
      for (const piece of merged) this.#pieces.push(piece);
      this.#keepSearched(from, removed);
    }
    this.#settled = this.#pieces.length;
    this.#unsettledBytes = 0;
  }

  /** Pieces from `from` on became fewer: they were all searched for LF, or none of them, or it is done again. */
  #keepSearched(from: number, removed: number): void {
    const searchedEnd = this.#head + this.#searchedPieces;
    if (searchedEnd <= from) return;
    if (searchedEnd === this.#pieces.length + removed) {
      this.#searchedPieces -= removed;
      return;
    }
    this.#searchedPieces = 0;
    this.#searchedBytes = 0;
  }

  /** Unread octets, those behind a gap included. */
  get unreadBytes(): number {
    return this.#unread;
  }

  get isEmpty(): boolean {
    return this.#head === this.#pieces.length;
  }

  /** Octets that waiting costs: many tiny pieces weigh more than what they carry. */
  get heldBytes(): number {
    return this.#unread + (this.#pieces.length - this.#head) * pieceOverheadBytes;
  }

  /** Where the next unread octet was seen; undefined at a gap or at the end. */
  get place(): Place | undefined {
    const piece = this.#pieces[this.#head];
    return piece?.kind === 'data' ? placeAt(piece.place, this.#offset) : undefined;
  }

  /** The next unread octet's place, or that of the gap before it; undefined at the end. */
  get nextPlace(): Place | undefined {
    const piece = this.#pieces[this.#head];
    return piece?.kind === 'gap' ? { sequence: piece.sequence, seen: piece.seen } : this.place;
  }

  /** The gap that stands before the next octet, taken out. */
  takeGap(): StreamGap | undefined {
    const piece = this.#pieces[this.#head];
    if (piece?.kind !== 'gap') return undefined;
    this.#advancePiece();
    // The lost octets may have held the end of the shortened line: what follows is looked at afresh.
    this.#droppingLine = false;
    return piece;
  }

  /** The next complete line; undefined while its end has not arrived or a gap stands before it. */
  takeLine(): Line | undefined {
    if (this.#droppingLine && !this.#dropLine()) return undefined;
    const length = this.#findLineEnd();
    // Too long is too long even where the end came with the same packet: cuts must not matter.
    if (length !== undefined && length - 1 <= this.#lineBytesMax) return this.#line(length, true);
    if (length === undefined && this.#searchedBytes <= this.#lineBytesMax) return undefined;
    this.#droppingLine = true;
    return this.#line(this.#lineBytesMax, false);
  }

  /** What stands before the next gap or the end of the stream, line or not: for when no more will come. */
  takeFragment(): Line | undefined {
    if (this.#droppingLine && !this.#dropLine()) return undefined;
    const length = this.#findLineEnd();
    if (length !== undefined) return this.#line(length, true);
    return this.#searchedBytes === 0 ? undefined : this.#line(this.#searchedBytes, false);
  }

  /** The next line, or what stands before a gap or, when no more will come, before the end. */
  takeLineOrRest(isFinished: boolean): Line | undefined {
    return this.takeLine() ?? (isFinished || this.lineIsCutByGap ? this.takeFragment() : undefined);
  }

  /** A gap stands somewhere before the end of the line that comes next. */
  get lineIsCutByGap(): boolean {
    if (this.#findLineEnd() !== undefined) return false;
    return this.#pieces[this.#head + this.#searchedPieces]?.kind === 'gap';
  }

  /** At most `bytesMax` of the next octets, as many as one packet carried; undefined at a gap or the end. */
  takeRun(bytesMax: number): Run | undefined {
    const piece = this.#pieces[this.#head];
    if (piece?.kind !== 'data' || bytesMax <= 0) return undefined;
    const start = placeAt(piece.place, this.#offset);
    // A view is an object of its own: what is taken whole needs none.
    const isWhole = this.#offset === 0 && piece.bytes.length <= bytesMax;
    const bytes = isWhole ? piece.bytes : piece.bytes.subarray(this.#offset, this.#offset + bytesMax);
    this.#consume(bytes.length);
    return { bytes, start };
  }

  /** The next octets without taking them: at most `bytesMax`, up to the next gap. */
  peek(bytesMax: number): Buffer {
    const parts: Buffer[] = [];
    let wanted = bytesMax;
    let offset = this.#offset;
    for (let index = this.#head; index < this.#pieces.length && wanted > 0; index++) {
      const piece = this.#pieces[index];
      if (piece?.kind !== 'data') break;
      const part = piece.bytes.subarray(offset, offset + wanted);
      parts.push(part);
      wanted -= part.length;
      offset = 0;
    }
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  }

  /** Returns runs and gaps that were taken last, in order: they are the next to be read again. */
  putBack(taken: readonly (Run | StreamGap)[]): void {
    const returned: Piece[] = [];
    for (const each of taken) {
      if ('kind' in each) returned.push(each);
      else if (each.bytes.length > 0) returned.push({ kind: 'data', bytes: each.bytes, place: each.start });
      if (!('kind' in each)) this.#unread += each.bytes.length;
    }
    this.#trimHead();
    if (returned.length > this.#head) {
      this.#settled = Math.max(0, this.#settled - this.#head) + returned.length;
      this.#pieces = returned.concat(this.#pieces.slice(this.#head));
      this.#head = 0;
    } else {
      this.#head -= returned.length;
      for (const [index, piece] of returned.entries()) this.#pieces[this.#head + index] = piece;
    }
    this.#searchedPieces = 0;
    this.#searchedBytes = 0;
    this.#droppingLine = false;
  }

  /** Makes the first piece begin with its first unread octet. */
  #trimHead(): void {
    const piece = this.#pieces[this.#head];
    if (piece?.kind !== 'data' || this.#offset === 0) return;
    const bytes = piece.bytes.subarray(this.#offset);
    this.#pieces[this.#head] = { kind: 'data', bytes, place: placeAt(piece.place, this.#offset) };
    this.#offset = 0;
  }

  /** Everything unread as the events it came in, and nothing left: for the layer that takes over. */
  takeEvents(sender: StreamData['sender']): (StreamData | StreamGap)[] {
    const events: (StreamData | StreamGap)[] = [];
    while (!this.isEmpty) {
      const run = this.takeRun(Number.MAX_SAFE_INTEGER);
      const gap = run ? undefined : this.takeGap();
      if (gap) events.push(gap);
      if (run) events.push({ kind: 'data', sender, bytes: run.bytes, ...run.start });
    }
    return events;
  }

  /** Octets up to and including the next LF; undefined where there is none before a gap or the end. */
  #findLineEnd(): number | undefined {
    let piece = this.#pieces[this.#head + this.#searchedPieces];
    while (piece?.kind === 'data') {
      const from = this.#searchedPieces === 0 ? this.#offset : 0;
      const at = piece.bytes.indexOf(LF, from);
      if (at >= 0) return this.#searchedBytes + (at - from) + 1;
      this.#searchedBytes += piece.bytes.length - from;
      this.#searchedPieces++;
      piece = this.#pieces[this.#head + this.#searchedPieces];
    }
    return undefined;
  }

  #line(length: number, terminated: boolean): Line {
    const start = this.place as Place;
    const piece = this.#pieces[this.#head];
    if (terminated && piece?.kind === 'data' && this.#offset + length <= piece.bytes.length) {
      return this.#lineWithin(piece.bytes, length, start);
    }
    const parts: Buffer[] = [];
    let last = start.seen;
    for (let left = length; left > 0; ) {
      const run = this.takeRun(left) as Run;
      parts.push(run.bytes);
      left -= run.bytes.length;
      last = run.start.seen;
    }
    const whole = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    if (!terminated) return { bytes: whole, end: 'cut', start, last, wireBytes: length };
    const crlf = whole[length - 2] === CR;
    const bytes = whole.subarray(0, length - (crlf ? 2 : 1));
    return { bytes, end: crlf ? 'crlf' : 'lf', start, last, wireBytes: length };
  }

  /** The usual case: one packet carried the whole line, and one view shows it. */
  #lineWithin(piece: Buffer, length: number, start: Place): Line {
    const end = this.#offset + length;
    const crlf = length >= 2 && piece[end - 2] === CR;
    const bytes = piece.subarray(this.#offset, end - (crlf ? 2 : 1));
    this.#consume(length);
    return { bytes, end: crlf ? 'crlf' : 'lf', start, last: start.seen, wireBytes: length };
  }

  /** Drops the rest of a shortened line; false while its end has not arrived. */
  #dropLine(): boolean {
    const length = this.#findLineEnd();
    let left = length ?? this.#searchedBytes;
    while (left > 0) left -= this.takeRun(left)?.bytes.length ?? left;
    if (length !== undefined) this.#droppingLine = false;
    return length !== undefined;
  }

  #consume(length: number): void {
    this.#unread -= length;
    this.#offset += length;
    this.#searchedPieces = 0;
    this.#searchedBytes = 0;
    const piece = this.#pieces[this.#head];
    if (piece?.kind === 'data' && this.#offset === piece.bytes.length) this.#advancePiece();
  }

  #advancePiece(): void {
    this.#head++;
    this.#offset = 0;
    this.#searchedPieces = 0;
    this.#searchedBytes = 0;
    // Let go of what was read, in amortised constant time, and at once where that is all: most conversations wait.
    if (this.#head === this.#pieces.length) {
      this.#pieces = [];
      this.#settled = 0;
      this.#head = 0;
    } else if (this.#head >= 64 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#settled = Math.max(0, this.#settled - this.#head);
      this.#head = 0;
    }
  }
}

function mergeNeighbours(pieces: readonly Piece[]): Piece[] {
  const merged: Piece[] = [];
  let neighbours: Exclude<Piece, StreamGap>[] = [];
  const join = (): void => {
    const [first] = neighbours;
    if (first === undefined) return;
    const bytes = neighbours.length === 1 ? first.bytes : Buffer.concat(neighbours.map((each) => each.bytes));
    merged.push({ kind: 'data', bytes, place: first.place });
    neighbours = [];
  };
  for (const piece of pieces) {
    if (piece.kind === 'data') {
      neighbours.push(piece);
      continue;
    }
    join();
    merged.push(piece);
  }
  join();
  return merged;
}

/** The place `offset` octets behind `place`, in the same packet. */
export function placeAt(place: Place, offset: number): Place {
  return offset === 0 ? place : { sequence: (place.sequence + offset) >>> 0, seen: place.seen };
}
