/**
 * The octets of one mail in chunks: the first ones in a file, the last ones in the arena. A chunk is as large as
 * the chunks before it together, up to the largest cell: small mails waste little, large ones have few chunks.
 */
import { cellBytes, cellSizes, type OctetArena, smallestCellBytes } from './octet-arena.ts';
import type { SpillFile } from './spill-file.ts';

const largest = cellSizes - 1;
/** Where the chunks of the largest size begin. */
const largestFrom = smallestCellBytes * ((1 << largest) - 1);

/** Index of the chunk that octet `at` is in. */
export function chunkAt(at: number): number {
  if (at >= largestFrom) return largest + Math.floor((at - largestFrom) / cellBytes(largest));
  return 31 - Math.clz32(Math.floor(at / smallestCellBytes) + 1);
}

export function chunkStart(chunk: number): number {
  if (chunk <= largest) return smallestCellBytes * ((1 << chunk) - 1);
  return largestFrom + (chunk - largest) * cellBytes(largest);
}

export function chunkSize(chunk: number): number {
  return Math.min(chunk, largest);
}

export interface Place {
  readonly arena: OctetArena;
  readonly file: SpillFile;
}

/** Never changed. */
const none: number[] = [];

export class KeptLog {
  /** Neighbours on its shelf, see `ShareMemory`; written by the owner, as is `shelf`. */
  older: KeptLog | undefined;
  newer: KeptLog | undefined;
  shelf = -1;
  #length = 0;
  /** Octets from the first on that are in the file. */
  #spilled = 0;
  /** Cells of the arena with the chunks from that of octet `#spilled` on. */
  #cells: number[] = none;
  /** Where in the file the chunks before them are. */
  #extents: number[] = none;
  #residentBytes = 0;
  /** There was no room once: what follows is not kept. */
  isCut = false;

  get length(): number {
    return this.#length;
  }

  /** Octets of the arena that it holds. */
  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Size of the cell that the next octet needs; undefined where there is room for it. */
  get wantedCell(): number | undefined {
    const chunk = chunkAt(this.#length);
    return this.#cells[chunk - chunkAt(this.#spilled)] === undefined ? chunkSize(chunk) : undefined;
  }

  addCell(cell: number): void {
    // An array that grows has room for many, and most mails have few.
    if (this.#cells.length === 0) this.#cells = [cell];
    else if (this.#cells.length < 4) this.#cells = [...this.#cells, cell];
    else this.#cells.push(cell);
    this.#residentBytes += cellBytes(chunkSize(chunkAt(this.#length)));
  }

  /** Fills the last cell from octet `from` of `bytes` on; returns how many it took. */
  fill(bytes: Buffer, from: number, { arena }: Place): number {
    const chunk = chunkAt(this.#length);
    const offset = this.#length - chunkStart(chunk);
    const cell = this.#cells[chunk - chunkAt(this.#spilled)] ?? 0;
    const taken = Math.min(bytes.length - from, cellBytes(chunkSize(chunk)) - offset);
    arena.put(cell, offset, bytes, from, from + taken);
    this.#length += taken;
    return taken;
  }

  /** Moves all of it to the file; undefined, or why that was not possible: then the rest stays. */
  spill({ arena, file }: Place): Error | undefined {
    while (this.#cells.length > 0) {
      const chunk = chunkAt(this.#spilled);
      const start = chunkStart(chunk);
      const end = Math.min(start + cellBytes(chunkSize(chunk)), this.#length);
      const extent = this.#extents[chunk] ?? file.take(chunkSize(chunk));
      if (chunk < this.#extents.length) this.#extents[chunk] = extent;
      else this.#extents = [...this.#extents, extent];
      const [cell = 0] = this.#cells;
      const offset = this.#spilled - start;
      const trouble = file.write(arena.octets(cell, offset, end - start), extent + offset);
      if (trouble !== undefined) return trouble;
      arena.give(cell);
      this.#cells.shift();
      this.#residentBytes -= cellBytes(chunkSize(chunk));
      this.#spilled = end;
    }
    return undefined;
  }

  copy(target: Buffer, start: number, from: number, to: number, { arena, file }: Place): void {
    const firstResident = chunkAt(this.#spilled);
    for (let at = from; at < to; ) {
      const chunk = chunkAt(at);
      const offset = at - chunkStart(chunk);
      const chunkEnd = chunkStart(chunk) + cellBytes(chunkSize(chunk));
      const isSpilled = at < this.#spilled;
      const end = Math.min(to, chunkEnd, isSpilled ? this.#spilled : to);
      if (isSpilled) {
        file.read(target, start + at - from, end - at, (this.#extents[chunk] ?? 0) + offset);
      } else {
        const cell = this.#cells[chunk - firstResident] ?? 0;
        arena.get(cell, offset, offset + end - at, target, start + at - from);
      }
      at = end;
    }
  }

  /** Gives back what it holds; it has no octets any more. */
  release({ arena, file }: Place): void {
    for (const cell of this.#cells) arena.give(cell);
    if (this.#extents.length > 0) {
      for (const [chunk, extent] of this.#extents.entries()) file.give(extent, chunkSize(chunk));
    }
    this.#cells = none;
    this.#extents = none;
    this.#residentBytes = 0;
    this.#length = 0;
    this.#spilled = 0;
  }
}
