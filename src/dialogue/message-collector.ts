/** Gathers one message as its octets pass by, and remembers which of them were lost. */
import { dialogueLimits } from '../core/limits.ts';
import type { Sighting } from '../stream/types.ts';
import type { Place } from './half-stream.ts';
import { type DialogueMemory, heapOctets, type OctetLog, type Octets } from './octets.ts';
import type { MissingRange } from './types.ts';

export interface CollectedMessage {
  /** Owned by the receiver. */
  readonly octets: Octets;
  readonly missing: readonly MissingRange[];
  readonly first: Place;
  readonly last: Sighting;
  /** Octets beyond the limit were dropped; they are named in `missing`. */
  readonly cut: boolean;
}

const holeCost = 64;
const noMissing: readonly MissingRange[] = [];

export class MessageCollector {
  readonly #memory: DialogueMemory;
  readonly #bytesMax: number;
  /** Undefined before the first octet: many messages are none. */
  #log: OctetLog | undefined;
  #adopted: Octets | undefined;
  #missing: MissingRange[] | undefined;
  #kept = 0;
  /** Octets of the message so far, lost ones included. */
  #length = 0;
  #first: Place | undefined;
  #last: Sighting | undefined;
  #cut = false;

  constructor(memory: DialogueMemory, bytesMax: number = memory.mailBytesMax) {
    this.#memory = memory;
    this.#bytesMax = bytesMax;
  }

  /** Octets of the message so far, lost ones of known number included. */
  get length(): number {
    return this.#length;
  }

  get keptBytes(): number {
    return this.#kept;
  }

  /** Octets that the holes take. */
  get cost(): number {
    return (this.#missing?.length ?? 0) * holeCost;
  }

  /** Copies `bytes`. `last` is where their last octet was seen, if not where the first was. */
  add(bytes: Buffer, place: Place, last: Sighting = place.seen): void {
    if (bytes.length === 0) return;
    this.#first ??= place;
    this.#last = last;
    const room = Math.max(this.#bytesMax - this.#kept, 0);
    const kept = this.#cut || room === 0 ? 0 : this.#append(bytes, room);
    this.#kept += kept;
    this.#length += kept;
    if (kept === bytes.length) return;
    this.#cut = true;
    this.addMissing(bytes.length - kept);
  }

  #append(bytes: Buffer, room: number): number {
    this.#log ??= this.#memory.begin();
    return this.#log.append(bytes.length <= room ? bytes : bytes.subarray(0, room));
  }

  /** The message's octets, gathered elsewhere and within the limit; no others are added. */
  adopt(octets: Octets, first: Place, last: Sighting): void {
    this.#adopted = octets;
    this.#kept += octets.length;
    this.#length += octets.length;
    this.#first = first;
    this.#last = last;
  }

  /** `length` undefined: the number of lost octets is not known (the message broke off). */
  addMissing(length: number | undefined): void {
    this.#missing ??= [];
    const missing = this.#missing;
    const previous = missing.at(-1);
    const touches = previous?.length !== undefined && previous.offset + previous.length === this.#length;
    if (touches && length !== undefined) {
      missing[missing.length - 1] = { offset: previous.offset, length: previous.length + length };
    } else {
      missing.push({ offset: this.#length, length });
      if (missing.length >= dialogueLimits.mailGapsMax) this.#cut = true;
    }
    this.#length += length ?? 0;
  }

  /** What was captured of the message is not all kept. */
  noteCut(): void {
    this.#cut = true;
  }

  /** `fallback` is where the message would have begun, for a message without octets. */
  finish(fallback: Place): CollectedMessage {
    const first = this.#first ?? fallback;
    return {
      octets: this.#adopted ?? this.#log ?? heapOctets(Buffer.alloc(0)),
      missing: this.#missing ?? noMissing,
      first,
      last: this.#last ?? first.seen,
      cut: this.#cut,
    };
  }

  /** Nobody wants the message. */
  release(): void {
    this.#log?.release();
    this.#adopted?.release();
  }
}
