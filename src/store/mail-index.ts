/**
 * Keys of mails and what is known of each, 40 octets and a slot of a hash table: as objects they would take four
 * times as much, and a file of NDJSON may hold the mails of years.
 */
import { hash } from 'node:crypto';
import { type Protocol, protocols } from './row.ts';

export interface KnownMail {
  readonly id: number;
  readonly rank: number;
  readonly protocol: Protocol;
  /** Of the table the row is in. */
  readonly day: string;
  /** Where the row begins in a file; 0 where there is none. */
  readonly offset: number;
}

/** Entries are held in blocks of so many: what is full is never copied again. */
const blockEntries = 1 << 14;
const keyWords = 4;
/** Hexadecimal digits of 32 bits. */
const wordDigits = 8;
/** A rank nobody has: the entry of a mail that was forgotten. */
const forgottenRank = -1;

interface Block {
  readonly keys: Uint32Array;
  readonly ids: Uint32Array;
  /** Of `#tables`. */
  readonly tables: Uint32Array;
  readonly ranks: Float64Array;
  readonly offsets: Float64Array;
}

export class MailIndex {
  readonly #blocks: Block[] = [];
  #entries = 0;
  /** Number of an entry and 1, or 0; open addressing, at most three quarters full. */
  #slots = new Uint32Array(1024);
  /** The key that is looked for. */
  readonly #words = new Uint32Array(keyWords);
  readonly #tables: Pick<KnownMail, 'protocol' | 'day'>[] = [];
  /** Numbers of tables by protocol and day. */
  readonly #tableNumbers = new Map<string, number>();

  get(key: string): KnownMail | undefined {
    this.#readKey(key);
    const entry = this.#slots[this.#slotOf()] ?? 0;
    return entry === 0 ? undefined : this.#read(entry - 1);
  }

  /** Returns what was known of `key` before. */
  set(key: string, mail: KnownMail): KnownMail | undefined {
    this.#readKey(key);
    const slot = this.#slotOf();
    const entry = this.#slots[slot] ?? 0;
    const before = entry === 0 ? undefined : this.#read(entry - 1);
    if (entry > 0) this.#write(entry - 1, mail);
    else this.#add(slot, mail);
    return before;
  }

  /** The entry stays for when the mail comes again. */
  delete(key: string): void {
    this.#readKey(key);
    const entry = this.#slots[this.#slotOf()] ?? 0;
    if (entry > 0) this.#blockOf(entry - 1).ranks[(entry - 1) % blockEntries] = forgottenRank;
  }

  /** Sets `#words`. Keys are 32 hexadecimal digits; a library may be given others. */
  #readKey(key: string): void {
    const isUsual = key.length === keyWords * wordDigits && this.#readDigits(key);
    if (!isUsual) this.#readDigits(hash('sha256', key));
  }

  /** false where one of the first digits is none. */
  #readDigits(key: string): boolean {
    for (let index = 0; index < keyWords; index++) {
      const word = hexWord(key, index * wordDigits);
      if (word < 0) return false;
      this.#words[index] = word;
    }
    return true;
  }

  /** Where the entry of `#words` is, or an empty slot where it belongs. */
  #slotOf(): number {
    const mask = this.#slots.length - 1;
    // Keys are hashes, of a time stamp among other things that a sender cannot choose.
    let slot = (this.#words[0] ?? 0) & mask;
    for (let entry = this.#slots[slot] ?? 0; entry > 0; entry = this.#slots[slot] ?? 0) {
      if (this.#isKeyOf(entry - 1)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #isKeyOf(entry: number): boolean {
    const { keys } = this.#blockOf(entry);
    const start = (entry % blockEntries) * keyWords;
    for (let index = 0; index < keyWords; index++) {
      if (keys[start + index] !== this.#words[index]) return false;
    }
    return true;
  }

  #blockOf(entry: number): Block {
    const number = Math.floor(entry / blockEntries);
    let block = this.#blocks[number];
    if (block === undefined) {
      block = newBlock();
      this.#blocks[number] = block;
    }
    return block;
  }

  #add(slot: number, mail: KnownMail): void {
    const entry = this.#entries++;
    this.#slots[slot] = entry + 1;
    this.#blockOf(entry).keys.set(this.#words, (entry % blockEntries) * keyWords);
    this.#write(entry, mail);
    if (this.#entries > this.#slots.length * 0.75) this.#grow();
  }

  #grow(): void {
    this.#slots = new Uint32Array(2 * this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.#entries; entry++) {
      const first = this.#blockOf(entry).keys[(entry % blockEntries) * keyWords] ?? 0;
      let slot = first & mask;
      while ((this.#slots[slot] ?? 0) > 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }

  #write(entry: number, { id, rank, protocol, day, offset }: KnownMail): void {
    const block = this.#blockOf(entry);
    const index = entry % blockEntries;
    block.ids[index] = id;
    block.ranks[index] = rank;
    block.offsets[index] = offset;
    block.tables[index] = this.#tableNumber(protocol, day);
  }

  #read(entry: number): KnownMail | undefined {
    const block = this.#blockOf(entry);
    const index = entry % blockEntries;
    const rank = block.ranks[index] ?? forgottenRank;
    const table = this.#tables[block.tables[index] ?? 0];
    if (rank === forgottenRank || table === undefined) return undefined;
    const { protocol, day } = table;
    return { id: block.ids[index] ?? 0, rank, protocol, day, offset: block.offsets[index] ?? 0 };
  }

  #tableNumber(protocol: Protocol, day: string): number {
    const name = `${protocols.indexOf(protocol)} ${day}`;
    const known = this.#tableNumbers.get(name);
    if (known !== undefined) return known;
    this.#tableNumbers.set(name, this.#tables.length);
    return this.#tables.push({ protocol, day }) - 1;
  }
}

/** Eight hexadecimal digits of `key` from `start` on, of either case, as a number; -1 where one is none. */
function hexWord(key: string, start: number): number {
  let word = 0;
  for (let index = start; index < start + wordDigits; index++) {
    const code = key.charCodeAt(index);
    const letter = (code | 0x20) - 0x61;
    const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : letter >= 0 && letter < 6 ? letter + 10 : -1;
    if (digit < 0) return -1;
    word = word * 16 + digit;
  }
  return word;
}

function newBlock(): Block {
  return {
    keys: new Uint32Array(blockEntries * keyWords),
    ids: new Uint32Array(blockEntries),
    tables: new Uint32Array(blockEntries),
    ranks: new Float64Array(blockEntries),
    offsets: new Float64Array(blockEntries),
  };
}
