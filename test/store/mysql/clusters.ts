/** Settings of clusters of test servers, and their rows read without a sink. */
import type { IdRange, IdSource } from '../../../src/store/mysql/sequence/types.ts';
import type { ClusterSettings, DataHost, DataNode, MailProtocol } from '../../../src/store/mysql/types.ts';
import { tableName } from '../../../src/store/row.ts';
import type { StoredRow } from '../../../src/store/sink.ts';
import { type MariadbServer, testUser } from '../../support/mariadb.ts';

export function dataHost(
  name: string,
  masters: readonly MariadbServer[],
  changes: Partial<DataHost> & { readonly replicas?: readonly (readonly MariadbServer[])[] } = {},
): DataHost {
  const { replicas, ...rest } = changes;
  return {
    name,
    writeHosts: masters.map((master, index) => ({
      server: master.server(`${name}M${index + 1}`),
      readHosts: (replicas?.[index] ?? []).map((replica, place) => ({
        server: replica.server(`${name}S${index + 1}-${place + 1}`),
        weight: 1,
      })),
    })),
    balance: 0,
    switchType: 1,
    slaveThreshold: -1,
    heartbeat: { statement: 'select user()', intervalMs: 200, missesMax: 5 },
    maxConnections: 8,
    ...rest,
  };
}

/** A database for each protocol. `hostOf` spreads the days over data hosts. */
export function settings(
  dataHosts: readonly DataHost[],
  changes: Partial<ClusterSettings> & {
    readonly hostOf?: (day: string) => number;
    readonly prefix?: string;
  } = {},
): ClusterSettings {
  const { hostOf = () => 0, prefix = '', ...rest } = changes;
  const nodeOf = (protocol: MailProtocol, host: number): DataNode => ({
    name: `${protocol}-${host}`,
    dataHost: dataHosts[host]?.name ?? '',
    database: `${prefix}${protocol}_database`,
  });
  const nodes = dataHosts.flatMap((_, host) =>
    (['smtp', 'pop3', 'imap'] as const).map((name) => nodeOf(name, host)),
  );
  return {
    dataHosts,
    shardMap: {
      shardOf: (protocol, day) => ({
        dataNode: nodeOf(protocol, hostOf(day)),
        table: tableName(protocol, day),
      }),
      dataNodes: () => nodes,
    },
    sequence: { kind: 'database', dataNode: 'smtp-0', name: 'MAIL' },
    schema: 'wide',
    activeHostFile: undefined,
    warnings: [],
    ...rest,
  };
}

/** The days of the mails of `writer.ts`: as many as data hosts are used. */
export const writerDays = ['2022-01-28', '2022-01-29'] as const;

/** On the first data host; mails move from it to their days. */
export const dayBefore = '2022-01-27';

/** Of servers by the ports of their data hosts' masters; each data host has its day. */
export function writerSettings(
  ports: readonly (readonly number[])[],
  switchType: DataHost['switchType'],
): ClusterSettings {
  const hosts = ports.map((masters, place): DataHost => {
    const name = `h${place || ''}`;
    const writeHosts = masters.map((port, index) => ({
      server: {
        name: `${name}M${index + 1}`,
        host: '127.0.0.1',
        port,
        socketPath: undefined,
        tls: undefined,
        ...testUser,
      },
      readHosts: [],
    }));
    return { ...dataHost(name, [], { switchType }), writeHosts };
  });
  return settings(hosts, { hostOf: (day) => (day === writerDays[1] && hosts.length > 1 ? 1 : 0) });
}

/** Ids without gaps, shared by all sinks that have it. */
export class CountingIds implements IdSource {
  readonly idBits = 31;
  #last = 0n;

  async take(count: number): Promise<readonly IdRange[]> {
    const first = this.#last + 1n;
    this.#last += BigInt(count);
    return [{ first, last: this.#last }];
  }

  discard(): void {}
}

/** Rows of all day tables by id. */
export async function allRows(server: MariadbServer, prefix = ''): Promise<StoredRow[]> {
  const connection = await server.connect();
  try {
    await connection.query(`SET SESSION sql_mode = ''`);
    const [tables] = await connection.query(
      `SELECT table_schema AS s, table_name AS t FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_name REGEXP '_[0-9]+_[0-9]+_[0-9]+$' AND LEFT(table_schema, ?) = ?`,
      [prefix.length, prefix],
    );
    const rows: StoredRow[] = [];
    for (const { s, t } of tables as { s: string; t: string }[]) {
      const [found] = await connection.query(`SELECT * FROM \`${s}\`.\`${t}\``);
      for (const row of found as StoredRow[]) rows.push(row);
    }
    return rows.sort((left, right) => Number(left.id) - Number(right.id));
  } finally {
    connection.destroy();
  }
}
