/** The view of a month over its day tables, in one database. */
import { type MysqlConnection, quoted } from './connection.ts';
import { troubleOf } from './mysql-error.ts';
import { columnList, missingTables } from './schema.ts';

/**
 * Brings the view of a month up to date with the day tables of the connection's database. Two writers may be
 * at it with different tables in sight, so it looks again until nothing has changed.
 */
export async function refreshMonthView(connection: MysqlConnection, dayTable: string): Promise<void> {
  if (await isInMonthView(connection, dayTable)) return;
  const month = dayTable.replace(/_\d{1,2}$/, '');
  for (let round = 0; round < 10; round++) {
    const days = await dayTablesOf(connection, month);
    if (await shows(connection, month, days)) return;
    try {
      await connection.run(viewStatement(month, days));
    } catch (error) {
      if (!['conflict', 'schema'].includes(troubleOf(error))) throw error;
    }
  }
}

/** Where there is such a view; one without any other day is dropped. */
export async function takeOutOfMonthView(connection: MysqlConnection, dayTable: string): Promise<void> {
  const month = dayTable.replace(/_\d{1,2}$/, '');
  const sql = 'SELECT 1 FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = ?';
  if ((await connection.rows(sql, [month])).length === 0) return;
  const others = (await dayTablesOf(connection, month)).filter((name) => name !== dayTable);
  await connection.run(
    others.length === 0 ? `DROP VIEW IF EXISTS ${quoted(month)}` : viewStatement(month, others),
  );
}

function viewStatement(month: string, dayTables: readonly string[]): string {
  const selects = dayTables.map((name) => `SELECT ${columnList} FROM ${quoted(name)}`);
  return `CREATE OR REPLACE SQL SECURITY INVOKER VIEW ${quoted(month)} AS ${selects.join(' UNION ALL ')}`;
}

/** Also where the name of the view is taken by a table. */
export async function isInMonthView(connection: MysqlConnection, dayTable: string): Promise<boolean> {
  const month = dayTable.replace(/_\d{1,2}$/, '');
  const [existing] = await connection.rows(
    'SELECT table_type AS type FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
    [month],
  );
  if (existing !== undefined && existing['type'] !== 'VIEW') return true;
  return shows(connection, month, await dayTablesOf(connection, month));
}

async function dayTablesOf(connection: MysqlConnection, month: string): Promise<string[]> {
  const rows = await connection.rows(
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name REGEXP ? ORDER BY table_name`,
    [`^${month}_[0-9]{1,2}$`],
  );
  return rows.map((row) => String(row['name']));
}

async function shows(connection: MysqlConnection, month: string, days: readonly string[]): Promise<boolean> {
  const [view] = await connection.rows(
    'SELECT view_definition AS definition FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = ?',
    [month],
  );
  if (view === undefined) return false;
  const shown = shownDays(month, String(view['definition']));
  return shown.size === days.length && days.every((name) => shown.has(name));
}

function shownDays(month: string, definition: string): Set<string> {
  return new Set(definition.match(new RegExp(`${month}_[0-9]{1,2}(?![0-9])`, 'g')) ?? []);
}

export interface BrokenView {
  /** `smtp_2022_01` */
  readonly name: string;
  /** Day tables it names that are not there. */
  readonly gone: readonly string[];
}

/** Views of months that cannot be read, because a day table was dropped by hand. */
export async function brokenMonthViews(connection: MysqlConnection): Promise<readonly BrokenView[]> {
  const views = await connection.rows(
    `SELECT table_name AS name, view_definition AS definition FROM information_schema.views
      WHERE table_schema = DATABASE() AND table_name REGEXP '^(smtp|pop3|imap)_[0-9]{4}_[0-9]{1,2}$'`,
  );
  const shown = views.map((row) => {
    const name = String(row['name']);
    return { name, days: [...shownDays(name, String(row['definition']))] };
  });
  const all = shown.flatMap(({ days }) => days);
  const missing = new Set(all.length === 0 ? [] : await missingTables(connection, all));
  return shown
    .map(({ name, days }) => ({ name, gone: days.filter((day) => missing.has(day)) }))
    .filter(({ gone }) => gone.length > 0);
}

/** The same without the days that are gone. To be called where nobody else changes tables. */
export async function mendMonthViews(connection: MysqlConnection): Promise<void> {
  for (const { gone } of await brokenMonthViews(connection)) {
    await takeOutOfMonthView(connection, gone[0] ?? '');
  }
}
