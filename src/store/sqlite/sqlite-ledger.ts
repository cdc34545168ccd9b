/**
 * The ledger of a SQLite file: an entry for each capture, and its rows by table, which are counted in the
 * transaction that writes them.
 */
import type { Database } from 'libsql';
import type { CaptureCounts } from '../capture-counts.ts';
import type { Lease, Ledger, LedgerEntry, LedgerRows } from '../ledger.ts';
import { daysOf, storableText, tableNames } from '../row.ts';
import { existingTables, tableExists } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { SqliteLeases } from './sqlite-leases.ts';
import { inTransaction } from './transaction.ts';

export class SqliteLedger implements Ledger {
  readonly #path: string;
  readonly #opened: () => Database;
  readonly #leases: SqliteLeases;

  /** `opened` throws where the file is not open; `now` is the clock of the leases. */
  constructor(path: string, opened: () => Database, now: () => number) {
    this.#path = path;
    this.#opened = opened;
    this.#leases = new SqliteLeases(path, opened, now);
  }

  async find(captures: readonly string[]): Promise<readonly LedgerEntry[]> {
    return this.#use('read', (database) => {
      const statement = database.prepare(`SELECT ${entryColumns} FROM mailproc_ledger WHERE capture = ?`);
      const distinct = new Set(captures.map(storableText));
      return [...distinct].flatMap((capture) => (statement.all(capture) as EntryRow[]).map(toEntry));
    });
  }

  async days(): Promise<readonly string[]> {
    return this.#use('read', (database) => {
      const list = (sql: string) =>
        (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
      return daysOf(list('SELECT DISTINCT day AS name FROM mailproc_ledger'), [
        ...list('SELECT DISTINCT table_name AS name FROM mailproc_ledger_rows WHERE rows <> 0'),
        ...list(`SELECT name FROM sqlite_master WHERE type = 'table'`),
      ]);
    });
  }

  async ofDay(day: string): Promise<readonly LedgerEntry[]> {
    return this.#use('read', (database) => {
      const sql = `SELECT ${entryColumns} FROM mailproc_ledger WHERE day = ? ORDER BY capture`;
      return (database.prepare(sql).all(day) as EntryRow[]).map(toEntry);
    });
  }

  async settle(entries: readonly LedgerEntry[]): Promise<void> {
    if (entries.length === 0) return;
    this.#use('write', (database) =>
      inTransaction(database, () => {
        const sql = `INSERT OR REPLACE INTO mailproc_ledger (${entryColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
        const statement = database.prepare(sql);
        for (const entry of entries) statement.run(...entryValues(entry));
      }),
    );
  }

  async rows(day: string): Promise<readonly LedgerRows[]> {
    return this.#use('read', (database) => {
      const sql = `
        SELECT capture, table_name AS "table", rows FROM mailproc_ledger_rows
        WHERE table_name = ? AND rows <> 0 ORDER BY capture`;
      const statement = database.prepare(sql);
      return tableNames(day).flatMap((table) => statement.all(table) as LedgerRows[]);
    });
  }

  async count(day: string): Promise<readonly LedgerRows[]> {
    return this.#use('read', (database) =>
      existingTables(database, day).flatMap((table) => {
        const sql = `
          SELECT file_path AS capture, count(*) AS rows FROM "${table}"
          WHERE file_path IS NOT NULL GROUP BY file_path ORDER BY file_path`;
        const counts = database.prepare(sql).all() as Omit<LedgerRows, 'table'>[];
        return counts.map(({ capture, rows }) => ({ capture, table, rows }));
      }),
    );
  }

  async lease(captures: readonly string[]): Promise<Lease | undefined> {
    return this.#leases.take(captures);
  }

  /** All in one transaction: a run killed in between leaves the capture whole. */
  async forget(capture: string): Promise<void> {
    const stored = storableText(capture);
    this.#use('write', (database) =>
      inTransaction(database, () => {
        const sql = 'SELECT table_name FROM mailproc_ledger_rows WHERE capture = ?';
        for (const { table_name } of database.prepare(sql).all(stored) as { table_name: string }[]) {
          if (tableExists(database, table_name)) deleteRows(database, table_name, stored);
        }
        // Stays at zero: it tells that the table was there, should it be dropped.
        database.prepare('UPDATE mailproc_ledger_rows SET rows = 0 WHERE capture = ?').run(stored);
        database.prepare('DELETE FROM mailproc_ledger WHERE capture = ?').run(stored);
      }),
    );
  }

  #use<Result>(verb: 'read' | 'write', body: (database: Database) => Result): Result {
    const database = this.#opened();
    try {
      return body(database);
    } catch (error) {
      throw sqliteError(error, `${verb} the ledger in ${this.#path}`);
    }
  }
}

/** To be called in the transaction that writes the rows. */
export function addRows(database: Database, counts: CaptureCounts): void {
  const statement = database.prepare(
    `INSERT INTO mailproc_ledger_rows (table_name, capture, rows) VALUES (?, ?, ?)
     ON CONFLICT (table_name, capture) DO UPDATE SET rows = rows + excluded.rows`,
  );
  for (const { table, capture, rows } of counts.rows()) statement.run(table, capture, rows);
}

function deleteRows(database: Database, table: string, capture: string): void {
  const ids = `SELECT id FROM "${table}" WHERE file_path = ?`;
  database.prepare(`DELETE FROM mail_keys WHERE id IN (${ids})`).run(capture);
  database.prepare(`DELETE FROM mail_detail WHERE id IN (${ids})`).run(capture);
  database.prepare(`DELETE FROM "${table}" WHERE file_path = ?`).run(capture);
}

/** A row of `mailproc_ledger`, in the order of `entryColumns`. */
interface EntryRow {
  readonly capture: string;
  readonly day: string;
  readonly bytes: number;
  readonly modified_ms: number;
  /** Text, because JavaScript's numbers do not hold nanoseconds. */
  readonly first_packet_ns: string | null;
  readonly last_packet_ns: string | null;
  readonly is_done: number;
  readonly needed_from: string;
  readonly summary: string;
  readonly version: string;
}

const entryColumns =
  'capture, day, bytes, modified_ms, first_packet_ns, last_packet_ns, is_done, needed_from, summary, version';

function entryValues(entry: LedgerEntry): (string | number | null)[] {
  return [
    storableText(entry.capture),
    entry.day,
    entry.bytes,
    entry.modifiedMs,
    entry.firstPacketNs?.toString() ?? null,
    entry.lastPacketNs?.toString() ?? null,
    entry.isDone ? 1 : 0,
    storableText(entry.neededFrom),
    entry.summary,
    entry.version,
  ];
}

function toEntry(row: EntryRow): LedgerEntry {
  return {
    capture: row.capture,
    day: row.day,
    bytes: row.bytes,
    modifiedMs: row.modified_ms,
    firstPacketNs: row.first_packet_ns === null ? null : BigInt(row.first_packet_ns),
    lastPacketNs: row.last_packet_ns === null ? null : BigInt(row.last_packet_ns),
    isDone: row.is_done === 1,
    neededFrom: row.needed_from,
    summary: row.summary,
    version: row.version,
  };
}
