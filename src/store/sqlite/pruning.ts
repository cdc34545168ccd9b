/** Takes days out of a SQLite file. */
import type { Database } from 'libsql';
import type { Pruning } from '../sink.ts';
import { existingTables, renewMonthView } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { inTransaction } from './transaction.ts';

export class SqlitePruning implements Pruning {
  readonly #path: string;
  readonly #opened: () => Database;

  constructor(path: string, opened: () => Database) {
    this.#path = path;
    this.#opened = opened;
  }

  async bytes(day: string): Promise<ReadonlyMap<string, number>> {
    return this.#use('read', (database) => {
      const statement = database.prepare('SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = ?');
      const sizes = existingTables(database, day).map((table) => {
        const { bytes } = statement.get(table) as { bytes: number | null };
        return [table, bytes ?? 0] as const;
      });
      return new Map(sizes);
    });
  }

  /** All in one transaction. */
  async drop(day: string): Promise<void> {
    this.#use('write', (database) =>
      inTransaction(database, () => {
        for (const table of existingTables(database, day)) dropTable(database, table);
        database.prepare('DELETE FROM mailproc_ledger WHERE day = ?').run(day);
      }),
    );
  }

  async freeBytes(): Promise<number> {
    return this.#use('read', (database) => {
      const sql = `
        SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count(), pragma_page_size()`;
      return (database.prepare(sql).get() as { bytes: number }).bytes;
    });
  }

  #use<Result>(verb: 'read' | 'write', body: (database: Database) => Result): Result {
    const database = this.#opened();
    try {
      return body(database);
    } catch (error) {
      throw sqliteError(error, `${verb} ${this.#path}`);
    }
  }
}

/** Entries of captures of other days that brought rows stay: their other mails are stored. */
function dropTable(database: Database, table: string): void {
  const keys = 'SELECT id FROM mail_keys WHERE table_name = ?';
  database.prepare(`DELETE FROM mail_detail WHERE id IN (${keys})`).run(table);
  database.prepare('DELETE FROM mail_keys WHERE table_name = ?').run(table);
  database.prepare('DELETE FROM mailproc_ledger_rows WHERE table_name = ?').run(table);
  // A view over a table that is gone would be in the way of dropping it.
  database.exec(`DROP VIEW IF EXISTS "${table.slice(0, -'_28'.length)}"`);
  database.exec(`DROP TABLE "${table}"`);
  renewMonthView(database, table);
}
