/**
 * One SQLite file with the documented tables. A batch is a transaction: its rows, their keys and their
 * ids are stored together or not at all, and runs at the same time take turns.
 */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Database } from 'libsql';
import { MailprocError } from '../../core/errors.ts';
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import type { Ledger } from '../ledger.ts';
import type { ImageMail, Pruning, Sink, Stored, StoredRow, StoredTable } from '../sink.ts';
import { missingFile } from '../store-error.ts';
import { BatchWriter } from './batch-writer.ts';
import { forgetDroppedTables } from './dropped-tables.ts';
import { readImageMails } from './image-mails.ts';
import { openDatabase } from './open-database.ts';
import { SqlitePruning } from './pruning.ts';
import { columnList, commonTables, existingTables } from './schema.ts';
import { sqliteError } from './sqlite-error.ts';
import { SqliteLedger } from './sqlite-ledger.ts';
import { sqliteMail } from './sqlite-mail.ts';
import { ThreadWriter } from './thread-writer.ts';
import { inTransaction } from './transaction.ts';

export interface SqliteOptions {
  readonly busyTimeoutMs?: number;
  /** `open` throws `store.missing` instead of creating the file. */
  readonly mustExist?: boolean;
  /** Clock of the leases, in milliseconds. */
  readonly now?: () => number;
  /** The first batch of so many records starts a thread that writes it and all that follow. */
  readonly threadFrom?: number;
}

export class SqliteSink implements Sink {
  readonly url: string;
  readonly ledger: Ledger;
  readonly pruning: Pruning;
  readonly #path: string;
  readonly #busyTimeoutMs: number;
  readonly #mustExist: boolean;
  #database: Database | undefined;
  readonly #threadFrom: number;
  /** Writes in this thread, until there is another one for it. */
  #writer: BatchWriter | undefined;
  #thread: ThreadWriter | undefined;

  constructor(path: string, options: SqliteOptions = {}) {
    this.url = `sqlite:${path}`;
    this.#path = path;
    this.#busyTimeoutMs = options.busyTimeoutMs ?? storeLimits.busyTimeoutMs;
    this.#mustExist = options.mustExist ?? false;
    this.#threadFrom = options.threadFrom ?? usualThreadFrom();
    this.pruning = new SqlitePruning(path, () => this.#opened());
    this.ledger = new SqliteLedger(path, () => this.#opened(), options.now ?? Date.now);
  }

  async open(): Promise<void> {
    try {
      if (!this.#mustExist) createPrivately(this.#path);
      else if (!existsSync(this.#path)) throw missingFile(this.#path);
      else checkRegular(this.#path);
      this.#database = await openDatabase(this.#path, this.#busyTimeoutMs);
      setUp(this.#database, this.#mustExist);
      this.#writer = new BatchWriter(this.#database, this.#path);
    } catch (error) {
      this.#database?.close();
      this.#database = undefined;
      throw sqliteError(error, `open ${this.#path}`);
    }
  }

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    const writer = this.#writer;
    if (writer === undefined) throw this.#notOpen();
    if (batch.length === 0) return { added: 0, replaced: 0, known: 0 };
    if (batch.length >= this.#threadFrom)
      this.#thread ??= new ThreadWriter({ path: this.#path, busyTimeoutMs: this.#busyTimeoutMs });
    // Once there is one all batches are written by it: so they stay in their order.
    if (this.#thread !== undefined) return this.#thread.write(batch);
    const mails = batch.map(sqliteMail);
    return writer.write(
      mails.map(({ key }) => key),
      mails,
    );
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
    this.#writer = undefined;
    await this.#thread?.close();
    this.#thread = undefined;
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

  #opened(): Database {
    if (this.#database === undefined) throw this.#notOpen();
    return this.#database;
  }

  #notOpen(): MailprocError {
    return new MailprocError('store.closed', `use ${this.url}: it is not open`);
  }
}

/** With one processor there is nobody to do it meanwhile. */
function usualThreadFrom(): number {
  return availableParallelism() > 1 ? storeLimits.threadFromRecords : Number.POSITIVE_INFINITY;
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

function setUp(database: Database, isForReading: boolean): void {
  inTransaction(database, () => {
    database.exec(commonTables);
    // Who only looks shall see that a table is gone.
    if (!isForReading) forgetDroppedTables(database);
  });
}
