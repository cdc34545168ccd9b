/**
 * Octets that are kept for long: of mails in progress, and of mails that wait to be decoded. Where they lie is
 * not the matter of who keeps them: the run's memory moves them to disk when it is short (`DialogueMemory`).
 */
import { dialogueLimits } from '../core/limits.ts';

export interface Octets {
  readonly length: number;
  /** Octets `from` … `to` as a view that nobody changes, or a copy. */
  read(from?: number, to?: number): Buffer;
  /** Puts octets `from` … `to` into `target` from `start` on. */
  copy(target: Buffer, start: number, from: number, to: number): void;
  /** Nobody reads them any more; `length` stays. May be called more than once. */
  release(): void;
}

/** Octets that come one after the other. */
export interface OctetLog extends Octets {
  /** Keeps a copy; returns how many were kept: fewer where there is no room, then and from then on. */
  append(bytes: Buffer): number;
}

/** What the conversations of one share may keep, all together. */
export interface DialogueMemory {
  /** Octets kept of one mail; the rest is counted as missing. */
  readonly mailBytesMax: number;
  /** Octets that one direction may hold while the other side's answer is awaited: less when all hold much. */
  readonly unreadBytesMax: number;
  /** A conversation holds so many octets more in objects of its own, or fewer. */
  hold(octets: number): void;
  /** Conversations hold so much that some must end. */
  readonly isCrowded: boolean;
  begin(): OctetLog;
}

const noBytes = Buffer.alloc(0);

class HeapOctets implements Octets {
  readonly length: number;
  #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.length = bytes.length;
    this.#bytes = bytes;
  }

  read(from = 0, to = this.length): Buffer {
    return this.#bytes.subarray(from, to);
  }

  copy(target: Buffer, start: number, from: number, to: number): void {
    this.#bytes.copy(target, start, from, to);
  }

  release(): void {
    this.#bytes = noBytes;
  }
}

/** `bytes` must not change afterwards: they are kept, not copied. */
export function heapOctets(bytes: Buffer): Octets {
  return new HeapOctets(bytes);
}

export interface OctetRange {
  readonly of: Octets;
  readonly from: number;
  readonly to: number;
}

class JoinedOctets implements Octets {
  readonly length: number;
  readonly #ranges: readonly OctetRange[];

  constructor(ranges: readonly OctetRange[]) {
    this.#ranges = ranges;
    this.length = ranges.reduce((sum, { from, to }) => sum + (to - from), 0);
  }

  read(from = 0, to = this.length): Buffer {
    const [only] = this.#ranges;
    if (this.#ranges.length === 1 && only !== undefined)
      return only.of.read(only.from + from, only.from + to);
    const bytes = Buffer.allocUnsafe(to - from);
    this.copy(bytes, 0, from, to);
    return bytes;
  }

  copy(target: Buffer, start: number, from: number, to: number): void {
    let at = 0;
    for (const range of this.#ranges) {
      const end = at + range.to - range.from;
      const [first, last] = [Math.max(from, at), Math.min(to, end)];
      const offset = range.from - at;
      if (first < last) range.of.copy(target, start + first - from, first + offset, last + offset);
      at = end;
    }
  }

  release(): void {
    for (const { of } of this.#ranges) of.release();
  }
}

/** Parts of other octets in a row; they are released together. */
export function joinOctets(ranges: readonly OctetRange[]): Octets {
  const [only] = ranges;
  const isWhole = only?.from === 0 && only.to === only.of.length;
  return ranges.length === 1 && isWhole ? only.of : new JoinedOctets(ranges);
}

const chunkBytes = 64 << 10;

/** All of `octets` in a row, read a little at a time. A chunk dies at the next one. */
export function* chunksOf(octets: Octets): Generator<Buffer> {
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, octets.length));
  for (let at = 0; at < octets.length; at += chunkBytes) {
    const end = Math.min(at + chunkBytes, octets.length);
    octets.copy(chunk, 0, at, end);
    yield chunk.subarray(0, end - at);
  }
}

const partsBeforeMerge = 4096;
const smallPartBytes = 256;

class HeapLog implements OctetLog {
  #parts: Buffer[] = [];
  /** Parts up to here are not worth merging any more, and the octets of those behind it. */
  #settled = 0;
  #unsettledBytes = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(bytes: Buffer): number {
    this.#parts.push(Buffer.from(bytes));
    this.#length += bytes.length;
    this.#unsettledBytes += bytes.length;
    if (this.#parts.length - this.#settled >= partsBeforeMerge) this.#settle();
    return bytes.length;
  }

  read(from = 0, to = this.#length): Buffer {
    return this.#joined().subarray(from, to);
  }

  copy(target: Buffer, start: number, from: number, to: number): void {
    this.#joined().copy(target, start, from, to);
  }

  release(): void {
    this.#parts = [];
    this.#settled = 0;
  }

  #joined(): Buffer {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    this.#settled = this.#parts.length;
    this.#unsettledBytes = 0;
    return this.#parts[0] ?? noBytes;
  }

  /** Many tiny parts would cost far more memory than their octets. */
  #settle(): void {
    if (this.#unsettledBytes < partsBeforeMerge * smallPartBytes) {
      const merged = Buffer.concat(this.#parts.slice(this.#settled));
      this.#parts.length = this.#settled;
      this.#parts.push(merged);
    }
    this.#settled = this.#parts.length;
    this.#unsettledBytes = 0;
  }
}

/** Keeps all in the heap, where few conversations are followed. */
export const heapMemory: DialogueMemory = {
  mailBytesMax: dialogueLimits.messageBytesMax,
  unreadBytesMax: dialogueLimits.unreadBytesMax,
  hold: () => undefined,
  isCrowded: false,
  begin: () => new HeapLog(),
};
