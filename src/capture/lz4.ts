/**
 * LZ4 frame format 1.6.x (lz4_Frame_format.md) and its blocks (lz4_Block_format.md), also the legacy frame
 * of `lz4 -l`. Checksums are not verified: the capture inside has a framing of its own.
 */
import { PackedDamage, type PackedInput } from './byte-source.ts';
import { isSkippable } from './zstd.ts';

export const lz4Magic = 0x184d_2204;
export const lz4LegacyMagic = 0x184c_2102;
const legacyBlockBytes = 8 << 20;
/** Matches reach back at most this far, over the limit of a block where blocks are linked. */
const historyBytes = 64 << 10;

export async function* unpackLz4(packed: PackedInput): AsyncGenerator<Uint8Array, void, void> {
  let magic = await packed.next(4);
  while (magic !== undefined) {
    const number = magic.readUInt32LE(0);
    if (number === lz4LegacyMagic) {
      magic = yield* unpackLegacyFrame(packed);
      continue;
    }
    if (isSkippable(number)) await packed.skip((await packed.take(4)).readUInt32LE(0));
    else if (number === lz4Magic) yield* unpackFrame(packed);
    else throw new PackedDamage('lz4: no frame where one should begin');
    magic = await packed.next(4);
  }
}

async function* unpackFrame(packed: PackedInput): AsyncGenerator<Uint8Array, void, void> {
  const descriptor = await packed.take(2);
  const flags = descriptor.readUInt8(0);
  const blockSizeCode = (descriptor.readUInt8(1) >> 4) & 7;
  if (flags >> 6 !== 1 || blockSizeCode < 4)
    throw new PackedDamage('lz4: unknown frame version or block size');
  const hasDictionary = (flags & 0x01) !== 0;
  if (hasDictionary) throw new PackedDamage('lz4: the file needs a dictionary');
  const hasContentSize = (flags & 0x08) !== 0;
  await packed.skip((hasContentSize ? 8 : 0) + 1);
  const blockBytesMax = 1 << (8 + 2 * blockSizeCode);
  const output = new Lz4Output(blockBytesMax);
  for (;;) {
    const size = (await packed.take(4)).readUInt32LE(0);
    if (size === 0) break;
    const storedBytes = size & 0x7fff_ffff;
    if (storedBytes > blockBytesMax) throw new PackedDamage(`lz4: block of ${storedBytes} octets`);
    const block = await packed.take(storedBytes);
    yield size >>> 31 === 1 ? output.copy(block) : output.unpack(block);
    if ((flags & 0x10) !== 0) await packed.skip(4);
  }
  if ((flags & 0x04) !== 0) await packed.skip(4);
}

/** Has no end mark: the frame ends with the file or where the next frame's magic stands; returns that. */
async function* unpackLegacyFrame(packed: PackedInput): AsyncGenerator<Uint8Array, Buffer | undefined, void> {
  const output = new Lz4Output(legacyBlockBytes);
  for (;;) {
    const size = await packed.next(4);
    if (size === undefined) return undefined;
    const storedBytes = size.readUInt32LE(0);
    if (storedBytes === lz4LegacyMagic || storedBytes === lz4Magic || isSkippable(storedBytes)) return size;
    // A block that does not shrink grows by one octet in 255 and a few more.
    if (storedBytes > legacyBlockBytes + (legacyBlockBytes >> 7)) {
      throw new PackedDamage(`lz4: block of ${storedBytes} octets`);
    }
    output.forget();
    yield output.unpack(await packed.take(storedBytes));
  }
}

/** One block of output behind the history that its matches may refer to. */
class Lz4Output {
  /** Made for the first block: frames without one are small and may be many. */
  #bytes = Buffer.alloc(0);
  readonly #blockBytesMax: number;
  /** History and the last block end here. */
  #end = 0;

  constructor(blockBytesMax: number) {
    this.#blockBytesMax = blockBytesMax;
  }

  /** The next block refers to nothing before it. */
  forget(): void {
    this.#end = 0;
  }

  copy(block: Buffer): Uint8Array {
    const start = this.#keepHistory();
    block.copy(this.#bytes, start);
    this.#end = start + block.length;
    return this.#bytes.subarray(start, this.#end);
  }

  /** The view that is returned lives until the next call. */
  unpack(block: Buffer): Uint8Array {
    const start = this.#keepHistory();
    this.#end = unpackBlock(block, this.#bytes, start, start + this.#blockBytesMax);
    return this.#bytes.subarray(start, this.#end);
  }

  #keepHistory(): number {
    if (this.#bytes.length === 0) this.#bytes = Buffer.allocUnsafeSlow(historyBytes + this.#blockBytesMax);
    const kept = Math.min(this.#end, historyBytes);
    this.#bytes.copyWithin(0, this.#end - kept, this.#end);
    return kept;
  }
}

/** A block is a row of sequences: literals to copy, then a match in what came out before. */
function unpackBlock(block: Buffer, output: Buffer, start: number, limit: number): number {
  let at = 0;
  let end = start;
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= block.length) throw new PackedDamage('lz4: a length runs over its block');
        more = block[at++] ?? 0;
        total += more;
      }
    }
    return total;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    if (literals > block.length - at || literals > limit - end) {
      throw new PackedDamage('lz4: literals run over their block');
    }
    block.copy(output, end, at, at + literals);
    at += literals;
    end += literals;
    // The last sequence has no match.
    if (at === block.length) return end;
    if (block.length - at < 2) throw new PackedDamage('lz4: a match runs over its block');
    const distance = block.readUInt16LE(at);
    at += 2;
    const matched = length(token & 15) + 4;
    if (distance === 0 || distance > end || matched > limit - end) {
      throw new PackedDamage('lz4: a match lies outside of the output');
    }
    copyMatch(output, end, distance, matched);
    end += matched;
  }
  return end;
}

/** Where a match overlaps what it writes, it repeats it. */
function copyMatch(output: Buffer, end: number, distance: number, matched: number): void {
  if (distance >= matched) {
    output.copyWithin(end, end - distance, end - distance + matched);
    return;
  }
  for (let index = end; index < end + matched; index++) output[index] = output[index - distance] ?? 0;
}
