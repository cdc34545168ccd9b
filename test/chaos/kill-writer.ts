/**
 * Kills writers and servers at random moments and counts what is in the tables afterwards: every mail once,
 * every id once, in the table of its day, and `mailproc verify` of the same opinion.
 * `node dist/test/chaos/kill-writer.js [WRITER_KILLS] [NODE_KILLS] [--topology one|two|dual|galera] …`
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { groupBy } from '../../src/store/mysql/batch.ts';
import type { DataHost } from '../../src/store/mysql/types.ts';
import { allRows, dayBefore, writerDays } from '../store/mysql/clusters.ts';
import { sampleRecord } from '../store/samples.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  testUser,
  whyNoGalera,
  whyNoMariadb,
} from '../support/mariadb.ts';
import { projectRoot } from '../support/project.ts';

const writer = new URL('../store/mysql/writer.js', import.meta.url);

interface Kills {
  readonly ofWriters: number;
  readonly ofNodes: number;
}

/** Servers by data host, in the order of their masters. */
type Hosts = readonly (readonly MariadbServer[])[];

interface Outcome {
  readonly topology: string;
  readonly kills: string;
  readonly mails: number;
  readonly rows: number;
  readonly lost: number;
  readonly doubled: number;
  readonly 'duplicate ids': number;
  /** Mails whose row did not move to their day. */
  readonly 'on another day': number;
  readonly verify: string;
  /** Rows that are not the same on all servers of a data host, once all have had time to follow. */
  readonly unlike: number;
}

const topologies: Readonly<Record<string, (kills: Kills) => Promise<Outcome[]>>> = {
  async one(kills) {
    const hosts = [[await mariadbServer()]];
    return removing(hosts, killAll({ name: 'one server', hosts, switchType: 1 }, kills));
  },
  async two(kills) {
    const hosts = [[await mariadbServer()], [await mariadbServer()]];
    return removing(hosts, killAll({ name: 'two data nodes on two servers', hosts, switchType: 1 }, kills));
  },
  async dual(kills) {
    const { masters, replicas } = await dualMaster();
    const topology = { name: 'dual master, two replicas', hosts: [masters], switchType: 1 } as const;
    return removing([masters, replicas], killAll(topology, kills));
  },
  async galera(kills) {
    const nodes = await galera(3);
    return removing([nodes], killAll({ name: 'Galera of three', hosts: [nodes], switchType: 3 }, kills));
  },
};

interface Topology {
  readonly name: string;
  readonly hosts: Hosts;
  readonly switchType: DataHost['switchType'];
}

async function killAll(topology: Topology, { ofWriters, ofNodes }: Kills): Promise<Outcome[]> {
  const afterWriters = await killWriters(topology, ofWriters);
  return [afterWriters, await killNodes(topology, afterWriters.mails, ofNodes)];
}

async function removing(hosts: Hosts, outcomes: Promise<Outcome[]>): Promise<Outcome[]> {
  try {
    return await outcomes;
  } finally {
    await Promise.all(hosts.flat().map((server) => server.remove()));
  }
}

/**
 * Each writer has 400 mails, most of which killed ones before it were at, too; what they left open is written by
 * the last, which has them all.
 */
async function killWriters(topology: Topology, kills: number): Promise<Outcome> {
  const step = 100;
  for (let killed = 0; killed < kills; ) {
    const first = killed * step + 1;
    const child = start(topology, first + 399, first);
    const ended = once(child, 'exit');
    await Promise.race([once(child, 'message'), ended]);
    await sleep(Math.random() * 600);
    child.kill('SIGKILL');
    await ended;
    if (child.signalCode === 'SIGKILL') killed++;
    progress(`${topology.name}: ${killed} of ${kills} writers killed`);
  }
  const mails = kills * step + 400;
  await finished(start(topology, mails));
  return outcome(topology, `${kills} of the writer`, mails);
}

/**
 * The active master of a data host is killed while a writer writes, and comes back: as a stand-by, and its twin is
 * next. Where it has no twin, the writer ends with an error, and the next one finishes its work.
 */
async function killNodes(topology: Topology, before: number, kills: number): Promise<Outcome> {
  let mails = before;
  for (let kill = 0; kill < kills; kill++) {
    const from = mails + 1;
    mails += 1000;
    const servers = topology.hosts[kill % topology.hosts.length] ?? [];
    const victim = servers[kill % servers.length];
    if (victim === undefined) continue;
    // In ring order from the victim: it is the active one.
    const hosts = topology.hosts.map((masters) => {
      const place = masters.indexOf(victim);
      return place < 0 ? masters : [...masters.slice(place), ...masters.slice(0, place)];
    });
    const child = start({ ...topology, hosts }, mails, from);
    const ended = once(child, 'exit');
    await Promise.race([once(child, 'message'), ended]);
    await sleep(Math.random() * 600);
    await victim.kill();
    const [code] = await ended;
    await victim.start();
    if (servers.length === 1) await finished(start(topology, mails, from));
    else if (code !== 0) throw new Error(`the writer ended with ${code}`);
    else await eventually(async () => (await allRows(victim)).length === mails);
    progress(`${topology.name}: ${kill + 1} of ${kills} nodes killed`);
  }
  return outcome(topology, `${kills} of nodes`, mails);
}

function portsOf(hosts: Hosts): number[][] {
  return hosts.map((masters) => masters.map(({ port }) => port));
}

function start({ hosts, switchType }: Topology, mails: number, first = 1): ChildProcess {
  const ports = portsOf(hosts).map((masters) => masters.join(','));
  return fork(writer, [ports.join('/'), String(mails), String(switchType), String(first)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

async function outcome(topology: Topology, kills: string, mails: number): Promise<Outcome> {
  const { name, hosts } = topology;
  const found = await Promise.all(
    hosts.flatMap(([server]) => (server === undefined ? [] : [allRows(server)])),
  );
  const rows = found.flat();
  const subjects = new Set(rows.map((row) => row.mail_subject));
  if (subjects.size !== mails || rows.length !== mails) {
    for (const server of hosts.flat()) await tell(server, mails);
  }
  return {
    topology: name,
    kills,
    mails,
    rows: rows.length,
    lost: mails - subjects.size,
    doubled: rows.length - subjects.size,
    'duplicate ids': rows.length - new Set(rows.map((row) => row.id)).size,
    'on another day': rows.filter((row) => row.insert_time === dayBefore).length,
    verify: verify(topology),
    unlike: (await Promise.all(hosts.map(unlikeRows))).reduce((sum, each) => sum + each, 0),
  };
}

async function unlikeRows(servers: readonly MariadbServer[]): Promise<number> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const [first = [], ...others] = await Promise.all(
      servers.map(async (server) => (await allRows(server)).map((row) => JSON.stringify(row))),
    );
    const known = new Set(first);
    const unlike = others.reduce(
      (sum, rows) =>
        sum + rows.filter((row) => !known.has(row)).length + Math.max(0, first.length - rows.length),
      0,
    );
    if (unlike === 0 || Date.now() > deadline) return unlike;
    await sleep(500);
  }
}

/** Mails that are not there once, and where what there is of them is. */
async function tell(server: MariadbServer, mails: number): Promise<void> {
  const bySubject = groupBy(await allRows(server), ({ mail_subject }) => mail_subject);
  progress(`on port ${server.port}:`);
  for (let number = 1; number <= mails; number++) {
    const { mail_subject } = sampleRecord(number).columns;
    if (!bySubject.has(mail_subject)) progress(`  none of ${mail_subject}`);
  }
  for (const [subject, rows] of bySubject) {
    const places = rows.map(({ id, insert_time }) => `${id} of ${insert_time}`);
    if (rows.length > 1) progress(`  ${rows.length} of ${subject}: ${places.slice(0, 20).join(', ')}`);
  }
}

/** What the command says of the whole store. */
function verify({ hosts, switchType }: Topology): string {
  const folder = mkdtempSync(join(tmpdir(), 'mailproc-chaos-'));
  try {
    const file = join(folder, 'cluster.yaml');
    writeFileSync(file, clusterFile(portsOf(hosts), switchType));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(projectRoot, 'bin/mailproc.js'), 'verify', '--store', `cluster:${file}`],
      { encoding: 'utf8', env: { ...process.env, CLUSTER_PASSWORD: testUser.password } },
    );
    return status === 0
      ? (/\(([\d,]+ rows in .*)\)/.exec(stdout)?.[1] ?? stdout)
      : `${status}: ${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What `writerSettings` says, as an operator would write it. */
function clusterFile(ports: readonly (readonly number[])[], switchType: number): string {
  const protocols = ['smtp', 'pop3', 'imap'];
  const hosts = ports.map((masters, place) => {
    const servers = masters.map((port) => `"127.0.0.1:${port}"`).join(', ');
    return `  h${place}: { switchType: ${switchType}, masters: [${servers}] }`;
  });
  const nodes = protocols.flatMap((protocol) =>
    ports.map((_, place) => `  ${protocol}${place}: { dataHost: h${place}, database: ${protocol}_database }`),
  );
  const tables = protocols.map(
    (protocol) => `  ${protocol}_*: [${ports.map((_, place) => `${protocol}${place}`).join(', ')}]`,
  );
  return `login: { user: ${testUser.user}, password: { environment: CLUSTER_PASSWORD } }
dataHosts:
${hosts.join('\n')}
dataNodes:
${nodes.join('\n')}
${ports.length === 1 ? '' : `rule: { dateFormat: yyyy-MM-dd, sBeginDate: ${writerDays[0]}, sPartionDay: 1 }`}
tables:
${tables.join('\n')}
sequence: { kind: database, dataNode: smtp0, name: MAIL }
`;
}

async function finished(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the writer ended with ${code}`);
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 120_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('a server that came back did not get the rows of the others');
    await sleep(100);
  }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { topology: { type: 'string', multiple: true } },
});
const [ofWriters = 60, ofNodes = 10] = positionals.map(Number);
const reason = whyNoMariadb();
if (reason !== undefined) throw new Error(reason);
const outcomes: Outcome[] = [];
for (const name of values.topology ?? Object.keys(topologies)) {
  const run = topologies[name];
  if (run === undefined) throw new Error(`no topology ${name}: ${Object.keys(topologies).join(', ')}`);
  if (name === 'galera' && whyNoGalera() !== undefined) progress(whyNoGalera() ?? '');
  else outcomes.push(...(await run({ ofWriters, ofNodes })));
}
console.table(outcomes);
const isWhole = outcomes.every(
  (each) =>
    each.lost + each.doubled + each['duplicate ids'] + each['on another day'] + each.unlike === 0 &&
    each.verify.startsWith(`${each.rows.toLocaleString('en-US')} rows in `),
);
process.exit(isWhole ? 0 : 1);
