/** One section of a message, put together from `<origin.length>` pieces in any order, RFC 9051 §6.4.5. */
import { dialogueLimits } from '../../core/limits.ts';
import { joinOctets, type OctetRange, type Octets } from '../octets.ts';
import type { MissingRange } from '../types.ts';
import { LowestFirst } from './lowest-first.ts';

/** The objects of one piece; measured. */
const pieceCost = 500;

export interface Piece {
  readonly origin: number;
  /** Octets the server announced; `octets` has fewer where some were lost. */
  readonly length: number;
  readonly octets: Octets;
  /** Relative to the piece. */
  readonly missing: readonly MissingRange[];
}

interface JoinedPieces {
  readonly octets: Octets;
  readonly missing: readonly MissingRange[];
}

export class Pieces {
  #byOrigin = new Map<number, Piece>();
  /** Octets from 0 on without a hole. */
  #contiguous = 0;
  /** Origins of the pieces behind a hole. */
  readonly #ahead = new LowestFirst();
  /** Where the section ends: a piece was shorter than what was asked for. */
  #end: number | undefined;
  /** Where it ends as far as the lengths of the pieces tell. */
  #likelyEnd: number | undefined;
  /** Of the pieces so far. */
  #longest = 0;
  #keptBytes = 0;
  #damaged = false;

  /**
   * `requested`: the length that was asked for; undefined where the command was not captured. With more than
   * `bytesMax` octets of the section it is not kept.
   */
  add(piece: Piece, requested: number | undefined, bytesMax: number): void {
    if (requested !== undefined && piece.length < requested) this.#endsAt(piece.origin + piece.length);
    // Without the command: all but the last piece have one length, so a shorter one is the last.
    const continues = piece.origin > 0 && piece.origin >= this.#contiguous;
    if (requested === undefined && continues && piece.length < this.#longest) {
      this.#likelyEnd = Math.min(this.#likelyEnd ?? Number.MAX_SAFE_INTEGER, piece.origin + piece.length);
    }
    this.#longest = Math.max(this.#longest, piece.length);
    const known = this.#byOrigin.get(piece.origin);
    if (known !== undefined && known.octets.length >= piece.octets.length) return;
    if (this.#byOrigin.size >= dialogueLimits.sectionPiecesMax) return;
    const keptBytes = this.#keptBytes - (known?.octets.length ?? 0) + piece.octets.length;
    if (keptBytes > bytesMax) return;
    known?.octets.release();
    this.#byOrigin.set(piece.origin, piece);
    this.#keptBytes = keptBytes;
    this.#damaged ||= piece.missing.length > 0;
    this.#extend(piece, known === undefined);
  }

  /** The whole section came at once. */
  addWhole(piece: Piece, bytesMax: number): void {
    this.add(piece, undefined, bytesMax);
    this.#end = piece.length;
  }

  /** Octets kept. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Octets kept, and what their pieces take beside them. */
  get cost(): number {
    return this.#keptBytes + this.#byOrigin.size * pieceCost;
  }

  release(): void {
    for (const { octets } of this.#byOrigin.values()) octets.release();
  }

  /** All octets are there. `size`: the section's length as the server told it elsewhere. */
  isWhole(size: number | undefined): boolean {
    if (this.#damaged) return false;
    const end = this.#end ?? size ?? this.#likelyEnd;
    return end !== undefined && this.#contiguous >= end;
  }

  /** Called once, when the message is handed out. */
  join(size: number | undefined): JoinedPieces {
    const parts: OctetRange[] = [];
    const missing: MissingRange[] = [];
    let at = 0;
    const pieces = [...this.#byOrigin.values()].sort((a, b) => a.origin - b.origin);
    for (const piece of pieces) {
      const end = piece.origin + piece.length;
      if (end <= at) continue;
      if (piece.origin > at) missing.push({ offset: at, length: piece.origin - at });
      if (piece.missing.length === 0) {
        const from = Math.max(at - piece.origin, 0);
        if (from < piece.octets.length) parts.push({ of: piece.octets, from, to: piece.octets.length });
      } else {
        const holes = placedHoles(piece, piece === pieces.at(-1));
        appendDamaged({ ...piece, missing: holes }, Math.max(at - piece.origin, 0), parts, missing);
      }
      at = end;
    }
    const end = this.#end ?? size ?? this.#likelyEnd;
    if (end === undefined) missing.push({ offset: at, length: undefined });
    else if (end > at) missing.push({ offset: at, length: end - at });
    return { octets: joinOctets(parts), missing };
  }

  #endsAt(end: number): void {
    this.#end = Math.min(this.#end ?? end, end);
  }

  /** Pieces that overlap continue one another as well as those that touch. */
  #extend({ origin, length }: Piece, isNew: boolean): void {
    if (origin > this.#contiguous) {
      if (isNew) this.#ahead.add(origin);
      return;
    }
    this.#contiguous = Math.max(this.#contiguous, origin + length);
    let next = this.#ahead.lowest;
    while (next !== undefined && next <= this.#contiguous) {
      this.#ahead.takeLowest();
      this.#contiguous = Math.max(this.#contiguous, next + (this.#byOrigin.get(next)?.length ?? 0));
      next = this.#ahead.lowest;
    }
  }
}

/** What was captured of a piece with holes, from `skip` octets on. */
function appendDamaged(piece: Piece, skip: number, parts: OctetRange[], missing: MissingRange[]): void {
  let lostBefore = 0;
  let from = 0;
  for (const hole of piece.missing) {
    const keptBefore = hole.offset - lostBefore;
    const cut = Math.max(from, Math.min(skip - lostBefore, keptBefore));
    if (cut < keptBefore) parts.push({ of: piece.octets, from: cut, to: keptBefore });
    from = keptBefore;
    const length = hole.length ?? 0;
    const offset = Math.max(hole.offset, skip);
    if (hole.length === undefined) missing.push({ offset: piece.origin + offset, length: undefined });
    else if (hole.offset + length > offset) {
      missing.push({ offset: piece.origin + offset, length: hole.offset + length - offset });
    }
    lostBefore += length;
  }
  const rest = Math.max(from, skip - lostBefore);
  if (rest < piece.octets.length) parts.push({ of: piece.octets, from: rest, to: piece.octets.length });
}

/**
 * A hole of unknown length is as long as what the octets and the other holes leave of the piece; what is behind it
 * moves on by that. Not so in the last piece, which may be shorter than what was asked for.
 */
function placedHoles({ length, octets, missing }: Piece, isLast: boolean): readonly MissingRange[] {
  if (isLast) return missing;
  const known = missing.reduce((sum, hole) => sum + (hole.length ?? 0), 0);
  let unplaced = Math.max(length - octets.length - known, 0);
  let moved = 0;
  return missing.map((hole) => {
    const offset = hole.offset + moved;
    if (hole.length !== undefined || unplaced === 0) return { offset, length: hole.length };
    const placed = { offset, length: unplaced };
    moved += unplaced;
    unplaced = 0;
    return placed;
  });
}
