/** A connection to the file; several of a process may be open. */
import { resolve } from 'node:path';
import type { Database } from 'libsql';
import { storeLimits } from '../../core/limits.ts';

/**
 * A write-ahead log lets others read during a run. FULL, because a batch that was acknowledged must
 * survive a power cut.
 */
export async function openDatabase(path: string, busyTimeoutMs: number): Promise<Database> {
  const { default: Libsql } = await import('libsql');
  // An absolute path is never one of libsql's own forms: a server's address, `file:`, `:memory:`.
  const database = new Libsql(resolve(path), { timeout: busyTimeoutMs });
  try {
    useLog(database);
    database.exec('PRAGMA synchronous = FULL');
    database.exec(`PRAGMA cache_size = -${storeLimits.sqliteCacheBytes >> 10}`);
    database.pragma(`wal_autocheckpoint = ${storeLimits.sqliteLogPages}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function useLog(database: Database): void {
  try {
    database.pragma('journal_mode = WAL');
  } catch (error) {
    // Another run is just opening or closing the file; its journal mode is as safe.
    if (!String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) throw error;
  }
}
