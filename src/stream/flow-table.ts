/**
 * Connections by their four-tuple. A look-up allocates nothing: the hash selects a short chain, and the
 * address octets are compared where they stand.
 */
import type { Segment } from '../packet/types.ts';
import type { KeptAddress } from './address-book.ts';

/** The two endpoints in the order in which the first segment named them. */
export interface Flow {
  readonly hash: number;
  readonly firstAddress: KeptAddress;
  readonly firstPort: number;
  readonly secondAddress: KeptAddress;
  readonly secondPort: number;
}

interface ChainLink<Entry> {
  /** The next entry of equal hash; written by the table alone. */
  nextInChain: Entry | undefined;
}

export class FlowTable<Entry extends Flow & ChainLink<Entry>> {
  readonly #chains = new Map<number, Entry>();

  find(segment: Segment, hash: number): Entry | undefined {
    let entry = this.#chains.get(hash);
    while (entry !== undefined && !isSentByFirst(entry, segment) && !isSentBySecond(entry, segment)) {
      entry = entry.nextInChain;
    }
    return entry;
  }

  /** Newest first. */
  add(entry: Entry): void {
    entry.nextInChain = this.#chains.get(entry.hash);
    this.#chains.set(entry.hash, entry);
  }

  /** The oldest entry of a chain longer than `max`; its removal keeps look-ups short. */
  overlong(hash: number, max: number): Entry | undefined {
    let length = 0;
    let last: Entry | undefined;
    for (let entry = this.#chains.get(hash); entry !== undefined; entry = entry.nextInChain) {
      length += 1;
      last = entry;
    }
    return length > max ? last : undefined;
  }

  /** Does nothing where `entry` is not in the table. */
  remove(entry: Entry): void {
    const head = this.#chains.get(entry.hash);
    if (head === entry) {
      if (entry.nextInChain === undefined) this.#chains.delete(entry.hash);
      else this.#chains.set(entry.hash, entry.nextInChain);
    } else {
      let before = head;
      while (before !== undefined && before.nextInChain !== entry) before = before.nextInChain;
      if (before !== undefined) before.nextInChain = entry.nextInChain;
    }
    entry.nextInChain = undefined;
  }
}

export function isSentByFirst(flow: Flow, segment: Segment): boolean {
  return (
    segment.sourcePort === flow.firstPort &&
    segment.targetPort === flow.secondPort &&
    flow.firstAddress.equals(segment.sourceAddress) &&
    flow.secondAddress.equals(segment.targetAddress)
  );
}

function isSentBySecond(flow: Flow, segment: Segment): boolean {
  return (
    segment.sourcePort === flow.secondPort &&
    segment.targetPort === flow.firstPort &&
    flow.secondAddress.equals(segment.sourceAddress) &&
    flow.firstAddress.equals(segment.targetAddress)
  );
}
