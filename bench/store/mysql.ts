/**
 * Rows a second of the MySQL store, with keys and ledger, against a plain multi-row insert of the same rows
 * through the same driver into the same servers in turn. `node dist/bench/store/mysql.js [ROWS] [ROUNDS]`.
 */
import type { Connection } from 'mysql2/promise';
import { columnNames, type MailColumns, type MailRecord } from '../../src/record/types.ts';
import { MysqlSink } from '../../src/store/mysql/mysql-sink.ts';
import { createDayTableStatement } from '../../src/store/mysql/schema.ts';
import type { ClusterSettings } from '../../src/store/mysql/types.ts';
import { toRow } from '../../src/store/row.ts';
import { CountingIds, dataHost, settings } from '../../test/store/mysql/clusters.ts';
import { sampleRecord } from '../../test/store/samples.ts';
import { galera, type MariadbServer, mariadbServer, whyNoGalera } from '../../test/support/mariadb.ts';

const [rows = 10_000, rounds = 5] = process.argv.slice(2).map(Number);
const batchRows = 1000;
const content = '你好，这是一封测试邮件。Hello from the bench.\n'.repeat(16);

/** 1.6 kB a row, as a text mail of the sample day. */
function records(days: readonly string[]): MailRecord[] {
  return Array.from({ length: rows }, (_, index) => {
    const day = days[index % days.length] ?? '2022-01-28';
    return sampleRecord(index + 1, { columns: columnsOf(day) });
  });
}

function columnsOf(day: string): Partial<MailColumns> {
  return { insert_time: day, timestamp: `${day} 09:30:00`, mail_content: content };
}

/** Another mail of each day before the clock starts: making tables is not measured. */
async function ofSink(
  cluster: ClusterSettings,
  mails: readonly MailRecord[],
  servers: readonly MariadbServer[],
): Promise<number> {
  await dropAll(servers);
  const sink = new MysqlSink(cluster, { ids: new CountingIds() });
  await sink.open();
  const days = [...new Set(mails.map((mail) => mail.columns.insert_time))];
  await sink.write(days.map((day, index) => sampleRecord(rows + 1 + index, { columns: columnsOf(day) })));
  const start = performance.now();
  for (let first = 0; first < mails.length; first += batchRows)
    await sink.write(mails.slice(first, first + batchRows));
  const seconds = (performance.now() - start) / 1000;
  await sink.close();
  return rows / seconds;
}

async function plain(server: MariadbServer, mails: readonly MailRecord[]): Promise<number> {
  await dropAll([server]);
  const connection = await server.connect();
  await connection.query('CREATE DATABASE smtp_database CHARACTER SET utf8mb4; USE smtp_database');
  const form = { schema: 'wide', idBits: 31, hasInvisibleColumns: false } as const;
  await connection.query(createDayTableStatement('smtp_2022_01_28', form));
  const start = performance.now();
  for (let first = 0; first < mails.length; first += batchRows) await insert(connection, mails, first);
  const seconds = (performance.now() - start) / 1000;
  connection.destroy();
  return rows / seconds;
}

async function insert(connection: Connection, mails: readonly MailRecord[], first: number): Promise<void> {
  const values = mails.slice(first, first + batchRows).map((mail, index) => {
    const row = toRow(first + index + 1, mail);
    return columnNames.map((name) => row[name]);
  });
  await connection.query('INSERT INTO smtp_2022_01_28 VALUES ?', [values]);
}

async function dropAll(servers: readonly MariadbServer[]): Promise<void> {
  for (const server of servers) {
    const connection = await server.connect();
    await connection.query('DROP DATABASE IF EXISTS smtp_database; DROP DATABASE IF EXISTS imap_database');
    connection.destroy();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}

const servers = [await mariadbServer(), await mariadbServer()] as const;
const nodes = whyNoGalera() === undefined ? await galera(3) : [];
const day = records(['2022-01-28']);
const twoDays = records(['2022-01-28', '2022-01-29']);
const hostOf = (of: string): number => Number(of.slice(-1)) % 2;
const two = settings([dataHost('a', [servers[0]]), dataHost('b', [servers[1]])], { hostOf });
const measured: Record<string, () => Promise<number>> = {
  'plain multi-row insert': () => plain(servers[0], day),
  'one server': () => ofSink(settings([dataHost('h', [servers[0]])]), day, servers),
  'one server, documented tables': () =>
    ofSink(settings([dataHost('h', [servers[0]])], { schema: 'documented' }), day, servers),
  'two data nodes on two servers': () => ofSink(two, twoDays, servers),
};
if (nodes.length > 0) {
  const [node] = nodes;
  if (node !== undefined) measured['plain insert, Galera of three'] = () => plain(node, day);
  measured['Galera of three'] = () =>
    ofSink(settings([dataHost('h', nodes, { switchType: 3 })]), day, nodes.slice(0, 1));
}
const results = new Map(Object.keys(measured).map((name) => [name, [] as number[]]));
for (let round = 0; round < rounds; round++) {
  for (const [name, measure] of Object.entries(measured)) results.get(name)?.push(await measure());
}
const base = results.get('plain multi-row insert') ?? [];
console.table(
  [...results].map(([what, values]) => ({
    what,
    'rows/s (median)': Math.round(median(values)),
    'ratio to plain (median of rounds)': median(
      values.map((value, round) => value / (base[round] ?? 1)),
    ).toFixed(2),
  })),
);
for (const server of [...servers, ...nodes]) await server.remove();
