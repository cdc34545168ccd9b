/** Inserts that are gathered and made many rows at a time: a call into SQLite costs as much as a small row. */
import type { Statement } from 'libsql';
import { columnNames } from '../../record/types.ts';
import { columnList } from './schema.ts';
import type { SqliteValue } from './sqlite-mail.ts';

/** The statements of a connection, each compiled once. */
export type Prepare = (sql: string) => Statement<unknown[]>;

/** Rows of one statement; more gain nothing. */
const rowsAtOnce = 32;

class ManyRows {
  readonly #into: string;
  readonly #columns: number;
  readonly #prepared: Prepare;
  #values: SqliteValue[] = [];

  /** `into` is what stands between INSERT INTO and VALUES. */
  constructor(into: string, columns: number, prepared: Prepare) {
    this.#into = into;
    this.#columns = columns;
    this.#prepared = prepared;
  }

  add(row: readonly SqliteValue[]): void {
    this.#values.push(...row);
    if (this.#values.length >= this.#columns * rowsAtOnce) this.#insert(rowsAtOnce);
  }

  /** Inserts what was added since; to be called before it is read, and at the end. */
  flush(): void {
    while (this.#values.length > 0) this.#insert(1);
  }

  #insert(rows: number): void {
    const row = `(${Array.from({ length: this.#columns }, () => '?').join(', ')})`;
    const places = Array.from({ length: rows }, () => row).join(', ');
    const values = this.#values.splice(0, rows * this.#columns);
    this.#prepared(`INSERT INTO ${this.#into} VALUES ${places}`).run(values);
  }
}

/** New mails of one transaction: their rows, keys and details. */
export class NewMails {
  readonly #prepared: Prepare;
  readonly #rows = new Map<string, ManyRows>();
  readonly #keys: ManyRows;
  readonly #details: ManyRows;

  constructor(prepared: Prepare) {
    this.#prepared = prepared;
    this.#keys = new ManyRows('mail_keys (mail_key, table_name, id, rank)', 4, prepared);
    this.#details = new ManyRows('mail_detail (id, detail)', 2, prepared);
  }

  /** `table` exists; `row` has a place for the id in front. */
  addRow(table: string, id: number, row: readonly SqliteValue[]): void {
    const rows =
      this.#rows.get(table) ?? new ManyRows(`"${table}" (${columnList})`, columnNames.length, this.#prepared);
    this.#rows.set(table, rows);
    rows.add(row.with(0, id));
  }

  addKey(key: string, table: string, id: number, rank: number): void {
    this.#keys.add([key, table, id, rank]);
  }

  addDetail(id: number, detail: string): void {
    this.#details.add([id, detail]);
  }

  flush(): void {
    for (const rows of this.#rows.values()) rows.flush();
    this.#keys.flush();
    this.#details.flush();
  }
}
