/** The first rows of a day, for people. */
import { MailprocError } from '../core/errors.ts';
import { openStore, type StoreOptions } from '../store/open-store.ts';
import type { StoredRow } from '../store/sink.ts';

export interface ListedDay {
  /** In all tables of the day. */
  readonly total: number;
  readonly rows: readonly StoredRow[];
}

/** At most `limit` rows of `day` (`yyyy-MM-dd`) in the order of their ids. */
export async function listRows(
  store: string,
  day: string,
  limit: number,
  options: StoreOptions = {},
): Promise<ListedDay> {
  const sink = await openStore(store, { ...options, mustExist: true });
  if (!sink.sample) {
    throw new MailprocError('usage.store', `list rows of ${sink.url}: this kind of store cannot be listed`, {
      hint: 'list a store of the form sqlite:FILE, mysql://…, cluster:FILE or mycat:DIR',
    });
  }
  await sink.open();
  try {
    const tables = await sink.tables(day);
    const total = tables.reduce((sum, table) => sum + table.rows, 0);
    return { total, rows: await sink.sample(day, limit) };
  } finally {
    await sink.close();
  }
}
