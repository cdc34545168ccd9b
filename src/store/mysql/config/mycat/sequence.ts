/** Where MyCat takes ids from: `sequenceHandlerType` of server.xml and the properties file of that type. */
import { join } from 'node:path';
import { closest } from 'fastest-levenshtein';
import { type Properties, parseProperties } from '../../properties-file.ts';
import type { SequenceSettings } from '../../types.ts';
import { configError, nearestOf, readConfigText, readConfigTextIfThere } from '../config-error.ts';
import { defaultSequenceName } from '../settings.ts';
import { sequenceTypeProperties, systemProperties } from './system-properties.ts';
import { childrenOf, type Vocabulary, warnOfUnknown, type XmlElement } from './xml.ts';

const serverWords: Vocabulary = {
  attributes: [],
  children: ['system', 'user', 'firewall', 'cluster', 'quarantine', 'privileges'],
};

export interface SequenceContext {
  readonly directory: string;
  /** undefined where the directory has none. */
  readonly server: XmlElement | undefined;
  readonly dataNodes: readonly string[];
  readonly warnings: string[];
}

export async function readSequence(context: SequenceContext): Promise<SequenceSettings> {
  switch (await readType(context)) {
    case '0':
      return readFileSequence(context);
    case '1':
      return readDatabaseSequence(context);
    default:
      return readTimeSequence(context);
  }
}

async function readType({ server, directory, warnings }: SequenceContext): Promise<'0' | '1' | '2'> {
  if (server === undefined) return '1';
  warnOfUnknown(server, serverWords, warnings);
  const properties = childrenOf(server, 'system').flatMap((system) => childrenOf(system, 'property'));
  warnOfUnknownProperties(properties, warnings);
  const given = properties.filter((property) =>
    sequenceTypeProperties.includes(property.attributes.get('name') ?? ''),
  );
  const [property, other] = given;
  if (other !== undefined && other.text !== property?.text) {
    throw configError(other.where, `it contradicts ${property?.where}`, 'keep one of them');
  }
  if (property === undefined) {
    // MyCat's own default.
    return (await readIfThere(directory, 'sequence_conf.properties')) === undefined ? '1' : '0';
  }
  const { text } = property;
  if (text === '0' || text === '1' || text === '2') return text;
  throw configError(
    property.where,
    `the type "${text}" is not supported`,
    '0 is a file, 1 a database, 2 the time',
  );
}

function warnOfUnknownProperties(properties: readonly XmlElement[], warnings: string[]): void {
  for (const property of properties) {
    const name = property.attributes.get('name') ?? '';
    if (systemProperties.includes(name)) continue;
    warnings.push(
      `${property.where}: unknown, not used; did you mean "${closest(name, [...systemProperties])}"?`,
    );
  }
}

async function readFileSequence({ directory, warnings }: SequenceContext): Promise<SequenceSettings> {
  const path = join(directory, 'sequence_conf.properties');
  const properties = parseProperties(await readConfigText(path, path, 'latin1'));
  const counters = [...properties.keys()].filter((key) => key.endsWith('.CURID'));
  const name = chooseName(
    counters.map((key) => key.slice(0, -'.CURID'.length)),
    path,
    warnings,
  );
  return { kind: 'file', path, name };
}

async function readDatabaseSequence(context: SequenceContext): Promise<SequenceSettings> {
  const { directory, dataNodes, warnings } = context;
  const path = join(directory, 'sequence_db_conf.properties');
  const text = await readConfigTextIfThere(path, path, 'latin1');
  const [firstNode] = dataNodes;
  if (text === undefined && firstNode !== undefined) {
    warnings.push(`${path}: it is missing; the sequence ${defaultSequenceName} is kept on ${firstNode}`);
    return { kind: 'database', dataNode: firstNode, name: defaultSequenceName };
  }
  const properties: Properties = parseProperties(text ?? '');
  const name = chooseName([...properties.keys()], path, warnings);
  const dataNode = properties.get(name)?.trim() ?? '';
  if (dataNodes.includes(dataNode)) return { kind: 'database', dataNode, name };
  throw configError(
    `${path}, key ${name}`,
    `there is no data node "${dataNode}"`,
    nearestOf(dataNode, dataNodes),
  );
}

/** One sequence is for all tables: ids are unique over days and protocols. */
function chooseName(names: readonly string[], path: string, warnings: string[]): string {
  if (names.includes(defaultSequenceName)) return defaultSequenceName;
  const [only, other] = names;
  if (only === undefined || other !== undefined) {
    throw configError(
      path,
      `it has no sequence ${defaultSequenceName}`,
      'add it: ids are unique over all tables',
    );
  }
  warnings.push(`${path}: it has no sequence ${defaultSequenceName}, ${only} is used`);
  return only;
}

async function readTimeSequence({ directory, warnings }: SequenceContext): Promise<SequenceSettings> {
  const path = join(directory, 'sequence_time_conf.properties');
  const properties = parseProperties(await readConfigText(path, path, 'latin1'));
  const known = ['WORKID', 'DATAACENTERID', 'DATACENTERID'];
  for (const key of properties.keys()) {
    if (!known.includes(key))
      warnings.push(`${path}, key ${key}: unknown, not used; ${nearestOf(key, known)}`);
  }
  const isMisspelt = !properties.has('DATAACENTERID') && properties.has('DATACENTERID');
  if (isMisspelt) warnings.push(`${path}: MyCat's name of the key DATACENTERID is DATAACENTERID`);
  return {
    kind: 'time',
    datacenter: fiveBits(properties, isMisspelt ? 'DATACENTERID' : 'DATAACENTERID', path),
    worker: fiveBits(properties, 'WORKID', path),
  };
}

function fiveBits(properties: Properties, key: string, path: string): number {
  const text = properties.get(key)?.trim() ?? '';
  if (/^\d{1,9}$/.test(text) && Number(text) <= 31) return Number(text);
  throw configError(`${path}, key ${key}`, `"${text}" is no number from 0 to 31`);
}

function readIfThere(directory: string, name: string): Promise<string | undefined> {
  const path = join(directory, name);
  return readConfigTextIfThere(path, path, 'latin1');
}
