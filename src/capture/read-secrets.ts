/**
 * The TLS secrets of a pcapng file before its packets are read: Decryption Secrets Blocks (draft-ietf-opsawg-
 * pcapng §4.7) may stand behind the packets they are for. Only block headers are looked at, and packets are
 * never decoded. Compressed files are passed over: unpacking them twice would cost more than reading them.
 */
import { open } from 'node:fs/promises';
import { captureLimits } from '../core/limits.ts';
import { FileSource } from './byte-source.ts';
import { compressionOf } from './compression.ts';
import { BlockType, byteOrderMagic, framingBytes, tlsKeyLog } from './pcapng.ts';

/**
 * Calls `take` with each key log in `file`, valid until it returns. Whatever cannot be read ends it in
 * silence: reading the capture itself will say what is wrong.
 */
export async function readSecrets(file: string, take: (text: Buffer) => void): Promise<void> {
  try {
    const handle = await open(file, 'r');
    const source = new FileSource(handle);
    try {
      const start = await source.peek(4);
      if (compressionOf(start) === undefined && start.equals(sectionStart)) await walk(source, take);
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error)) throw error;
  }
}

/** The section header's type is the same in both byte orders. */
const sectionStart = Buffer.from('0a0d0d0a', 'hex');

async function walk(source: FileSource, take: (text: Buffer) => void): Promise<void> {
  const walker = new BlockWalker(take);
  let buffer = Buffer.allocUnsafeSlow(captureLimits.readBytes);
  let end = 0;
  for (;;) {
    const read = await source.read(buffer, end);
    if (read === 0) return;
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
