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
import { type DialogueMemory, joinOctets, type OctetLog } from '../octets.ts';
import { type Behind, LineBehind } from './behind-end.ts';
import { mergeNeighbours, type Piece } from './text-pieces.ts';

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

/** A candidate, and the piece it lies in, which begins at `pieceAt`. */
interface Candidate extends EndOfData {
  readonly piece: number;
  readonly pieceAt: number;
  /** Where the next hole begins behind it. */
  hole?: number;
}

/** A text cut at its end. */
export interface CutText {
  readonly message: CollectedMessage;
  /** Octets on the wire, lost ones included. */
  readonly wireBytes: number;
  /** What was read beyond the end, to be read as commands. */
  readonly rest: readonly (Run | StreamGap)[];
}

const nothing: CutText['rest'] = [];
const noBytes = Buffer.alloc(0);
/** A run of octets without a hole, as an object; measured. */
const pieceCost = 300;
const piecesBeforeMerge = 4096;
const smallPieceBytes = 256;
/** Pieces at the end that are not joined: the octet before the dot, the dot, and its CRLF may have come one by one. */
const looseAtEnd = 4;
/** Octets that are read again at once. */
const chunkBytes = 64 << 10;
const chunk = Buffer.allocUnsafeSlow(chunkBytes);

export class DataText {
  readonly #scanner = new DotLineScanner();
  readonly #begin: Place;
  readonly #isTail: boolean;
  readonly #memory: DialogueMemory;
  readonly #log: OctetLog;
  #pieces: Piece[] = [];
  /** Octets of the text and of what was read beyond a candidate, lost ones included. */
  #length = 0;
  /** Where the last octets end: behind it there are only holes. */
  #octetsEnd = 0;
  /** Lost octets so far, which the scanner's offsets do not count. */
  #lost = 0;
  /** Lines that begin with a dot. */
  #dotLines = 0;
  #gaps = 0;
  /** Octets were dropped at a limit. */
  #cut = false;
  /** The first piece that may still be merged with others, and where in the text it begins. */
  #settled = 0;
  #settledAt = 0;
  #candidates: Candidate[] = [];
  readonly #lineBehindLast = new LineBehind();
  #strictEnd: EndOfData | undefined;
  #lastSeen: Sighting;

  /** The first so many candidates are not the end; that may change once the text is read to its strict end. */
  dismissed = 0;

  /** `begin` is where the text begins, or would; `isTail`: what stood before it was lost. */
  constructor(begin: Place, memory: DialogueMemory, isTail = false) {
    this.#begin = begin;
    this.#memory = memory;
    this.#log = memory.begin();
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

  /** Octets that objects take: for each hole one, and one behind it. */
  get cost(): number {
    return this.#pieces.length * pieceCost;
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

  /** What was read behind the last candidate: none, some octets, or what tells whether they are a command. */
  get behindLast(): 'nothing' | 'something' | 'line' {
    const last = this.#candidates.at(-1);
    if (last === undefined || this.#length <= last.after) return 'nothing';
    return this.#lineBehindLast.isThere ? 'line' : 'something';
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
    const scanner = this.#scanner;
    scanner.scan(run.bytes);
    for (let line = scanner.next(); line !== undefined; line = scanner.next()) {
      this.#dotLines += 1;
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
      if (taken === run.bytes.length) break;
      this.#keep({ bytes: run.bytes.subarray(0, taken), start: run.start });
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
    if (this.#gaps >= dialogueLimits.mailGapsMax) this.#cut = true;
  }

  /** The piece that is about to be added holds the end. */
  #addCandidate(end: EndOfData): void {
    if (this.#candidates.length >= dialogueLimits.endCandidatesMax) return;
    this.#candidates.push({ ...end, piece: this.#pieces.length, pieceAt: this.#length });
    this.#lineBehindLast.restart();
  }

  /** The first octets behind an end, to guess what they are. */
  peekBehind(end: EndOfData, bytesMax: number): Behind {
    const { after } = end;
    const { value: piece } = this.#behind(end).next();
    if (piece?.kind !== 'data') return { bytes: noBytes, seen: undefined, endsInHole: piece !== undefined };
    const hole = this.#candidates.find((each) => each.after === after)?.hole;
    const length = (hole ?? this.#length) - after;
    // Octets between two holes stand in a row, however many pieces they came in.
    const bytes = this.#log.read(piece.from, piece.from + Math.min(length, bytesMax));
    return { bytes, seen: piece.start.seen, endsInHole: hole !== undefined && length <= bytesMax };
  }

  /** Where the first octets behind an end were seen, be there holes before them or not. */
  seenBehind(end: EndOfData): Sighting | undefined {
    if (end.after >= this.#octetsEnd) return undefined;
    for (const piece of this.#behind(end)) if (piece.kind === 'data') return piece.start.seen;
    return undefined;
  }

  /**
   * The text up to `end`, or all of it where it broke off; `isInDoubt`: it may have ended before. Nothing can be
   * asked afterwards.
   */
  cut(end: EndOfData | undefined, isInDoubt = false): CutText {
    const collector = new MessageCollector(this.#memory);
    const length = end?.textBytes ?? this.#length;
    if (this.#isTail) collector.addMissing(undefined);
    const isPlain = this.#isPlain(end, length);
    if (isPlain) this.#handOver(length, collector);
    else this.#undoDots(length, end?.kind === 'bareLf' ? 'any' : 'crlf', collector);
    if (end === undefined || end.kind === 'gap' || isInDoubt) collector.addMissing(undefined);
    const isAll = end === undefined || end.after >= this.#length;
    const rest = isAll ? nothing : [...this.#behind(end)].map((piece) => this.#runOf(piece));
    if (!isPlain) this.#log.release();
    return { message: collector.finish(this.#begin), wireBytes: length, rest };
  }

  /** The text is no mail. */
  release(): void {
    this.#log.release();
  }

  /** The octets that were kept are the mail as it is: no dots to undo, no holes. */
  #isPlain(end: EndOfData | undefined, length: number): boolean {
    const dotLines = end === undefined || end.kind === 'gap' ? 0 : 1;
    if (this.#dotLines > dotLines || this.#scanner.undecided > 0) return false;
    if (length === 0 || length > this.#memory.mailBytesMax) return false;
    return this.#gaps === 0;
  }

  #handOver(length: number, collector: MessageCollector): void {
    const [first] = this.#pieces;
    let at = 0;
    let last = this.#begin.seen;
    for (const piece of this.#pieces) {
      if (at >= length) break;
      if (piece.kind === 'data') last = piece.last;
      at += piece.length;
    }
    const octets = joinOctets([{ of: this.#log, from: 0, to: length }]);
    if (first?.kind === 'data') collector.adopt(octets, first.start, last);
  }

  #undoDots(length: number, lineEnds: 'crlf' | 'any', collector: MessageCollector): void {
    const unstuffer = new DotUnstuffer(lineEnds, true);
    if (this.#isTail) unstuffer.skipGap();
    let at = 0;
    for (const piece of this.#pieces) {
      if (at >= length) break;
      if (piece.kind === 'gap') {
        unstuffer.skipGap();
        collector.addMissing(Math.min(piece.length, length - at));
      } else {
        const wanted = Math.min(piece.length, length - at);
        for (let done = 0; done < wanted; done += chunkBytes) {
          const bytes = chunk.subarray(0, Math.min(chunkBytes, wanted - done));
          this.#log.copy(chunk, 0, piece.from + done, piece.from + done + bytes.length);
          const { text } = unstuffer.push({ bytes, start: placeAt(piece.start, done) });
          for (const run of text) collector.add(run.bytes, run.start, piece.last);
        }
      }
      at += piece.length;
    }
    if (this.#cut) collector.noteCut();
  }

  *#behind(end: EndOfData): Generator<Piece> {
    const { after } = end;
    const candidate = this.#candidates.find((each) => each.after === after);
    let at = candidate?.pieceAt ?? 0;
    for (let index = candidate?.piece ?? 0; index < this.#pieces.length; index++) {
      const piece = this.#pieces[index] as Piece;
      const skipped = Math.max(after - at, 0);
      at += piece.length;
      if (at <= after) continue;
      if (piece.kind === 'gap' || skipped === 0) yield piece;
      else {
        const { from, length, start } = piece;
        yield { ...piece, from: from + skipped, length: length - skipped, start: placeAt(start, skipped) };
      }
    }
  }

  #runOf(piece: Piece): Run | StreamGap {
    if (piece.kind === 'gap') return piece;
    const { from, length, start } = piece;
    return { bytes: this.#log.read(from, from + length), start };
  }

  #keep({ bytes, start }: Run): void {
    const last = this.#candidates.at(-1);
    if (last !== undefined) this.#lineBehindLast.add(bytes, Math.max(last.after - this.#length, 0));
    const kept = this.#cut ? 0 : this.#append(bytes);
    if (kept > 0) this.#keepPiece(kept, start);
    if (kept < bytes.length) this.#dropBeyondLimit(bytes.length - kept, placeAt(start, kept));
  }

  /** The limit holds for the mail: the dots that were added to it, and the dot line behind it, come on top. */
  #append(bytes: Buffer): number {
    const room = this.#memory.mailBytesMax + this.#dotLines + '.\r\n'.length - this.#log.length;
    return this.#log.append(bytes.length <= room ? bytes : bytes.subarray(0, Math.max(room, 0)));
  }

  #keepPiece(length: number, start: Place): void {
    const from = this.#log.length - length;
    const piece: Piece = { kind: 'data', from, length, start, last: start.seen };
    // An array that grows has room for many.
    if (this.#pieces.length === 0) this.#pieces = [piece];
    else this.#pieces.push(piece);
    this.#length += length;
    this.#octetsEnd = this.#length;
    if (this.#candidates.length === 0) this.#mergeBehind(looseAtEnd);
    else this.#settleSometimes();
  }

  /**
   * Joins the piece before the last `loose` ones with the piece before it. Where packets begin is needed only for the
   * first piece, for the last ones, and behind a candidate.
   */
  #mergeBehind(loose: number): void {
    const index = this.#pieces.length - loose - 1;
    const [before, piece] = [this.#pieces[index - 1], this.#pieces[index]];
    if (index < 2 || before?.kind !== 'data' || piece?.kind !== 'data') return;
    if (index === this.#settled) this.#settledAt += piece.length;
    else if (index < this.#settled) this.#settled--;
    before.length += piece.length;
    before.last = piece.last;
    // Few follow: to move them costs less than the array that `splice` returns, for each packet of a mail.
    this.#pieces.copyWithin(index, index + 1);
    this.#pieces.pop();
  }

  #settleSometimes(): void {
    if (this.#pieces.length - this.#settled >= piecesBeforeMerge) this.#settle();
  }

  /** The text grew over the limit: what is behind it can neither be kept nor be read again. */
  #dropBeyondLimit(length: number, { sequence, seen }: Place): void {
    this.#cut = true;
    this.forgetCandidates();
    this.#lose({ kind: 'gap', sender: 'client', length, sequence, seen });
  }

  #lose(gap: StreamGap): void {
    const last = this.#pieces.at(-1);
    for (const each of this.#candidates) if (each.after <= this.#length) each.hole ??= this.#length;
    this.#length += gap.length;
    if (last?.kind === 'gap' && this.#candidates.length === 0) {
      this.#pieces[this.#pieces.length - 1] = { ...last, length: last.length + gap.length };
      if (this.#settled === this.#pieces.length) this.#settledAt = this.#length;
    } else {
      this.#pieces.push(gap);
      this.#gaps++;
      this.#settleSometimes();
    }
  }

  /** Many tiny pieces would cost far more memory than their octets. */
  #settle(): void {
    if (this.#length - this.#settledAt < piecesBeforeMerge * smallPieceBytes) {
      const ends = this.#candidates.map(({ after }) => after);
      const merged = mergeNeighbours(this.#pieces.slice(this.#settled), this.#settledAt, ends);
      this.#pieces = this.#pieces.slice(0, this.#settled).concat(merged);
      this.#findCandidates();
    }
    this.#settled = this.#pieces.length;
    this.#settledAt = this.#length;
  }

  /** Pieces were merged: finds anew in which of them the candidates lie. */
  #findCandidates(): void {
    let piece = this.#settled;
    let pieceAt = this.#settledAt;
    this.#candidates = this.#candidates.map((candidate) => {
      if (candidate.piece < this.#settled) return candidate;
      for (; piece < this.#pieces.length; piece++) {
        const { length } = this.#pieces[piece] as Piece;
        if (pieceAt + length >= candidate.after) break;
        pieceAt += length;
      }
      return { ...candidate, piece, pieceAt };
    });
  }
}
