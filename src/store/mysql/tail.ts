/**
 * What was last acknowledged by a master that has a stand-by. Replication that is not synchronous may lose
 * it with the master, so it is done again when another one takes over; keys and versions make that harmless.
 */
import { mysqlLimits } from '../../core/limits.ts';

export interface Acknowledged {
  readonly mails: number;
  /** In memory, about. */
  readonly octets: number;
  readonly again: () => Promise<unknown>;
}

export class Tail {
  readonly #isNeeded: boolean;
  #kept: (Acknowledged & { readonly untilMs: number })[] = [];
  #octets = 0;
  #epoch = 0;

  constructor(isNeeded: boolean) {
    this.#isNeeded = isNeeded;
  }

  keep(acknowledged: Acknowledged): void {
    if (!this.#isNeeded) return;
    const now = performance.now();
    this.#kept.push({ ...acknowledged, untilMs: now + mysqlLimits.tailMs });
    this.#octets += acknowledged.octets;
    let gone = 0;
    for (const kept of this.#kept) {
      if (kept.untilMs > now && this.#octets <= mysqlLimits.tailBytesMax) break;
      this.#octets -= kept.octets;
      gone++;
    }
    this.#kept.splice(0, gone);
  }

  /** What may have been lost if another server has taken over since the last call; else nothing. */
  lost(epoch: number): readonly Acknowledged[] {
    if (epoch === this.#epoch) return [];
    this.#epoch = epoch;
    return this.#kept;
  }
}
