/** Where the octets of a capture come from: the file as it is stored, or what it unpacks to. */
import { closeSync, openSync, readSync } from 'node:fs';

export interface ByteSource {
  /** Fills `target` from `offset` on as far as one step goes; 0 at the end. */
  read(target: Buffer, offset: number): Promise<number>;
  /** What broke off the content; known once `read` has returned 0. */
  readonly damage: PackedDamage | undefined;
  /** Octets of the stored file read so far. */
  readonly storedBytes: number;
  close(): Promise<void>;
}

/** The file as it is stored. */
export interface StoredSource extends ByteSource {
  /** The first octets, at most `octets`; they are read again by `read`. */
  peek(octets: number): Promise<Buffer>;
}

/**
 * Reads without a thread of the pool: the system has read ahead by itself, so that a read is a copy out of its
 * cache, and handing that to a thread takes longer than the copy.
 */
export class FileSource implements StoredSource {
  readonly damage = undefined;
  readonly #descriptor: number;
  #storedBytes = 0;

  /** Throws where the system refuses the file. */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'r');
  }

  get storedBytes(): number {
    return this.#storedBytes;
  }

  async peek(octets: number): Promise<Buffer> {
    const start = Buffer.alloc(octets);
    return start.subarray(0, readSync(this.#descriptor, start, 0, octets, 0));
  }

  async read(target: Buffer, offset: number): Promise<number> {
    const read = readSync(this.#descriptor, target, offset, target.length - offset, this.#storedBytes);
    this.#storedBytes += read;
    return read;
  }

  async close(): Promise<void> {
    closeSync(this.#descriptor);
  }
}

/** Thrown by an unpacker at the first octet that its format does not allow, or at a missing one. */
export class PackedDamage extends Error {
  readonly code: 'capture.truncated' | 'capture.damaged' = 'capture.damaged';
}

/** Thrown where the compressed file ends too early. */
export class PackedCut extends PackedDamage {
  override readonly code = 'capture.truncated';

  constructor() {
    super('the compressed file is cut');
  }
}

/** Yields what `packed` unpacks to, and throws `PackedDamage`; a piece is valid until the next is asked for. */
export type Unpacker = (packed: PackedInput) => AsyncGenerator<Uint8Array, void, void>;

/** The compressed octets, by exact counts. */
export class PackedInput {
  readonly #file: StoredSource;
  #chunk: Buffer;
  #begin = 0;
  #end = 0;

  constructor(file: StoredSource, readBytes: number) {
    this.#file = file;
    this.#chunk = Buffer.allocUnsafeSlow(readBytes);
  }

  /** The next octets, at most `octetsMax`, as a view that lives until the next call; empty at the end. */
  async some(octetsMax: number): Promise<Buffer> {
    if (this.#begin === this.#end) {
      this.#begin = 0;
      this.#end = await this.#file.read(this.#chunk, 0);
    }
    const taken = Math.min(octetsMax, this.#end - this.#begin);
    this.#begin += taken;
    return this.#chunk.subarray(this.#begin - taken, this.#begin);
  }

  /** Exactly `octets`, as a copy; undefined at the end of the file. */
  async next(octets: number): Promise<Buffer | undefined> {
    const taken = Buffer.allocUnsafe(octets);
    for (let filled = 0; filled < octets; ) {
      const piece = await this.some(octets - filled);
      if (piece.length === 0 && filled === 0) return undefined;
      if (piece.length === 0) throw new PackedCut();
      piece.copy(taken, filled);
      filled += piece.length;
    }
    return taken;
  }

  /** Exactly `octets` that must be there. */
  async take(octets: number): Promise<Buffer> {
    if (octets === 0) return Buffer.alloc(0);
    const taken = await this.next(octets);
    if (taken === undefined) throw new PackedCut();
    return taken;
  }

  async skip(octets: number): Promise<void> {
    for (let left = octets; left > 0; ) {
      const piece = await this.some(left);
      if (piece.length === 0) throw new PackedCut();
      left -= piece.length;
    }
  }
}

/** The content of a compressed file. Damage ends it; what was unpacked before is delivered first. */
export class UnpackedSource implements ByteSource {
  readonly #file: StoredSource;
  readonly #pieces: AsyncGenerator<Uint8Array, void, void>;
  #piece: Uint8Array = new Uint8Array(0);
  #taken = 0;
  #damage: PackedDamage | undefined;

  constructor(file: StoredSource, unpack: Unpacker, compressedReadBytes: number) {
    this.#file = file;
    this.#pieces = unpack(new PackedInput(file, compressedReadBytes));
  }

  get damage(): PackedDamage | undefined {
    return this.#damage;
  }

  get storedBytes(): number {
    return this.#file.storedBytes;
  }

  async read(target: Buffer, offset: number): Promise<number> {
    while (this.#taken === this.#piece.length) {
      if (this.#damage !== undefined || !(await this.#advance())) return 0;
    }
    const taken = Math.min(target.length - offset, this.#piece.length - this.#taken);
    target.set(this.#piece.subarray(this.#taken, this.#taken + taken), offset);
    this.#taken += taken;
    return taken;
  }

  async #advance(): Promise<boolean> {
    try {
      const step = await this.#pieces.next();
      if (step.done === true) return false;
      this.#piece = step.value;
      this.#taken = 0;
      return true;
    } catch (error) {
      if (!(error instanceof PackedDamage)) throw error;
      this.#damage = error;
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#pieces.return();
    await this.#file.close();
  }
}
