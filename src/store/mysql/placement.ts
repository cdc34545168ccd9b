/**
 * Where mails are that may be elsewhere than in the table of their own day. A table's unique key keeps a mail
 * once in that table; over tables it is kept once by a place, written down on the data node of the mail's own
 * day by whoever stores it for another day, and by two rules:
 *
 * - Who writes a place makes sure, in the same transaction, that the mail is not in the table it leaves, and that
 *   writers on their way into that table meet this transaction: `vacate`.
 * - Who writes rows reads the places of its mails after the rows were written and before COMMIT: `checkPlaces`.
 *
 * So of two at once the second waits for the first, and then finds the row or the place. A place has a
 * version, which grows; the higher one holds. Where table and place are on two data nodes, the place is durable
 * first, and the node of the table has a copy of it, which keeps out who comes late with an older version.
 */
import { mysqlLimits } from '../../core/limits.ts';
import type { MysqlConnection } from './connection.ts';
import { type KnownRow, keyOctets } from './keys.ts';
import { type DayTable, describeDayTable } from './schema.ts';

export interface Place {
  /** Of the table the mail is in, or will be. */
  readonly day: string;
  readonly version: number;
  /** Day of the table on another data node that the mail has not left yet. */
  readonly from: string | undefined;
}

export interface PlacedKey {
  readonly key: string;
  readonly place: Place;
}

export const placementTables: ReadonlyMap<string, string> = new Map([
  [
    'mailproc_place',
    `CREATE TABLE IF NOT EXISTS mailproc_place (
  mail_key binary(16) NOT NULL PRIMARY KEY,
  day char(10) CHARACTER SET ascii NOT NULL,
  version int NOT NULL,
  from_day char(10) CHARACTER SET ascii DEFAULT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  ],
  [
    'mailproc_table',
    `CREATE TABLE IF NOT EXISTS mailproc_table (
  table_name varchar(64) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  visits bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  ],
]);

/** Mails that are elsewhere than was thought: to be looked for again. Their transaction is rolled back. */
export class Misplaced extends Error {
  /** undefined: nobody knows which. */
  readonly keys: ReadonlySet<string> | undefined;

  constructor(keys?: ReadonlySet<string>) {
    super('mails are stored in another table');
    this.keys = keys;
  }
}

/** By `mail_key`; a mail without one is in the table of its own day, or nowhere. */
export async function readPlaces(
  connection: MysqlConnection,
  keys: readonly string[],
): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  // Seldom is there any.
  const any = await connection.rows('SELECT 1 FROM mailproc_place LIMIT 1');
  if (any.length === 0) return places;
  const sql = 'SELECT mail_key, day, version, from_day FROM mailproc_place WHERE mail_key IN (?)';
  for (const some of portions(keys)) {
    for (const row of await connection.rows(sql, [some.map(keyOctets)])) {
      places.set((row['mail_key'] as Buffer).toString('hex'), {
        day: String(row['day']),
        version: Number(row['version']),
        from: row['from_day'] === null ? undefined : String(row['from_day']),
      });
    }
  }
  return places;
}

/** In a transaction: writes places down, each unless there is one of the same version or a higher. */
export async function writePlaces(connection: MysqlConnection, placed: readonly PlacedKey[]): Promise<void> {
  for (const some of portions(placed)) {
    const rows = some.map(() => '(?, ?, ?, ?)').join(', ');
    // In this order: the version is compared before it is set.
    const sql = `INSERT INTO mailproc_place (mail_key, day, version, from_day) VALUES ${rows}
      ON DUPLICATE KEY UPDATE day = IF(VALUES(version) > version, VALUES(day), day),
        from_day = IF(VALUES(version) > version, VALUES(from_day), from_day), version = GREATEST(version, VALUES(version))`;
    const values = some.flatMap(({ key, place }) => [
      keyOctets(key),
      place.day,
      place.version,
      place.from ?? null,
    ]);
    await connection.run(sql, values);
  }
}

/**
 * In a transaction, after rows were written into the table of `day`: throws `Misplaced` where one of the mails
 * is elsewhere by now. `versions`: of those that came with a place.
 */
export async function checkPlaces(
  connection: MysqlConnection,
  day: string,
  keys: readonly string[],
  versions: ReadonlyMap<string, number>,
): Promise<void> {
  const places = await readPlaces(connection, keys);
  const elsewhere = keys.filter((key) => {
    const place = places.get(key);
    const version = versions.get(key);
    return (
      (place !== undefined && place.day !== day) || (version !== undefined && place?.version !== version)
    );
  });
  if (elsewhere.length > 0) throw new Misplaced(new Set(elsewhere));
}

/** To be called when a table is there, once a run before the first row: whoever found no table to vacate is over. */
export async function visitTable(connection: MysqlConnection, name: string): Promise<void> {
  await connection.run(
    'INSERT INTO mailproc_table (table_name, visits) VALUES (?, 1) ON DUPLICATE KEY UPDATE visits = visits + 1',
    [name],
  );
}

export interface LeavingMail {
  readonly key: string;
  /** undefined: it is not in the table, and shall not come in. */
  readonly row: Pick<KnownRow, 'id' | 'rank'> | undefined;
}

/**
 * In a transaction: takes mails out of table `name`. Of those that are not in it, makes sure of that: a row of each
 * is put in and taken out again, which a writer on its way in waits for, or is waited for.
 */
export async function vacate(
  connection: MysqlConnection,
  name: string,
  leaving: readonly LeavingMail[],
): Promise<void> {
  let table = await describeDayTable(connection, name);
  if (table === undefined) {
    // Who makes it now visits it afterwards, and waits for this transaction.
    await visitTable(connection, name);
    table = await describeDayTable(connection, name);
  }
  if (table === undefined) return;
  for (const { key, row } of leaving) if (row !== undefined) await deleteRow(connection, table, key, row);
  const absent = leaving.filter(({ row }) => row === undefined);
  for (const some of portions(absent)) await pass(connection, table, some);
}

async function deleteRow(
  connection: MysqlConnection,
  { name, keys }: DayTable,
  key: string,
  row: Pick<KnownRow, 'id' | 'rank'>,
): Promise<void> {
  const from = connection.qualified(keys === 'hidden' ? name : 'mail_keys');
  const sql = `DELETE FROM ${from} WHERE mail_key = ? AND mail_rank = ?`;
  const { affectedRows } = await connection.run(sql, [keyOctets(key), row.rank]);
  if (affectedRows === 0) throw new Misplaced(new Set([key]));
  if (keys === 'side')
    await connection.run(`DELETE FROM ${connection.qualified(name)} WHERE id = ?`, [row.id]);
}

/** Ids below zero, which no sequence hands out, from a random one on: nobody sees them. */
async function pass(
  connection: MysqlConnection,
  table: DayTable,
  absent: readonly LeavingMail[],
): Promise<void> {
  const isHidden = table.keys === 'hidden';
  const into = connection.qualified(isHidden ? table.name : 'mail_keys');
  const columns = isHidden ? 'id, mail_key' : 'id, mail_key, table_name, mail_rank, mail_capture';
  const row = isHidden ? '(?, ?)' : `(?, ?, ?, 0, '')`;
  const first = Math.floor(Math.random() * 2 ** 30);
  const values = absent.flatMap(({ key }, index) => {
    const idAndKey = [-1 - first - index, keyOctets(key)];
    return isHidden ? idAndKey : [...idAndKey, table.name];
  });
  try {
    await connection.run(
      `INSERT INTO ${into} (${columns}) VALUES ${absent.map(() => row).join(', ')}`,
      values,
    );
  } catch (error) {
    if ((error as { errno?: number }).errno === 1062) throw new Misplaced();
    throw error;
  }
  const keys = absent.map(({ key }) => keyOctets(key));
  await connection.run(`DELETE FROM ${into} WHERE mail_key IN (?)`, [keys]);
}

function* portions<Value>(values: readonly Value[]): Generator<readonly Value[]> {
  for (let start = 0; start < values.length; start += mysqlLimits.lookupKeysMax) {
    yield values.slice(start, start + mysqlLimits.lookupKeysMax);
  }
}
