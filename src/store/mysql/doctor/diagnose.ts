/**
 * Looks after a cluster: logs in to every server in its role, and tells what is wrong with it, with the way
 * between the servers, and with the databases, tables, ids and captures on them. Nothing is changed for good.
 */
import type { MailprocError } from '../../../core/errors.ts';
import { type Diagnosis, type Finding, joined } from '../../finding.ts';
import { readActiveHosts } from '../active-host.ts';
import { hasStandBy } from '../config/settings.ts';
import { MysqlConnection } from '../connection.ts';
import { mysqlError } from '../mysql-error.ts';
import type { ClusterSettings, DataHost } from '../types.ts';
import { failoverFindings } from './failover-findings.ts';
import { galeraFindings } from './galera-findings.ts';
import { databasesOn, nodeFindings } from './nodes.ts';
import { replicationFindings } from './replication-findings.ts';
import { mebibytes, serverFindings } from './server-findings.ts';
import { type Examined, type FreeSpace, freeSpaceOf, type Post, readStatus } from './server-status.ts';
import { zoneFindings, zoneInstants } from './zone-findings.ts';

export interface DoctorOptions {
  /** Without a password. */
  readonly url: string;
  /** Zone of the rows. */
  readonly timeZone: string;
  readonly now?: () => number;
  readonly freeSpace?: (directory: string) => Promise<FreeSpace | undefined>;
}

export async function diagnoseMysql(settings: ClusterSettings, options: DoctorOptions): Promise<Diagnosis> {
  const active =
    settings.activeHostFile === undefined
      ? new Map<string, number>()
      : await readActiveHosts(settings.activeHostFile);
  const posts = settings.dataHosts.flatMap((dataHost) => postsOf(dataHost, active.get(dataHost.name) ?? 0));
  const findings: Finding[] = [];
  const examined: Examined[] = [];
  const seen: string[] = [];
  try {
    for (const visit of await Promise.all(posts.map((post) => examine(post, options)))) {
      seen.push(visit.seen);
      if (visit.finding !== undefined) findings.push(visit.finding);
      if (visit.examined !== undefined) examined.push(visit.examined);
    }
    for (const dataHost of settings.dataHosts) {
      const there = examined.filter((post) => post.dataHost === dataHost);
      findings.push(...there.flatMap(serverFindings), ...zoneFindings(there, options.timeZone));
      findings.push(
        ...replicationFindings(there, databasesOn(settings, dataHost)),
        ...failoverFindings(there),
        ...galeraFindings(there),
      );
    }
    const nodes = await nodeFindings(settings, examined, options.now ?? Date.now);
    seen.push(...nodes.seen);
    findings.push(...nodes.findings);
  } finally {
    for (const { connection } of examined) connection.destroy();
  }
  return { store: options.url, seen, findings: joined(findings) };
}

function postsOf(dataHost: DataHost, activeIndex: number): Post[] {
  const active = activeIndex < dataHost.writeHosts.length ? activeIndex : 0;
  return dataHost.writeHosts.flatMap(({ server, readHosts }, index): Post[] => [
    { server, dataHost, role: index === active ? 'active master' : 'stand-by master' },
    ...readHosts.map((host): Post => ({ server: host.server, dataHost, role: 'replica' })),
  ]);
}

interface Visit {
  readonly seen: string;
  readonly examined?: Examined;
  readonly finding?: Finding;
}

async function examine(post: Post, options: DoctorOptions): Promise<Visit> {
  const { server, role, dataHost } = post;
  const where = server.socketPath ?? `${server.host}:${server.port}`;
  const name = server.name === where ? where : `${server.name} (${where})`;
  const place = `${name}, ${role} of data host ${dataHost.name}`;
  let connection: MysqlConnection | undefined;
  try {
    connection = await MysqlConnection.connect(server);
    const surroundings = {
      now: options.now ?? Date.now,
      instants: zoneInstants,
      freeSpace: options.freeSpace ?? freeSpaceOf,
    };
    const status = await readStatus(connection, surroundings);
    const room =
      status.freeSpace === undefined
        ? 'free space not known from here'
        : `${mebibytes(status.freeSpace.freeBytes)} free`;
    const seen = `${place}: ${connection.facts.version}, logged in as ${server.user}, ${room}`;
    return { seen, examined: { ...post, connection, status } };
  } catch (cause) {
    connection?.destroy();
    const error = mysqlError(cause, 'connect');
    return { seen: `${place}: not reached`, finding: unreachable(post, error) };
  }
}

/** A store without its active master, and without one that could take over, cannot be used. */
function unreachable(post: Post, error: MailprocError): Finding {
  const { server, role, dataHost } = post;
  return {
    code: error.code === 'store.access-denied' ? 'mysql.login' : 'mysql.unreachable',
    weight: role === 'active master' && !hasStandBy(dataHost) ? 'unreachable' : 'problem',
    about: server.name,
    what: `${error.message.replace(/^connect: /, '')} (${role} of data host ${dataHost.name}, user ${server.user})`,
    remedy: error.hint ?? 'start the server, and check its address',
  };
}
