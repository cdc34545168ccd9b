/**
 * Remembers connections nobody is interested in: one fingerprint of 32 bits each, in a table that never
 * grows. A connection pushed out by another is looked at again, which costs time and nothing else.
 */
import type { Segment } from '../packet/types.ts';
import { flowHash } from './flow-hash.ts';

export class IgnoredFlows {
  /** 0 is an empty slot. */
  readonly #fingerprints: Uint32Array;
  readonly #seed: number;

  /** `slots` is a power of two. */
  constructor(slots: number, seed: number) {
    this.#fingerprints = new Uint32Array(slots);
    // Independent of the hash that selects the slot, so that both together tell 2^50 connections apart.
    this.#seed = seed ^ 0x5bd1e995;
  }

  /** `hash` is the segment's `flowHash` with the seed of the flow table. */
  has(segment: Segment, hash: number): boolean {
    return this.#fingerprints[this.#slot(hash)] === this.fingerprint(segment);
  }

  add(fingerprint: number, hash: number): void {
    this.#fingerprints[this.#slot(hash)] = fingerprint;
  }

  delete(hash: number): void {
    this.#fingerprints[this.#slot(hash)] = 0;
  }

  fingerprint(segment: Segment): number {
    return flowHash(segment, this.#seed) >>> 0 || 1;
  }

  #slot(hash: number): number {
    return hash & (this.#fingerprints.length - 1);
  }
}
