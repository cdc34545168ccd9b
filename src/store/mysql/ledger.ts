/**
 * What runs did with each capture, on the servers themselves. Entries and leases are on one data node, the
 * first; the rows a capture gave are counted on the data node of their table, by the transaction that writes them.
 */
import type { Lease, Ledger, LedgerEntry, LedgerRows, TableCopy } from '../ledger.ts';
import { daysOf, protocols } from '../row.ts';
import { type MysqlConnection, type Parameter, quoted, type Row } from './connection.ts';
import { captureKey } from './keys.ts';
import { leaseTableStatement, takeLease } from './lease.ts';
import { type DayTable, describeDayTable } from './schema.ts';
import type { MailProtocol, Shard } from './types.ts';

const entryTableStatement = `CREATE TABLE IF NOT EXISTS mailproc_ledger (
  capture_key binary(16) NOT NULL PRIMARY KEY,
  capture text NOT NULL,
  day char(10) CHARACTER SET ascii NOT NULL,
  bytes bigint NOT NULL,
  modified_ms varchar(32) CHARACTER SET ascii NOT NULL,
  first_packet_ns varchar(40) CHARACTER SET ascii DEFAULT NULL,
  last_packet_ns varchar(40) CHARACTER SET ascii DEFAULT NULL,
  is_done tinyint NOT NULL,
  needed_from text NOT NULL,
  summary mediumtext NOT NULL,
  version varchar(64) NOT NULL,
  KEY day (day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

/** Whatever is written once for the whole cluster. */
export const homeTables: ReadonlyMap<string, string> = new Map([
  ['mailproc_lease', leaseTableStatement],
  ['mailproc_ledger', entryTableStatement],
]);

/**
 * A row for each chunk that was written, never changed: two masters that both get it agree, and two runs
 * never wait for each other. The sum over the chunks is what counts.
 */
export const ledgerRowsStatement = `CREATE TABLE IF NOT EXISTS mailproc_ledger_rows (
  table_name varchar(64) CHARACTER SET ascii NOT NULL,
  capture_key binary(16) NOT NULL,
  chunk binary(16) NOT NULL,
  row_count int NOT NULL,
  capture text DEFAULT NULL,
  PRIMARY KEY (table_name, capture_key, chunk)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

/** What the ledger needs of the sink. Both run `work` again where a connection broke or a transaction was in the way. */
export interface LedgerNodes {
  /** On the data node of entries and leases. */
  home<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value>;
  /** On the data node of a table, where its database exists; undefined where it does not. */
  on<Value>(shard: Shard, work: (connection: MysqlConnection) => Promise<Value>): Promise<Value | undefined>;
  /** What other servers than the active one hold of its table. */
  copies(shard: Shard): Promise<readonly TableCopy[]>;
  /** undefined where the configuration has no place for the day. */
  shardOf(protocol: MailProtocol, day: string): Shard | undefined;
  /** Runs `work` once on each data node whose database exists. */
  everywhere<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value[]>;
  /** Forgets tables of these days that were dropped by hand; returns whether there were any. */
  forgetDropped(days: readonly string[]): Promise<boolean>;
  readonly leaseMs: number | undefined;
}

export class MysqlLedger implements Ledger {
  readonly #nodes: LedgerNodes;

  constructor(nodes: LedgerNodes) {
    this.#nodes = nodes;
  }

  async find(captures: readonly string[]): Promise<readonly LedgerEntry[]> {
    const byKey = new Map(captures.map((capture) => [captureKey(capture).toString('hex'), capture]));
    if (byKey.size === 0) return [];
    const entries = await this.#entriesOf(byKey);
    const days = new Set(entries.map(({ day }) => day));
    return (await this.#nodes.forgetDropped([...days])) ? this.#entriesOf(byKey) : entries;
  }

  async #entriesOf(byKey: ReadonlyMap<string, string>): Promise<readonly LedgerEntry[]> {
    const keys = [...byKey.keys()].map((key) => Buffer.from(key, 'hex'));
    const sql = `SELECT ${entryColumns} FROM mailproc_ledger WHERE capture_key IN (?) ORDER BY capture`;
    const rows = await this.#nodes.home((connection) => connection.rows(sql, [keys]));
    return rows.map((row) => ({
      ...toEntry(row),
      capture: byKey.get(hexKey(row)) ?? String(row['capture']),
    }));
  }

  async days(): Promise<readonly string[]> {
    const entries = await this.#nodes.home((connection) =>
      connection.rows('SELECT DISTINCT day FROM mailproc_ledger'),
    );
    const tables = await this.#nodes.everywhere(tableNamesIn);
    return daysOf(
      entries.map((row) => String(row['day'])),
      tables.flat(),
    );
  }

  async ofDay(day: string): Promise<readonly LedgerEntry[]> {
    const sql = `SELECT ${entryColumns} FROM mailproc_ledger WHERE day = ? ORDER BY capture`;
    return (await this.#nodes.home((connection) => connection.rows(sql, [day]))).map(toEntry);
  }

  async settle(entries: readonly LedgerEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#nodes.home((connection) =>
      connection.transaction(async () => {
        for (const entry of entries) await connection.run(replaceEntry, entryValues(entry));
      }),
    );
  }

  async rows(day: string): Promise<readonly LedgerRows[]> {
    return this.#ofTables(day, writtenRows);
  }

  async count(day: string): Promise<readonly LedgerRows[]> {
    return this.#ofTables(day, countedRows);
  }

  async copies(day: string): Promise<readonly TableCopy[]> {
    const copies = await Promise.all(this.#shards(day).map((shard) => this.#nodes.copies(shard)));
    return copies.flat();
  }

  async lease(captures: readonly string[]): Promise<Lease | undefined> {
    return takeLease((work) => this.#nodes.home(work), captures, this.#nodes.leaseMs);
  }

  async forget(capture: string): Promise<void> {
    const key = captureKey(capture);
    await this.#nodes.everywhere((connection) => forgetRows(connection, key));
    await this.#nodes.home((connection) =>
      connection.run('DELETE FROM mailproc_ledger WHERE capture_key = ?', [key]),
    );
  }

  async #ofTables(
    day: string,
    read: (connection: MysqlConnection, table: string) => Promise<readonly LedgerRows[]>,
  ): Promise<readonly LedgerRows[]> {
    const found = await Promise.all(
      this.#shards(day).map((shard) => this.#nodes.on(shard, (connection) => read(connection, shard.table))),
    );
    return found.flatMap((rows) => rows ?? []);
  }

  #shards(day: string): Shard[] {
    return protocols.flatMap((protocol) => this.#nodes.shardOf(protocol, day) ?? []);
  }
}

export interface LedgerChange {
  /** Where its name is known. */
  readonly capture: string | undefined;
  readonly key: Buffer;
  readonly rows: number;
}

/** One chunk of a table: what it added to (or took from) each capture. */
export async function addLedgerRows(
  connection: MysqlConnection,
  table: string,
  chunk: Buffer,
  changes: readonly LedgerChange[],
): Promise<void> {
  const places = changes.map(() => '(?, ?, ?, ?, ?)').join(', ');
  await connection.run(
    `INSERT INTO mailproc_ledger_rows (table_name, capture_key, chunk, row_count, capture) VALUES ${places}`,
    changes.flatMap(({ capture, key, rows }) => [table, key, chunk, rows, capture ?? null]),
  );
}

/** Those that are there, and those that were counted. */
async function tableNamesIn(connection: MysqlConnection): Promise<string[]> {
  const there = `SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'`;
  const counted = 'SELECT DISTINCT table_name AS name FROM mailproc_ledger_rows';
  const isCounting = await hasTable(connection, 'mailproc_ledger_rows');
  const rows = [...(await connection.rows(there)), ...(isCounting ? await connection.rows(counted) : [])];
  return rows.map((row) => String(row['name']));
}

async function writtenRows(connection: MysqlConnection, table: string): Promise<LedgerRows[]> {
  if (!(await hasTable(connection, 'mailproc_ledger_rows'))) return [];
  const rows = await connection.rows(
    `SELECT MAX(capture) AS capture, SUM(row_count) AS total FROM mailproc_ledger_rows
      WHERE table_name = ? GROUP BY capture_key HAVING SUM(row_count) <> 0 ORDER BY capture`,
    [table],
  );
  return rows.map((row) => ({ capture: String(row['capture']), table, rows: Number(row['total']) }));
}

async function countedRows(connection: MysqlConnection, name: string): Promise<LedgerRows[]> {
  const table = await describeDayTable(connection, name);
  if (table === undefined || !(await hasTable(connection, 'mailproc_ledger_rows'))) return [];
  const rows = await connection.rows(countStatement(table), [name]);
  const names = await connection.rows(
    'SELECT DISTINCT capture_key, capture FROM mailproc_ledger_rows WHERE table_name = ? AND capture IS NOT NULL',
    [name],
  );
  const captures = new Map(names.map((row) => [hexKey(row), String(row['capture'])]));
  return rows.map((row) => ({
    capture: captures.get(hexKey(row)) ?? String(row['path']),
    table: name,
    rows: Number(row['total']),
  }));
}

/** By the capture that stands beside the key: a path in a narrow column is cut. */
function countStatement({ name, keys }: DayTable): string {
  const grouped = 'COUNT(*) AS total, MIN(mails.file_path) AS path';
  if (keys === 'hidden') {
    return `SELECT mail_capture AS capture_key, ${grouped} FROM ${quoted(name)} AS mails
      WHERE mail_key IS NOT NULL AND ? <> '' GROUP BY mail_capture ORDER BY path`;
  }
  return `SELECT known.mail_capture AS capture_key, ${grouped} FROM mail_keys AS known
    JOIN ${quoted(name)} AS mails ON mails.id = known.id
    WHERE known.table_name = ? GROUP BY known.mail_capture ORDER BY path`;
}

/** The rows of a capture in the tables of one database, one transaction a table. */
async function forgetRows(connection: MysqlConnection, key: Buffer): Promise<void> {
  if (!(await hasTable(connection, 'mailproc_ledger_rows'))) return;
  const tables = await connection.rows(
    'SELECT DISTINCT table_name AS name FROM mailproc_ledger_rows WHERE capture_key = ?',
    [key],
  );
  for (const row of tables) {
    const name = String(row['name']);
    const table = await describeDayTable(connection, name);
    await connection.transaction(async () => {
      if (table?.keys === 'hidden') {
        await connection.run(`DELETE FROM ${quoted(name)} WHERE mail_capture = ?`, [key]);
      } else if (table !== undefined) {
        await connection.run(
          `DELETE mails FROM ${quoted(name)} AS mails JOIN mail_keys AS known ON mails.id = known.id
            WHERE known.table_name = ? AND known.mail_capture = ?`,
          [name, key],
        );
        await connection.run('DELETE FROM mail_keys WHERE table_name = ? AND mail_capture = ?', [name, key]);
      }
      await connection.run('DELETE FROM mailproc_ledger_rows WHERE table_name = ? AND capture_key = ?', [
        name,
        key,
      ]);
    });
  }
}

async function hasTable(connection: MysqlConnection, name: string): Promise<boolean> {
  const sql = 'SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?';
  return (await connection.rows(sql, [name])).length > 0;
}

const entryColumns =
  'capture_key, capture, day, bytes, modified_ms, first_packet_ns, last_packet_ns, is_done, needed_from, summary, version';

const changeableColumns = [
  'capture',
  'day',
  'bytes',
  'modified_ms',
  'first_packet_ns',
  'last_packet_ns',
  'is_done',
  'needed_from',
  'summary',
  'version',
];

const replaceEntry = `INSERT INTO mailproc_ledger (capture_key, ${changeableColumns.join(', ')})
  VALUES (?${', ?'.repeat(changeableColumns.length)})
  ON DUPLICATE KEY UPDATE ${changeableColumns.map((name) => `${name} = VALUES(${name})`).join(', ')}`;

function entryValues(entry: LedgerEntry): Parameter[] {
  return [
    captureKey(entry.capture),
    entry.capture,
    entry.day,
    entry.bytes,
    String(entry.modifiedMs),
    entry.firstPacketNs === null ? null : String(entry.firstPacketNs),
    entry.lastPacketNs === null ? null : String(entry.lastPacketNs),
    entry.isDone ? 1 : 0,
    entry.neededFrom,
    entry.summary,
    entry.version,
  ];
}

function toEntry(row: Row): LedgerEntry {
  const nanoseconds = (value: unknown): bigint | null => (value === null ? null : BigInt(String(value)));
  return {
    capture: String(row['capture']),
    day: String(row['day']),
    bytes: Number(row['bytes']),
    modifiedMs: Number(row['modified_ms']),
    firstPacketNs: nanoseconds(row['first_packet_ns']),
    lastPacketNs: nanoseconds(row['last_packet_ns']),
    isDone: Number(row['is_done']) !== 0,
    neededFrom: String(row['needed_from']),
    summary: String(row['summary']),
    version: String(row['version']),
  };
}

function hexKey(row: Row): string {
  return (row['capture_key'] as Buffer).toString('hex');
}
