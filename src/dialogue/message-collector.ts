/** Gathers one message as its octets pass by, and remembers which of them were lost. */
import { dialogueLimits } from '../core/limits.ts';
import type { Sighting } from '../stream/types.ts';
import type { Place } from './half-stream.ts';
import type { MissingRange } from './types.ts';

const partsBeforeMerge = 4096;
const smallPartBytes = 256;

export interface CollectedMessage {
  readonly bytes: Buffer;
  readonly missing: readonly MissingRange[];
  readonly first: Place;
  readonly last: Sighting;
  /** Octets beyond the limit were dropped; they are named in `missing`. */
  readonly cut: boolean;
}

export class MessageCollector {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  /** Parts up to here are not worth merging any more, and the octets of those behind it. */
  #settled = 0;
  #unsettledBytes = 0;
  #missing: MissingRange[] = [];
  #kept = 0;
  /** Octets of the message so far, lost ones included. */
  #length = 0;
  #first: Place | undefined;
  #last: Sighting | undefined;
  #cut = false;

  constructor(bytesMax: number = dialogueLimits.messageBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Octets of the message so far, lost ones of known number included. */
  get length(): number {
    return this.#length;
  }

  get keptBytes(): number {
    return this.#kept;
  }

  get hasMissing(): boolean {
    return this.#missing.length > 0;
  }

  /**
   * `bytes` must not change afterwards: it is kept, not copied. `last` is where their last octet was
   * seen, if not where the first was.
   */
  add(bytes: Buffer, place: Place, last: Sighting = place.seen): void {
    if (bytes.length === 0) return;
    this.#first ??= place;
    this.#last = last;
    const room = this.#bytesMax - this.#kept;
    const kept = bytes.length <= room ? bytes : bytes.subarray(0, Math.max(room, 0));
    if (kept.length > 0) this.#keep(kept);
    this.#kept += kept.length;
    this.#length += kept.length;
    if (kept.length < bytes.length) {
      this.#cut = true;
      this.addMissing(bytes.length - kept.length);
    }
  }

  /** Many tiny parts would cost far more memory than their octets: they are merged now and then. */
  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#unsettledBytes += part.length;
    if (this.#parts.length - this.#settled < partsBeforeMerge) return;
    if (this.#unsettledBytes < partsBeforeMerge * smallPartBytes) {
      const merged = Buffer.concat(this.#parts.slice(this.#settled));
      this.#parts.length = this.#settled;
      this.#parts.push(merged);
    }
    this.#settled = this.#parts.length;
    this.#unsettledBytes = 0;
  }

  /** `length` undefined: the number of lost octets is not known (the message broke off). */
  addMissing(length: number | undefined): void {
    const previous = this.#missing.at(-1);
    const touches = previous?.length !== undefined && previous.offset + previous.length === this.#length;
    if (touches && length !== undefined) {
      this.#missing[this.#missing.length - 1] = { offset: previous.offset, length: previous.length + length };
    } else {
      this.#missing.push({ offset: this.#length, length });
    }
    this.#length += length ?? 0;
  }

  /** `fallback` is where the message would have begun, for a message without octets. */
  finish(fallback: Place): CollectedMessage {
    const first = this.#first ?? fallback;
    return {
      bytes: this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts),
      missing: this.#missing,
      first,
      last: this.#last ?? first.seen,
      cut: this.#cut,
    };
  }
}
