/** A batch of mails is a transaction: rows, keys and ids are stored together or not at all. */
import type { Database, Statement } from 'libsql';
import { CaptureCounts } from '../capture-counts.ts';
import { checkIds } from '../row.ts';
import type { Stored } from '../sink.ts';
import { NewMails } from './many-rows.ts';
import { createDayTable, tableExists } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { addRows } from './sqlite-ledger.ts';
import type { SqliteMail } from './sqlite-mail.ts';
import { inTransaction } from './transaction.ts';

interface KnownRow {
  readonly table_name: string;
  readonly id: number;
  readonly rank: number;
}

/** What a transaction writes. */
interface BatchWrite {
  readonly counts: CaptureCounts;
  readonly inserts: NewMails;
}

export class BatchWriter {
  readonly #database: Database;
  readonly #path: string;
  readonly #statements = new Map<string, Statement<unknown[]>>();
  /** Day tables that are there for certain as long as a transaction lasts. */
  readonly #dayTables = new Set<string>();

  /** `path` is for messages. */
  constructor(database: Database, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /** `keys` are those of the mails of `batch`, in their order. */
  write(keys: readonly string[], batch: Iterable<SqliteMail>): Stored {
    try {
      return inTransaction(this.#database, () => this.#writeInTransaction(keys, batch));
    } catch (error) {
      // Both may be of tables that are gone with the transaction.
      this.#statements.clear();
      this.#dayTables.clear();
      throw sqliteError(error, `write ${this.#path}`);
    }
  }

  #writeInTransaction(keys: readonly string[], batch: Iterable<SqliteMail>): Stored {
    // Somebody may have pruned the day since the batch before.
    this.#dayTables.clear();
    const write = { counts: new CaptureCounts(), inserts: new NewMails((sql) => this.#prepared(sql)) };
    const known = this.#known(keys);
    const firstId = this.#lastId() + 1;
    let nextId = firstId;
    let replaced = 0;
    for (const mail of batch) {
      const { key, rank, table } = mail;
      const before = known.get(key);
      if (before !== undefined && before.rank >= rank) continue;
      if (before === undefined) checkIds(nextId - 1, 1, `sqlite:${this.#path}`);
      const id = before?.id ?? nextId++;
      if (before === undefined) this.#insert(write, id, mail);
      else this.#replace(write, before, mail);
      if (before !== undefined) replaced++;
      known.set(key, { table_name: table, id, rank });
    }
    write.inserts.flush();
    const added = nextId - firstId;
    if (added > 0)
      this.#prepared('UPDATE mailproc_sequence SET current_value = ? WHERE name = ?').run(nextId - 1, 'mail');
    addRows(this.#database, write.counts);
    return { added, replaced, known: keys.length - added - replaced };
  }

  #lastId(): number {
    const row = this.#prepared('SELECT current_value FROM mailproc_sequence WHERE name = ?').get('mail');
    return (row as { current_value: number }).current_value;
  }

  /** What is stored of these mails: one question for all. */
  #known(keys: readonly string[]): Map<string, KnownRow> {
    const sql =
      'SELECT mail_key, table_name, id, rank FROM mail_keys WHERE mail_key IN (SELECT value FROM json_each(?))';
    const rows = this.#prepared(sql).all(JSON.stringify(keys)) as (KnownRow & {
      readonly mail_key: string;
    })[];
    return new Map(rows.map((row) => [row.mail_key, row]));
  }

  #insert(write: BatchWrite, id: number, mail: SqliteMail): void {
    this.#insertRow(write, id, mail);
    write.inserts.addKey(mail.key, mail.table, id, mail.rank);
    write.inserts.addDetail(id, mail.detail);
  }

  /** The row keeps its id and goes to the table of the record that has more of the mail. */
  #replace(write: BatchWrite, before: KnownRow, mail: SqliteMail): void {
    const { table_name: from, id } = before;
    // It may be one of this very batch.
    write.inserts.flush();
    // A table that was dropped by hand while this run had the file open has nothing to take out.
    if (this.#dayTables.has(from) || tableExists(this.#database, from)) {
      const old = this.#prepared(`SELECT file_path FROM "${from}" WHERE id = ?`).get(id);
      this.#prepared(`DELETE FROM "${from}" WHERE id = ?`).run(id);
      // Somebody may have deleted the row by hand: then it is no capture's.
      if (old !== undefined) write.counts.add(from, String((old as { file_path: unknown }).file_path), -1);
    }
    this.#insertRow(write, id, mail);
    const sql = 'UPDATE mail_keys SET table_name = ?, rank = ? WHERE mail_key = ?';
    this.#prepared(sql).run(mail.table, mail.rank, mail.key);
    this.#prepared('UPDATE mail_detail SET detail = ? WHERE id = ?').run(mail.detail, id);
  }

  #insertRow({ counts, inserts }: BatchWrite, id: number, { table, row, filePath }: SqliteMail): void {
    if (!this.#dayTables.has(table)) createDayTable(this.#database, table);
    this.#dayTables.add(table);
    inserts.addRow(table, id, row);
    counts.add(table, filePath, 1);
  }

  /** Each statement is compiled once. */
  #prepared(sql: string): Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
