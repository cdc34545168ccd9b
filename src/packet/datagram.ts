/** One datagram whose fragments arrive in any order (RFC 791 §3.2, RFC 8200 §4.5). */
import type { Cursor } from './cursor.ts';

/** Fragments begin at multiples of this, and all but the last end there. */
const blockOctets = 8;
/** RFC 791: no datagram is larger; the sum of offset and length of a forged fragment may be. */
const datagramOctetsMax = 65_535;

/** What a fragment was good for. */
export type FragmentVerdict = 'new' | 'copy' | 'invalid';

export class Datagram {
  readonly key: string;
  /** Packet time of the first fragment that arrived. */
  readonly startSeconds: number;
  /** Packets and captured octets that wait here. */
  packets = 0;
  octets = 0;
  /** From the fragment with the first octets: protocol, and length and TTL of its packet. */
  protocol = 0;
  ipLength = 0;
  ttl = 0;

  #buffer: Buffer = Buffer.alloc(0);
  /** One octet per block: 1 where the block is here. */
  #blocks: Buffer = Buffer.alloc(0);
  #blocksHere = 0;
  /** Octets of the whole datagram; undefined until its last fragment arrives. */
  #length: number | undefined;
  /** Behind the highest octet seen. */
  #highest = 0;
  /** The first octet that was on the wire but cut off by the snap length. */
  #firstMissing = Number.POSITIVE_INFINITY;

  constructor(key: string, startSeconds: number) {
    this.key = key;
    this.startSeconds = startSeconds;
  }

  /** Memory held, in octets. */
  get size(): number {
    return this.#buffer.length + this.#blocks.length;
  }

  get isComplete(): boolean {
    return this.#length !== undefined && this.#blocksHere === blocksOf(this.#length);
  }

  /** Takes the fragment at the cursor. Where fragments overlap, the octets that came first stay. */
  take(cursor: Cursor): FragmentVerdict {
    const start = cursor.fragmentOffset;
    const end = start + cursor.wireEnd - cursor.offset;
    if (!this.#fits(start, end, cursor.moreFragments)) return 'invalid';
    if (!cursor.moreFragments) this.#length = end;
    this.#highest = Math.max(this.#highest, end);
    if (start === 0 && this.ipLength === 0) {
      this.protocol = cursor.protocol;
      this.ipLength = cursor.ipLength;
      this.ttl = cursor.ttl;
    }
    this.#reserve(end);
    return this.#fill(cursor, start, end) ? 'new' : 'copy';
  }

  /** The fragment at the cursor is one that this datagram was made of, as far as it was captured. */
  contains(cursor: Cursor): boolean {
    const start = cursor.fragmentOffset;
    const end = start + cursor.wireEnd - cursor.offset;
    const isLast = end === this.#length;
    if (end > (this.#length ?? 0) || isLast === cursor.moreFragments) return false;
    const captured = Math.min(start + cursor.end - cursor.offset, this.#firstMissing);
    if (captured <= start) return true;
    const from = cursor.offset;
    return this.#buffer.compare(cursor.buffer, from, from + captured - start, start, captured) === 0;
  }

  /** Points the cursor to the whole datagram instead of its last fragment. */
  handOver(cursor: Cursor): void {
    const length = this.#length ?? 0;
    cursor.buffer = this.#buffer;
    cursor.offset = 0;
    cursor.end = Math.min(length, this.#firstMissing);
    cursor.wireEnd = length;
    cursor.protocol = this.protocol;
    cursor.ipLength = this.ipLength;
    cursor.ttl = this.ttl;
  }

  #fits(start: number, end: number, moreFragments: boolean): boolean {
    if (end <= start || end > datagramOctetsMax) return false;
    if (moreFragments) return end % blockOctets === 0 && (this.#length === undefined || end <= this.#length);
    return this.#length === undefined ? end >= this.#highest : end === this.#length;
  }

  #reserve(end: number): void {
    if (end <= this.#buffer.length) return;
    const wanted = this.#length ?? Math.min(datagramOctetsMax, Math.max(end, 2 * this.#buffer.length));
    const blocks = blocksOf(wanted);
    const buffer = Buffer.alloc(blocks * blockOctets);
    const flags = Buffer.alloc(blocks);
    this.#buffer.copy(buffer);
    this.#blocks.copy(flags);
    this.#buffer = buffer;
    this.#blocks = flags;
  }

  /** Copies the runs of blocks that are not here yet. */
  #fill(cursor: Cursor, start: number, end: number): boolean {
    const lastBlock = blocksOf(end);
    let block = start / blockOctets;
    let hasNew = false;
    while (block < lastBlock) {
      const first = this.#nextBlock(0, block, lastBlock);
      block = this.#nextBlock(1, first, lastBlock);
      if (first === block) break;
      hasNew = true;
      this.#blocks.fill(1, first, block);
      this.#blocksHere += block - first;
      this.#copyRun(cursor, start, first * blockOctets, Math.min(block * blockOctets, end));
    }
    return hasNew;
  }

  /** The first block from `from` on whose flag is `flag`, or `to`. */
  #nextBlock(flag: number, from: number, to: number): number {
    const found = this.#blocks.indexOf(flag, from);
    return found === -1 || found > to ? to : found;
  }

  #copyRun(cursor: Cursor, fragmentStart: number, from: number, to: number): void {
    const capturedEnd = fragmentStart + Math.max(0, cursor.end - cursor.offset);
    if (to > capturedEnd) this.#firstMissing = Math.min(this.#firstMissing, Math.max(from, capturedEnd));
    const source = cursor.offset - fragmentStart;
    if (from < capturedEnd) {
      cursor.buffer.copy(this.#buffer, from, source + from, source + Math.min(to, capturedEnd));
    }
  }
}

function blocksOf(octets: number): number {
  return Math.ceil(octets / blockOctets);
}
