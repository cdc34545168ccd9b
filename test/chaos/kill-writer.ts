/**
 * Kills writers and servers at random moments and counts what is in the tables afterwards: every mail once,
 * every id once, the ledger in agreement.
 * `node dist/test/chaos/kill-writer.js [WRITER_KILLS] [NODE_KILLS] [--topology one|two|dual|galera] …`
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MysqlSink } from '../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../src/store/mysql/types.ts';
import { allRows, writerDays, writerSettings } from '../store/mysql/clusters.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
  whyNoMariadb,
} from '../support/mariadb.ts';

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
  readonly 'ledger agrees': boolean;
}

const topologies: Readonly<Record<string, (kills: Kills) => Promise<Outcome>>> = {
  async one({ ofWriters }) {
    const hosts = [[await mariadbServer()]];
    return removing(hosts, killWriters('one server', hosts, ofWriters));
  },
  async two({ ofWriters }) {
    const hosts = [[await mariadbServer()], [await mariadbServer()]];
    return removing(hosts, killWriters('two data nodes on two servers', hosts, ofWriters));
  },
  async dual({ ofNodes }) {
    const { masters, replicas } = await dualMaster();
    return removing([masters, replicas], killNodes('dual master, two replicas', masters, 1, ofNodes));
  },
  async galera({ ofNodes }) {
    const nodes = await galera(3);
    return removing([nodes], killNodes('Galera of three', nodes, 3, ofNodes));
  },
};

async function removing(hosts: Hosts, outcome: Promise<Outcome>): Promise<Outcome> {
  try {
    return await outcome;
  } finally {
    await Promise.all(hosts.flat().map((server) => server.remove()));
  }
}

/**
 * Each writer has 400 mails, most of which killed ones before it were at, too; what they left open is written by
 * the last, which has them all.
 */
async function killWriters(topology: string, hosts: Hosts, kills: number): Promise<Outcome> {
  const step = 100;
  for (let killed = 0; killed < kills; ) {
    const first = killed * step + 1;
    const child = start(hosts, first + 399, 1, first);
    const ended = once(child, 'exit');
    await Promise.race([once(child, 'message'), ended]);
    await sleep(Math.random() * 300);
    child.kill('SIGKILL');
    await ended;
    if (child.signalCode === 'SIGKILL') killed++;
    progress(`${topology}: ${killed} of ${kills} writers killed`);
  }
  const mails = kills * step + 400;
  await finished(start(hosts, mails, 1));
  return outcome(topology, `${kills} of the writer`, hosts, mails, 1);
}

/** The active master is killed while a writer writes, comes back as a stand-by, and its twin is next. */
async function killNodes(
  topology: string,
  servers: readonly MariadbServer[],
  switchType: DataHost['switchType'],
  kills: number,
): Promise<Outcome> {
  let mails = 0;
  for (let kill = 0; kill < kills; kill++) {
    mails += 1000;
    const victim = servers[kill % servers.length];
    if (victim === undefined) continue;
    // In ring order from the victim: it is the active one.
    const masters = [...servers.slice(kill % servers.length), ...servers.slice(0, kill % servers.length)];
    const child = start([masters], mails, switchType);
    const ended = finished(child);
    await once(child, 'message');
    await sleep(Math.random() * 600);
    await victim.kill();
    await ended;
    await victim.start();
    await eventually(async () => (await allRows(victim)).length === mails);
    progress(`${topology}: ${kill + 1} of ${kills} nodes killed`);
  }
  return outcome(topology, `${kills} of nodes`, [servers], mails, switchType);
}

function start(hosts: Hosts, mails: number, switchType: number, first = 1): ChildProcess {
  const ports = hosts.map((masters) => masters.map(({ port }) => port).join(',')).join('/');
  return fork(writer, [ports, String(mails), String(switchType), String(first)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

async function outcome(
  topology: string,
  kills: string,
  hosts: Hosts,
  mails: number,
  switchType: DataHost['switchType'],
): Promise<Outcome> {
  const found = await Promise.all(
    hosts.flatMap(([server]) => (server === undefined ? [] : [allRows(server)])),
  );
  const rows = found.flat();
  const subjects = new Set(rows.map((row) => row.mail_subject));
  const ports = hosts.map((masters) => masters.map(({ port }) => port));
  const sink = new MysqlSink(writerSettings(ports, switchType));
  await sink.open();
  let agrees = true;
  for (const day of writerDays) {
    const [written, counted] = [await sink.ledger.rows(day), await sink.ledger.count(day)];
    agrees &&= JSON.stringify(written) === JSON.stringify(counted);
  }
  await sink.close();
  return {
    topology,
    kills,
    mails,
    rows: rows.length,
    lost: mails - subjects.size,
    doubled: rows.length - subjects.size,
    'duplicate ids': rows.length - new Set(rows.map((row) => row.id)).size,
    'ledger agrees': agrees,
  };
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
  else outcomes.push(await run({ ofWriters, ofNodes }));
}
console.table(outcomes);
const isWhole = outcomes.every(
  (each) => each.lost + each.doubled + each['duplicate ids'] === 0 && each['ledger agrees'],
);
process.exit(isWhole ? 0 : 1);
