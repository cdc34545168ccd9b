/**
 * A buffer for the octets of a mail, used again for the next one. A new one for each would leave so many octets
 * behind, before the runtime finds and frees them, as the mails have that are decoded meanwhile.
 */
import { roomyLength } from './block-pool.ts';

/** What the spare one has at the least. */
const spareBytesMin = 1 << 16;
/** Where another mail has the spare one, smaller ones are left to the runtime. */
const largeBytes = 1 << 20;

export class SpareBuffer {
  #spare: Buffer = Buffer.from(new ArrayBuffer(spareBytesMin));
  #isTaken = false;

  /** Of `length` octets, which may be any. */
  take(length: number): Buffer {
    if (!this.#isTaken && length <= this.#spare.length) {
      this.#isTaken = true;
      return this.#spare.subarray(0, length);
    }
    return length < largeBytes
      ? Buffer.allocUnsafe(length)
      : Buffer.from(new ArrayBuffer(roomyLength(length)), 0, length);
  }

  /** Nobody reads `taken` any more, nor any view of it. The largest one given back is the spare one from then on. */
  give(taken: Buffer): void {
    const { buffer } = taken;
    if (buffer === this.#spare.buffer) this.#isTaken = false;
    if (buffer.byteLength <= this.#spare.length) return;
    this.#spare = Buffer.from(buffer, 0, buffer.byteLength);
    this.#isTaken = false;
  }
}
