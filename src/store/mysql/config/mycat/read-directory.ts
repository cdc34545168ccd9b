/**
 * A MyCat 1.6 conf directory as it stands: schema.xml, rule.xml, server.xml, the sequence files and
 * dnindex.properties. What is about mail must be understood or the run does not start; what is about other
 * tables and other servers is left alone.
 */
import { join } from 'node:path';
import type { MailprocError } from '../../../../core/errors.ts';
import { readActiveHosts } from '../../active-host.ts';
import { expandNames } from '../../range-names.ts';
import { PlacedShardMap } from '../../shard-map.ts';
import type { ClusterSettings, DataHost, DataNode, MailProtocol } from '../../types.ts';
import { configError, nearestOf, readConfigText, readConfigTextIfThere } from '../config-error.ts';
import { defaultRuleTimeZone, isDatabaseName } from '../settings.ts';
import { readDataHost } from './data-hosts.ts';
import { MycatRules } from './rules.ts';
import { readSequence } from './sequence.ts';
import { readPlacements } from './tables.ts';
import {
  attributePlace,
  childrenOf,
  parseXml,
  requiredAttribute,
  type Vocabulary,
  warnOfUnknown,
  type XmlElement,
} from './xml.ts';

export interface MycatOptions {
  /** Zone of the host on which MyCat runs: partitions are counted in it. */
  readonly timeZone?: string;
  readonly schema?: ClusterSettings['schema'];
}

const rootWords: Vocabulary = { attributes: [], children: ['schema', 'dataNode', 'dataHost'] };
const dataNodeWords: Vocabulary = { attributes: ['name', 'dataHost', 'database'], children: ['property'] };

export async function readMycatDirectory(
  directory: string,
  options: MycatOptions = {},
): Promise<ClusterSettings> {
  const warnings: string[] = [];
  const file = (name: string): string => join(directory, name);
  const root = parseXml(await readConfigText(file('schema.xml'), file('schema.xml')), file('schema.xml'));
  warnOfUnknown(root, rootWords, warnings);
  const dataNodes = readDataNodes(root, warnings);
  const rules = await readRules(file('rule.xml'), options.timeZone ?? defaultRuleTimeZone, warnings);
  const dataNode = (name: string, where: string): DataNode => find(dataNodes, name, where);
  const placements = readPlacements(childrenOf(root, 'schema'), { dataNode, rules, warnings });
  if (placements.length === 0) {
    throw configError(
      file('schema.xml'),
      'it names no table of mail',
      'tables of mail are called imap_2022_01',
    );
  }
  const shardMap = new PlacedShardMap(placements, missingTable(file('schema.xml')));
  const server = await readXmlIfThere(file('server.xml'));
  const sequence = await readSequence({ directory, server, dataNodes: [...dataNodes.keys()], warnings });
  const used = [...shardMap.dataNodes()];
  if (sequence.kind === 'database')
    used.push(find(dataNodes, sequence.dataNode, file('sequence_db_conf.properties')));
  const dataHosts = readDataHosts(root, used, warnings);
  await checkActiveHosts(file('dnindex.properties'), dataHosts, warnings);
  return {
    dataHosts,
    shardMap,
    sequence,
    schema: options.schema ?? 'wide',
    activeHostFile: file('dnindex.properties'),
    warnings,
  };
}

async function readXmlIfThere(path: string): Promise<XmlElement | undefined> {
  const text = await readConfigTextIfThere(path, path);
  return text === undefined ? undefined : parseXml(text, path);
}

/** rule.xml is only needed by tables that have a rule. */
async function readRules(path: string, timeZone: string, warnings: string[]): Promise<() => MycatRules> {
  const root = await readXmlIfThere(path);
  const rules = root === undefined ? undefined : new MycatRules(root, timeZone, warnings);
  return () => {
    if (rules === undefined) throw configError(path, 'it is missing, and a table names a rule');
    return rules;
  };
}

/** Ranges of names stand for all databases on the first data host, then all on the second, and so on. */
function readDataNodes(root: XmlElement, warnings: string[]): ReadonlyMap<string, DataNode> {
  const dataNodes = new Map<string, DataNode>();
  for (const element of childrenOf(root, 'dataNode')) {
    warnOfUnknown(element, dataNodeWords, warnings);
    const [names, hosts, databases] = [
      namesOf(element, 'name'),
      namesOf(element, 'dataHost'),
      namesOf(element, 'database'),
    ];
    if (names.length !== hosts.length * databases.length) {
      const counts = `${names.length} names for ${hosts.length} dataHosts with ${databases.length} databases`;
      throw configError(
        element.where,
        `${counts} each`,
        'there must be as many names as dataHosts times databases',
      );
    }
    for (const [index, name] of names.entries()) {
      if (dataNodes.has(name)) throw configError(attributePlace(element, 'name'), `"${name}" is used twice`);
      const dataHost = hosts[Math.floor(index / databases.length)] ?? '';
      const database = databases[index % databases.length] ?? '';
      if (!isDatabaseName(database)) {
        throw configError(attributePlace(element, 'database'), `"${database}" is no name of a database`);
      }
      dataNodes.set(name, { name, dataHost, database });
    }
  }
  return dataNodes;
}

function namesOf(element: XmlElement, name: string): readonly string[] {
  return expandNames(requiredAttribute(element, name), attributePlace(element, name));
}

function find(dataNodes: ReadonlyMap<string, DataNode>, name: string, where: string): DataNode {
  const dataNode = dataNodes.get(name);
  if (dataNode !== undefined) return dataNode;
  throw configError(where, `there is no dataNode "${name}"`, nearestOf(name, [...dataNodes.keys()]));
}

/** Only those that hold mail or its sequence: a directory may name servers of other kinds. */
function readDataHosts(root: XmlElement, used: readonly DataNode[], warnings: string[]): readonly DataHost[] {
  const elements = childrenOf(root, 'dataHost');
  const serverNames = new Set<string>();
  return [...new Set(used.map(({ dataHost }) => dataHost))].map((name) => {
    const [element, other] = elements.filter((each) => each.attributes.get('name') === name);
    if (other !== undefined) throw configError(other.where, 'the name is used twice');
    if (element !== undefined) return readDataHost(element, serverNames, warnings);
    const node = childrenOf(root, 'dataNode').find((each) => namesOf(each, 'dataHost').includes(name));
    const names = elements.map((each) => each.attributes.get('name') ?? '');
    throw configError(
      `${node?.where ?? 'schema.xml'}, attribute dataHost`,
      `there is no dataHost "${name}"`,
      nearestOf(name, names),
    );
  });
}

function missingTable(path: string): (protocol: MailProtocol, day: string) => MailprocError {
  return (protocol, day) => {
    const month = `${protocol}_${day.slice(0, 7).replace('-', '_')}`;
    const days = new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 0)).getUTCDate();
    const subTables = `${month}_0$1-9,${month}_$10-${days}`;
    const table = `<table name="${month}" primaryKey="id" dataNode="dn1" subTables="${subTables}" rule="…"/>`;
    return configError(
      path,
      `no table is for ${protocol} on ${day}`,
      `add ${table} with a rule of sNaturalDay 1, or dataNode to the schema`,
    );
  };
}

/** The list may be of another time, when there were more write hosts. */
async function checkActiveHosts(
  path: string,
  dataHosts: readonly DataHost[],
  warnings: string[],
): Promise<void> {
  const active = await readActiveHosts(path);
  for (const { name, writeHosts } of dataHosts) {
    const index = active.get(name) ?? 0;
    if (index < writeHosts.length) continue;
    warnings.push(`${path}: ${name} has no write host ${index}, the first one is taken`);
  }
}
