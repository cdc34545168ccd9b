/**
 * MyCat's sequence type 1, a counter in the table MYCAT_SEQUENCE of one data node. A segment begins with the new
 * value of `current_value` and has `increment` ids, as MyCat hands them out: from the seed row (-99, 100) come
 * 1 to 100. Segments are taken in one statement, so MyCat and any number of runs can share the table.
 */
import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../../core/errors.ts';
import { clusterLimits, storeLimits } from '../../../core/limits.ts';
import { Turns } from './turns.ts';
import type { IdRange, IdSource, SequenceConnection } from './types.ts';

const createTable = `CREATE TABLE IF NOT EXISTS MYCAT_SEQUENCE (
  name VARCHAR(50) NOT NULL,
  current_value INT NOT NULL,
  increment INT NOT NULL DEFAULT 100,
  PRIMARY KEY (name)
) ENGINE=InnoDB`;

const insertSeed = 'INSERT IGNORE INTO MYCAT_SEQUENCE (name, current_value, increment) VALUES (?, -99, 100)';

const selectIncrement = 'SELECT increment FROM MYCAT_SEQUENCE WHERE name = ?';

/** Takes several segments at once. It changes no row where somebody has changed the increment in between. */
const takeSegments =
  'UPDATE MYCAT_SEQUENCE SET current_value = LAST_INSERT_ID(current_value + ?) WHERE name = ? AND increment = ?';

export class DatabaseSequence implements IdSource {
  readonly idBits = 31;
  readonly #name: string;
  readonly #connect: () => Promise<SequenceConnection>;
  readonly #turns = new Turns();
  #increment: number | undefined;
  /** The rest of the last segment. Kept in memory alone, so that a run never knows of one from before a reset. */
  #rest: IdRange | undefined;

  /** `connect` is asked before each exchange, so that it can answer with the master that is active by then. */
  constructor(name: string, connect: () => Promise<SequenceConnection>) {
    this.#name = name;
    this.#connect = connect;
  }

  /** Creates the table and its row where they are missing; where they are there, reading is all that it needs. */
  async prepare(): Promise<void> {
    const connection = await this.#connect();
    if (await hasRow(connection, this.#name)) return;
    // Of several runs that begin at once on a Galera cluster, all but one may be told of a deadlock.
    await retryDeadlock(() => connection.query(createTable, []));
    await retryDeadlock(() => connection.query(insertSeed, [this.#name]));
  }

  take(count: number): Promise<readonly IdRange[]> {
    assert(Number.isInteger(count) && count > 0 && count <= clusterLimits.idsMax, `${count} ids`);
    return this.#turns.take(() => this.#take(count));
  }

  discard(): void {
    this.#rest = undefined;
  }

  async #take(count: number): Promise<readonly IdRange[]> {
    const [held, rest] = cut(this.#rest, count);
    const missing = count - lengthOf(held);
    if (missing === 0) {
      this.#rest = rest;
      return ranges(held);
    }
    const fetched = await this.#fetch(missing);
    // The sequence was set back (the daily reset): what was held is of the time before and would collide.
    const isReset = held !== undefined && fetched.first <= held.last;
    if (isReset) {
      this.#rest = undefined;
      const again = lengthOf(fetched) >= count ? fetched : await this.#fetch(count);
      return this.#keep(undefined, again, count);
    }
    return this.#keep(held, fetched, missing);
  }

  #keep(held: IdRange | undefined, fetched: IdRange, count: number): readonly IdRange[] {
    const [taken, rest] = cut(fetched, count);
    this.#rest = rest;
    if (held !== undefined && taken !== undefined && held.last + 1n === taken.first) {
      return [{ first: held.first, last: taken.last }];
    }
    return [...ranges(held), ...ranges(taken)];
  }

  /** Whole segments that together have at least `count` ids. */
  async #fetch(count: number): Promise<IdRange> {
    try {
      return await this.#fetchOnce(count);
    } catch (error) {
      if (!isNoSuchTable(error)) throw error;
    }
    // Another master has taken over, and replication has not brought the table to it.
    await this.prepare();
    return this.#fetchOnce(count);
  }

  async #fetchOnce(count: number): Promise<IdRange> {
    const connection = await this.#connect();
    for (let attempt = 0; attempt < clusterLimits.sequenceAttemptsMax; attempt++) {
      const increment = this.#increment ?? (await this.#readIncrement(connection));
      const step = Math.ceil(count / increment) * increment;
      const result = await this.#update(connection, step, increment);
      if (result.affectedRows > 0) return this.#checked(signed(result.insertId), step, increment);
      this.#increment = undefined;
    }
    throw this.#error('the increment changes all the time', 'leave the row of the sequence alone');
  }

  async #update(
    connection: SequenceConnection,
    step: number,
    increment: number,
  ): ReturnType<SequenceConnection['query']> {
    try {
      return await retryDeadlock(() => connection.query(takeSegments, [step, this.#name, increment]));
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'ER_WARN_DATA_OUT_OF_RANGE') throw error;
    }
    // A strict server says so itself; one that is not cuts the value, which is found below.
    const { rows } = await connection.query('SELECT current_value FROM MYCAT_SEQUENCE WHERE name = ?', [
      this.#name,
    ]);
    throw Number(rows[0]?.['current_value']) > 0 ? this.#exhausted() : this.#below(increment);
  }

  /** `value` is `current_value` after the update. */
  #checked(value: bigint, step: number, increment: number): IdRange {
    const range = { first: value - BigInt(step - increment), last: value + BigInt(increment - 1) };
    if (range.first < 1n) throw this.#below(increment);
    if (range.last > storeLimits.idMax) throw this.#exhausted();
    return range;
  }

  #below(increment: number): MailprocError {
    return this.#error(
      'its ids are below 1',
      `set its current_value to ${1 - increment}, which makes 1 the first id`,
    );
  }

  #exhausted(): MailprocError {
    return new MailprocError(
      'store.ids-exhausted',
      `take ids from ${this.#what()}: ids of 31 bits are used up`,
      {
        hint: 'set the sequence back where its old ids are not needed, or use a sequence of kind time',
      },
    );
  }

  async #readIncrement(connection: SequenceConnection): Promise<number> {
    const { rows } = await connection.query(selectIncrement, [this.#name]);
    const [row] = rows;
    if (row === undefined) {
      const hint = `insert into MYCAT_SEQUENCE values ('${this.#name.replaceAll("'", "''")}', -99, 100)`;
      throw this.#error('it has no row', hint);
    }
    const increment = Number(row['increment']);
    if (!Number.isInteger(increment) || increment < 1 || increment > clusterLimits.idsMax) {
      throw this.#error(
        `its increment is ${increment}`,
        `set it to 100, between 1 and ${clusterLimits.idsMax}`,
      );
    }
    this.#increment = increment;
    return increment;
  }

  #error(problem: string, hint: string): MailprocError {
    return new MailprocError('store.sequence', `take ids from ${this.#what()}: ${problem}`, { hint });
  }

  #what(): string {
    return `sequence ${this.#name} in MYCAT_SEQUENCE`;
  }
}

/** The protocol carries it without sign. */
function signed(insertId: number | bigint): bigint {
  return BigInt.asIntN(64, BigInt(insertId));
}

async function hasRow(connection: SequenceConnection, name: string): Promise<boolean> {
  try {
    return (await connection.query(selectIncrement, [name])).rows.length > 0;
  } catch (error) {
    if (isNoSuchTable(error)) return false;
    throw error;
  }
}

function isNoSuchTable(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'ER_NO_SUCH_TABLE';
}

function lengthOf(range: IdRange | undefined): number {
  return range === undefined ? 0 : Number(range.last - range.first) + 1;
}

/** The first `count` ids of a range, and the others. */
function cut(range: IdRange | undefined, count: number): readonly [IdRange | undefined, IdRange | undefined] {
  if (range === undefined || lengthOf(range) <= count) return [range, undefined];
  const last = range.first + BigInt(count - 1);
  return [
    { first: range.first, last },
    { first: last + 1n, last: range.last },
  ];
}

function ranges(range: IdRange | undefined): readonly IdRange[] {
  return range === undefined ? [] : [range];
}

/** Galera answers concurrent updates of one row with deadlocks; each attempt begins anew, so it is safe. */
async function retryDeadlock<Result>(statement: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await statement();
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      const isDeadlock = code === 'ER_LOCK_DEADLOCK' || code === 'ER_LOCK_WAIT_TIMEOUT';
      if (!isDeadlock || attempt >= clusterLimits.sequenceAttemptsMax) throw error;
    }
    await sleep(Math.random() * 5 * attempt);
  }
}
