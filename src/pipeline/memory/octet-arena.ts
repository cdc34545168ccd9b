/**
 * A piece of memory of a fixed size in cells of a few sizes. It is taken once and used again and again: octets
 * that come and go by the gigabyte leave no buffers behind that the runtime would have to find and free.
 */
import { strict as assert } from 'node:assert';

/** Sizes of cells are this one and its doubles. */
export const smallestCellBytes = 512;
export const cellSizes = 8;
const slabBytesMax = 1 << 20;

export function cellBytes(size: number): number {
  return smallestCellBytes << size;
}

/** A part of the arena with cells of one size. */
interface Slab {
  readonly bytes: Buffer;
  size: number;
  used: number;
  /** Cells from here on were never given out. */
  fresh: number;
  free: number[];
}

export class OctetArena {
  readonly #slabBytes: number;
  readonly #slabsMax: number;
  readonly #slabs: Slab[] = [];
  /** Slabs without a cell in use. */
  readonly #empty: number[] = [];
  /** For each size, slabs with a cell that is free. */
  readonly #open: number[][] = Array.from({ length: cellSizes }, () => []);

  /** `bytesMax` a power of two, or a multiple of a megabyte. */
  constructor(bytesMax: number) {
    // A slab holds at least one cell of each size.
    this.#slabBytes = Math.max(Math.min(bytesMax, slabBytesMax), cellBytes(cellSizes - 1));
    this.#slabsMax = Math.max(Math.floor(bytesMax / this.#slabBytes), 1);
  }

  /** A cell of this size; undefined where there is no room. */
  take(size: number): number | undefined {
    const index = this.#open[size]?.at(-1) ?? this.#prepare(size);
    const slab = index === undefined ? undefined : this.#slabs[index];
    if (index === undefined || slab === undefined) return undefined;
    const cells = this.#slabBytes / cellBytes(size);
    const cell = slab.free.pop() ?? slab.fresh++;
    slab.used++;
    if (slab.used === cells) this.#open[size]?.pop();
    return index * this.#slabBytes + cell * cellBytes(size);
  }

  give(cell: number): void {
    const index = Math.floor(cell / this.#slabBytes);
    const slab = this.#slabOf(cell);
    if (slab.used === 0) assert.fail('a cell is given back once');
    const { size } = slab;
    const open = this.#open[size] ?? [];
    if (slab.used === this.#slabBytes / cellBytes(size)) open.push(index);
    slab.used--;
    slab.free.push((cell % this.#slabBytes) / cellBytes(size));
    if (slab.used > 0) return;
    open.splice(open.indexOf(index), 1);
    slab.free = [];
    slab.fresh = 0;
    this.#empty.push(index);
  }

  /** Puts octets `from` … `to` of `bytes` into a cell from its octet `at` on. */
  put(cell: number, at: number, bytes: Buffer, from: number, to: number): void {
    const slab = this.#slabOf(cell);
    bytes.copy(slab.bytes, (cell % this.#slabBytes) + at, from, to);
  }

  /** Puts octets `from` … `to` of a cell into `target` from `at` on. */
  get(cell: number, from: number, to: number, target: Buffer, at: number): void {
    const slab = this.#slabOf(cell);
    const start = cell % this.#slabBytes;
    slab.bytes.copy(target, at, start + from, start + to);
  }

  /** The octets of a cell; a view for the moment. */
  octets(cell: number, from: number, to: number): Buffer {
    const slab = this.#slabOf(cell);
    const start = cell % this.#slabBytes;
    return slab.bytes.subarray(start + from, start + to);
  }

  #slabOf(cell: number): Slab {
    const slab = this.#slabs[Math.floor(cell / this.#slabBytes)];
    // The arguments of `assert` would be an array, for each packet of a mail.
    return slab ?? assert.fail('no such cell');
  }

  #prepare(size: number): number | undefined {
    const index = this.#empty.pop() ?? this.#grow();
    const slab = index === undefined ? undefined : this.#slabs[index];
    if (index === undefined || slab === undefined) return undefined;
    slab.size = size;
    this.#open[size]?.push(index);
    return index;
  }

  #grow(): number | undefined {
    if (this.#slabs.length >= this.#slabsMax) return undefined;
    const bytes = Buffer.allocUnsafeSlow(this.#slabBytes);
    return this.#slabs.push({ bytes, size: 0, used: 0, fresh: 0, free: [] }) - 1;
  }
}
