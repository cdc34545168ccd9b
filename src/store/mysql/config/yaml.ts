/** The cluster file: data hosts, data nodes, tables, rule and sequence in YAML. */
import { dirname, resolve } from 'node:path';
import type { PartitionByDate } from '../partition-by-date.ts';
import { expandNames } from '../range-names.ts';
import { byRule, onOneNode, PlacedShardMap, type Placement } from '../shard-map.ts';
import type { ClusterSettings, DataHost, DataNode, MailProtocol, SequenceSettings } from '../types.ts';
import { configError, nearestOf, readConfigText } from './config-error.ts';
import { makeRule, partitionFunction, ruleProperties, shardingColumn } from './rule.ts';
import type { Environment } from './secrets.ts';
import { parseSections, type Section } from './section.ts';
import { defaultRuleTimeZone, defaultSequenceName, isDatabaseName } from './settings.ts';
import { type Context, readDataHosts } from './yaml-hosts.ts';

const fileKeys = [
  'schema',
  'activeHostFile',
  'login',
  'tls',
  'dataHosts',
  'dataNodes',
  'tables',
  'rule',
  'sequence',
] as const;

/** Paths in the file are relative to its folder. */
export async function readClusterFile(path: string, environment: Environment): Promise<ClusterSettings> {
  const name = `cluster file ${path}`;
  const root = parseSections(await readConfigText(path, name), name);
  const context: Context = { folder: dirname(resolve(path)), environment, warnings: [] };
  root.allow(fileKeys);
  const dataHosts = await readDataHosts(root, context);
  const dataNodes = readDataNodes(root, dataHosts);
  const activeHostFile = root.optionalText('activeHostFile');
  return {
    dataHosts,
    shardMap: readTables(root, dataNodes, context.warnings),
    sequence: readSequence(root, dataNodes, context.folder),
    schema: root.choice('schema', ['wide', 'documented'], 'wide'),
    activeHostFile: activeHostFile === undefined ? undefined : resolve(context.folder, activeHostFile),
    warnings: context.warnings,
  };
}

type DataNodes = ReadonlyMap<string, DataNode>;

function readDataNodes(root: Section, dataHosts: readonly DataHost[]): DataNodes {
  const section = root.section('dataNodes');
  const hostNames = dataHosts.map(({ name }) => name);
  const dataNodes = section.keys().map((name) => {
    const entry = section.section(name);
    entry.allow(['dataHost', 'database']);
    const [dataHost, database] = [entry.text('dataHost'), entry.text('database')];
    if (!hostNames.includes(dataHost)) {
      throw configError(
        entry.where('dataHost'),
        `there is no data host "${dataHost}"`,
        nearestOf(dataHost, hostNames),
      );
    }
    if (!isDatabaseName(database)) {
      throw configError(entry.where('database'), `${JSON.stringify(database)} is no name of a database`);
    }
    return { name, dataHost, database };
  });
  if (dataNodes.length === 0) throw configError(section.where(), 'at least one data node is needed');
  return new Map(dataNodes.map((dataNode) => [dataNode.name, dataNode]));
}

function readTables(root: Section, dataNodes: DataNodes, warnings: string[]): PlacedShardMap {
  const commonRule = root.has('rule') ? readRule(root.section('rule'), warnings) : undefined;
  const placements = root.has('tables')
    ? readPlacements(root.section('tables'), dataNodes, commonRule, warnings)
    : [onlyPlacement(root, dataNodes)];
  const where = root.where('tables');
  return new PlacedShardMap(placements, (protocol, day) =>
    configError(
      where,
      `no table is for ${protocol} on ${day}`,
      `add a line like "${protocol}_*: dn1" to tables`,
    ),
  );
}

/** Without `tables`, everything is on the only data node. */
function onlyPlacement(root: Section, dataNodes: DataNodes): Placement {
  const [first, second] = dataNodes.values();
  if (first !== undefined && second === undefined) return onOneNode(first, () => true);
  throw configError(
    root.where(),
    'the key tables is missing',
    'with several data nodes it says which tables are where',
  );
}

function readPlacements(
  tables: Section,
  dataNodes: DataNodes,
  commonRule: PartitionByDate | undefined,
  warnings: string[],
): readonly Placement[] {
  return tables.keys().map((pattern) => {
    const covers = patternOf(pattern, tables);
    if (typeof tables.value(pattern) !== 'object' || Array.isArray(tables.value(pattern))) {
      return placementOf({
        covers,
        nodes: nodesOf(tables, pattern, dataNodes),
        rule: commonRule,
        where: tables.where(pattern),
      });
    }
    const table = tables.section(pattern);
    table.allow(['dataNodes', 'subTables', 'rule']);
    const rule = table.has('rule') ? readRule(table.section('rule'), warnings) : commonRule;
    const subTables = table.optionalText('subTables');
    return placementOf({
      covers,
      nodes: nodesOf(table, 'dataNodes', dataNodes),
      rule,
      where: table.where(),
      ...(subTables === undefined ? {} : { subTables: expandNames(subTables, table.where('subTables')) }),
    });
  });
}

interface Table {
  readonly covers: (protocol: MailProtocol, day: string) => boolean;
  readonly nodes: readonly DataNode[];
  readonly subTables?: readonly string[];
  readonly rule: PartitionByDate | undefined;
  readonly where: string;
}

function placementOf({ covers, nodes, subTables, rule, where }: Table): Placement {
  const [first, second] = nodes;
  if (first === undefined) throw configError(where, 'it names no data node');
  if (second === undefined && subTables === undefined) return onOneNode(first, covers);
  if (rule !== undefined) return byRule({ where, covers, dataNodes: nodes, subTables, rule });
  throw configError(
    where,
    'without a rule it is open which day is where',
    'add the key rule, here or at the top',
  );
}

/** `*`, `imap_*`, `imap_2022_*`, `imap_2022_01`, `*_2022_01`. */
function patternOf(pattern: string, tables: Section): (protocol: MailProtocol, day: string) => boolean {
  const parts = /^(smtp|pop3|imap|\*)(?:_(\d{4}|\*)(?:_(\d{2}|\*))?)?$/.exec(pattern);
  if (parts === null) {
    throw configError(
      tables.where(pattern),
      'this is no table of mail',
      'write imap_2022_01, imap_2022_*, imap_* or *',
    );
  }
  const [, protocolPart = '*', yearPart = '*', monthPart = '*'] = parts;
  const fits = (part: string, value: string): boolean => part === '*' || part === value;
  return (protocol, day) =>
    fits(protocolPart, protocol) && fits(yearPart, day.slice(0, 4)) && fits(monthPart, day.slice(5, 7));
}

/** One name, a list in range syntax, or a list. */
function nodesOf(section: Section, key: string, dataNodes: DataNodes): readonly DataNode[] {
  const where = section.where(key);
  const names = section.list(key).flatMap((item) => {
    if (typeof item === 'string') return expandNames(item, where);
    throw configError(where, 'names of data nodes are expected');
  });
  return names.map((name) => {
    const dataNode = dataNodes.get(name);
    if (dataNode !== undefined) return dataNode;
    throw configError(where, `there is no data node "${name}"`, nearestOf(name, [...dataNodes.keys()]));
  });
}

function readRule(section: Section, warnings: string[]): PartitionByDate {
  section.allow(['column', 'function', 'timeZone', ...ruleProperties]);
  section.choice('column', [shardingColumn], shardingColumn);
  section.choice('function', [partitionFunction], partitionFunction);
  const timeZone = section.optionalText('timeZone') ?? defaultRuleTimeZone;
  return makeRule((name) => section.optionalText(name), timeZone, section.where(), warnings);
}

function readSequence(root: Section, dataNodes: DataNodes, folder: string): SequenceSettings {
  const [firstNode] = dataNodes.keys();
  if (!root.has('sequence'))
    return { kind: 'database', dataNode: firstNode ?? '', name: defaultSequenceName };
  const section = root.section('sequence');
  const kind = section.choice('kind', ['database', 'file', 'time'], 'database');
  if (kind === 'time') {
    section.allow(['kind', 'datacenter', 'worker']);
    const bits = { min: 0, max: 31 };
    return {
      kind,
      datacenter: section.integer('datacenter', bits, 0),
      worker: section.integer('worker', bits, 0),
    };
  }
  section.allow(['kind', 'name', kind === 'file' ? 'path' : 'dataNode']);
  const name = section.optionalText('name') ?? defaultSequenceName;
  if (kind === 'file') return { kind, path: resolve(folder, section.text('path')), name };
  const dataNode = section.optionalText('dataNode') ?? firstNode ?? '';
  if (dataNodes.has(dataNode)) return { kind, dataNode, name };
  throw configError(
    section.where('dataNode'),
    `there is no data node "${dataNode}"`,
    nearestOf(dataNode, [...dataNodes.keys()]),
  );
}
