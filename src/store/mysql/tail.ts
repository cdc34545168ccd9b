/**
 * The mails last acknowledged by a master that has a stand-by. Replication that is not synchronous may lose
 * them with the master, so they are written again when another one takes over; their keys make that harmless.
 */
import { mysqlLimits } from '../../core/limits.ts';
import type { Group } from './batch.ts';

interface Kept {
  readonly group: Group;
  readonly octets: number;
  readonly untilMs: number;
}

export class Tail {
  readonly #isNeeded: boolean;
  #kept: Kept[] = [];
  #octets = 0;
  #epoch = 0;

  constructor(isNeeded: boolean) {
    this.#isNeeded = isNeeded;
  }

  keep(group: Group): void {
    if (!this.#isNeeded) return;
    const now = performance.now();
    const octets = group.mails.reduce((sum, { best }) => sum + octetsOf(best.columns), 0);
    this.#kept.push({ group, octets, untilMs: now + mysqlLimits.tailMs });
    this.#octets += octets;
    let gone = 0;
    for (const kept of this.#kept) {
      if (kept.untilMs > now && this.#octets <= mysqlLimits.tailBytesMax) break;
      this.#octets -= kept.octets;
      gone++;
    }
    this.#kept.splice(0, gone);
  }

  /** What may have been lost if another server has taken over since the last call; else nothing. */
  lost(epoch: number): readonly Group[] {
    if (epoch === this.#epoch) return [];
    this.#epoch = epoch;
    return this.#kept.map(({ group }) => group);
  }
}

function octetsOf(columns: Group['mails'][number]['best']['columns']): number {
  const length = (text: string | null): number => 2 * (text?.length ?? 0);
  return 2000 + length(columns.mail_content) + length(columns.mail_subject) + length(columns.mail_to);
}
