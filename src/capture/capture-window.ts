/** The one buffer through which a capture file flows: what was read and not yet consumed. */
import assert from 'node:assert/strict';

export class CaptureWindow {
  #buffer: Buffer;
  #view: DataView;
  /** Index of the first octet not yet consumed. */
  begin = 0;
  /** Index behind the last octet read. */
  end = 0;
  /** Position in the (unpacked) file of the octet at index 0. */
  #origin = 0;

  readonly #readBytes: number;

  constructor(readBytes: number) {
    this.#readBytes = readBytes;
    this.#buffer = Buffer.allocUnsafeSlow(readBytes);
    this.#view = viewOf(this.#buffer);
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  get view(): DataView {
    return this.#view;
  }

  get available(): number {
    return this.end - this.begin;
  }

  /** Position in the (unpacked) file of the octet at `index`. */
  positionOf(index: number): number {
    return this.#origin + index;
  }

  /**
   * Makes room to read on until `needed` octets are there, by moving what is left to the front, and where
   * that is not enough by growing. Ends every view that was handed out.
   */
  makeRoom(needed: number): void {
    const carried = this.available;
    // A file of large blocks and much damage must not move megabytes for every few octets of progress:
    // nothing moves while there is room behind, and growing leaves room for a whole read.
    if (carried > 0 && this.end < this.#buffer.length && this.begin + needed <= this.#buffer.length) return;
    if (needed > this.#buffer.length) this.#grow(needed + this.#readBytes);
    else if (this.begin > 0) this.#buffer.copyWithin(0, this.begin, this.end);
    this.#origin += this.begin;
    this.begin = 0;
    this.end = carried;
    assert(this.end < this.#buffer.length, 'there is no room to read, although the decoder asks for more');
  }

  /** Copies what is left to the front of a larger buffer. */
  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(bytes);
    this.#buffer.copy(larger, 0, this.begin, this.end);
    this.#buffer = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
