/**
 * Rows a second of the MySQL store, with keys and ledger, against a plain multi-row insert of the same rows
 * through the same driver into the same servers in turn. `node dist/bench/store/mysql.js [ROWS] [ROUNDS] [TOPOLOGY …]`.
 */
import type { Connection } from 'mysql2/promise';
import { columnNames, type MailColumns, type MailRecord } from '../../src/record/types.ts';
import { MysqlSink } from '../../src/store/mysql/mysql-sink.ts';
import { createDayTableStatement } from '../../src/store/mysql/schema.ts';
import type { ClusterSettings } from '../../src/store/mysql/types.ts';
import { toRow } from '../../src/store/row.ts';
import { CountingIds, dataHost, settings } from '../../test/store/mysql/clusters.ts';
import { sampleRecord } from '../../test/store/samples.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
} from '../../test/support/mariadb.ts';

const [first, second, ...wanted] = process.argv.slice(2);
const [rows, rounds] = [Number(first ?? 10_000), Number(second ?? 5)];
const batchRows = 1000;
const content = '你好，这是一封测试邮件。Hello from the bench.\n'.repeat(16);

interface Measured {
  readonly rowsPerSecond: number;
  /** Of this process alone. */
  readonly cpuMicrosecondsPerRow: number;
}

/** 1.6 kB a row, as a text mail of the sample day; `time`: when their first octets were seen. */
function records(days: readonly string[], time?: string): MailRecord[] {
  return Array.from({ length: rows }, (_, index) => {
    const day = days[index % days.length] ?? '2022-01-28';
    return sampleRecord(index + 1, { columns: columnsOf(day, time) });
  });
}

function columnsOf(day: string, time = `${day} 09:30:00`): Partial<MailColumns> {
  return { insert_time: day, timestamp: time, mail_content: content };
}

async function measured(work: () => Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { rowsPerSecond: rows / seconds, cpuMicrosecondsPerRow: (user + system) / rows };
}

/** Another mail of each day before the clock starts: making tables is not measured. */
async function ofSink(cluster: ClusterSettings, mails: readonly MailRecord[]): Promise<Measured> {
  const sink = new MysqlSink(cluster, { ids: new CountingIds() });
  await sink.open();
  const days = [...new Set(mails.map((mail) => mail.columns.insert_time))];
  await sink.write(days.map((day, index) => sampleRecord(rows + 1 + index, { columns: columnsOf(day) })));
  const result = await measured(async () => {
    for (let first = 0; first < mails.length; first += batchRows)
      await sink.write(mails.slice(first, first + batchRows));
  });
  await sink.close();
  return result;
}

/** Each server its day, all at once. */
async function plain(servers: readonly MariadbServer[], mails: readonly MailRecord[]): Promise<Measured> {
  const connections = await Promise.all(servers.map((server) => server.connect()));
  for (const connection of connections) {
    await connection.query('CREATE DATABASE smtp_database CHARACTER SET utf8mb4; USE smtp_database');
    const form = { schema: 'wide', idBits: 31, hasInvisibleColumns: false } as const;
    await connection.query(createDayTableStatement('smtp_2022_01_28', form));
  }
  const shares = connections.map((_, place) => mails.filter((_, index) => index % servers.length === place));
  const result = await measured(async () => {
    await Promise.all(
      connections.map(async (connection, place) => {
        const share = shares[place] ?? [];
        const step = batchRows / servers.length;
        for (let first = 0; first < share.length; first += step) {
          await insert(connection, share.slice(first, first + step), first);
        }
      }),
    );
  });
  for (const connection of connections) connection.destroy();
  return result;
}

async function insert(connection: Connection, mails: readonly MailRecord[], first: number): Promise<void> {
  const values = mails.map((mail, index) => {
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

const day = ['2022-01-28'];
const hostOf = (of: string): number => Number(of.slice(-1)) % 2;

interface Topology {
  readonly servers: readonly MariadbServer[];
  /** Those that take writes of the plain insert. */
  readonly writable: readonly MariadbServer[];
  readonly stores: Readonly<Record<string, () => Promise<Measured>>>;
}

const topologies: Readonly<Record<string, () => Promise<Topology>>> = {
  async one() {
    const server = await mariadbServer();
    const cluster = (schema: 'wide' | 'documented') => settings([dataHost('h', [server])], { schema });
    return {
      servers: [server],
      writable: [server],
      stores: {
        'one server': () => ofSink(cluster('wide'), records(day)),
        'one server, documented tables': () => ofSink(cluster('documented'), records(day)),
        'one server, mails of another day': () =>
          ofSink(cluster('wide'), records(day, '2022-01-27 23:59:59')),
      },
    };
  },
  async two() {
    const servers = await Promise.all([mariadbServer(), mariadbServer()]);
    const hosts = servers.map((server, index) => dataHost(`h${index}`, [server]));
    const days = records([...day, '2022-01-29']);
    return {
      servers,
      writable: servers,
      stores: { 'two data nodes on two servers': () => ofSink(settings(hosts, { hostOf }), days) },
    };
  },
  async dual() {
    const { masters, replicas } = await dualMaster();
    const host = dataHost('h', masters, { balance: 1, replicas: replicas.map((each) => [each]) });
    return {
      servers: [...masters, ...replicas],
      writable: [masters[0]],
      stores: { 'dual master, two replicas, semi-synchronous': () => ofSink(settings([host]), records(day)) },
    };
  },
  async galera() {
    const nodes = await galera(3);
    const cluster = settings([dataHost('h', nodes, { switchType: 3 })]);
    return {
      servers: nodes,
      writable: nodes.slice(0, 1),
      stores: { 'Galera of three': () => ofSink(cluster, records(day)) },
    };
  },
};

for (const name of wanted.length > 0 ? wanted : Object.keys(topologies)) {
  if (name === 'galera' && whyNoGalera() !== undefined) continue;
  const topology = await topologies[name]?.();
  if (topology === undefined) throw new Error(`no topology ${name}: ${Object.keys(topologies).join(', ')}`);
  const { servers, writable, stores } = topology;
  const inserts = (): Promise<Measured> => plain(writable, records(day));
  const all = Object.entries({ 'plain multi-row insert': inserts, ...stores });
  const results = new Map(all.map(([what]) => [what, [] as Measured[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [what, measure] of all) {
      await dropAll(writable);
      results.get(what)?.push(await measure());
    }
  }
  const base = results.get('plain multi-row insert') ?? [];
  console.table(
    [...results].map(([what, values]) => ({
      topology: name,
      what,
      'rows/s': Math.round(median(values.map((value) => value.rowsPerSecond))),
      'ratio (median of rounds)': median(
        values.map((value, round) => value.rowsPerSecond / (base[round]?.rowsPerSecond ?? 1)),
      ).toFixed(2),
      'CPU here, µs a row': Math.round(median(values.map((value) => value.cpuMicrosecondsPerRow))),
    })),
  );
  for (const server of servers) await server.remove();
}
