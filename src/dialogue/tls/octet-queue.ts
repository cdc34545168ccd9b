/** Octets of one direction that wait to be read, with the packets they came in. */
import type { Sighting } from '../../stream/types.ts';

interface Mark {
  /** Stream offset from which on `seen` holds. */
  readonly offset: number;
  readonly seen: Sighting;
}

const FIRST_CAPACITY = 2048;

/** A mark and its sighting. */
const MARK_COST_BYTES = 150;

/** Octets that were dropped and can still be looked at. */
const KEPT_BYTES = 64;

/** A run of octets without a hole. Offsets count from the beginning of the direction, holes included. */
export class OctetQueue {
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #offset: number;
  readonly #marks: Mark[] = [];
  #firstMark = 0;

  constructor(offset: number) {
    this.#offset = offset;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Octets of memory. */
  get cost(): number {
    return this.#buffer.length + this.#marks.length * MARK_COST_BYTES;
  }

  /** Of the first octet that is left. */
  get offset(): number {
    return this.#offset;
  }

  /** The packet of the first octet that is left, or that of the last octet where none is left. */
  get seen(): Sighting | undefined {
    return this.#marks[this.#firstMark]?.seen;
  }

  append(bytes: Buffer, seen: Sighting): void {
    if (bytes.length === 0) return;
    this.#marks.push({ offset: this.#offset + this.length, seen });
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#end);
    this.#end += bytes.length;
    this.#forgetMarks();
  }

  /** A view that dies at the next `append`. */
  view(from: number, to: number): Buffer {
    return this.#buffer.subarray(this.#start + from, Math.min(this.#start + to, this.#end));
  }

  /** At most 64 of the octets right before the first that is left, as far as they were in this run; dies as a view does. */
  get before(): Buffer {
    return this.#buffer.subarray(Math.max(0, this.#start - KEPT_BYTES), this.#start);
  }

  octet(index: number): number {
    return this.#buffer[this.#start + index] ?? 0;
  }

  drop(count: number): void {
    const dropped = Math.min(count, this.length);
    this.#start += dropped;
    this.#offset += dropped;
    this.#forgetMarks();
  }

  #forgetMarks(): void {
    for (;;) {
      const next = this.#marks[this.#firstMark + 1];
      if (!next || next.offset > this.#offset) break;
      this.#firstMark++;
    }
    // Moving the rest forward only when half is read keeps the cost of each mark constant.
    if (this.#firstMark > 64 && this.#firstMark * 2 > this.#marks.length) {
      this.#marks.splice(0, this.#firstMark);
      this.#firstMark = 0;
    }
  }

  /** Makes room by moving what is left, and what is kept, to the front, of a larger buffer where it must be. */
  #reserve(count: number): void {
    if (this.#end + count <= this.#buffer.length) return;
    const kept = Math.min(this.#start, KEPT_BYTES);
    const length = kept + this.length;
    const needed = length + count;
    const isRoomy = needed * 2 <= this.#buffer.length;
    const target = isRoomy ? this.#buffer : Buffer.allocUnsafe(Math.max(FIRST_CAPACITY, needed * 2));
    this.#buffer.copy(target, 0, this.#start - kept, this.#end);
    this.#buffer = target;
    this.#start = kept;
    this.#end = length;
  }
}
