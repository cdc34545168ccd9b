/** What is wrong between the servers of a data host: rows that a failover would lose, or readers would not see. */
import { doctorLimits } from '../../../core/limits.ts';
import type { Finding } from '../../finding.ts';
import { hasStandBy } from '../config/settings.ts';
import type { Row } from '../connection.ts';
import { nameOf } from './server-findings.ts';
import type { Examined } from './server-status.ts';

/** `posts` are the servers of one data host that were reached; `databases` those that hold rows or ids there. */
export function replicationFindings(posts: readonly Examined[], databases: readonly string[]): Finding[] {
  const findings = posts.flatMap((post) => [
    ...formatFindings(post),
    ...hiddenFindings(post),
    ...filterFindings(post, databases),
  ]);
  const [first] = posts;
  if (first === undefined || serversOf(first) < 2 || posts.some(({ status }) => status.galera !== undefined))
    return findings;
  return [...findings, ...posts.flatMap(followingFindings), ...identityFindings(posts)];
}

/** Transactions run at READ COMMITTED, which InnoDB cannot log as statements. */
function formatFindings(post: Examined): Finding[] {
  const { variables } = post.status;
  if (!isLogging(post) || variables.get('binlog_format') !== 'STATEMENT') return [];
  return [
    {
      code: 'mysql.binlog-format',
      weight: 'problem',
      about: nameOf(post),
      what: 'binlog_format is STATEMENT: InnoDB refuses the writes of mailproc (error 1665), and filters go by the selected database',
      remedy: 'SET GLOBAL binlog_format = ROW, and the same in my.cnf',
    },
  ];
}

/** Filters stand in no variable: who may not see the state of the log cannot tell whether rows are left out. */
function hiddenFindings(post: Examined): Finding[] {
  const { binaryLog, replication } = post.status;
  // Of servers that follow each other, `followingFindings` asks for both rights where neither is there.
  const isTold = replication === undefined && serversOf(post) > 1;
  if (!isLogging(post) || binaryLog !== undefined || isTold) return [];
  return [
    {
      code: 'mysql.binlog-hidden',
      weight: 'note',
      about: nameOf(post),
      what: 'the user may not see whether its binary log leaves databases out (binlog-do-db, binlog-ignore-db)',
      remedy: `GRANT ${post.connection.facts.isMariaDb ? 'BINLOG MONITOR' : 'REPLICATION CLIENT'} ON *.* TO the user`,
    },
  ];
}

function isLogging({ status }: Examined): boolean {
  return ['1', 'ON'].includes(status.variables.get('log_bin') ?? '');
}

function serversOf({ dataHost }: Examined): number {
  return dataHost.writeHosts.reduce((sum, host) => sum + 1 + host.readHosts.length, 0);
}

function filterFindings(post: Examined, databases: readonly string[]): Finding[] {
  const about = nameOf(post);
  const { binaryLog, replication = [] } = post.status;
  const writing = filters(
    binaryLog ?? {},
    { only: 'Binlog_Do_DB', never: 'Binlog_Ignore_DB' },
    databases,
  ).map(({ setting, dropped }) => ({
    code: 'mysql.binlog-filter',
    weight: 'problem' as const,
    about,
    what: `${setting} keeps ${dropped.join(', ')} out of its binary log: no replica and no other master gets these rows`,
    remedy: `add binlog-do-db = ${dropped[0]} to my.cnf (one line a database), or remove the filter, and restart the server`,
  }));
  const reading = replication.flatMap((status) =>
    filters(status, { only: 'Replicate_Do_DB', never: 'Replicate_Ignore_DB' }, databases),
  );
  const tables = replication.flatMap((status) => tableFilters(status, databases));
  return [
    ...writing,
    ...[...reading, ...tables].map(({ setting, dropped }) => ({
      code: 'mysql.replication-filter',
      weight: 'problem' as const,
      about,
      what: `${setting} drops ${dropped.join(', ')}: this server does not get these rows`,
      remedy:
        'remove the filter, or add what is missing to it, in my.cnf and by SET GLOBAL while the replication is stopped',
    })),
  ];
}

interface Filter {
  readonly setting: string;
  readonly dropped: readonly string[];
}

function filters(
  status: Row,
  names: { readonly only: string; readonly never: string },
  databases: readonly string[],
): Filter[] {
  const only = listOf(status[names.only]);
  const never = listOf(status[names.never]);
  const notNamed = only.length === 0 ? [] : databases.filter((name) => !only.includes(name));
  const named = databases.filter((name) => never.includes(name));
  return [
    { setting: `${names.only} = ${only.join(', ')}`, dropped: notNamed },
    { setting: `${names.never} = ${never.join(', ')}`, dropped: named },
  ].filter(({ dropped }) => dropped.length > 0);
}

/** `database.table` with `%` and `_`; judged by the database alone. */
function tableFilters(status: Row, databases: readonly string[]): Filter[] {
  return [
    { name: 'Replicate_Wild_Do_Table', drops: (isNamed: boolean) => !isNamed },
    { name: 'Replicate_Wild_Ignore_Table', drops: (isNamed: boolean) => isNamed },
    { name: 'Replicate_Do_Table', drops: () => true },
  ].flatMap(({ name, drops }) => {
    const patterns = listOf(status[name]);
    if (patterns.length === 0) return [];
    const isNamed = (database: string) =>
      patterns.some((pattern) => likePattern(pattern.split('.')[0] ?? '').test(database));
    const dropped = databases.filter((database) => drops(isNamed(database)));
    return dropped.length === 0 ? [] : [{ setting: `${name} = ${patterns.join(', ')}`, dropped }];
  });
}

export function likePattern(pattern: string): RegExp {
  const source = pattern.replace(/\\([_%])|[.*+?^${}()|[\]\\]|%|_/g, (part, escaped?: string) => {
    if (escaped !== undefined) return escaped;
    if (part === '%') return '.*';
    return part === '_' ? '.' : `\\${part}`;
  });
  return new RegExp(`^${source}$`, 's');
}

/** Whether a server follows another one, and how well. */
function followingFindings(post: Examined): Finding[] {
  const about = nameOf(post);
  const { replication } = post.status;
  if (replication === undefined) {
    return [
      {
        code: 'mysql.replication-hidden',
        weight: 'problem',
        about,
        what: 'the user may not see its replication state: a failover cannot tell how far it is',
        remedy: `GRANT ${post.connection.facts.isMariaDb ? 'SLAVE MONITOR, BINLOG MONITOR' : 'REPLICATION CLIENT'} ON *.* TO the user`,
      },
    ];
  }
  const isMaster = post.role !== 'replica';
  if (replication.length > 0) return replication.flatMap((status) => stateFindings(post, status));
  if (isMaster && !hasStandBy(post.dataHost)) return [];
  return [
    {
      code: 'mysql.replication-missing',
      weight: 'problem',
      about,
      what: isMaster
        ? 'it follows no other master: after a failover the rows would be spread over both, and seen on neither'
        : 'it is named as a replica and follows no master: who reads here misses rows',
      remedy: 'CHANGE MASTER TO master_host = …, master_use_gtid = slave_pos; START SLAVE (docs/scaling.md)',
    },
  ];
}

function stateFindings(post: Examined, status: Row): Finding[] {
  const value = (old: string, later: string): string => String(status[old] ?? status[later] ?? '');
  const about = nameOf(post);
  const io = value('Slave_IO_Running', 'Replica_IO_Running');
  const sql = value('Slave_SQL_Running', 'Replica_SQL_Running');
  if (io !== 'Yes' || sql !== 'Yes') {
    const error = [value('Last_IO_Error', ''), value('Last_SQL_Error', '')]
      .filter((text) => text !== '')
      .join('; ');
    return [
      {
        code: 'mysql.replication-stopped',
        weight: 'problem',
        about,
        what: `its replication does not run (receiving ${io}, applying ${sql})${error === '' ? '' : `: ${error}`}`,
        remedy:
          error === ''
            ? 'START SLAVE (MySQL: START REPLICA)'
            : 'mend what the error names, then START SLAVE (MySQL: START REPLICA)',
      },
    ];
  }
  const lag = Number(status['Seconds_Behind_Master'] ?? status['Seconds_Behind_Source'] ?? 0);
  const { slaveThreshold } = post.dataHost;
  const limit = slaveThreshold >= 0 ? slaveThreshold : doctorLimits.lagSecondsMax;
  const lagging: Finding[] =
    lag <= limit
      ? []
      : [
          {
            code: 'mysql.replication-lag',
            weight: 'problem',
            about,
            what: `it is ${lag} s behind its master (at most ${limit} s are wanted)`,
            remedy:
              'see what it is busy with (SHOW PROCESSLIST); slave_parallel_threads helps where it is the number of rows',
          },
        ];
  return [...lagging, ...strictnessFindings(post, status)];
}

function strictnessFindings(post: Examined, status: Row): Finding[] {
  const usesGtid = !['', 'No', 'undefined'].includes(String(status['Using_Gtid']));
  if (!usesGtid || post.status.variables.get('gtid_strict_mode') !== 'OFF') return [];
  return [
    {
      code: 'mysql.gtid-strict',
      weight: 'note',
      about: nameOf(post),
      what: 'gtid_strict_mode is OFF: transactions out of order are logged without a word',
      remedy: 'SET GLOBAL gtid_strict_mode = ON on all servers, once they agree',
    },
  ];
}

/** What must differ between servers, and what masters must hand on. */
function identityFindings(posts: readonly Examined[]): Finding[] {
  const value = (post: Examined, name: string): string => post.status.variables.get(name) ?? '';
  const findings: Finding[] = [];
  const same = twins(posts, (post) => value(post, 'server_id'));
  if (same !== undefined) {
    findings.push({
      code: 'mysql.server-id',
      weight: 'problem',
      about: same.map(nameOf).join(' and '),
      what: `both have server_id ${value(same[0], 'server_id')}: they take each other's rows for their own and skip them`,
      remedy: 'give each server its own server-id in my.cnf and restart it',
    });
  }
  const masters = posts.filter(({ role }) => role !== 'replica');
  const domains = twins(masters.filter(usesGtid), (post) => value(post, 'gtid_domain_id'));
  if (domains !== undefined) {
    findings.push({
      code: 'mysql.gtid-domain',
      weight: 'problem',
      about: domains.map(nameOf).join(' and '),
      what: `both masters write GTIDs of domain ${value(domains[0], 'gtid_domain_id')}: after a failover replicas stop or skip rows`,
      remedy: 'give each master its own gtid-domain-id in my.cnf',
    });
  }
  for (const post of masters) {
    const isOff = (name: string): boolean => ['0', 'OFF'].includes(value(post, name));
    const name = isOff('log_bin')
      ? 'log_bin'
      : isOff('log_slave_updates') && hasReplicas(post) && masters.length > 1
        ? 'log_slave_updates'
        : undefined;
    if (name === undefined) continue;
    findings.push({
      code: name === 'log_bin' ? 'mysql.binlog-off' : 'mysql.log-slave-updates',
      weight: 'problem',
      about: nameOf(post),
      what:
        name === 'log_bin'
          ? 'it writes no binary log: nothing reaches the other servers of this data host'
          : 'log_slave_updates is OFF: its replicas never get what the other master writes',
      remedy:
        name === 'log_bin'
          ? 'log-bin in my.cnf, and restart it'
          : 'log-slave-updates = ON in my.cnf, and restart it',
    });
  }
  return findings;
}

function usesGtid({ status }: Examined): boolean {
  return (status.replication ?? []).some((row) =>
    ['Slave_Pos', 'Current_Pos'].includes(String(row['Using_Gtid'])),
  );
}

function hasReplicas({ dataHost, server }: Examined): boolean {
  return dataHost.writeHosts.some((host) => host.server.name === server.name && host.readHosts.length > 0);
}

function twins(
  posts: readonly Examined[],
  key: (post: Examined) => string,
): readonly [Examined, Examined] | undefined {
  for (const [index, post] of posts.entries()) {
    const other = posts.slice(0, index).find((each) => key(each) === key(post));
    if (other !== undefined) return [other, post];
  }
  return undefined;
}

function listOf(value: unknown): string[] {
  return String(value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
