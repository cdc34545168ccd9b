/** Keeps records in memory: for the library and for tests. */
import type { MailRecord } from '../../record/types.ts';
import { CaptureCounts } from '../capture-counts.ts';
import { KnownMails } from '../known-mails.ts';
import type { Ledger, LedgerRows } from '../ledger.ts';
import { tableName, tableNames, toRow } from '../row.ts';
import type { Sink, Stored, StoredRow, StoredTable } from '../sink.ts';
import { MemoryLedger } from './memory-ledger.ts';

export interface StoredMail {
  readonly id: number;
  readonly record: MailRecord;
}

interface MemoryRow {
  readonly table: string;
  readonly row: StoredRow;
  readonly record: MailRecord;
}

/** What was written stays over `close` and `open`, as in a file. */
export class MemorySink implements Sink {
  readonly url: string = 'memory:';
  readonly #known = new KnownMails();
  /** By id. */
  readonly #rows = new Map<number, MemoryRow>();
  readonly #ledger: MemoryLedger;

  /** `now` is the clock of the leases, in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#ledger = new MemoryLedger(
      { count: (day) => this.#count(day), deleteRows: (capture) => this.#deleteRows(capture) },
      now,
    );
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  async open(): Promise<void> {}

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    const { writes, stored } = this.#known.plan(batch, this.url);
    for (const { key, record, mail } of writes) {
      const table = tableName(mail.protocol, mail.day);
      const before = this.#rows.get(mail.id);
      if (before !== undefined) this.#ledger.add(before.table, captureOf(before), -1);
      const after: MemoryRow = { table, row: toRow(mail.id, record), record };
      this.#rows.set(mail.id, after);
      this.#ledger.add(table, captureOf(after), 1);
      this.#known.remember(key, mail);
    }
    return stored;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    return this.#known.tables(day);
  }

  async sample(day: string, limit: number): Promise<readonly StoredRow[]> {
    return this.rows.filter((row) => row.insert_time === day).slice(0, limit);
  }

  async close(): Promise<void> {}

  /** By id. */
  get rows(): readonly StoredRow[] {
    return [...this.#rows.values()].map(({ row }) => row);
  }

  /** By id; the records are those that were given to `write`. */
  get mails(): readonly StoredMail[] {
    return [...this.#rows].map(([id, { record }]) => ({ id, record }));
  }

  #count(day: string): LedgerRows[] {
    const counts = new CaptureCounts();
    for (const row of this.#rows.values()) counts.add(row.table, captureOf(row), 1);
    return counts.rows(tableNames(day));
  }

  #deleteRows(capture: string): void {
    for (const [id, row] of this.#rows) {
      if (captureOf(row) !== capture) continue;
      this.#rows.delete(id);
      this.#known.forget(row.record.detail.mail_key);
    }
  }
}

function captureOf({ row }: MemoryRow): string {
  return String(row.file_path);
}
