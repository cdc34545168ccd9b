/** All of it or nothing. */
import type { Database } from 'libsql';

/**
 * IMMEDIATE: whoever begins first is the only writer, so that what is read and what is written because of
 * it are one. `body` must not wait for anything: others would run inside its transaction.
 */
export function inTransaction<Result>(database: Database, body: () => Result): Result {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = body();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** SQLite has rolled back by itself after some errors, a full disk for one. */
function rollBack(database: Database): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // No transaction is open.
  }
}
