/**
 * The TLS secrets of a pcapng file before its packets are read: Decryption Secrets Blocks (draft-ietf-opsawg-
 * pcapng §4.7) may stand behind the packets they are for. Only block headers are looked at, and packets are
 * never decoded.
 */
import { setImmediate } from 'node:timers/promises';
import { captureLimits } from '../core/limits.ts';
import { type ByteSource, FileSource, UnpackedSource } from './byte-source.ts';
import { compressionOf } from './compression.ts';
import { BlockType, byteOrderMagic, framingBytes, tlsKeyLog } from './pcapng.ts';

export interface SecretsOptions {
  /**
   * Compressed files are searched, too, as far as `captureLimits.secretsUnpackedBytesMax`. That unpacks them
   * twice, and unpacking takes longer than most of what follows it.
   */
  readonly unpacks: boolean;
  /** Ends the search; then its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `take` with each key log in `file`, valid until it returns. Whatever cannot be read ends it in
 * silence: reading the capture itself will say what is wrong.
 */
export async function readSecrets(
  file: string,
  take: (text: Buffer) => void,
  options: SecretsOptions,
): Promise<void> {
  try {
    const stored = new FileSource(file);
    let source: ByteSource = stored;
    try {
      const start = await stored.peek(4);
      const compression = compressionOf(start);
      if (compression === undefined) {
        if (start.equals(sectionStart)) await walk(source, take, Number.POSITIVE_INFINITY, options.signal);
      } else if (options.unpacks) {
        source = new UnpackedSource(stored, compression.unpack, captureLimits.compressedReadBytes);
        await walk(source, take, captureLimits.secretsUnpackedBytesMax, options.signal);
      }
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
  }
}

/** The section header's type is the same in both byte orders. */
const sectionStart = Buffer.from('0a0d0d0a', 'hex');

async function walk(
  source: ByteSource,
  take: (text: Buffer) => void,
  octetsMax: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const walker = new BlockWalker(take);
  let buffer = Buffer.allocUnsafeSlow(captureLimits.readBytes);
  let end = 0;
  let octets = 0;
  while (octets < octetsMax) {
    // Nothing else is waited for: signals and timers get their turn here.
    await setImmediate();
    signal?.throwIfAborted();
    const read = await source.read(buffer, end);
    if (read === 0) return;
    // What unpacks to something else than pcapng is told by its first octets, and given up there.
    const begun = Math.min(octets + read, sectionStart.length);
    if (octets < begun && !buffer.subarray(0, begun).equals(sectionStart.subarray(0, begun))) return;
    octets += read;
    end += read;
    const rest = walker.walk(buffer, end);
    if (walker.isLost) return;
    buffer.copy(buffer, 0, rest, end);
    end -= rest;
    if (walker.needed > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(walker.needed);
      buffer.copy(larger, 0, 0, end);
      buffer = larger;
    }
  }
}

class BlockWalker {
  readonly #take: (text: Buffer) => void;
  #littleEndian = true;
  /** Octets of a block of no interest that have not come yet. */
  #skip = 0;
  /** The framing is broken. */
  isLost = false;
  /** Octets that must be there at once. */
  needed = framingBytes;

  constructor(take: (text: Buffer) => void) {
    this.#take = take;
  }

  /** Takes the blocks that are whole in front of `end`; returns where the next one begins. */
  walk(buffer: Buffer, end: number): number {
    let at = Math.min(this.#skip, end);
    this.#skip -= at;
    this.needed = framingBytes;
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    while (end - at >= framingBytes) {
      const type = view.getUint32(at, this.#littleEndian);
      if (type === BlockType.sectionHeader) {
        this.#littleEndian = view.getUint32(at + 8, true) === byteOrderMagic;
      }
      const length = (view.getUint32(at + 4, this.#littleEndian) + 3) & ~3;
      this.isLost = length < framingBytes || length > captureLimits.blockBytesMax;
      if (this.isLost) return at;
      if (type === BlockType.decryptionSecrets) {
        this.needed = length;
        if (end - at < length) return at;
        this.#takeSecrets(buffer, view, at, length);
      }
      at += length;
    }
    if (at > end) this.#skip = at - end;
    return Math.min(at, end);
  }

  #takeSecrets(buffer: Buffer, view: DataView, at: number, length: number): void {
    if (length < framingBytes + 8 || view.getUint32(at + 8, this.#littleEndian) !== tlsKeyLog) return;
    const secretsLength = view.getUint32(at + 12, this.#littleEndian);
    if (secretsLength <= length - 20) this.#take(buffer.subarray(at + 16, at + 16 + secretsLength));
  }
}
