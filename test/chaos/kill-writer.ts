/**
 * Kills writers and servers at random moments and counts what is in the tables afterwards: every mail once,
 * every id once, the ledger in agreement. `node dist/test/chaos/kill-writer.js [WRITER_KILLS] [NODE_KILLS]`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MysqlSink } from '../../src/store/mysql/mysql-sink.ts';
import type { DataHost } from '../../src/store/mysql/types.ts';
import { allRows, dataHost, settings } from '../store/mysql/clusters.ts';
import { day } from '../store/samples.ts';
import {
  dualMaster,
  galera,
  type MariadbServer,
  mariadbServer,
  whyNoGalera,
  whyNoMariadb,
} from '../support/mariadb.ts';

const writer = new URL('../store/mysql/writer.js', import.meta.url);
const [writerKills = 60, nodeKills = 10] = process.argv.slice(2).map(Number);

interface Outcome {
  readonly topology: string;
  readonly kills: string;
  readonly mails: number;
  readonly rows: number;
  readonly lost: number;
  readonly doubled: number;
  readonly doubledIds: number;
  readonly ledgerAgrees: boolean;
}

function start(masters: readonly MariadbServer[], mails: number, switchType: number): ChildProcess {
  const ports = masters.map(({ port }) => port).join(',');
  return fork(writer, [ports, String(mails), String(switchType)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

async function killWriters(server: MariadbServer): Promise<Outcome> {
  const mails = 4000;
  let killed = 0;
  while (killed < writerKills) {
    const child = start([server], mails, 1);
    const ended = once(child, 'exit');
    await Promise.race([once(child, 'message'), ended]);
    await sleep(Math.random() * 200);
    child.kill('SIGKILL');
    await ended;
    if (child.signalCode === 'SIGKILL') killed++;
    // All is written already: the next ones would find nothing to do.
    if (child.exitCode === 0) break;
  }
  await finished(start([server], mails, 1));
  return outcome('one server', `${killed} of the writer`, [server], mails, 1);
}

/** The active master is killed while a writer writes, comes back as a stand-by, and its twin is next. */
async function killNodes(
  topology: string,
  servers: readonly MariadbServer[],
  switchType: DataHost['switchType'],
): Promise<Outcome> {
  let mails = 0;
  for (let kill = 0; kill < nodeKills; kill++) {
    mails += 2000;
    const victim = servers[kill % servers.length];
    if (victim === undefined) continue;
    // In ring order from the victim: it is the active one.
    const masters = [...servers.slice(kill % servers.length), ...servers.slice(0, kill % servers.length)];
    const child = start(masters, mails, switchType);
    const ended = finished(child);
    await once(child, 'message');
    await sleep(Math.random() * 400);
    await victim.kill();
    await ended;
    await victim.start();
    await eventually(async () => (await allRows(victim)).length === mails);
  }
  return outcome(topology, `${nodeKills} of nodes`, servers, mails, switchType);
}

async function outcome(
  topology: string,
  kills: string,
  servers: readonly MariadbServer[],
  mails: number,
  switchType: DataHost['switchType'],
): Promise<Outcome> {
  const rows = await allRows(servers[0] as MariadbServer);
  const subjects = new Set(rows.map((row) => row.mail_subject));
  const sink = new MysqlSink(settings([dataHost('h', servers, { switchType })]));
  await sink.open();
  const [written, counted] = [await sink.ledger.rows(day), await sink.ledger.count(day)];
  await sink.close();
  return {
    topology,
    kills,
    mails,
    rows: rows.length,
    lost: mails - subjects.size,
    doubled: rows.length - subjects.size,
    doubledIds: rows.length - new Set(rows.map((row) => row.id)).size,
    ledgerAgrees: JSON.stringify(written) === JSON.stringify(counted),
  };
}

async function finished(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the writer ended with ${code}`);
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('a server that came back did not get the rows of the others');
    await sleep(100);
  }
}

const reason = whyNoMariadb();
if (reason !== undefined) {
  console.error(reason);
  process.exit(1);
}
const outcomes: Outcome[] = [];
const one = await mariadbServer();
outcomes.push(await killWriters(one));
await one.remove();
const { masters, replicas } = await dualMaster();
outcomes.push(await killNodes('dual master, two replicas', masters, 1));
for (const server of [...masters, ...replicas]) await server.remove();
if (whyNoGalera() === undefined) {
  const nodes = await galera(3);
  outcomes.push(await killNodes('Galera of three', nodes, 3));
  for (const node of nodes) await node.remove();
} else console.error(whyNoGalera());
console.table(outcomes);
const isWhole = outcomes.every(
  ({ lost, doubled, doubledIds, ledgerAgrees }) => lost + doubled + doubledIds === 0 && ledgerAgrees,
);
process.exit(isWhole ? 0 : 1);
