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

/** What a tail must know of its data host. */
export interface TailHost {
  readonly hasStandBy: boolean;
  /** Grows when another server takes over. */
  readonly epoch: number;
}

export class Tail {
  readonly #host: TailHost;
  readonly #now: () => number;
  #kept: (Acknowledged & { readonly untilMs: number })[] = [];
  #octets = 0;
  #epoch: number;

  constructor(host: TailHost, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#now = now;
    this.#epoch = host.epoch;
  }

  keep(acknowledged: Acknowledged): void {
    if (!this.#host.hasStandBy) return;
    const now = this.#now();
    this.#kept.push({ ...acknowledged, untilMs: now + mysqlLimits.tailMs });
    this.#octets += acknowledged.octets;
    // Another server has taken over: however long that took, what the old one had last is not secured yet.
    if (this.#host.epoch === this.#epoch) this.#forget(now);
  }

  #forget(now: number): void {
    let gone = 0;
    for (const kept of this.#kept) {
      if (kept.untilMs > now && this.#octets <= mysqlLimits.tailBytesMax) break;
      this.#octets -= kept.octets;
      gone++;
    }
    this.#kept.splice(0, gone);
  }

  /** What may have been lost if another server has taken over since the last call; else nothing. */
  lost(): readonly Acknowledged[] {
    const { epoch } = this.#host;
    if (epoch === this.#epoch) return [];
    this.#epoch = epoch;
    return this.#kept;
  }
}
