/** The data nodes of a cluster, looked at on their active masters: databases, rights, tables, ids, captures. */
import { millisecondsPerDay, utcDay } from '../../../core/clock.ts';
import { MailprocError } from '../../../core/errors.ts';
import { doctorLimits } from '../../../core/limits.ts';
import { type Finding, listed } from '../../finding.ts';
import { protocols } from '../../row.ts';
import type { MysqlConnection } from '../connection.ts';
import { mysqlError } from '../mysql-error.ts';
import type { ClusterSettings, DataHost, DataNode } from '../types.ts';
import {
  type CaptureKey,
  captureFindings,
  type Entries,
  noEntries,
  readEntries,
  writtenCaptures,
} from './captures.ts';
import { mayDo, rightsFindings } from './rights.ts';
import { type GreatestId, greatestId, sequenceFindings } from './sequence.ts';
import type { Examined } from './server-status.ts';
import { standByRights } from './stand-by-rights.ts';
import { dayTables, missingDays, moveFindings, type NodeTable, tableFindings } from './tables.ts';

export interface NodesSeen {
  readonly seen: readonly string[];
  readonly findings: readonly Finding[];
}

/** Databases on a data host that must reach all of its servers. */
export function databasesOn({ shardMap }: ClusterSettings, dataHost: DataHost): string[] {
  const nodes = shardMap.dataNodes().filter((node) => node.dataHost === dataHost.name);
  return [...new Set(nodes.map(({ database }) => database))];
}

export async function nodeFindings(
  settings: ClusterSettings,
  examined: readonly Examined[],
  now: () => number,
): Promise<NodesSeen> {
  const visits: NodeVisit[] = [];
  for (const dataNode of onePerDatabase(settings.shardMap.dataNodes())) {
    const post = masterOf(dataNode, examined);
    if (post !== undefined) visits.push(await visit(settings, dataNode, post));
  }
  const homeName = settings.shardMap.dataNodes()[0]?.name;
  const entries = visits.find(({ dataNode }) => dataNode.name === homeName)?.entries ?? noEntries;
  const tables = visits.flatMap((each) => each.tables);
  return {
    seen: visits.map(({ dataNode, tables, isThere }) => seenLine(dataNode, tables, isThere)),
    findings: [
      ...visits.flatMap(({ findings }) => findings),
      ...(await ofStandBys(visits, examined)),
      ...(await ofSequence(settings, visits)),
      ...captureFindings(
        visits.flatMap(({ written }) => written),
        entries,
      ),
      ...missingDays(tables, entries.days),
      ...placeFindings(settings, now()),
    ],
  };
}

interface NodeVisit {
  readonly dataNode: DataNode;
  readonly connection: MysqlConnection;
  readonly isThere: boolean;
  readonly tables: readonly NodeTable[];
  readonly greatest: GreatestId | undefined;
  readonly written: readonly CaptureKey[];
  readonly entries: Entries;
  readonly findings: readonly Finding[];
}

/** Protocols may share a database. */
function onePerDatabase(nodes: readonly DataNode[]): DataNode[] {
  const byPlace = new Map<string, DataNode>();
  for (const node of nodes) {
    const place = JSON.stringify([node.dataHost, node.database]);
    if (!byPlace.has(place)) byPlace.set(place, node);
  }
  return [...byPlace.values()];
}

/** The active one; while that is away, one that could take over. */
function masterOf(dataNode: DataNode, examined: readonly Examined[]): Examined | undefined {
  const masters = examined.filter(
    ({ dataHost, role }) => dataHost.name === dataNode.dataHost && role !== 'replica',
  );
  return masters.find(({ role }) => role === 'active master') ?? masters[0];
}

async function visit(settings: ClusterSettings, dataNode: DataNode, post: Examined): Promise<NodeVisit> {
  const { connection, status } = post;
  const nothing = {
    dataNode,
    connection,
    isThere: false,
    tables: [],
    greatest: undefined,
    written: [],
    entries: noEntries,
  };
  try {
    await connection.use(dataNode.database);
  } catch (error) {
    if (!connection.isUsable) throw error;
    return {
      ...nothing,
      findings: missingDatabase(dataNode, mayDo(status.grants, 'CREATE', dataNode.database)),
    };
  }
  const findings: Finding[] = [];
  const attempt = <Value>(otherwise: Value, work: () => Promise<Value>): Promise<Value> =>
    orTell(`database ${dataNode.database}`, findings, otherwise, work);
  const tables = await attempt([], () => dayTables(connection));
  const names = tables.map(({ name }) => name);
  const isWritable = !connection.facts.isReadOnly && post.role === 'active master';
  if (isWritable) {
    findings.push(...(await attempt([], () => rightsFindings(connection, dataNode.database, names))));
  }
  const wishes = {
    idBits: settings.sequence.kind === 'time' ? (63 as const) : (31 as const),
    hasMonthView: (table: NodeTable) => isMonthOnOneNode(settings, table),
  };
  findings.push(...(await attempt([], () => tableFindings(connection, tables, wishes))));
  findings.push(...(await attempt([], () => moveFindings(connection, dataNode.database))));
  const greatest = await attempt(undefined, () => greatestId(connection, tables));
  const written = await attempt([], () => writtenCaptures(connection));
  const entries = await attempt(noEntries, () => readEntries(connection));
  return { dataNode, connection, isThere: true, tables, greatest, written, entries, findings };
}

/** Rights on all servers that were not visited: they come into use when it is too late to ask. */
async function ofStandBys(visits: readonly NodeVisit[], examined: readonly Examined[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { dataNode, connection, tables, isThere } of visits) {
    if (!isThere) continue;
    const others = examined.filter(
      (post) => post.dataHost.name === dataNode.dataHost && post.connection !== connection,
    );
    const names = tables.map(({ name }) => name);
    for (const post of others) {
      const about = `${post.server.name}, database ${dataNode.database}`;
      const rights = () => standByRights(post, dataNode.database, names);
      findings.push(...(await orTell(about, findings, [], rights)));
    }
  }
  return findings;
}

/** What cannot be looked at is a finding, too, and the rest is looked at all the same. */
async function orTell<Value>(
  about: string,
  findings: Finding[],
  otherwise: Value,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (cause) {
    const { message, hint } = mysqlError(cause, 'look at it');
    if (!findings.some(({ what }) => what === message)) {
      const remedy = hint ?? 'see the error log of the server';
      findings.push({ code: 'mysql.not-examined', weight: 'problem', about, what: message, remedy });
    }
    return otherwise;
  }
}

function missingDatabase(dataNode: DataNode, isCreatable: boolean): Finding[] {
  return [
    {
      code: 'mysql.database-missing',
      weight: isCreatable ? 'note' : 'problem',
      about: `database ${dataNode.database}`,
      what: isCreatable
        ? 'it does not exist yet: the first run makes it'
        : 'it does not exist, or the user may not see it, and the user may not create it',
      remedy: isCreatable
        ? 'nothing'
        : `CREATE DATABASE \`${dataNode.database}\` CHARACTER SET utf8mb4; GRANT ALL ON \`${dataNode.database}\`.* TO the user`,
    },
  ];
}

/** The writer keeps the view of a month only where all of its days are on one data node. */
function isMonthOnOneNode(cluster: ClusterSettings, { name, day }: NodeTable): boolean {
  const protocol = protocols.find((each) => name.toLowerCase().startsWith(`${each}_`));
  if (protocol === undefined) return false;
  const nodes = new Set<string>();
  for (let number = 1; number <= 31; number++) {
    const place = placeOf(cluster, protocol, `${day.slice(0, 8)}${String(number).padStart(2, '0')}`);
    if (place !== undefined) nodes.add(place);
  }
  return nodes.size === 1;
}

/** undefined where the configuration has no place for the day. */
function placeOf(
  { shardMap }: ClusterSettings,
  protocol: (typeof protocols)[number],
  day: string,
): string | undefined {
  try {
    return shardMap.shardOf(protocol, day).dataNode.name;
  } catch (error) {
    if (error instanceof MailprocError) return undefined;
    throw error;
  }
}

async function ofSequence(
  { sequence, shardMap }: ClusterSettings,
  visits: readonly NodeVisit[],
): Promise<Finding[]> {
  if (sequence.kind !== 'database') return [];
  const node = shardMap.dataNodes().find(({ name }) => name === sequence.dataNode);
  const visit = visits.find(
    ({ dataNode, isThere }) =>
      isThere && dataNode.dataHost === node?.dataHost && dataNode.database === node.database,
  );
  if (visit === undefined) return [];
  let greatest: GreatestId | undefined;
  for (const each of visits) {
    if (each.greatest !== undefined && (greatest === undefined || each.greatest.id > greatest.id))
      greatest = each.greatest;
  }
  const findings: Finding[] = [];
  const found = await orTell(`sequence ${sequence.name}`, findings, [], async () => {
    await visit.connection.use(visit.dataNode.database);
    return sequenceFindings(visit.connection, sequence.name, greatest);
  });
  return [...findings, ...found];
}

/** A run of a day without a place stops; better to know before. */
function placeFindings(cluster: ClusterSettings, nowMs: number): Finding[] {
  const homeless = protocols.flatMap((protocol) => {
    for (let ahead = 0; ahead <= doctorLimits.daysAhead; ahead++) {
      const day = utcDay(nowMs + ahead * millisecondsPerDay);
      if (placeOf(cluster, protocol, day) === undefined) return [`${protocol} on ${day}`];
    }
    return [];
  });
  if (homeless.length === 0) return [];
  return [
    {
      code: 'mysql.no-place',
      weight: 'note',
      about: 'configuration',
      what: `it has no table for ${listed(homeless)}: a run of that day stops`,
      remedy: 'add the tables before that day; the error of the run shows the line',
    },
  ];
}

function seenLine(
  { name, database, dataHost }: DataNode,
  tables: readonly NodeTable[],
  isThere: boolean,
): string {
  const place = `data node ${name}: database ${database} on data host ${dataHost}`;
  if (!isThere) return `${place}, not there`;
  if (tables.length === 0) return `${place}, no day tables`;
  const days = `${tables[0]?.day} to ${tables.at(-1)?.day}`;
  return `${place}, ${tables.length} day ${tables.length === 1 ? 'table' : 'tables'}, ${days}`;
}
