/**
 * The right to write the mails of some captures: a row each with owner, epoch and end. No `GET_LOCK`, which
 * knows one node of a cluster only. Time is the server's alone.
 */
import { randomUUID } from 'node:crypto';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import type { Lease } from '../ledger.ts';
import type { MysqlConnection } from './connection.ts';
import { captureKey } from './keys.ts';

export const leaseTableStatement = `CREATE TABLE IF NOT EXISTS mailproc_lease (
  capture_key binary(16) NOT NULL PRIMARY KEY,
  owner char(36) CHARACTER SET ascii NOT NULL,
  epoch bigint NOT NULL,
  ends_ms bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const serverMs = 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)';

/** Runs `work` on the database of the leases; again where a transaction was in the way. */
export type OnLeases = <Value>(work: (connection: MysqlConnection) => Promise<Value>) => Promise<Value>;

/** undefined where one of the captures has another owner whose lease has not ended. */
export async function takeLease(
  onLeases: OnLeases,
  captures: readonly string[],
  leaseMs: number = mysqlLimits.leaseMs,
): Promise<Lease | undefined> {
  // In one order for all, so that two who want the same do not wait for each other.
  const keys = [...new Map(captures.map((capture) => [capture, captureKey(capture)])).values()].sort(
    Buffer.compare,
  );
  const owner = randomUUID();
  if (keys.length > 0 && !(await take(onLeases, keys, owner, leaseMs))) return undefined;
  return {
    async renew() {
      if (keys.length === 0) return;
      const sql = `UPDATE mailproc_lease SET ends_ms = ${serverMs} + ? WHERE ${own}`;
      const { affectedRows } = await onLeases((connection) => connection.run(sql, [leaseMs, owner, keys]));
      if (affectedRows === keys.length) return;
      throw new MailprocError('store.lease-lost', 'renew the lease: another run has taken over', {
        hint: 'two runs read the same captures; let the other one finish',
      });
    },
    async release() {
      if (keys.length === 0) return;
      // The row stays, for the epoch.
      const sql = `UPDATE mailproc_lease SET ends_ms = 0, owner = '' WHERE ${own}`;
      await onLeases((connection) => connection.run(sql, [owner, keys]));
    },
  };
}

async function take(
  onLeases: OnLeases,
  keys: readonly Buffer[],
  owner: string,
  leaseMs: number,
): Promise<boolean> {
  return onLeases(async (connection) => {
    // Outside the transaction: what it locks would be kept by all who come at once.
    const places = keys.map(() => `(?, '', 0, 0)`).join(', ');
    await connection.run(
      `INSERT IGNORE INTO mailproc_lease (capture_key, owner, epoch, ends_ms) VALUES ${places}`,
      keys,
    );
    return connection.transaction(async () => {
      // A row is locked before it is judged: of two who come at once the second sees the first.
      const { affectedRows } = await connection.run(
        `UPDATE mailproc_lease SET owner = ?, epoch = epoch + 1, ends_ms = ${serverMs} + ?
          WHERE capture_key IN (?) AND (ends_ms <= ${serverMs} OR owner = ?)`,
        [owner, leaseMs, keys, owner],
      );
      if (affectedRows === keys.length) return true;
      await connection.run(`UPDATE mailproc_lease SET ends_ms = 0, owner = '' WHERE ${own}`, [owner, keys]);
      return false;
    });
  });
}

const own = 'owner = ? AND capture_key IN (?)';
