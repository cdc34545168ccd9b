/**
 * The tables of a SQLite file: one per protocol and day with the documented columns and nothing else, a
 * view for each month, and beside them what exactly-once and ids need.
 */
import type { Database } from 'libsql';
import { columnNames } from '../../record/types.ts';
import { tableNames } from '../row.ts';

type Column = (typeof columnNames)[number];

/** SQLite has five storage classes and does not enforce widths: https://www.sqlite.org/datatype3.html. */
const integerColumns: ReadonlySet<Column> = new Set([
  'sport',
  'dport',
  'len',
  'ttl',
  'mail_priority',
  'image_sign',
  'parse_sign',
]);

const columnDefinitions = columnNames
  .map((name) => {
    if (name === 'id') return 'id INTEGER PRIMARY KEY NOT NULL';
    if (name === 'timestamp') return '"timestamp" TEXT NOT NULL';
    return `"${name}" ${integerColumns.has(name) ? 'INTEGER' : 'TEXT'} DEFAULT NULL`;
  })
  .join(', ');

export const columnList = columnNames.map((name) => `"${name}"`).join(', ');

/** To be run at every opening; leaves what exists as it is. */
export const commonTables = `
  CREATE TABLE IF NOT EXISTS mail_keys (
    mail_key TEXT PRIMARY KEY NOT NULL, table_name TEXT NOT NULL, id INTEGER NOT NULL UNIQUE, rank INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS mail_detail (id INTEGER PRIMARY KEY NOT NULL, detail TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS mailproc_sequence (name TEXT PRIMARY KEY NOT NULL, current_value INTEGER NOT NULL);
  INSERT OR IGNORE INTO mailproc_sequence VALUES ('mail', 0), ('lease', 0);
  CREATE TABLE IF NOT EXISTS mailproc_ledger (
    capture TEXT PRIMARY KEY NOT NULL, day TEXT NOT NULL, bytes INTEGER NOT NULL, modified_ms REAL NOT NULL,
    first_packet_ns TEXT, last_packet_ns TEXT, is_done INTEGER NOT NULL, needed_from TEXT NOT NULL,
    summary TEXT NOT NULL, version TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS mailproc_ledger_day ON mailproc_ledger (day);
  CREATE TABLE IF NOT EXISTS mailproc_ledger_rows (
    table_name TEXT NOT NULL, capture TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (table_name, capture)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS mailproc_ledger_rows_capture ON mailproc_ledger_rows (capture);
  CREATE TABLE IF NOT EXISTS mailproc_lease (
    capture TEXT PRIMARY KEY NOT NULL, epoch INTEGER NOT NULL, expires_ms REAL NOT NULL,
    host TEXT NOT NULL, process_id INTEGER NOT NULL, start_time TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS mailproc_lease_epoch ON mailproc_lease (epoch);
`;

/**
 * Creates the table and brings the view of its month up to date. `name` is of `tableName`'s making. To be
 * called inside a transaction.
 */
export function createDayTable(database: Database, name: string): void {
  if (tableExists(database, name)) return;
  database.exec(`CREATE TABLE "${name}" (${columnDefinitions})`);
  // The rows of a capture are counted and deleted without reading every mail of the day.
  database.exec(`CREATE INDEX "${name}_file_path" ON "${name}" (file_path)`);
  renewMonthView(database, name);
}

/** The view of the month of day table `name`, over the day tables that exist. */
export function renewMonthView(database: Database, name: string): void {
  const month = name.slice(0, -'_28'.length);
  const days = database
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ? ORDER BY name`)
    .all(`${month}_[0-9][0-9]`) as { name: string }[];
  const selects = days.map((day) => `SELECT ${columnList} FROM "${day.name}"`);
  database.exec(`DROP VIEW IF EXISTS "${month}"`);
  if (selects.length === 0) return;
  database.exec(`CREATE VIEW "${month}" AS ${selects.join(' UNION ALL ')}`);
}

export function tableExists(database: Database, name: string): boolean {
  return (
    database.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`).get(name) !== undefined
  );
}

export function existingTables(database: Database, day: string): string[] {
  return tableNames(day).filter((name) => tableExists(database, name));
}
