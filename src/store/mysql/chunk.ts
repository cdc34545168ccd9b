/** A chunk is what one transaction writes into one table: rows, their keys, and the ledger's count of them. */
import { createHash } from 'node:crypto';
import { dayOfTable } from '../row.ts';
import type { Mail } from './batch.ts';
import type { MysqlConnection } from './connection.ts';
import { type Entry, insertRows, replaceRow, type Target } from './insert.ts';
import { captureKey } from './keys.ts';
import { type LedgerChange, ledgerRowsInsert } from './ledger.ts';
import { describeDayTable } from './schema.ts';

/** Mails that are not known are added, known ones replaced where there is more of them now. */
export async function writeChunk(
  connection: MysqlConnection,
  target: Target,
  mails: readonly Mail[],
): Promise<void> {
  const added = mails.filter(({ known }) => known === undefined);
  const replaced = mails.filter(({ known, rank }) => known !== undefined && known.rank < rank);
  if (added.length + replaced.length === 0) return;
  for (const mail of added) mail.triedIds.add(String(mail.id));
  await connection.transaction(async (last) => {
    await insertRows(connection, target, added.map(toEntry));
    const moved: Mail[] = [];
    for (const mail of replaced) {
      const at = await targetOf(connection, target, mail);
      if (await replaceRow(connection, at, toEntry(mail))) moved.push(mail);
    }
    const changes = ledgerChanges(added, moved);
    if (changes.length > 0) last(ledgerRowsInsert(target.table.name, chunkName(added, moved), changes));
  });
}

function toEntry({ best, rank, id, known }: Mail): Entry {
  return { record: best, rank, id: known?.id ?? id ?? 0 };
}

/** With keys beside the tables, a key may lead to another table of the same database. */
async function targetOf(connection: MysqlConnection, target: Target, { known }: Mail): Promise<Target> {
  if (known === undefined || known.table === target.table.name) return target;
  const table = await describeDayTable(connection, known.table);
  return table === undefined ? target : { ...target, table, day: dayOfTable(known.table) ?? target.day };
}

/** A replaced row moves from the capture it came from to the one that had more of it. */
function ledgerChanges(added: readonly Mail[], replaced: readonly Mail[]): LedgerChange[] {
  const changes = new Map<string, LedgerChange>();
  const change = (key: Buffer, rows: number, capture?: string): void => {
    const name = key.toString('hex');
    const before = changes.get(name);
    changes.set(name, { key, capture: before?.capture ?? capture, rows: (before?.rows ?? 0) + rows });
  };
  const counts = new Map<string, number>();
  for (const { best } of [...added, ...replaced]) {
    const capture = best.columns.file_path;
    counts.set(capture, (counts.get(capture) ?? 0) + 1);
  }
  for (const [capture, rows] of counts) change(captureKey(capture), rows, capture);
  for (const { known } of replaced) if (known !== undefined) change(known.capture, -1);
  return [...changes.values()].filter(({ rows }) => rows !== 0);
}

/** The same mails with the same ids are the same chunk: when it is written to two masters, they agree. */
function chunkName(added: readonly Mail[], replaced: readonly Mail[]): Buffer {
  const hash = createHash('sha256');
  for (const { key, rank, id, known } of [...added, ...replaced]) {
    hash.update(`${key} ${rank} ${known?.id ?? id}\n`);
  }
  return hash.digest().subarray(0, 16);
}
