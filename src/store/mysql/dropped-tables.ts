/**
 * Who drops a day table by hand wants its mails stored again, or room: either way what the ledger says of its
 * captures, and keys that point to it, would keep the mails out for ever.
 */
import { dayOfTable } from '../row.ts';
import type { MysqlConnection } from './connection.ts';
import type { OpenNode, Work } from './data-nodes.ts';
import { missingTables } from './schema.ts';

interface DroppedTable {
  readonly name: string;
  /** Those that filled it. */
  readonly captures: readonly Buffer[];
}

/**
 * Of tables of `node` that are gone: keys, counts, and the entries of the captures that fill them, so that the
 * next run reads these again. Returns whether there were any.
 */
export async function forgetDroppedTables(
  node: OpenNode,
  home: <Value>(work: Work<Value>) => Promise<Value>,
): Promise<boolean> {
  const dropped = (await node.look(findDropped)) ?? [];
  for (const table of dropped) {
    // First: while the counts are there, the table is found again, should this run be killed.
    await home((connection) => forgetEntries(connection, table));
    await node.write((connection) => forgetKeys(connection, table.name));
  }
  return dropped.length > 0;
}

async function findDropped(connection: MysqlConnection): Promise<DroppedTable[]> {
  if ((await missingTables(connection, ['mailproc_ledger_rows'])).length > 0) return [];
  const counted = await connection.rows('SELECT DISTINCT table_name AS name FROM mailproc_ledger_rows');
  if (counted.length === 0) return [];
  const names = await missingTables(
    connection,
    counted.map((row) => String(row['name'])),
  );
  const sql = 'SELECT DISTINCT capture_key FROM mailproc_ledger_rows WHERE table_name = ?';
  const tables: DroppedTable[] = [];
  for (const name of names) {
    const rows = await connection.rows(sql, [name]);
    tables.push({ name, captures: rows.map((row) => row['capture_key'] as Buffer) });
  }
  return tables;
}

/** Captures of the day may have begun mails that end in others; captures of other days, replaced rows. */
async function forgetEntries(connection: MysqlConnection, { name, captures }: DroppedTable): Promise<void> {
  await connection.run('DELETE FROM mailproc_ledger WHERE day = ?', [dayOfTable(name) ?? '']);
  if (captures.length > 0)
    await connection.run('DELETE FROM mailproc_ledger WHERE capture_key IN (?)', [captures]);
}

async function forgetKeys(connection: MysqlConnection, table: string): Promise<void> {
  const hasKeys = (await missingTables(connection, ['mail_keys'])).length === 0;
  await connection.transaction(async () => {
    if (hasKeys) await connection.run('DELETE FROM mail_keys WHERE table_name = ?', [table]);
    await connection.run('DELETE FROM mailproc_ledger_rows WHERE table_name = ?', [table]);
  });
}
