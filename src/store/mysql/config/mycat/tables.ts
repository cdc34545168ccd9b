/**
 * `table` elements of MyCat's schema.xml: which months and days of mail are on which data node. Tables of other
 * things are left alone.
 */
import type { PartitionByDate } from '../../partition-by-date.ts';
import { expandNames } from '../../range-names.ts';
import { byRule, isTableOf, onOneNode, type Placement } from '../../shard-map.ts';
import type { DataNode, MailProtocol } from '../../types.ts';
import { configError } from '../config-error.ts';
import { mailProtocols } from '../settings.ts';
import type { MycatRules } from './rules.ts';
import {
  attributeOf,
  attributePlace,
  childrenOf,
  requiredAttribute,
  type Vocabulary,
  warnOfUnknown,
  type XmlElement,
} from './xml.ts';

const schemaWords: Vocabulary = {
  attributes: [
    'name',
    'dataNode',
    'checkSQLschema',
    'sqlMaxLimit',
    'randomDataNode',
    'needSupportMultiDBType',
  ],
  children: ['table'],
};
const tableWords: Vocabulary = {
  attributes: [
    ...['name', 'nameSuffix', 'dataNode', 'rule', 'subTables', 'type', 'primaryKey', 'autoIncrement'],
    // Without effect here: they are about how MyCat rewrites statements.
    ...['ruleRequired', 'needAddLimit', 'splitTableNames', 'fetchStoreNodeByJdbc'],
  ],
  children: ['childTable', 'property'],
};

export interface TableContext {
  /** `where` is for the error where there is none of that name. */
  readonly dataNode: (name: string, where: string) => DataNode;
  readonly rules: () => MycatRules;
  readonly warnings: string[];
}

/** Days by name first, then months, then what a schema says of all other tables. */
export function readPlacements(schemas: readonly XmlElement[], context: TableContext): readonly Placement[] {
  const tables = schemas.flatMap((schema) => {
    warnOfUnknown(schema, schemaWords, context.warnings);
    return childrenOf(schema, 'table').flatMap((table) => readTable(table, context));
  });
  refuseTwice(tables);
  const days = tables.filter(({ name }) => dayTable.test(name));
  const months = tables.filter(({ name }) => !dayTable.test(name));
  const others = schemas.flatMap((schema) => readDefault(schema, schemas, context));
  return [...days, ...months].map(({ placement }) => placement).concat(others);
}

const monthTable = /^(smtp|pop3|imap)_\d{4}_\d{2}$/;
const dayTable = /^(smtp|pop3|imap)_\d{4}_\d{2}_\d{1,2}$/;

interface MailTable {
  /** In small letters: MyCat does not tell them apart. */
  readonly name: string;
  readonly where: string;
  readonly placement: Placement;
}

function readTable(element: XmlElement, context: TableContext): readonly MailTable[] {
  const names = expandNames(requiredAttribute(element, 'name'), attributePlace(element, 'name'));
  const mail = names.map((name) => name.toLowerCase()).filter((name) => /^(?:smtp|pop3|imap)_/.test(name));
  if (mail.length === 0) return [];
  warnOfUnknown(element, tableWords, context.warnings);
  if (attributeOf(element, 'nameSuffix') !== undefined) {
    context.warnings.push(
      `${attributePlace(element, 'nameSuffix')}: not used, tables of mail are called imap_2022_01`,
    );
    return [];
  }
  if (attributeOf(element, 'type')?.toLowerCase() === 'global') {
    throw configError(
      attributePlace(element, 'type'),
      'a table of mail is on one data node a day, not on all',
    );
  }
  if (childrenOf(element, 'childTable').length > 0) {
    context.warnings.push(`${element.where}: childTable is not used, tables of mail have none`);
  }
  const parts = readParts(element, context);
  return mail.flatMap((name) => readMailTable(name, element, parts, context.warnings));
}

function readMailTable(
  name: string,
  element: XmlElement,
  parts: TableParts,
  warnings: string[],
): readonly MailTable[] {
  if (!monthTable.test(name) && !dayTable.test(name)) {
    warnings.push(`${element.where}: not used, "${name}" is no table of mail like imap_2022_01`);
    return [];
  }
  const covers = coverage(name);
  const { dataNodes, subTables, rule } = parts;
  const [first, second] = dataNodes;
  if (first === undefined) throw configError(attributePlace(element, 'dataNode'), 'it names no data node');
  const where = element.where;
  if (second === undefined && subTables === undefined) {
    return [{ name, where, placement: onOneNode(first, covers) }];
  }
  if (rule === undefined) {
    throw configError(
      attributePlace(element, 'rule'),
      'it is missing: without a rule it is open which day is where',
    );
  }
  return [{ name, where, placement: byRule({ where, covers, dataNodes, subTables, rule }) }];
}

function coverage(name: string): (protocol: MailProtocol, day: string) => boolean {
  if (dayTable.test(name)) return (protocol, day) => isTableOf(name, protocol, day);
  return (protocol, day) => name === `${protocol}_${day.slice(0, 7).replace('-', '_')}`;
}

interface TableParts {
  readonly dataNodes: readonly DataNode[];
  readonly subTables: readonly string[] | undefined;
  readonly rule: PartitionByDate | undefined;
}

function readParts(element: XmlElement, context: TableContext): TableParts {
  const dataNodes = readDataNodes(element, context);
  const ruleName = attributeOf(element, 'rule');
  const rule =
    ruleName === undefined ? undefined : context.rules().rule(ruleName, attributePlace(element, 'rule'));
  const text = attributeOf(element, 'subTables');
  const subTables = text === undefined ? undefined : expandNames(text, attributePlace(element, 'subTables'));
  if (subTables !== undefined && dataNodes.length > 1) {
    if (dataNodes.length !== subTables.length) {
      const counts = `${subTables.length} subTables cannot be on ${dataNodes.length} data nodes`;
      throw configError(
        attributePlace(element, 'subTables'),
        counts,
        'name one data node, or one for each subTable',
      );
    }
    context.warnings.push(
      `${element.where}: each subTable is on its own data node here; MyCat refuses such a table`,
    );
  }
  if (subTables !== undefined && rule !== undefined)
    checkSubTables(element, subTables, rule, context.warnings);
  return { dataNodes, subTables, rule };
}

function readDataNodes(element: XmlElement, context: TableContext): readonly DataNode[] {
  const where = attributePlace(element, 'dataNode');
  const text = requiredAttribute(element, 'dataNode');
  const inner = /^distribute\((.*)\)$/s.exec(text)?.[1];
  if (inner !== undefined) {
    // The order in which MyCat deals depends on the order of a hash table.
    throw configError(
      where,
      'distribute(…) is not supported',
      'name the data nodes in the order of the partitions',
    );
  }
  return expandNames(text, where).map((name) => context.dataNode(name, where));
}

/** Of a table with more only the first ones are looked at. */
const checkedSubTablesMax = 400;

/** A rule that counts into other tables than those of its days shows now, not on the last day of the month. */
function checkSubTables(
  element: XmlElement,
  subTables: readonly string[],
  rule: PartitionByDate,
  warnings: string[],
): void {
  const where = attributePlace(element, 'subTables');
  const checked = subTables.slice(0, checkedSubTablesMax);
  const unpadded = checked.find((name) => /_\d_|_\d$/.test(name));
  if (unpadded !== undefined) {
    warnings.push(
      `${where}: ranges are not padded, the table is called ${unpadded}; write imap_2022_01_0$1-9,imap_2022_01_$10-31 for two digits`,
    );
  }
  for (const [index, name] of checked.entries()) {
    const day = dayOf(name);
    const partition = day === undefined ? undefined : rule.calculate(day);
    if (partition === index) continue;
    const problem =
      day === undefined
        ? 'is no table of a day'
        : `is at ${index}, where the rule says ${partition} for its day`;
    warnings.push(`${where}: ${name} ${problem}: such days cannot be written`);
    return;
  }
}

function dayOf(table: string): string | undefined {
  const [, year = '', month = '', day = ''] = /^[a-z0-9]+_(\d{4})_(\d{1,2})_(\d{1,2})$/i.exec(table) ?? [];
  return year === '' ? undefined : `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** MyCat sends tables that a schema does not name to the schema's own data node. */
function readDefault(
  schema: XmlElement,
  schemas: readonly XmlElement[],
  context: TableContext,
): readonly Placement[] {
  const name = attributeOf(schema, 'dataNode');
  if (name === undefined) return [];
  const dataNode = context.dataNode(name, attributePlace(schema, 'dataNode'));
  const protocols = mailProtocols.filter((protocol) => schemas.length === 1 || isAbout(schema, protocol));
  return [onOneNode(dataNode, (protocol) => protocols.includes(protocol))];
}

/** `imap_database`, or one that has tables of IMAP. */
function isAbout(schema: XmlElement, protocol: MailProtocol): boolean {
  const isOf = (name: string | undefined): boolean => name?.toLowerCase().startsWith(protocol) === true;
  return (
    isOf(attributeOf(schema, 'name')) ||
    childrenOf(schema, 'table').some((table) => isOf(attributeOf(table, 'name')))
  );
}

function refuseTwice(tables: readonly MailTable[]): void {
  const places = new Map<string, string>();
  for (const { name, where } of tables) {
    const before = places.get(name);
    if (before !== undefined) throw configError(where, `the table "${name}" is also in ${before}`);
    places.set(name, where);
  }
}
