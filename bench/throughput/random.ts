/** Mulberry32: small, and the same numbers everywhere. */
export class RandomNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 <= number < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** 0 <= whole number < `bound` */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** Octets that no program can make smaller. */
  octets(length: number): Buffer {
    const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeInt32LE((this.next() * 0x1_0000_0000) | 0, at);
    return bytes.subarray(0, length);
  }
}
