/**
 * One SQLite file with the documented tables. A batch is a transaction: its rows, their keys and their
 * ids are stored together or not at all, and runs at the same time take turns.
 */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Database, Statement } from 'libsql';
import { MailprocError } from '../../core/errors.ts';
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import { CaptureCounts } from '../capture-counts.ts';
import type { Ledger } from '../ledger.ts';
import { checkIds, detailJson, recordRank, tableName, toRow } from '../row.ts';
import type { ImageMail, Pruning, Sink, Stored, StoredRow, StoredTable } from '../sink.ts';
import { missingFile } from '../store-error.ts';
import { forgetDroppedTables } from './dropped-tables.ts';
import { readImageMails } from './image-mails.ts';
import { NewMails } from './many-rows.ts';
import { SqlitePruning } from './pruning.ts';
import { columnList, commonTables, createDayTable, existingTables, tableExists } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { addRows, SqliteLedger } from './sqlite-ledger.ts';
import { inTransaction } from './transaction.ts';

interface KnownRow {
  readonly table_name: string;
  readonly id: number;
  readonly rank: number;
}

/** What a transaction writes. */
interface BatchWrite {
  readonly database: Database;
  readonly counts: CaptureCounts;
  readonly inserts: NewMails;
}

export interface SqliteOptions {
  readonly busyTimeoutMs?: number;
  /** `open` throws `store.missing` instead of creating the file. */
  readonly mustExist?: boolean;
  /** Clock of the leases, in milliseconds. */
  readonly now?: () => number;
}

export class SqliteSink implements Sink {
  readonly url: string;
  readonly ledger: Ledger;
  readonly pruning: Pruning;
  readonly #path: string;
  readonly #busyTimeoutMs: number;
  readonly #mustExist: boolean;
  #database: Database | undefined;
  readonly #statements = new Map<string, Statement<unknown[]>>();
  /** Day tables that are there for certain as long as a transaction lasts. */
  readonly #dayTables = new Set<string>();

  constructor(path: string, options: SqliteOptions = {}) {
    this.url = `sqlite:${path}`;
    this.#path = path;
    this.#busyTimeoutMs = options.busyTimeoutMs ?? storeLimits.busyTimeoutMs;
    this.#mustExist = options.mustExist ?? false;
    this.pruning = new SqlitePruning(path, () => this.#opened());
    this.ledger = new SqliteLedger(path, () => this.#opened(), options.now ?? Date.now);
  }

  async open(): Promise<void> {
    try {
      if (!this.#mustExist) createPrivately(this.#path);
      else if (!existsSync(this.#path)) throw missingFile(this.#path);
      else checkRegular(this.#path);
      const { default: Libsql } = await import('libsql');
      // An absolute path is never one of libsql's own forms: a server's address, `file:`, `:memory:`.
      this.#database = new Libsql(resolve(this.#path), { timeout: this.#busyTimeoutMs });
      setUp(this.#database, this.#mustExist);
    } catch (error) {
      this.#database?.close();
      this.#database = undefined;
      throw sqliteError(error, `open ${this.#path}`);
    }
  }

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    const database = this.#opened();
    if (batch.length === 0) return { added: 0, replaced: 0, known: 0 };
    try {
      return inTransaction(database, () => this.#writeInTransaction(database, batch));
    } catch (error) {
      // Both may be of tables that are gone with the transaction.
      this.#statements.clear();
      this.#dayTables.clear();
      throw sqliteError(error, `write ${this.#path}`);
    }
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    const database = this.#opened();
    try {
      return existingTables(database, day).map((name) => {
        const { rows } = database.prepare(`SELECT count(*) AS rows FROM "${name}"`).get() as { rows: number };
        return { name, rows };
      });
    } catch (error) {
      throw sqliteError(error, `read ${this.#path}`);
    }
  }

  async sample(day: string, limit: number): Promise<readonly StoredRow[]> {
    const database = this.#opened();
    try {
      const selects = existingTables(database, day).map((name) => `SELECT ${columnList} FROM "${name}"`);
      if (selects.length === 0) return [];
      const sql = `${selects.join(' UNION ALL ')} ORDER BY id LIMIT ?`;
      return database.prepare(sql).all(limit) as StoredRow[];
    } catch (error) {
      throw sqliteError(error, `read ${this.#path}`);
    }
  }

  async imageMails(day: string, after: number, limit: number): Promise<readonly ImageMail[]> {
    const database = this.#opened();
    try {
      return readImageMails(database, day, after, limit);
    } catch (error) {
      throw sqliteError(error, `read ${this.#path}`);
    }
  }

  async close(): Promise<void> {
    const database = this.#database;
    if (database === undefined) return;
    this.#database = undefined;
    this.#statements.clear();
    this.#dayTables.clear();
    try {
      // Leaves a single file behind. While somebody else has it open that cannot be, and need not.
      database.exec('PRAGMA busy_timeout = 0');
      database.pragma('journal_mode = DELETE');
    } catch {
      // The next run that closes alone does it.
    } finally {
      database.close();
    }
  }

  #writeInTransaction(database: Database, batch: readonly MailRecord[]): Stored {
    // Somebody may have pruned the day since the batch before.
    this.#dayTables.clear();
    const write = {
      database,
      counts: new CaptureCounts(),
      inserts: new NewMails((sql) => this.#prepared(sql)),
    };
    const known = this.#known(batch);
    const firstId = this.#lastId() + 1;
    let nextId = firstId;
    let replaced = 0;
    for (const record of batch) {
      const key = record.detail.mail_key;
      const before = known.get(key);
      const rank = recordRank(record.detail);
      if (before !== undefined && before.rank >= rank) continue;
      if (before === undefined) checkIds(nextId - 1, 1, this.url);
      const id = before?.id ?? nextId++;
      const table_name = before ? this.#replace(write, before, record) : this.#insert(write, id, record);
      if (before !== undefined) replaced++;
      known.set(key, { table_name, id, rank });
    }
    write.inserts.flush();
    const added = nextId - firstId;
    if (added > 0)
      this.#prepared('UPDATE mailproc_sequence SET current_value = ? WHERE name = ?').run(nextId - 1, 'mail');
    addRows(database, write.counts);
    return { added, replaced, known: batch.length - added - replaced };
  }

  #lastId(): number {
    const row = this.#prepared('SELECT current_value FROM mailproc_sequence WHERE name = ?').get('mail');
    return (row as { current_value: number }).current_value;
  }

  /** What is stored of the mails of `batch`, by their keys: one question for all. */
  #known(batch: readonly MailRecord[]): Map<string, KnownRow> {
    const keys = JSON.stringify(batch.map((record) => record.detail.mail_key));
    const sql =
      'SELECT mail_key, table_name, id, rank FROM mail_keys WHERE mail_key IN (SELECT value FROM json_each(?))';
    const rows = this.#prepared(sql).all(keys) as (KnownRow & { readonly mail_key: string })[];
    return new Map(rows.map((row) => [row.mail_key, row]));
  }

  /** Returns the table it goes to. */
  #insert(write: BatchWrite, id: number, record: MailRecord): string {
    const table = this.#insertRow(write, id, record);
    write.inserts.addKey(record.detail.mail_key, table, id, recordRank(record.detail));
    write.inserts.addDetail(id, detailJson(record.detail));
    return table;
  }

  /** The row keeps its id and goes to the table of the record that has more of the mail, which is returned. */
  #replace(write: BatchWrite, before: KnownRow, record: MailRecord): string {
    const { table_name: from, id } = before;
    // It may be one of this very batch.
    write.inserts.flush();
    // A table that was dropped by hand while this run had the file open has nothing to take out.
    if (this.#dayTables.has(from) || tableExists(write.database, from)) {
      const old = this.#prepared(`SELECT file_path FROM "${from}" WHERE id = ?`).get(id);
      this.#prepared(`DELETE FROM "${from}" WHERE id = ?`).run(id);
      // Somebody may have deleted the row by hand: then it is no capture's.
      if (old !== undefined) write.counts.add(from, String((old as { file_path: unknown }).file_path), -1);
    }
    const table = this.#insertRow(write, id, record);
    const { mail_key: key } = record.detail;
    const sql = 'UPDATE mail_keys SET table_name = ?, rank = ? WHERE mail_key = ?';
    this.#prepared(sql).run(table, recordRank(record.detail), key);
    this.#prepared('UPDATE mail_detail SET detail = ? WHERE id = ?').run(detailJson(record.detail), id);
    return table;
  }

  /** Returns the table it is in from now on. */
  #insertRow({ database, counts, inserts }: BatchWrite, id: number, record: MailRecord): string {
    const table = tableName(record.protocol, record.columns.insert_time);
    if (!this.#dayTables.has(table)) createDayTable(database, table);
    this.#dayTables.add(table);
    const row = toRow(id, record);
    inserts.addRow(table, row);
    counts.add(table, String(row.file_path), 1);
    return table;
  }

  /** Each statement is compiled once. */
  #prepared(sql: string): Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#opened().prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #opened(): Database {
    if (this.#database === undefined)
      throw new MailprocError('store.closed', `use ${this.url}: it is not open`);
    return this.#database;
  }
}

/**
 * Creates the file, so that it and what SQLite puts beside it are readable by their owner alone. A file
 * that exists is not opened here: to close it again would take away the locks that another connection
 * of this process holds (https://www.sqlite.org/howtocorrupt.html §2.2).
 */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    checkRegular(path);
  }
}

function checkRegular(path: string): void {
  if (!statSync(path).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EISDIR' });
}

/**
 * A write-ahead log lets others read during a run. FULL, because a batch that was acknowledged must
 * survive a power cut.
 */
function setUp(database: Database, isForReading: boolean): void {
  try {
    database.pragma('journal_mode = WAL');
  } catch (error) {
    // Another run is just opening or closing the file; its journal mode is as safe.
    if (!String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) throw error;
  }
  database.exec('PRAGMA synchronous = FULL');
  database.exec(`PRAGMA cache_size = -${storeLimits.sqliteCacheBytes >> 10}`);
  database.pragma(`wal_autocheckpoint = ${storeLimits.sqliteLogPages}`);
  inTransaction(database, () => {
    database.exec(commonTables);
    // Who only looks shall see that a table is gone.
    if (!isForReading) forgetDroppedTables(database);
  });
}
