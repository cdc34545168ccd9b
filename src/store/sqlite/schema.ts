/**
 * The tables of a SQLite file: one per protocol and day with the documented columns and nothing else, a
 * view for each month, and beside them what exactly-once and ids need.
 */
import type { Database } from 'libsql';
import { columnNames } from '../../record/types.ts';

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
  INSERT OR IGNORE INTO mailproc_sequence VALUES ('mail', 0);
`;

/**
 * Creates the table and brings the view of its month up to date. `name` is of `tableName`'s making. To be
 * called inside a transaction.
 */
export function createDayTable(database: Database, name: string): void {
  if (tableExists(database, name)) return;
  database.exec(`CREATE TABLE "${name}" (${columnDefinitions})`);
  const month = name.slice(0, -'_28'.length);
  const days = database
    .prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ? ORDER BY name`)
    .all(`${month}_[0-9][0-9]`) as { name: string }[];
  const selects = days.map((day) => `SELECT ${columnList} FROM "${day.name}"`);
  database.exec(`DROP VIEW IF EXISTS "${month}"`);
  database.exec(`CREATE VIEW "${month}" AS ${selects.join(' UNION ALL ')}`);
}

export function tableExists(database: Database, name: string): boolean {
  return (
    database.prepare(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`).get(name) !== undefined
  );
}
