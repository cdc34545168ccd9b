/**
 * Addresses of connections: numbers to compare, and the text that is made once for a host and not for each of
 * its connections. Few hosts have most connections; of others the book forgets what another took the place of.
 */
import { addressText } from './address.ts';

/** 32 bits of an address, signed. By plain indices: for each packet a method of `Buffer` shows in the profile. */
export function wordAt(address: Buffer, at: number): number {
  const high = ((address[at] ?? 0) << 8) | (address[at + 1] ?? 0);
  return (high << 16) | ((address[at + 2] ?? 0) << 8) | (address[at + 3] ?? 0);
}

export class KeptAddress {
  readonly #length: number;
  readonly #first: number;
  readonly #second: number;
  readonly #third: number;
  readonly #fourth: number;
  #text: string | undefined;

  /** `octets` are 4 or 16; they are not kept. */
  constructor(octets: Buffer) {
    this.#length = octets.length;
    this.#first = wordAt(octets, 0);
    this.#second = wordAt(octets, 4);
    this.#third = wordAt(octets, 8);
    this.#fourth = wordAt(octets, 12);
  }

  equals(octets: Buffer): boolean {
    if (octets.length !== this.#length || wordAt(octets, 0) !== this.#first) return false;
    return (
      this.#length === 4 ||
      (wordAt(octets, 12) === this.#fourth &&
        wordAt(octets, 8) === this.#third &&
        wordAt(octets, 4) === this.#second)
    );
  }

  get text(): string {
    this.#text ??= addressText(this.#octets());
    return this.#text;
  }

  #octets(): Buffer {
    const octets = Buffer.alloc(this.#length);
    const words = [this.#first, this.#second, this.#third, this.#fourth];
    for (let at = 0; at < this.#length; at += 4) octets.writeInt32BE(words[at / 4] ?? 0, at);
    return octets;
  }
}

/** A power of two. */
const slotCount = 1024;

export class AddressBook {
  readonly #slots: (KeptAddress | undefined)[] = new Array(slotCount).fill(undefined);

  keep(octets: Buffer): KeptAddress {
    const last = wordAt(octets, octets.length - 4);
    const slot = (last ^ (last >>> 10) ^ (last >>> 20)) & (slotCount - 1);
    const known = this.#slots[slot];
    if (known?.equals(octets)) return known;
    const address = new KeptAddress(octets);
    this.#slots[slot] = address;
    return address;
  }
}
