/**
 * Octets captured before their turn, as pieces sorted by position that never overlap. Where segments
 * overlap, the octet captured first stays: a later copy may be a keep-alive's garbage or a forgery.
 */
import type { Sighting } from './types.ts';

export interface HeldPiece {
  readonly position: number;
  /** A copy of its own, not a part of the shared pool: a held octet must not keep 8 KiB alive. */
  readonly bytes: Buffer;
  readonly seen: Sighting;
  /** How many segments of the connection had been seen when this one came. */
  readonly arrival: number;
}

export class HeldOctets {
  readonly #pieces: HeldPiece[] = [];
  #octets = 0;

  get octets(): number {
    return this.#octets;
  }

  get count(): number {
    return this.#pieces.length;
  }

  get first(): HeldPiece | undefined {
    return this.#pieces[0];
  }

  /** Nothing follows the first piece directly. */
  get firstStandsAlone(): boolean {
    const [first, second] = this.#pieces;
    return first !== undefined && second?.position !== first.position + first.bytes.length;
  }

  shift(): HeldPiece | undefined {
    const piece = this.#pieces.shift();
    if (piece !== undefined) this.#octets -= piece.bytes.length;
    return piece;
  }

  /** Copies those octets of `bytes` that no piece covers. */
  insert(position: number, bytes: Buffer, seen: Sighting, arrival: number): void {
    const end = position + bytes.length;
    let start = position;
    let index = this.#firstEndingAfter(position);
    while (start < end) {
      const piece = this.#pieces[index];
      const limit = piece === undefined ? end : Math.min(end, piece.position);
      if (limit > start) {
        const copy = ownCopy(bytes, start - position, limit - position);
        this.#pieces.splice(index, 0, { position: start, bytes: copy, seen, arrival });
        this.#octets += copy.length;
        index += 1;
      }
      if (piece === undefined) return;
      start = Math.max(start, piece.position + piece.bytes.length);
      index += 1;
    }
  }

  /** Forgets everything; returns the octets forgotten. */
  clear(): number {
    const octets = this.#octets;
    this.#pieces.length = 0;
    this.#octets = 0;
    return octets;
  }

  /** In order of position most segments come behind all others; binary search finds the place of the rest. */
  #firstEndingAfter(position: number): number {
    const last = this.#pieces.at(-1);
    if (last === undefined || last.position + last.bytes.length <= position) return this.#pieces.length;
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const piece = this.#pieces[middle];
      if (piece === undefined || piece.position + piece.bytes.length > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export function ownCopy(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}
