/**
 * Mail text between DATA and its end, RFC 5321 §4.1.1.4.
 *
 * CRLF.CRLF ends the text. Some servers take a bare LF for a line end too, and only their replies tell:
 * such places, and holes in the capture that may have swallowed the end, are kept as candidates until
 * the decoder knows. So that a candidate can become the end afterwards, the text is kept as it was sent
 * and its dots are undone when the end is certain.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting, StreamGap } from '../../stream/types.ts';
import { DotLineScanner, DotUnstuffer, isStrictEnd } from '../dot-stuffing.ts';
import { type Place, placeAt, type Run } from '../half-stream.ts';
import { type CollectedMessage, MessageCollector } from '../message-collector.ts';

export interface EndOfData {
  /** `strict`: CRLF.CRLF. `bareLf`: with a bare LF. `gap`: what was lost may hold the end. */
  readonly kind: 'strict' | 'bareLf' | 'gap';
  /** Octets of text before the dot line, lost ones included. */
  readonly textBytes: number;
  /** Octets up to and including the dot line: commands follow. */
  readonly after: number;
  /** The octet that completed the end; for a gap the one before it. */
  readonly seen: Sighting;
}

type Piece = { readonly run: Run; readonly last: Sighting } | StreamGap;

/** A candidate, and the piece it lies in, which begins at `pieceAt`. */
interface Candidate extends EndOfData {
  readonly piece: number;
  readonly pieceAt: number;
}

/** A text cut at its end. */
export interface CutText {
  readonly message: CollectedMessage;
  /** Octets on the wire, lost ones included. */
  readonly wireBytes: number;
  /** What was read beyond the end, to be read as commands. */
  readonly rest: readonly (Run | StreamGap)[];
}

const piecesBeforeMerge = 4096;
const smallPieceBytes = 256;

export class DataText {
  readonly #scanner = new DotLineScanner();
  readonly #begin: Place;
  readonly #isTail: boolean;
  #pieces: Piece[] = [];
  /** Octets of the text and of what was read beyond a candidate, lost ones included. */
  #length = 0;
  /** Scanner offsets count no lost octets. */
  #lost = 0;
  #kept = 0;
  /** Pieces before this one are not worth merging any more, and the octets of both sorts. */
  #settled = 0;
  #settledAt = 0;
  #unsettledBytes = 0;
  #candidates: Candidate[] = [];
  #strictEnd: EndOfData | undefined;
  #lastSeen: Sighting;

  /** So many candidates are known not to be the end, unless the end of the text says something else. */
  dismissed = 0;

  /** `begin` is where the text begins, or would; `isTail`: what stood before it was lost. */
  constructor(begin: Place, isTail = false) {
    this.#begin = begin;
    this.#isTail = isTail;
    if (isTail) this.#scanner.skipGap();
    this.#lastSeen = begin.seen;
  }

  /** Ends that count only if the server says so, in order. */
  get candidates(): readonly EndOfData[] {
    return this.#candidates;
  }

  get strictEnd(): EndOfData | undefined {
    return this.#strictEnd;
  }

  /** Octets taken so far, lost ones included. */
  get length(): number {
    return this.#length;
  }

  /** The sequence number of the octet `offset` octets behind the text's beginning. */
  sequenceAt(offset: number): number {
    return (this.#begin.sequence + offset) >>> 0;
  }

  get lastSeen(): Sighting {
    return this.#lastSeen;
  }

  /** Octets read beyond the first candidate, which would be read twice if it is the end. */
  get doubtfulBytes(): number {
    const first = this.#candidates[0];
    return first === undefined ? 0 : this.#length - first.after;
  }

  forgetCandidates(): void {
    this.#candidates = [];
    this.dismissed = 0;
  }

  /**
   * Takes octets up to a strict end, or up to the next candidate if `stopsAtCandidate`; behind a strict end
   * there must be none. Returns those not taken.
   */
  add(run: Run, stopsAtCandidate = false): Run | undefined {
    const base = this.#scanner.scanned;
    this.#lastSeen = run.start.seen;
    for (const line of this.#scanner.scan(run.bytes)) {
      if (line.kind !== 'end') continue;
      const strict = isStrictEnd(line);
      const end: EndOfData = {
        kind: strict ? 'strict' : 'bareLf',
        textBytes: line.dot + this.#lost,
        after: line.after + this.#lost,
        seen: run.start.seen,
      };
      if (strict) this.#strictEnd = end;
      else this.#addCandidate(end);
      if (!strict && !stopsAtCandidate) continue;
      const taken = line.after - base;
      this.#keep({ bytes: run.bytes.subarray(0, taken), start: run.start });
      if (taken === run.bytes.length) return undefined;
      return { bytes: run.bytes.subarray(taken), start: placeAt(run.start, taken) };
    }
    this.#keep(run);
    return undefined;
  }

  addGap(gap: StreamGap): void {
    const end: EndOfData = {
      kind: 'gap',
      textBytes: this.#length,
      after: this.#length + gap.length,
      seen: this.#lastSeen,
    };
    this.#addCandidate(end);
    this.#scanner.skipGap();
    this.#lost += gap.length;
    this.#lose(gap);
  }

  /** The piece that is about to be added holds the end. */
  #addCandidate(end: EndOfData): void {
    if (this.#candidates.length >= dialogueLimits.endCandidatesMax) return;
    this.#candidates.push({ ...end, piece: this.#pieces.length, pieceAt: this.#length });
  }

  /** The first octets behind an end, to guess what they are. */
  peekBehind(end: EndOfData, bytesMax: number): { bytes: Buffer; seen: Sighting | undefined } {
    const parts: Buffer[] = [];
    let wanted = bytesMax;
    let seen: Sighting | undefined;
    for (const piece of this.#behind(end)) {
      if ('kind' in piece || wanted <= 0) break;
      seen ??= piece.start.seen;
      parts.push(piece.bytes.subarray(0, wanted));
      wanted -= piece.bytes.length;
    }
    return { bytes: Buffer.concat(parts), seen };
  }

  /** The text up to `end`, or all of it where it broke off. */
  cut(end: EndOfData | undefined): CutText {
    const unstuffer = new DotUnstuffer(end?.kind === 'bareLf' ? 'any' : 'crlf');
    const collector = new MessageCollector();
    const length = end?.textBytes ?? this.#length;
    if (this.#isTail) {
      unstuffer.skipGap();
      collector.addMissing(undefined);
    }
    let at = 0;
    for (const piece of this.#pieces) {
      if (at >= length) break;
      if ('kind' in piece) {
        unstuffer.skipGap();
        collector.addMissing(piece.length);
        at += piece.length;
        continue;
      }
      const bytes = piece.run.bytes.subarray(0, length - at);
      const { text } = unstuffer.push({ bytes, start: piece.run.start });
      for (const run of text) collector.add(run.bytes, run.start, piece.last);
      at += piece.run.bytes.length;
    }
    if (end === undefined || end.kind === 'gap') collector.addMissing(undefined);
    const rest = end === undefined ? [] : [...this.#behind(end)];
    return { message: collector.finish(this.#begin), wireBytes: length, rest };
  }

  *#behind(end: EndOfData): Generator<Run | StreamGap> {
    const { after } = end;
    const candidate = this.#candidates.find((each) => each.after === after);
    let at = candidate?.pieceAt ?? 0;
    for (let index = candidate?.piece ?? 0; index < this.#pieces.length; index++) {
      const piece = this.#pieces[index] as Piece;
      const length = lengthOf(piece);
      const skipped = Math.max(after - at, 0);
      at += length;
      if (at <= after) continue;
      if ('kind' in piece) yield piece;
      else yield { bytes: piece.run.bytes.subarray(skipped), start: placeAt(piece.run.start, skipped) };
    }
  }

  #keep(run: Run): void {
    if (this.#kept + run.bytes.length > dialogueLimits.messageBytesMax) {
      this.#dropBeyondLimit(run);
      return;
    }
    this.#kept += run.bytes.length;
    this.#length += run.bytes.length;
    this.#pieces.push({ run, last: run.start.seen });
    this.#unsettledBytes += run.bytes.length;
    this.#settleSometimes();
  }

  #settleSometimes(): void {
    if (this.#pieces.length - this.#settled >= piecesBeforeMerge) this.#settle();
  }

  /** The text grew over the limit: what is behind it can neither be kept nor be read again. */
  #dropBeyondLimit(run: Run): void {
    this.forgetCandidates();
    const { sequence, seen } = run.start;
    this.#lose({ kind: 'gap', sender: 'client', length: run.bytes.length, sequence, seen });
  }

  #lose(gap: StreamGap): void {
    const last = this.#pieces.at(-1);
    this.#length += gap.length;
    if (last !== undefined && 'kind' in last && this.#candidates.length === 0) {
      this.#pieces[this.#pieces.length - 1] = { ...last, length: last.length + gap.length };
      if (this.#settled === this.#pieces.length) this.#settledAt = this.#length;
    } else {
      this.#pieces.push(gap);
      this.#settleSometimes();
    }
  }

  /** Many tiny pieces would cost far more memory than their octets. */
  #settle(): void {
    if (this.#unsettledBytes < piecesBeforeMerge * smallPieceBytes) {
      const ends = this.#candidates.map(({ after }) => after);
      const merged = mergeNeighbours(this.#pieces.slice(this.#settled), this.#settledAt, ends);
      this.#pieces = this.#pieces.slice(0, this.#settled).concat(merged);
      this.#findCandidates();
    }
    this.#settled = this.#pieces.length;
    this.#settledAt = this.#length;
    this.#unsettledBytes = 0;
  }

  /** Pieces that were not settled have become fewer: candidates lie in other ones. */
  #findCandidates(): void {
    let piece = this.#settled;
    let pieceAt = this.#settledAt;
    this.#candidates = this.#candidates.map((candidate) => {
      if (candidate.piece < this.#settled) return candidate;
      for (; piece < this.#pieces.length; piece++) {
        const length = lengthOf(this.#pieces[piece] as Piece);
        if (pieceAt + length >= candidate.after) break;
        pieceAt += length;
      }
      return { ...candidate, piece, pieceAt };
    });
  }
}

function lengthOf(piece: Piece): number {
  return 'kind' in piece ? piece.length : piece.run.bytes.length;
}

/** The pieces begin at octet `at`; what stands around one of `ends` keeps its place. */
function mergeNeighbours(pieces: readonly Piece[], at: number, ends: readonly number[]): Piece[] {
  const merged: Piece[] = [];
  let neighbours: Exclude<Piece, StreamGap>[] = [];
  const join = (): void => {
    const [first] = neighbours;
    const last = neighbours.at(-1);
    if (first === undefined || last === undefined) return;
    const bytes = Buffer.concat(neighbours.map(({ run }) => run.bytes));
    merged.push({ run: { bytes, start: first.run.start }, last: last.last });
    neighbours = [];
  };
  let begin = at;
  let nextEnd = ends.findIndex((end) => end >= begin);
  if (nextEnd < 0) nextEnd = ends.length;
  for (const piece of pieces) {
    const end = begin + lengthOf(piece);
    const isEnd = (ends[nextEnd] ?? Number.POSITIVE_INFINITY) <= end;
    while ((ends[nextEnd] ?? Number.POSITIVE_INFINITY) <= end) nextEnd++;
    if (isEnd || 'kind' in piece) join();
    if ('kind' in piece) merged.push(piece);
    else neighbours.push(piece);
    if (isEnd) join();
    begin = end;
  }
  join();
  return merged;
}
