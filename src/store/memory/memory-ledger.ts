/** The ledger of a store in memory: for the library and for tests. */
import { storeLimits } from '../../core/limits.ts';
import { CaptureCounts } from '../capture-counts.ts';
import type { Lease, Ledger, LedgerEntry, LedgerRows } from '../ledger.ts';
import { daysOf, storableText, tableNames } from '../row.ts';
import { leaseLost } from '../store-error.ts';

/** What a ledger must know of the rows beside it. */
export interface LedgerTables {
  /** Counted row by row: rows by capture in each table of `day`. */
  count(day: string): readonly LedgerRows[];
  deleteRows(capture: string): void;
}

interface LeaseState {
  /** Of the lease it belongs to. */
  readonly epoch: number;
  readonly expiresMs: number;
}

export class MemoryLedger implements Ledger {
  readonly #tables: LedgerTables;
  readonly #now: () => number;
  readonly #entries = new Map<string, LedgerEntry>();
  readonly #rows = new CaptureCounts();
  readonly #leases = new Map<string, LeaseState>();
  #lastEpoch = 0;

  constructor(tables: LedgerTables, now: () => number) {
    this.#tables = tables;
    this.#now = now;
  }

  /** To be called with every row written, and with `rows` -1 for the capture it had before. */
  add(table: string, capture: string, rows: number): void {
    this.#rows.add(table, capture, rows);
  }

  async find(captures: readonly string[]): Promise<readonly LedgerEntry[]> {
    return distinct(captures).flatMap((capture) => this.#entries.get(capture) ?? []);
  }

  async days(): Promise<readonly string[]> {
    const entries = [...this.#entries.values()].map(({ day }) => day);
    return daysOf(
      entries,
      this.#rows.rows().map(({ table }) => table),
    );
  }

  async ofDay(day: string): Promise<readonly LedgerEntry[]> {
    return [...this.#entries.values()].filter((entry) => entry.day === day);
  }

  async settle(entries: readonly LedgerEntry[]): Promise<void> {
    for (const entry of entries) {
      const [capture, neededFrom] = [storableText(entry.capture), storableText(entry.neededFrom)];
      this.#entries.set(capture, { ...entry, capture, neededFrom });
    }
  }

  async rows(day: string): Promise<readonly LedgerRows[]> {
    return this.#rows.rows(tableNames(day));
  }

  async count(day: string): Promise<readonly LedgerRows[]> {
    return this.#tables.count(day);
  }

  async lease(captures: readonly string[]): Promise<Lease | undefined> {
    const wanted = distinct(captures);
    if (wanted.some((capture) => this.#isHeld(capture))) return undefined;
    const epoch = ++this.#lastEpoch;
    this.#extend(wanted, epoch);
    const held = () => wanted.filter((capture) => this.#leases.get(capture)?.epoch === epoch);
    return {
      renew: async () => {
        if (held().length < wanted.length) throw leaseLost('memory:');
        this.#extend(wanted, epoch);
      },
      release: async () => {
        for (const capture of held()) this.#leases.delete(capture);
      },
    };
  }

  async forget(capture: string): Promise<void> {
    const stored = storableText(capture);
    this.#entries.delete(stored);
    this.#tables.deleteRows(stored);
    this.#rows.forget(stored);
  }

  #isHeld(capture: string): boolean {
    const lease = this.#leases.get(capture);
    return lease !== undefined && this.#now() < lease.expiresMs;
  }

  #extend(captures: readonly string[], epoch: number): void {
    const expiresMs = this.#now() + storeLimits.leaseMs;
    for (const capture of captures) this.#leases.set(capture, { epoch, expiresMs });
  }
}

/** As rows hold them, each once. */
function distinct(captures: readonly string[]): string[] {
  return [...new Set(captures.map(storableText))];
}
