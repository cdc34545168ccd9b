/** The statements that write rows and their keys, inside a transaction the caller has opened. */
import { strict as assert } from 'node:assert';
import { mysqlLimits } from '../../core/limits.ts';
import type { MailColumns } from '../../record/types.ts';
import { columnNames } from '../../record/types.ts';
import { toRow } from '../row.ts';
import { type MysqlConnection, type Parameter, quoted } from './connection.ts';
import { type Cuts, fit } from './fit.ts';
import { keyOctets } from './keys.ts';
import { isDuplicateId } from './mysql-error.ts';
import { columnList, type DayTable } from './schema.ts';

/** A mail with the id its row has or gets. */
export interface Entry {
  readonly key: string;
  readonly columns: MailColumns;
  readonly id: number | bigint | string;
  readonly rank: number;
  /** `captureKey`. */
  readonly capture: Buffer;
}

export interface Target {
  readonly table: DayTable;
  readonly cuts: Cuts;
}

/** Keys first where they have a table of their own: there a duplicate is known by them. */
export async function insertRows(
  connection: MysqlConnection,
  target: Target,
  entries: readonly Entry[],
): Promise<void> {
  const { table } = target;
  if (table.keys === 'side') await insertSideKeys(connection, table, entries);
  const hidden = table.keys === 'hidden' ? ', mail_key, mail_rank, mail_capture' : '';
  const into = `INSERT INTO ${connection.qualified(table.name)} (${columnList}${hidden}) VALUES `;
  await insertMany(connection, into, entries, (entry, values) => {
    addRowValues(target, entry, values);
    if (table.keys === 'hidden') addKeyValues(entry, values);
  });
}

/** Returns whether the row was written: another run may have stored more of the mail in the meantime. */
export async function replaceRow(
  connection: MysqlConnection,
  target: Target,
  entry: Entry,
): Promise<boolean> {
  const { table } = target;
  const { rank, id, capture } = entry;
  const places = columnNames.map((name) => `${quoted(name)} = ?`).join(', ');
  const values: Parameter[] = [];
  addRowValues(target, entry, values);
  const key = keyOctets(entry.key);
  if (table.keys === 'hidden') {
    const sql = `UPDATE ${quoted(table.name)} SET ${places}, mail_rank = ?, mail_capture = ? WHERE mail_key = ? AND mail_rank < ?`;
    return (await connection.run(sql, [...values, rank, capture, key, rank])).affectedRows > 0;
  }
  const sql = 'UPDATE mail_keys SET mail_rank = ?, mail_capture = ? WHERE mail_key = ? AND mail_rank < ?';
  if ((await connection.run(sql, [rank, capture, key, rank])).affectedRows === 0) return false;
  await connection.run(`UPDATE ${quoted(table.name)} SET ${places} WHERE id = ?`, [...values, String(id)]);
  return true;
}

async function insertSideKeys(
  connection: MysqlConnection,
  table: DayTable,
  entries: readonly Entry[],
): Promise<void> {
  const names = 'mail_key, mail_rank, mail_capture, table_name, id';
  const into = `INSERT INTO ${connection.qualified('mail_keys')} (${names}) VALUES `;
  try {
    await insertMany(connection, into, entries, (entry, values) => {
      addKeyValues(entry, values);
      values.push(table.name, String(entry.id));
    });
  } catch (error) {
    throw isOfPrimary(error) ? keyTaken(error) : error;
  }
}

/** Worded as where the key of the mail is in the table itself: there PRIMARY is the id. */
function keyTaken(cause: Error): Error {
  const text = "the mail is stored already: duplicate for key 'mail_key'";
  return Object.assign(new Error(text, { cause }), { errno: 1062, sqlMessage: text });
}

function isOfPrimary(error: unknown): error is Error {
  return isDuplicateId(error) && !(error as Error).message.includes('row_of_key');
}

function addRowValues({ table, cuts }: Target, { columns, id }: Entry, values: Parameter[]): void {
  const row = toRow(0, { columns });
  for (const column of table.columns) {
    if (column.name === 'id') {
      values.push(typeof id === 'bigint' ? String(id) : id);
      continue;
    }
    const value = row[column.name as keyof typeof row];
    const fitted = fit(value, column);
    if (fitted !== value) cuts.count(table.name, column);
    values.push(typeof fitted === 'bigint' ? String(fitted) : fitted);
  }
}

function addKeyValues({ key, rank, capture }: Entry, values: Parameter[]): void {
  values.push(keyOctets(key), rank, capture);
}

/**
 * Rows in as few statements as their number and octets allow. The values of the next are made while the server is
 * at one.
 */
async function insertMany(
  connection: MysqlConnection,
  into: string,
  entries: readonly Entry[],
  addValues: (entry: Entry, values: Parameter[]) => void,
): Promise<void> {
  const octetsMax = Math.min(mysqlLimits.insertBytesMax, connection.facts.packetBytesMax) - statementReserve;
  let running = Promise.resolve();
  for (const portion of portions(entries, addValues, octetsMax)) {
    await running;
    running = insertOnce(connection, into, portion);
    // It is waited for in the next round, or below.
    running.catch(() => {});
  }
  await running;
}

/**
 * Prepared where the statement will come again: of the greatest size, and of a single row. The rest of a batch, of
 * any number of rows, goes as text: to prepare it costs more than it saves.
 */
async function insertOnce(
  connection: MysqlConnection,
  into: string,
  { rows, values }: Portion,
): Promise<void> {
  const place = `(${new Array(values.length / rows).fill('?').join(',')})`;
  const sql = `${into}${`${place},`.repeat(rows - 1)}${place}`;
  const isPrepared = rows === 1 || rows === mysqlLimits.insertRowsMax;
  const { affectedRows } = await (isPrepared
    ? connection.runPrepared(sql, values)
    : connection.run(sql, values));
  assert(affectedRows === rows, `${rows} rows were inserted, the server tells of ${affectedRows}`);
}

/** Rows of one statement, their values one after another. */
interface Portion {
  readonly rows: number;
  readonly values: Parameter[];
}

function* portions(
  entries: readonly Entry[],
  addValues: (entry: Entry, values: Parameter[]) => void,
  octetsMax: number,
): Generator<Portion> {
  let values: Parameter[] = [];
  let rows = 0;
  let octets = 0;
  for (const entry of entries) {
    const before = values.length;
    addValues(entry, values);
    const more = octetsOf(values, before);
    if (rows >= mysqlLimits.insertRowsMax || (rows > 0 && octets + more > octetsMax)) {
      const row = values.splice(before);
      yield { rows, values };
      [rows, values, octets] = [0, row, 0];
    }
    rows++;
    octets += more;
  }
  if (rows > 0) yield { rows, values };
}

/** For the packet's head and the types of parameters. */
const statementReserve = 128 << 10;

/**
 * Of the values from `first` on, at most, also as text: no UTF-16 unit has more than three octets of UTF-8, and what
 * is escaped has two.
 */
function octetsOf(values: readonly Parameter[], first: number): number {
  let octets = 0;
  for (let index = first; index < values.length; index++) {
    const value = values[index];
    octets += typeof value === 'string' ? value.length * 3 + 9 : 40;
  }
  return octets;
}
