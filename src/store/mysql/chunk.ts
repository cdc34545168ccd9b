/** A chunk is what one transaction writes into one table: rows, their keys, places, and the ledger's count of them. */
import { createHash } from 'node:crypto';
import { groupBy, type Mail } from './batch.ts';
import type { MysqlConnection } from './connection.ts';
import { type Entry, insertRows, replaceRow, type Target } from './insert.ts';
import { captureKey } from './keys.ts';
import { addLedgerRows, type LedgerChange } from './ledger.ts';
import { checkPlaces, Misplaced, vacate, writePlaces } from './placement.ts';

export interface ChunkTarget extends Target {
  readonly day: string;
  /** Whether the mail leaves its table in this very transaction. */
  readonly leavesHere: (mail: Mail) => boolean;
}

/**
 * Mails that are not known are added, known ones replaced where there is more of them now. Throws `Misplaced` where
 * some of them are in another table.
 */
export async function writeChunk(
  connection: MysqlConnection,
  target: ChunkTarget,
  mails: readonly Mail[],
): Promise<void> {
  const { table, day } = target;
  const added = mails.filter(({ known }) => known === undefined);
  const replaced = mails.filter(({ known, rank }) => known !== undefined && known.rank < rank);
  if (added.length + replaced.length === 0) return;
  const elsewhere = replaced.filter(({ known }) => known?.table !== table.name);
  if (elsewhere.length > 0) throw new Misplaced(new Set(elsewhere.map(({ key }) => key)));
  for (const mail of added) mail.triedIds.add(String(mail.id));
  const written = [...added, ...replaced];
  const leaving = written.filter(target.leavesHere);
  await connection.transaction(async () => {
    await writePlaces(connection, placed(written));
    for (const [from, some] of groupBy(leaving, (mail) => mail.leaving?.shard.table ?? '')) {
      await vacate(connection, from, some.map(toLeaving));
    }
    await insertRows(connection, target, added.map(toEntry));
    const exchanged: Mail[] = [];
    for (const mail of replaced)
      if (await replaceRow(connection, target, toEntry(mail))) exchanged.push(mail);
    await checkPlaces(connection, day, keysOf(written), versionsOf(written));
    const changes = ledgerChanges(added, exchanged);
    if (changes.length > 0) await addLedgerRows(connection, table.name, chunkName(added, exchanged), changes);
    for (const mail of leaving) await countLeft(connection, mail);
  });
}

/** Of a mail that has left its table, in the transaction that took it out. */
export async function countLeft(connection: MysqlConnection, mail: Mail): Promise<void> {
  const { leaving, place } = mail;
  if (leaving?.row === undefined) return;
  const { capture, id, rank } = leaving.row;
  // Of a single row: its rank and the version only grow.
  const chunk = createHash('sha256').update(`left ${mail.key} ${rank} ${id} ${place?.version}`).digest();
  const change = { capture: undefined, key: capture, rows: -1 };
  await addLedgerRows(connection, leaving.shard.table, chunk.subarray(0, 16), [change]);
}

export function placed(mails: readonly Mail[]): { key: string; place: NonNullable<Mail['place']> }[] {
  return mails.flatMap(({ key, place }) => (place === undefined ? [] : [{ key, place }]));
}

export function versionsOf(mails: readonly Mail[]): Map<string, number> {
  return new Map(placed(mails).map(({ key, place }) => [key, place.version]));
}

export function keysOf(mails: readonly Mail[]): string[] {
  return mails.map(({ key }) => key);
}

export function toLeaving({ key, leaving }: Mail): { key: string; row: NonNullable<Mail['leaving']>['row'] } {
  return { key, row: leaving?.row };
}

function toEntry({ key, best, rank, id, known }: Mail): Entry {
  const { columns } = best;
  return { key, columns, rank, id: known?.id ?? id ?? 0, capture: captureKey(columns.file_path) };
}

/** A replaced row goes from the capture it came from to the one that had more of it. */
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
