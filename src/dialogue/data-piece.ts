/**
 * Octets of one direction that wait to be read, and where each of them was seen. Small packets that follow one
 * another share a piece: an object and a buffer for each would cost a hundred times what they carry.
 */
import type { Sighting } from '../stream/types.ts';

/** Where an octet was seen. */
export interface Place {
  /** TCP sequence number, or position within a layer. */
  readonly sequence: number;
  readonly seen: Sighting;
}

/** The place `offset` octets behind `place`, in the same packet. */
export function placeAt(place: Place, offset: number): Place {
  return offset === 0 ? place : { sequence: (place.sequence + offset) >>> 0, seen: place.seen };
}

/** Packets of so few octets share a piece, and so many octets one piece. */
const smallPacketBytes = 256;
const sharedPieceBytesMax = 4096;
const firstCapacityBytes = 64;

/** What a piece costs beside its octets, the sighting of its first packet included; measured. */
const pieceOverheadBytes = 512;

/** The place of a packet that shares a piece, in octets: where its fields are, and all of them. */
const at = { sequence: 0, frame: 4, ipLength: 8, timestampNs: 12, capture: 20, start: 22, ttl: 24 } as const;
const markBytes = 25;
const marksAtFirst = 8;
const noMarks = Buffer.alloc(0);

export class DataPiece {
  readonly kind = 'data';
  /** Of the first octet. */
  readonly place: Place;
  #bytes: Buffer;
  /** Octets of which `#bytes` are the first ones. */
  #capacity: Buffer;
  /** One for each packet but the first, in order. */
  #marks = noMarks;
  #markCount = 0;
  /** What is to be taken from the starts of the marks: octets that were cut off in front. */
  #cutOff = 0;

  /** `bytes` must not change afterwards, unless `own` is called before: they are kept, not copied. */
  constructor(bytes: Buffer, place: Place) {
    this.#bytes = bytes;
    this.#capacity = bytes;
    this.place = place;
  }

  /** Takes a copy of the octets it was given. */
  own(): void {
    this.#bytes = Buffer.from(this.#bytes);
    this.#capacity = this.#bytes;
  }

  /** Views of it stay as they are when more is added. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** What is held beside the octets. */
  get overheadBytes(): number {
    return pieceOverheadBytes + this.#markCount * markBytes;
  }

  /** Takes a copy of the octets of a small packet; false where they need a piece of their own. */
  add(bytes: Buffer, place: Place): boolean {
    const start = this.#bytes.length;
    const length = start + bytes.length;
    const isSmall = bytes.length <= smallPacketBytes && (this.#markCount > 0 || start <= smallPacketBytes);
    if (!isSmall || this.#cutOff + length > sharedPieceBytesMax || !fits(place)) return false;
    if (length > this.#capacity.length) this.#capacity = grown(this.#bytes, length);
    bytes.copy(this.#capacity, start);
    this.#bytes = this.#capacity.subarray(0, length);
    this.#mark(this.#cutOff + start, place);
    return true;
  }

  /** Where octet `offset` was seen. */
  placeOf(offset: number): Place {
    const mark = this.#markOf(offset);
    if (mark < 0) return placeAt(this.place, offset);
    const marks = this.#marks;
    const base = mark * markBytes;
    const seen = {
      capture: marks.readUInt16LE(base + at.capture),
      frame: marks.readUInt32LE(base + at.frame),
      timestampNs: marks.readBigInt64LE(base + at.timestampNs),
      ipLength: marks.readUInt32LE(base + at.ipLength),
      ttl: marks.readUInt8(base + at.ttl),
    };
    return placeAt({ sequence: marks.readUInt32LE(base + at.sequence), seen }, offset - this.#startOf(mark));
  }

  /** Behind the last octet that came in the same packet as octet `offset`. */
  packetEnd(offset: number): number {
    const next = this.#markOf(offset) + 1;
    return next < this.#markCount ? this.#startOf(next) : this.#bytes.length;
  }

  /** What begins with octet `offset`, in place of this piece: both hold the same octets. */
  from(offset: number): DataPiece {
    const rest = new DataPiece(this.#bytes.subarray(offset), this.placeOf(offset));
    const passed = this.#markOf(offset) + 1;
    if (passed >= this.#markCount) return rest;
    rest.#marks = this.#marks.subarray(passed * markBytes);
    rest.#markCount = this.#markCount - passed;
    rest.#cutOff = this.#cutOff + offset;
    return rest;
  }

  #startOf(mark: number): number {
    return this.#marks.readUInt16LE(mark * markBytes + at.start) - this.#cutOff;
  }

  /** The mark of the packet that octet `offset` came in; -1 for the first packet. */
  #markOf(offset: number): number {
    let [from, to] = [0, this.#markCount];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#startOf(middle) <= offset) from = middle + 1;
      else to = middle;
    }
    return from - 1;
  }

  #mark(start: number, { sequence, seen }: Place): void {
    const base = this.#markCount * markBytes;
    if (base + markBytes > this.#marks.length) {
      const marks = Buffer.allocUnsafe(Math.max(base * 2, marksAtFirst * markBytes));
      this.#marks.copy(marks, 0, 0, base);
      this.#marks = marks;
    }
    this.#marks.writeUInt32LE(sequence, base + at.sequence);
    this.#marks.writeUInt32LE(seen.frame, base + at.frame);
    this.#marks.writeUInt32LE(seen.ipLength, base + at.ipLength);
    this.#marks.writeBigInt64LE(seen.timestampNs, base + at.timestampNs);
    this.#marks.writeUInt16LE(seen.capture, base + at.capture);
    this.#marks.writeUInt16LE(start, base + at.start);
    this.#marks.writeUInt8(seen.ttl, base + at.ttl);
    this.#markCount++;
  }
}

/** A copy of `bytes` with room for `length` octets and as many again. */
function grown(bytes: Buffer, length: number): Buffer {
  const roomy = Math.min(Math.max(length * 2, firstCapacityBytes), sharedPieceBytesMax);
  const capacity = Buffer.allocUnsafe(roomy);
  bytes.copy(capacity);
  return capacity;
}

/** Time stamps of damaged captures may lie anywhere; those of packets fit. */
function fits({ sequence, seen }: Place): boolean {
  const { capture, frame, ipLength, timestampNs, ttl } = seen;
  const isSmall = capture <= 0xffff && ttl <= 0xff && isUint32(frame) && isUint32(ipLength);
  return isSmall && isUint32(sequence) && BigInt.asIntN(64, timestampNs) === timestampNs;
}

function isUint32(value: number): boolean {
  return value >>> 0 === value;
}
