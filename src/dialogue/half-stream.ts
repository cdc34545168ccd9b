/**
 * One direction's unread octets, cut into units (lines, runs of a literal) before anybody parses them:
 * a malformed unit then costs that unit alone, and every octet can still be traced to its packet.
 */
import { dialogueLimits } from '../core/limits.ts';
import type { StreamData, StreamGap } from '../stream/types.ts';
import { DataPiece, type Place } from './data-piece.ts';
import { added, none } from './few.ts';
import { Line } from './line.ts';

export { type Place, placeAt } from './data-piece.ts';
export type { Line } from './line.ts';

const LF = 0x0a;
const CR = 0x0d;
const gapOverheadBytes = 512;
const lookedAtBytes = 64;

/** Consecutive octets that one packet carried; a view that may change once the event that is read is over. */
export interface Run {
  readonly bytes: Buffer;
  readonly start: Place;
}

type Piece = DataPiece | StreamGap;

const noBytes = Buffer.alloc(0);

export class HalfStream {
  readonly #lineBytesMax: number;
  #pieces: Piece[] = none;
  /** First piece not read yet, and the octets of it that were read. */
  #head = 0;
  #offset = 0;
  #unread = 0;
  /** What the pieces hold beside their octets. */
  #overheadBytes = 0;
  /**
   * Pieces and octets from the head on that hold no LF, and the octets of the piece behind them that hold none
   * either: searched once, not at every event.
   */
  #searchedPieces = 0;
  #searchedBytes = 0;
  #searchedWithin = 0;
  /** A shortened line was handed out; its rest is dropped up to the next LF. */
  #droppingLine = false;
  /** The memory of the event that is read, if octets of it were lent. */
  #lent: ArrayBufferLike | undefined;

  constructor(lineBytesMax: number = dialogueLimits.lineBytesMax) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Keeps a copy of the octets, for the view in an event dies. */
  push(event: StreamData | StreamGap): void {
    this.#take(event, false);
  }

  /**
   * The octets of `event` are read where they are: before they change, `settle` must be called, which copies
   * what is unread then. That is nothing of most packets.
   */
  lend(event: StreamData | StreamGap): void {
    this.#take(event, true);
  }

  settle(): void {
    if (this.#lent !== undefined) this.#settle(this.#lent);
  }

  #settle(lent: ArrayBufferLike): void {
    this.#lent = undefined;
    // What was lent is the newest of the stream, also where it was put back: older pieces need not be looked at.
    for (let index = this.#pieces.length - 1; index >= this.#head; index--) {
      const piece = this.#pieces[index];
      if (piece?.kind !== 'data' || piece.bytes.buffer !== lent) return;
      if (index === this.#head) this.#trimHead();
      const left = this.#pieces[index];
      if (left?.kind === 'data') left.own();
    }
  }

  #take(event: StreamData | StreamGap, isLent: boolean): void {
    if (event.kind === 'gap') {
      this.#append(event);
      return;
    }
    const { bytes } = event;
    if (bytes.length === 0) return;
    this.#unread += bytes.length;
    const place = { sequence: event.sequence, seen: event.seen };
    if (!this.isEmpty) {
      const last = this.#pieces[this.#pieces.length - 1];
      const overheadBytes = last === undefined ? 0 : overheadOf(last);
      if (last?.kind === 'data' && last.add(bytes, place)) {
        this.#overheadBytes += last.overheadBytes - overheadBytes;
        return;
      }
    }
    if (isLent) this.#lent = bytes.buffer;
    this.#append(new DataPiece(isLent ? bytes : Buffer.from(bytes), place));
  }

  #append(piece: Piece): void {
    this.#overheadBytes += overheadOf(piece);
    this.#pieces = added(this.#pieces, piece);
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
    return this.#unread + this.#overheadBytes;
  }

  /** Where the next unread octet was seen; undefined at a gap or at the end. */
  get place(): Place | undefined {
    const piece = this.#pieces[this.#head];
    return piece?.kind === 'data' ? piece.placeOf(this.#offset) : undefined;
  }

  /** The next unread octet's place, or that of the gap before it; undefined at the end. */
  get nextPlace(): Place | undefined {
    const piece = this.#pieces[this.#head];
    return piece?.kind === 'gap' ? { sequence: piece.sequence, seen: piece.seen } : this.place;
  }

  /** Where the next unread octet was seen, be there gaps before it or not. */
  get placeBehindGaps(): Place | undefined {
    let index = this.#head;
    while (this.#pieces[index]?.kind === 'gap') index++;
    const piece = this.#pieces[index];
    return piece?.kind === 'data' ? piece.placeOf(index === this.#head ? this.#offset : 0) : undefined;
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
    if (this.isEmpty) return undefined;
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
    const start = piece.placeOf(this.#offset);
    const end = Math.min(piece.packetEnd(this.#offset), this.#offset + bytesMax);
    // A view is an object of its own: what is taken whole needs none.
    const isWhole = this.#offset === 0 && end === piece.bytes.length;
    const bytes = isWhole ? piece.bytes : piece.bytes.subarray(this.#offset, end);
    this.#consume(bytes.length);
    return { bytes, start };
  }

  /** The next octet without taking it; undefined at a gap or at the end. */
  get nextOctet(): number | undefined {
    const piece = this.#pieces[this.#head];
    return piece?.kind === 'data' ? piece.bytes[this.#offset] : undefined;
  }

  /** The next octets without taking them: at most `bytesMax`, up to the next gap; a view, or a copy. */
  peek(bytesMax: number): Buffer {
    if (this.isEmpty) return noBytes;
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
      else if (each.bytes.length > 0) returned.push(new DataPiece(each.bytes, each.start));
      if (!('kind' in each)) this.#unread += each.bytes.length;
    }
    this.#trimHead();
    for (const piece of returned) this.#overheadBytes += overheadOf(piece);
    if (returned.length > this.#head) {
      this.#pieces = returned.concat(this.#pieces.slice(this.#head));
      this.#head = 0;
    } else {
      this.#head -= returned.length;
      for (const [index, piece] of returned.entries()) this.#pieces[this.#head + index] = piece;
    }
    this.#searchAgain();
    this.#droppingLine = false;
  }

  /** Makes the first piece begin with its first unread octet. */
  #trimHead(): void {
    const piece = this.#pieces[this.#head];
    if (piece?.kind !== 'data' || this.#offset === 0) return;
    const rest = piece.from(this.#offset);
    this.#pieces[this.#head] = rest;
    this.#overheadBytes += rest.overheadBytes - piece.overheadBytes;
    if (this.#searchedPieces === 0) this.#searchedWithin = Math.max(this.#searchedWithin - this.#offset, 0);
    this.#offset = 0;
  }

  /** Everything unread as the events it came in, and nothing left: for the layer that takes over. */
  takeEvents(sender: StreamData['sender']): (StreamData | StreamGap)[] {
    const events: (StreamData | StreamGap)[] = [];
    this.settle();
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
      const from = Math.max(this.#searchedWithin, this.#searchedPieces === 0 ? this.#offset : 0);
      const at = lineFeedIn(piece.bytes, from);
      if (at >= 0) return this.#searchedBytes + (at - from) + 1;
      this.#searchedBytes += piece.bytes.length - from;
      this.#searchedWithin = piece.bytes.length;
      const next: Piece | undefined = this.#pieces[this.#head + this.#searchedPieces + 1];
      // More may be added to the last piece.
      if (next === undefined) return undefined;
      this.#searchedPieces++;
      this.#searchedWithin = 0;
      piece = next;
    }
    return undefined;
  }

  #line(length: number, terminated: boolean): Line {
    const start = this.place as Place;
    const piece = this.#pieces[this.#head];
    if (terminated && piece?.kind === 'data' && this.#offset + length <= piece.bytes.length) {
      return this.#lineWithin(piece, length, start);
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
    if (!terminated) return new Line(whole, 0, length, 'cut', start, last, length);
    const crlf = whole[length - 2] === CR;
    return new Line(whole, 0, length - (crlf ? 2 : 1), crlf ? 'crlf' : 'lf', start, last, length);
  }

  /** The usual case: one packet carried the whole line. */
  #lineWithin(piece: DataPiece, length: number, start: Place): Line {
    const { bytes } = piece;
    const from = this.#offset;
    const end = from + length;
    const crlf = length >= 2 && bytes[end - 2] === CR;
    const last = piece.packetEnd(from) >= end ? start.seen : piece.placeOf(end - 1).seen;
    this.#consume(length);
    return new Line(bytes, from, end - (crlf ? 2 : 1), crlf ? 'crlf' : 'lf', start, last, length);
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
    this.#searchAgain();
    const piece = this.#pieces[this.#head];
    if (piece?.kind === 'data' && this.#offset === piece.bytes.length) this.#advancePiece();
  }

  #searchAgain(): void {
    this.#searchedPieces = 0;
    this.#searchedBytes = 0;
    this.#searchedWithin = 0;
  }

  #advancePiece(): void {
    const piece = this.#pieces[this.#head];
    if (piece !== undefined) this.#overheadBytes -= overheadOf(piece);
    this.#head++;
    this.#offset = 0;
    this.#searchAgain();
    // Let go of what was read, in amortised constant time, and at once where that is all: most conversations wait.
    if (this.#head === this.#pieces.length) {
      this.#pieces = none;
      this.#head = 0;
    } else if (this.#head >= 64 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#head = 0;
    }
  }
}

/** The lines of commands are short: to call the system's search costs more than to look at their octets. */
function lineFeedIn(bytes: Buffer, from: number): number {
  const near = Math.min(from + lookedAtBytes, bytes.length);
  for (let at = from; at < near; at++) if (bytes[at] === LF) return at;
  return near === bytes.length ? -1 : bytes.indexOf(LF, near);
}

/** A gap holds a sighting as a packet does. */
function overheadOf(piece: Piece): number {
  return piece.kind === 'data' ? piece.overheadBytes : gapOverheadBytes;
}
