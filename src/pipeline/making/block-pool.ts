/** Blocks of octets that are used again: the system clears each new one, and takes back each old one. */

export class BlockPool {
  readonly #octetsMax: number;
  /** Smallest first. */
  #blocks: ArrayBuffer[] = [];
  #octets = 0;

  /** It keeps blocks of up to `octetsMax` octets together. */
  constructor(octetsMax: number) {
    this.#octetsMax = octetsMax;
  }

  /** Of `length` octets or more, which may be any. */
  take(length: number): ArrayBuffer {
    const index = this.#blocks.findIndex(({ byteLength }) => byteLength >= length);
    const [block] = index < 0 ? [] : this.#blocks.splice(index, 1);
    if (block === undefined) return new ArrayBuffer(roomyLength(length));
    this.#octets -= block.byteLength;
    return block;
  }

  give(block: ArrayBuffer): void {
    if (this.#octets + block.byteLength > this.#octetsMax) return;
    this.#octets += block.byteLength;
    const index = this.#blocks.findIndex(({ byteLength }) => byteLength >= block.byteLength);
    this.#blocks.splice(index < 0 ? this.#blocks.length : index, 0, block);
  }
}

/** A power of two, so that mails that are a little larger each time do not need a new block each. */
export function roomyLength(length: number): number {
  return 2 ** Math.ceil(Math.log2(length));
}
