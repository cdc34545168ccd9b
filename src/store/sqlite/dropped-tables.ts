/**
 * Who drops a day table by hand wants its mails stored again, or room: either way the keys that point to
 * it would keep the mails out for ever.
 */
import type { Database } from 'libsql';
import { renewMonthView, tableExists } from './schema.ts';

/**
 * The keys and details of tables that are gone, and the entries of the captures that fill them, so that
 * the next run reads these again. To be called inside a transaction.
 */
export function forgetDroppedTables(database: Database): void {
  for (const table of countedTables(database)) {
    if (!tableExists(database, table)) forgetTable(database, table);
  }
}

/** Every table a row was ever counted in: one step in the index for each, however many captures there are. */
function countedTables(database: Database): string[] {
  const sql = `
    WITH RECURSIVE counted (name) AS (
      SELECT min(table_name) FROM mailproc_ledger_rows
      UNION ALL
      SELECT (SELECT min(table_name) FROM mailproc_ledger_rows WHERE table_name > counted.name)
      FROM counted WHERE counted.name IS NOT NULL
    )
    SELECT name FROM counted WHERE name IS NOT NULL`;
  return (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
}

function forgetTable(database: Database, table: string): void {
  const day = table.slice(-'2022_01_28'.length).replaceAll('_', '-');
  const statements: readonly (readonly [sql: string, ...parameters: string[]])[] = [
    ['DELETE FROM mail_detail WHERE id IN (SELECT id FROM mail_keys WHERE table_name = ?)', table],
    ['DELETE FROM mail_keys WHERE table_name = ?', table],
    // Captures of the day may have begun mails that end in others; captures of other days, replaced rows.
    ['DELETE FROM mailproc_ledger WHERE day = ?', day],
    [
      'DELETE FROM mailproc_ledger WHERE capture IN (SELECT capture FROM mailproc_ledger_rows WHERE table_name = ?)',
      table,
    ],
    ['DELETE FROM mailproc_ledger_rows WHERE table_name = ?', table],
  ];
  for (const [sql, ...parameters] of statements) database.prepare(sql).run(...parameters);
  renewMonthView(database, table);
}
