/** The simplest possible reassembly of TCP payload, as an oracle for tests: everything is kept in memory. */
import type { Segment } from '../../src/packet/types.ts';
import { TcpFlag } from '../../src/packet/types.ts';

export interface TestStream {
  /** `address:port>address:port`, the addresses in hexadecimal. */
  readonly key: string;
  /** The octets that are there, in order; of octets that came twice the first copy. */
  readonly bytes: Buffer;
  /** Holes as [first octet, octet behind the last], counted from the first octet of the stream. */
  readonly gaps: readonly (readonly [number, number])[];
}

interface Piece {
  readonly sequence: number;
  readonly bytes: Buffer;
  /** Behind the bytes, cut off by the snap length. */
  readonly missing: number;
}

interface Half {
  first: number | undefined;
  readonly pieces: Piece[];
}

/** Collects segments, one call per segment; `streams` then gives one stream per direction with payload. */
export class StreamCollector {
  readonly #halves = new Map<string, Half>();

  add(segment: Segment): void {
    const source = endpoint(segment.sourceAddress, segment.sourcePort);
    const key = `${source}>${endpoint(segment.targetAddress, segment.targetPort)}`;
    const half = this.#halves.get(key) ?? { first: undefined, pieces: [] };
    this.#halves.set(key, half);
    const isSyn = (segment.flags & TcpFlag.syn) !== 0;
    const sequence = isSyn ? (segment.sequence + 1) >>> 0 : segment.sequence;
    if (isSyn) half.first ??= sequence;
    const { payloadOffset, payloadLength, missingLength } = segment;
    if (payloadLength + missingLength === 0) return;
    const bytes = Buffer.from(segment.buffer.subarray(payloadOffset, payloadOffset + payloadLength));
    half.pieces.push({ sequence, bytes, missing: missingLength });
  }

  streams(): TestStream[] {
    const streams: TestStream[] = [];
    for (const [key, half] of this.#halves) {
      const [piece] = half.pieces;
      if (piece !== undefined) streams.push(joinHalf(key, half.first ?? lowest(half, piece.sequence), half));
    }
    return streams.sort((one, two) => (one.key < two.key ? -1 : 1));
  }
}

function endpoint(address: Buffer, port: number): string {
  return `${address.toString('hex')}:${port}`;
}

/** Signed distance of two sequence numbers. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}

function lowest(half: Half, start: number): number {
  return half.pieces.reduce((low, { sequence }) => (distance(low, sequence) < 0 ? sequence : low), start);
}

/** Lays the pieces out in the order in which they came; an octet that is there is not written again. */
function joinHalf(key: string, first: number, half: Half): TestStream {
  const ends = half.pieces.map(
    (piece) => distance(first, piece.sequence) + piece.bytes.length + piece.missing,
  );
  const length = Math.max(0, ...ends);
  const laidOut = Buffer.alloc(length);
  const isHere = Buffer.alloc(length);
  for (const { sequence, bytes } of half.pieces) {
    const start = distance(first, sequence);
    for (let index = Math.max(0, -start); index < bytes.length; index++) {
      if (isHere[start + index] === 1) continue;
      isHere[start + index] = 1;
      laidOut[start + index] = bytes[index] ?? 0;
    }
  }
  const parts: Buffer[] = [];
  const gaps: [number, number][] = [];
  for (let at = 0; at < length; ) {
    const here = isHere[at] === 1;
    const change = isHere.indexOf(here ? 0 : 1, at);
    const end = change === -1 ? length : change;
    if (here) parts.push(laidOut.subarray(at, end));
    else gaps.push([at, end]);
    at = end;
  }
  return { key, bytes: Buffer.concat(parts), gaps };
}
