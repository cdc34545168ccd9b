/**
 * Zstandard frames, RFC 8878 §3.1. The framing is read here, so that windows are checked before they are
 * allocated and no step unpacks more than one block (128 KiB); the blocks themselves are fzstd's work.
 */
import type { Decompress } from 'fzstd';
import { captureLimits } from '../core/limits.ts';
import { PackedDamage, type PackedInput } from './byte-source.ts';

export const zstdMagic = 0xfd2f_b528;
const blockBytesMax = 128 << 10;

export async function* unpackZstd(packed: PackedInput): AsyncGenerator<Uint8Array, void, void> {
  const moves = new WindowMoves();
  for (;;) {
    const magic = await packed.next(4);
    if (magic === undefined) return;
    const number = magic.readUInt32LE(0);
    if (isSkippable(number)) await packed.skip((await packed.take(4)).readUInt32LE(0));
    else if (number === zstdMagic) yield* unpackFrame(packed, magic, moves);
    else throw new PackedDamage('zstd: no frame where one should begin');
  }
}

/** Skippable frames, RFC 8878 §3.1.2; lz4 uses the same ones. */
export function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5;
}

async function* unpackFrame(
  packed: PackedInput,
  magic: Buffer,
  moves: WindowMoves,
): AsyncGenerator<Uint8Array, void, void> {
  const descriptor = await packed.take(1);
  const flags = descriptor.readUInt8(0);
  const layout = headerLayout(flags);
  const header = await packed.take(layout.window + layout.dictionary + layout.contentSize);
  const windowBytes = checkedWindow(layout, header);
  // Few captures are packed so: all others go without its code.
  const { Decompress } = await import('fzstd');
  const produced: Uint8Array[] = [];
  const decompressor = new Decompress((piece) => {
    if (piece.length > 0) produced.push(piece);
  });
  push(decompressor, Buffer.concat([magic, descriptor, header]), false);
  for (let isLast = false; !isLast; ) {
    const block = await takeBlock(packed);
    isLast = block.isLast;
    moves.begin(windowBytes);
    push(decompressor, block.octets, false);
    const pieces = produced.splice(0);
    moves.earn(block.octets.length, pieces);
    yield* pieces;
  }
  const hasChecksum = (flags & 0x04) !== 0;
  if (hasChecksum) push(decompressor, await packed.take(4), false);
  push(decompressor, new Uint8Array(0), true);
  yield* produced.splice(0);
}

/** One block with its header of 3 octets (§3.1.1.2). */
async function takeBlock(packed: PackedInput): Promise<{ octets: Buffer; isLast: boolean }> {
  const header = await packed.take(3);
  const fields = header.readUIntLE(0, 3);
  const type = (fields >> 1) & 3;
  const size = fields >> 3;
  if (type === 3 || size > blockBytesMax) throw new PackedDamage('zstd: block of an unknown type or size');
  // A run of one octet is stored as that octet.
  const content = await packed.take(type === 1 ? 1 : size);
  return { octets: Buffer.concat([header, content]), isLast: (fields & 1) !== 0 };
}

/** Octets of each field of the frame header behind its descriptor, in their order (§3.1.1.1). */
interface HeaderLayout {
  readonly window: number;
  readonly dictionary: number;
  readonly contentSize: number;
}

function headerLayout(flags: number): HeaderLayout {
  const isSingleSegment = (flags & 0x20) !== 0;
  return {
    window: isSingleSegment ? 0 : 1,
    dictionary: [0, 1, 2, 4][flags & 3] ?? 0,
    contentSize: [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0,
  };
}

/** Octets of the frame's window. */
function checkedWindow(layout: HeaderLayout, header: Buffer): number {
  const { window, dictionary } = layout;
  if (dictionary > 0 && header.readUIntLE(window, dictionary) !== 0) {
    throw new PackedDamage('zstd: the file needs a dictionary');
  }
  const windowBytes =
    window === 1 ? windowSize(header.readUInt8(0)) : contentSize(header.subarray(dictionary));
  // The window is allocated as a whole: a few octets must not claim gigabytes.
  if (windowBytes > captureLimits.zstdWindowBytesMax) {
    const limit = captureLimits.zstdWindowBytesMax;
    throw new PackedDamage(`zstd: window of ${windowBytes} octets is more than ${limit}`);
  }
  return windowBytes;
}

/**
 * fzstd moves the whole window at every block. A file of tiny blocks in a large window would take hours for each
 * megabyte, so what is moved must stand in proportion to what is read.
 */
class WindowMoves {
  #left: number = captureLimits.zstdMovedBytesMax;

  begin(windowBytes: number): void {
    this.#left -= windowBytes;
    if (this.#left < 0) throw new PackedDamage('zstd: blocks too small for their window');
  }

  earn(storedBytes: number, pieces: readonly Uint8Array[]): void {
    const contentBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#left += Math.max(
      storedBytes * captureLimits.zstdMovedPerStoredByte,
      contentBytes * captureLimits.zstdMovedPerContentByte,
    );
    // What was earned is not saved up.
    this.#left = Math.min(this.#left, captureLimits.zstdMovedBytesMax);
  }
}

function windowSize(descriptor: number): number {
  return 2 ** (10 + (descriptor >> 3)) * (1 + (descriptor & 7) / 8);
}

/** A single segment's window is its content. */
function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE(0));
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

/** Whatever fzstd throws, also from running off a table, is damage of the input. */
function push(decompressor: Decompress, octets: Uint8Array, isFinal: boolean): void {
  try {
    decompressor.push(octets, isFinal);
  } catch (error) {
    throw new PackedDamage(`zstd: ${error instanceof Error ? error.message : String(error)}`);
  }
}
