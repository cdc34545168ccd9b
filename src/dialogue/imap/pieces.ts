/** One section of a message, put together from `<origin.length>` pieces in any order, RFC 9051 §6.4.5. */
import { dialogueLimits } from '../../core/limits.ts';
import type { MissingRange } from '../types.ts';

export interface Piece {
  readonly origin: number;
  /** Octets the server announced; `bytes` has fewer where some were lost. */
  readonly length: number;
  readonly bytes: Buffer;
  /** Relative to the piece. */
  readonly missing: readonly MissingRange[];
}

interface JoinedPieces {
  readonly bytes: Buffer;
  readonly missing: readonly MissingRange[];
}

export class Pieces {
  #byOrigin = new Map<number, Piece>();
  /** Octets from 0 on without a hole. */
  #contiguous = 0;
  #end: number | undefined;
  #longest = 0;
  #keptBytes = 0;
  #damaged = false;

  /** `requested`: the length that was asked for; undefined where the command was not captured. */
  add(piece: Piece, requested: number | undefined): void {
    if (requested !== undefined && piece.length < requested) this.#endsAt(piece.origin + piece.length);
    // Without the command: all but the last piece have one length, so a shorter one is the last.
    const continues = piece.origin > 0 && piece.origin >= this.#contiguous;
    if (requested === undefined && continues && piece.length < this.#longest) {
      this.#endsAt(piece.origin + piece.length);
    }
    this.#longest = Math.max(this.#longest, piece.length);
    const known = this.#byOrigin.get(piece.origin);
    if (known !== undefined && known.bytes.length >= piece.bytes.length) return;
    if (this.#byOrigin.size >= dialogueLimits.sectionPiecesMax) return;
    if (known !== undefined) this.#keptBytes -= known.bytes.length;
    if (this.#keptBytes + piece.bytes.length > dialogueLimits.messageBytesMax) return;
    this.#byOrigin.set(piece.origin, piece);
    this.#keptBytes += piece.bytes.length;
    this.#damaged ||= piece.missing.length > 0;
    this.#extend(piece);
  }

  /** The whole section came at once. */
  addWhole(piece: Piece): void {
    this.add(piece, undefined);
    this.#end = piece.length;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** All octets are there. `size`: the section's length as the server told it elsewhere. */
  isWhole(size: number | undefined): boolean {
    if (this.#damaged) return false;
    const end = this.#end ?? size;
    return end !== undefined && this.#contiguous >= end;
  }

  /** Called once, when the message is handed out. */
  join(size: number | undefined): JoinedPieces {
    const parts: Buffer[] = [];
    const missing: MissingRange[] = [];
    let at = 0;
    for (const piece of [...this.#byOrigin.values()].sort((a, b) => a.origin - b.origin)) {
      const end = piece.origin + piece.length;
      if (end <= at) continue;
      if (piece.origin > at) missing.push({ offset: at, length: piece.origin - at });
      if (piece.missing.length === 0) {
        parts.push(piece.bytes.subarray(Math.max(at - piece.origin, 0)));
      } else {
        appendDamaged(piece, Math.max(at - piece.origin, 0), parts, missing);
      }
      at = end;
    }
    const total = this.#end ?? (size !== undefined && size > at ? size : undefined);
    if (total === undefined) {
      if (!this.isWhole(size)) missing.push({ offset: at, length: undefined });
    } else if (total > at) {
      missing.push({ offset: at, length: total - at });
    }
    return { bytes: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts), missing };
  }

  #endsAt(end: number): void {
    this.#end = Math.min(this.#end ?? end, end);
  }

  #extend(piece: Piece): void {
    if (piece.origin > this.#contiguous) return;
    this.#contiguous = Math.max(this.#contiguous, piece.origin + piece.length);
    let next = this.#byOrigin.get(this.#contiguous);
    while (next !== undefined && next.length > 0) {
      this.#contiguous += next.length;
      next = this.#byOrigin.get(this.#contiguous);
    }
  }
}

/** What was captured of a piece with holes, from `skip` octets on. */
function appendDamaged(piece: Piece, skip: number, parts: Buffer[], missing: MissingRange[]): void {
  let lostBefore = 0;
  let from = 0;
  for (const hole of piece.missing) {
    const keptBefore = hole.offset - lostBefore;
    const cut = Math.max(from, Math.min(skip - lostBefore, keptBefore));
    parts.push(piece.bytes.subarray(cut, keptBefore));
    from = keptBefore;
    const length = hole.length ?? piece.length - hole.offset;
    const offset = Math.max(hole.offset, skip);
    if (hole.offset + length > offset) {
      missing.push({ offset: piece.origin + offset, length: hole.offset + length - offset });
    }
    lostBefore += length;
  }
  parts.push(piece.bytes.subarray(Math.max(from, skip - lostBefore)));
}
