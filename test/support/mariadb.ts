/**
 * Private MariaDB servers for tests: each with its own data directory, port and socket, and gone when the
 * process that started it is gone, however it ended.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import type { Server } from '../../src/store/mysql/types.ts';
import { dataRoot, findProgram, template } from './mariadb-data.ts';

export const testUser = { user: 'mailproc', password: "test'secret" } as const;

const installHint = 'no mariadbd here: apt-get install mariadb-server';
const galeraProvider = '/usr/lib/galera/libgalera_smm.so';
const isRoot = process.getuid?.() === 0;
const startTimeoutMs = 90_000;

export interface MariadbServer {
  readonly port: number;
  readonly socketPath: string;
  /** As a cluster names it. */
  server(name: string): Server;
  /** As the tests' user, or as root over the socket. */
  connect(options?: { readonly asRoot?: boolean; readonly database?: string }): Promise<Connection>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** After `kill`: on the same data and port. */
  start(): Promise<void>;
  /** SIGSTOP: alive and silent. */
  pause(): void;
  resume(): void;
  /** Kills it and removes its data. */
  remove(): Promise<void>;
}

/** undefined where a server can be started; else why not, to skip tests with. Installs it where that is possible. */
export function whyNoMariadb(): string | undefined {
  if (findProgram('mariadbd') !== undefined) return undefined;
  if (isRoot && findProgram('apt-get') !== undefined) {
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['install', '-y', '-qq', 'mariadb-server'], { stdio: 'ignore', env: environment });
  }
  return findProgram('mariadbd') === undefined ? installHint : undefined;
}

export function whyNoGalera(): string | undefined {
  const reason = whyNoMariadb();
  if (reason !== undefined) return reason;
  if (!existsSync(galeraProvider)) return 'no Galera here: apt-get install galera-4';
  if (findProgram('rsync') === undefined) return 'no rsync here: apt-get install rsync';
  return undefined;
}

/** One server; removed at the end of the test where a context is given. `starts`: arguments of its starts alone. */
export async function mariadbServer(
  context?: TestContext,
  extraArguments: readonly string[] = [],
  starts: Starts = {},
): Promise<MariadbServer> {
  const server = new PrivateServer(extraArguments, starts);
  context?.after(() => server.remove());
  await server.start();
  return server;
}

export interface DualMaster {
  /** Each replicates from the other. */
  readonly masters: readonly [MariadbServer, MariadbServer];
  /** Each from the master of the same place. */
  readonly replicas: readonly [MariadbServer, MariadbServer];
}

/**
 * Two masters and a replica each, with GTIDs. What a master acknowledges its twin has received (semi-synchronous),
 * and what both wrote alike is no conflict (idempotent).
 */
export async function dualMaster(context?: TestContext): Promise<DualMaster> {
  const binaryLog = (id: number, domain: number, isMaster: boolean): string[] => [
    `--server-id=${id}`,
    `--gtid-domain-id=${domain}`,
    '--log-bin=mysql-bin',
    '--relay-log=relay',
    '--binlog-format=ROW',
    '--log-slave-updates=ON',
    '--slave-exec-mode=IDEMPOTENT',
    '--slave-net-timeout=4',
    `--rpl-semi-sync-master-enabled=${isMaster ? 'ON' : 'OFF'}`,
    `--rpl-semi-sync-slave-enabled=${isMaster ? 'ON' : 'OFF'}`,
    '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
    '--rpl-semi-sync-master-timeout=3000',
    '--gtid-strict-mode=ON',
    `--read-only=${isMaster ? 'OFF' : 'ON'}`,
  ];
  const comesBack = { first: [], later: ['--init-rpl-role=SLAVE'] };
  const [first, firstReplica, second, secondReplica] = await Promise.all([
    mariadbServer(context, binaryLog(1, 1, true), comesBack),
    mariadbServer(context, binaryLog(2, 1, false)),
    mariadbServer(context, binaryLog(3, 2, true), comesBack),
    mariadbServer(context, binaryLog(4, 2, false)),
  ]);
  await Promise.all([
    replicate(second, first),
    replicate(first, second),
    replicate(firstReplica, first),
    replicate(secondReplica, second),
  ]);
  return { masters: [first, second], replicas: [firstReplica, secondReplica] };
}

async function replicate(replica: MariadbServer, master: MariadbServer): Promise<void> {
  const connection = await replica.connect({ asRoot: true });
  try {
    await connection.query(
      `CHANGE MASTER TO master_host='127.0.0.1', master_port=${master.port}, master_user='slave',
        master_password='x', master_use_gtid=slave_pos, master_connect_retry=1, master_heartbeat_period=1`,
    );
    await connection.query('START SLAVE');
  } finally {
    connection.destroy();
  }
}

/** Nodes of one Galera cluster, all in step; runs as user mysql where the tests run as root. */
export async function galera(count: number, context?: TestContext): Promise<readonly MariadbServer[]> {
  const ports = await freePorts(count * 3);
  const group = (index: number): number => ports[index * 3] ?? 0;
  const addresses = Array.from({ length: count }, (_, index) => `127.0.0.1:${group(index)}`).join(',');
  const nodes: MariadbServer[] = [];
  for (let index = 0; index < count; index++) {
    const node = new PrivateServer(
      galeraArguments(group(index), ports[index * 3 + 1] ?? 0, ports[index * 3 + 2] ?? 0),
      {
        ...(index === 0 ? { first: ['--wsrep-new-cluster', '--wsrep-cluster-address=gcomm://'] } : {}),
        later: [`--wsrep-cluster-address=gcomm://${addresses}`],
      },
    );
    context?.after(() => node.remove());
    await node.start();
    nodes.push(node);
  }
  return nodes;
}

function galeraArguments(groupPort: number, incrementalPort: number, statePort: number): string[] {
  const options = [
    `gmcast.listen_addr=tcp://127.0.0.1:${groupPort}`,
    `ist.recv_addr=127.0.0.1:${incrementalPort}`,
    'gcache.size=16M',
    // Shorter ones break the cluster of a machine that is busy: who is late is taken for dead.
    'evs.suspect_timeout=PT3S',
    'evs.inactive_timeout=PT10S',
  ];
  return [
    '--wsrep-on=ON',
    `--wsrep-provider=${galeraProvider}`,
    '--binlog-format=ROW',
    '--innodb-autoinc-lock-mode=2',
    '--wsrep-sst-method=rsync',
    '--wsrep-cluster-name=mailproc-test',
    `--wsrep-node-address=127.0.0.1:${groupPort}`,
    `--wsrep-sst-receive-address=127.0.0.1:${statePort}`,
    `--wsrep-provider-options=${options.join(';')}`,
  ];
}

interface Starts {
  /** Without it, as the later ones. */
  readonly first?: readonly string[];
  readonly later?: readonly string[];
}

class PrivateServer implements MariadbServer {
  port = 0;
  readonly socketPath: string;
  readonly #folder: string;
  readonly #arguments: readonly string[];
  #firstArguments: readonly string[];
  readonly #laterArguments: readonly string[];
  #watchdog: ReturnType<typeof spawn> | undefined;

  constructor(fixed: readonly string[], { later = [], first = later }: Starts) {
    this.#folder = mkdtempSync(join(dataRoot(), 'mailproc-db-'));
    this.socketPath = join(this.#folder, 's.sock');
    this.#arguments = fixed;
    this.#firstArguments = first;
    this.#laterArguments = later;
    cpSync(template(), join(this.#folder, 'data'), { recursive: true });
    mkdirSync(join(this.#folder, 'tmp'));
    writeFileSync(join(this.#folder, 'init.sql'), initialStatements);
    if (isRoot) execFileSync('chown', ['-R', 'mysql:', this.#folder]);
  }

  server(name: string): Server {
    return { name, host: '127.0.0.1', port: this.port, socketPath: undefined, tls: undefined, ...testUser };
  }

  async connect(options: { asRoot?: boolean; database?: string } = {}): Promise<Connection> {
    const account = options.asRoot ? { socketPath: this.socketPath, user: 'root' } : this.server('');
    const { user, socketPath } = account;
    return createConnection({
      user,
      ...(socketPath === undefined
        ? { host: '127.0.0.1', port: this.port, password: testUser.password }
        : { socketPath }),
      ...(options.database === undefined ? {} : { database: options.database }),
      dateStrings: true,
      multipleStatements: true,
    });
  }

  async start(): Promise<void> {
    if (this.port === 0) this.port = (await freePorts(1))[0] ?? 0;
    this.#launch([...this.#arguments, ...this.#firstArguments]);
    this.#firstArguments = this.#laterArguments;
    await this.#ready();
  }

  async kill(): Promise<void> {
    const pid = this.#processId();
    if (pid !== undefined) signal(pid, 'SIGKILL');
    await this.#endWatchdog();
  }

  pause(): void {
    signal(this.#processId() ?? 0, 'SIGSTOP');
  }

  resume(): void {
    signal(this.#processId() ?? 0, 'SIGCONT');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /**
   * The shell is the only parent the server has. It waits for the end of its standard input, which comes
   * when this process closes it or dies, and takes the server with it.
   */
  #launch(extra: readonly string[]): void {
    const script = `"$@" >>"$0/log" 2>&1 & server=$!; echo $server >"$0/pid"; read -r line; kill -9 $server; wait $server
      [ "$line" = keep ] || rm -rf "$0"`;
    rmSync(join(this.#folder, 'pid'), { force: true });
    const folder = this.#folder;
    const program = findProgram('mariadbd') ?? 'mariadbd';
    const settings = [
      '--no-defaults',
      ...(isRoot ? ['--user=mysql'] : []),
      `--datadir=${join(folder, 'data')}`,
      `--tmpdir=${join(folder, 'tmp')}`,
      `--socket=${this.socketPath}`,
      `--port=${this.port}`,
      `--init-file=${join(folder, 'init.sql')}`,
      ...commonArguments,
      ...extra,
    ];
    this.#watchdog = spawn('/bin/sh', ['-c', script, folder, program, ...settings], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#watchdog.stdin?.on('error', () => {});
    this.#watchdog.unref();
    (this.#watchdog.stdin as unknown as { unref(): void }).unref();
  }

  async #ready(): Promise<void> {
    const isGalera = this.#arguments.includes('--wsrep-on=ON');
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      try {
        const connection = await this.connect();
        const [rows] = await connection.query(`SHOW STATUS LIKE 'wsrep_local_state_comment'`);
        connection.destroy();
        const state = (rows as { Value: string }[])[0]?.Value;
        if (!isGalera || state === 'Synced') return;
        throw new Error(`Galera is ${state}`);
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`${String(error)}\n${this.#log()}`);
        await sleep(50);
      }
    }
  }

  #log(): string {
    try {
      return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-3000);
    } catch {
      return '';
    }
  }

  #processId(): number | undefined {
    try {
      return Number(readFileSync(join(this.#folder, 'pid'), 'utf8')) || undefined;
    } catch {
      return undefined;
    }
  }

  async #endWatchdog(): Promise<void> {
    const watchdog = this.#watchdog;
    if (watchdog === undefined) return;
    this.#watchdog = undefined;
    const ended = watchdog.exitCode === null ? once(watchdog, 'exit') : undefined;
    watchdog.ref();
    watchdog.stdin?.end('keep\n');
    await ended;
  }
}

const commonArguments = [
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--performance-schema=OFF',
  '--innodb-buffer-pool-size=64M',
  '--innodb-log-file-size=48M',
  '--innodb-flush-log-at-trx-commit=2',
  '--aria-pagecache-buffer-size=1M',
];

/** Run at every start, one statement a line; not replicated. */
const initialStatements = `
SET SESSION sql_log_bin=0;
SET SESSION wsrep_on=0;
CREATE USER IF NOT EXISTS mailproc@'127.0.0.1' IDENTIFIED BY 'test''secret';
GRANT ALL ON *.* TO mailproc@'127.0.0.1' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS slave@'127.0.0.1' IDENTIFIED BY 'x';
GRANT REPLICATION SLAVE ON *.* TO slave@'127.0.0.1';
`;

/** Held open together, so that all differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}
