/**
 * The octets of replies that were read and not taken, to be given back. Behind the reply that lets TLS begin all is
 * TLS: what was read ahead there was none of replies, however much it looked like them.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { StreamGap } from '../../stream/types.ts';
import { added, none, withoutFirst } from '../few.ts';
import { type Place, placeAt, type Run } from '../half-stream.ts';
import type { Line } from '../line.ts';

/** A line as an object; measured. */
const entryCost = 200;

interface Entry {
  /** A hole, or octets of `source`. */
  readonly gap: StreamGap | undefined;
  source: Buffer;
  from: number;
  to: number;
  readonly start: Place | undefined;
  /** `source` is a copy, and no view of the event that is read. */
  isOwn: boolean;
  /** Replies and holes that were complete with this, and are not taken yet. */
  completes: number;
}

const noBytes = Buffer.alloc(0);

export class ReadAhead {
  #entries: Entry[] = none;
  #cost = 0;
  /** More was read than is kept, and all was let go. */
  #isCut = false;

  /** Octets that it takes. */
  get cost(): number {
    return this.#cost;
  }

  /** The octets `from` … `to` of a line, counted from its first; `completes` replies were complete with them. */
  addLine({ source, from: at, start }: Line, from: number, to: number, completes: number): void {
    const place = placeAt(start, from);
    this.#add({
      gap: undefined,
      source,
      from: at + from,
      to: at + to,
      start: place,
      isOwn: false,
      completes,
    });
  }

  addGap(gap: StreamGap, completes: number): void {
    this.#add({ gap, source: noBytes, from: 0, to: 0, start: undefined, isOwn: true, completes });
  }

  /** The first reply or hole was taken, and its octets are let go; `isLast`: no other one is complete. */
  taken(isLast: boolean): void {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      if (first.completes > 1) {
        first.completes--;
        break;
      }
      this.#entries = withoutFirst(this.#entries);
      this.#cost -= costOf(first);
      if (first.completes === 1) break;
    }
    if (isLast) this.#isCut = false;
  }

  /** The octets that were captured last may change from now on. */
  settle(): void {
    for (let index = this.#entries.length - 1; index >= 0; index--) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.isOwn) return;
      entry.source = Buffer.from(entry.source.subarray(entry.from, entry.to));
      entry.to -= entry.from;
      entry.from = 0;
      entry.isOwn = true;
    }
  }

  /** All of it, in order. */
  takeAll(): (Run | StreamGap)[] {
    const entries = this.#entries;
    this.clear();
    return entries.flatMap(({ gap, source, from, to, start }): (Run | StreamGap)[] => {
      if (gap !== undefined) return [gap];
      return start === undefined ? [] : [{ bytes: source.subarray(from, to), start }];
    });
  }

  clear(): void {
    this.#entries = none;
    this.#cost = 0;
    this.#isCut = false;
  }

  #add(entry: Entry): void {
    if (this.#isCut) return;
    this.#entries = added(this.#entries, entry);
    this.#cost += costOf(entry);
    if (this.#cost <= dialogueLimits.readAheadBytesMax) return;
    this.clear();
    this.#isCut = true;
  }
}

function costOf({ from, to }: Entry): number {
  return entryCost + to - from;
}
