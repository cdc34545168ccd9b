/** Which mails a server has already, by their keys. */
import { createHash } from 'node:crypto';
import { mysqlLimits } from '../../core/limits.ts';
import type { MysqlConnection } from './connection.ts';
import { quoted } from './connection.ts';
import { type DayTable, describeDayTable, missingTables } from './schema.ts';

export interface KnownRow {
  /** Where it is; with keys beside the tables that may be another one of the same database. */
  readonly table: string;
  readonly id: string;
  readonly rank: number;
  /** `captureKey` of the capture it came from. */
  readonly capture: Buffer;
}

/** Names of captures are long and differ in letters that a collation takes for equal; this does not. */
export function captureKey(capture: string): Buffer {
  // Mails come by capture: the next one is of the same nearly always.
  if (capture !== last.capture) {
    last = { capture, key: createHash('sha256').update(capture).digest().subarray(0, 16) };
  }
  return last.key;
}

let last: { readonly capture: string | undefined; readonly key: Buffer } = {
  capture: undefined,
  key: Buffer.alloc(0),
};

/** `mail_key` of `MailDetail` as it is stored. */
export function keyOctets(mailKey: string): Buffer {
  return Buffer.from(mailKey, 'hex');
}

/** By `mail_key`; keys that are not there are missing. */
export async function findKnown(
  connection: MysqlConnection,
  table: DayTable,
  mailKeys: readonly string[],
): Promise<Map<string, KnownRow>> {
  const sql =
    table.keys === 'hidden'
      ? `SELECT mail_key, id, mail_rank, mail_capture FROM ${quoted(table.name)} WHERE mail_key IN (?)`
      : 'SELECT mail_key, table_name, id, mail_rank, mail_capture FROM mail_keys WHERE mail_key IN (?)';
  const known = new Map<string, KnownRow>();
  for (let start = 0; start < mailKeys.length; start += mysqlLimits.lookupKeysMax) {
    const keys = mailKeys.slice(start, start + mysqlLimits.lookupKeysMax).map(keyOctets);
    for (const row of await connection.rows(sql, [keys])) {
      known.set((row['mail_key'] as Buffer).toString('hex'), {
        table: String(row['table_name'] ?? table.name),
        id: String(row['id']),
        rank: Number(row['mail_rank']),
        capture: row['mail_capture'] as Buffer,
      });
    }
  }
  return known;
}

/** The same in a table that may be missing; `ready`: what is known of it. undefined where it is. */
export async function findIfAny(
  connection: MysqlConnection,
  name: string,
  ready: DayTable | undefined,
  mailKeys: readonly string[],
): Promise<Map<string, KnownRow> | undefined> {
  const table = ready ?? (await describeDayTable(connection, name));
  if (table === undefined) return undefined;
  const lacksKeys = table.keys === 'side' && ready === undefined;
  if (lacksKeys && (await missingTables(connection, ['mail_keys'])).length > 0) return undefined;
  return findKnown(connection, table, mailKeys);
}
