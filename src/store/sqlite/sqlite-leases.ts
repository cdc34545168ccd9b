/**
 * Who may write the mails of which captures: a row for each leased capture. A lease is known by its epoch,
 * a number never given out again, so that nobody renews or releases what another run has taken over.
 */
import type { Database } from 'libsql';
import { storeLimits } from '../../core/limits.ts';
import type { Lease } from '../ledger.ts';
import { mayBeAlive, type Run, thisRun } from '../process.ts';
import { storableText } from '../row.ts';
import { leaseLost } from '../store-error.ts';
import { sqliteError } from './sqlite-error.ts';
import { inTransaction } from './transaction.ts';

interface LeaseRow {
  readonly epoch: number;
  readonly expires_ms: number;
  readonly host: string;
  readonly process_id: number;
  readonly start_time: string;
}

export class SqliteLeases {
  readonly #path: string;
  readonly #opened: () => Database;
  readonly #now: () => number;

  constructor(path: string, opened: () => Database, now: () => number) {
    this.#path = path;
    this.#opened = opened;
    this.#now = now;
  }

  /** All of `captures`, or undefined and none. */
  take(captures: readonly string[]): Lease | undefined {
    const wanted = [...new Set(captures.map(storableText))];
    const epoch = this.#change('take', (database) => this.#take(database, wanted, thisRun()));
    if (epoch === undefined) return undefined;
    return {
      renew: async () => this.#change('renew', (database) => this.#renew(database, epoch, wanted.length)),
      release: async () => {
        this.#change('release', (database) => {
          database.prepare('DELETE FROM mailproc_lease WHERE epoch = ?').run(epoch);
        });
      },
    };
  }

  #take(database: Database, captures: readonly string[], own: Run): number | undefined {
    if (this.#isAnyHeld(database, captures, own)) return undefined;
    const epoch = nextEpoch(database);
    const statement = database.prepare(
      `INSERT OR REPLACE INTO mailproc_lease (capture, epoch, expires_ms, host, process_id, start_time)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    const expiresMs = this.#now() + storeLimits.leaseMs;
    for (const capture of captures) {
      statement.run(capture, epoch, expiresMs, own.host, own.processId, own.startTime);
    }
    return epoch;
  }

  #isAnyHeld(database: Database, captures: readonly string[], own: Run): boolean {
    const statement = database.prepare(
      'SELECT epoch, expires_ms, host, process_id, start_time FROM mailproc_lease WHERE capture = ?',
    );
    // Of a run with a thousand captures it is asked once whether it is alive.
    const free = new Set<number>();
    for (const capture of captures) {
      const [row] = statement.all(capture) as LeaseRow[];
      if (row === undefined || free.has(row.epoch)) continue;
      if (this.#isHeld(row, own)) return true;
      free.add(row.epoch);
    }
    return false;
  }

  #isHeld(row: LeaseRow, own: Run): boolean {
    if (row.expires_ms <= this.#now()) return false;
    return mayBeAlive({ host: row.host, processId: row.process_id, startTime: row.start_time }, own);
  }

  /** Also one that has expired, as long as nobody else has taken any of it. */
  #renew(database: Database, epoch: number, captures: number): void {
    const sql = 'SELECT count(*) AS held FROM mailproc_lease WHERE epoch = ?';
    const [row] = database.prepare(sql).all(epoch) as { held: number }[];
    if (row?.held !== captures) throw leaseLost(`sqlite:${this.#path}`);
    const expiresMs = this.#now() + storeLimits.leaseMs;
    database.prepare('UPDATE mailproc_lease SET expires_ms = ? WHERE epoch = ?').run(expiresMs, epoch);
  }

  #change<Result>(verb: string, body: (database: Database) => Result): Result {
    const database = this.#opened();
    try {
      return inTransaction(database, () => body(database));
    } catch (error) {
      throw sqliteError(error, `${verb} a lease in ${this.#path}`);
    }
  }
}

function nextEpoch(database: Database): number {
  database
    .prepare(`UPDATE mailproc_sequence SET current_value = current_value + 1 WHERE name = 'lease'`)
    .run();
  const sql = `SELECT current_value AS epoch FROM mailproc_sequence WHERE name = 'lease'`;
  return (database.prepare(sql).get() as { epoch: number }).epoch;
}
