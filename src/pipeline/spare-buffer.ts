/**
 * Buffers for the octets of large mails, used again for the next one. A new one for each would leave so many
 * octets behind, before the runtime finds and frees them, as the mails have that are decoded meanwhile.
 */

/** Smaller ones are left to the runtime. */
const largeBytes = 1 << 20;

export class LargeBuffers {
  #spare: Buffer | undefined;

  /** Of `length` octets, which may be any. */
  take(length: number): Buffer {
    if (length < largeBytes) return Buffer.allocUnsafe(length);
    const spare = this.#spare;
    if (spare !== undefined && spare.length >= length) {
      this.#spare = undefined;
      return spare.subarray(0, length);
    }
    return Buffer.from(new ArrayBuffer(roundUp(length)), 0, length);
  }

  /** Nobody reads `taken` any more, nor any view of it. */
  give(taken: Buffer): void {
    if (taken.length < largeBytes || taken.buffer.byteLength < (this.#spare?.length ?? 0)) return;
    this.#spare = Buffer.from(taken.buffer, 0, taken.buffer.byteLength);
  }
}

/** To a power of two, so that mails that are a little larger each time do not need a new one each. */
function roundUp(length: number): number {
  return 2 ** Math.ceil(Math.log2(length));
}
