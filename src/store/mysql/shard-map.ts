/** Where the rows of each protocol and day live: the first placement of the configuration that knows the day. */
import { MailprocError } from '../../core/errors.ts';
import { tableName } from '../row.ts';
import type { PartitionByDate } from './partition-by-date.ts';
import type { DataNode, MailProtocol, Shard, ShardMap } from './types.ts';

/** What one entry of the configuration says about days. */
export interface Placement {
  readonly dataNodes: readonly DataNode[];
  /** undefined where the entry is about other days. Throws where it is about this one and has no place for it. */
  shardOf(protocol: MailProtocol, day: string): Shard | undefined;
}

export class PlacedShardMap implements ShardMap {
  readonly #placements: readonly Placement[];
  readonly #missing: (protocol: MailProtocol, day: string) => MailprocError;

  /** `missing` makes the error for a day that no placement knows. */
  constructor(
    placements: readonly Placement[],
    missing: (protocol: MailProtocol, day: string) => MailprocError,
  ) {
    this.#placements = placements;
    this.#missing = missing;
  }

  shardOf(protocol: MailProtocol, day: string): Shard {
    for (const placement of this.#placements) {
      const shard = placement.shardOf(protocol, day);
      if (shard !== undefined) return shard;
    }
    throw this.#missing(protocol, day);
  }

  dataNodes(): readonly DataNode[] {
    const byName = new Map(
      this.#placements.flatMap(({ dataNodes }) => dataNodes).map((node) => [node.name, node]),
    );
    return [...byName.values()];
  }
}

/** Every day of the protocols in `covers` on one data node. */
export function onOneNode(
  dataNode: DataNode,
  covers: (protocol: MailProtocol, day: string) => boolean,
): Placement {
  return {
    dataNodes: [dataNode],
    shardOf: (protocol, day) =>
      covers(protocol, day) ? { dataNode, table: tableName(protocol, day) } : undefined,
  };
}

export interface PartitionedTable {
  /** File and table, for errors. */
  readonly where: string;
  readonly covers: (protocol: MailProtocol, day: string) => boolean;
  /** Several: the partition's number is the index. */
  readonly dataNodes: readonly DataNode[];
  /** Day tables by the partition's number; undefined: each day has its table. */
  readonly subTables: readonly string[] | undefined;
  readonly rule: PartitionByDate;
}

/** The days of a logical table, each on the data node and in the table that the rule chooses. */
export function byRule(table: PartitionedTable): Placement {
  return {
    dataNodes: table.dataNodes,
    shardOf: (protocol, day) => (table.covers(protocol, day) ? shardByRule(table, protocol, day) : undefined),
  };
}

function shardByRule(table: PartitionedTable, protocol: MailProtocol, day: string): Shard {
  const partition = table.rule.calculate(day);
  const [onlyNode, secondNode] = table.dataNodes;
  const dataNode = secondNode === undefined ? onlyNode : table.dataNodes[partition];
  if (dataNode === undefined) {
    throw noPlace(table, day, `partition ${partition}, and there are ${table.dataNodes.length} data nodes`);
  }
  return { dataNode, table: subTableOf(table, partition, protocol, day) };
}

function subTableOf(table: PartitionedTable, partition: number, protocol: MailProtocol, day: string): string {
  if (table.subTables === undefined) return tableName(protocol, day);
  const subTable = table.subTables[partition];
  if (subTable === undefined) {
    throw noPlace(table, day, `partition ${partition}, and there are ${table.subTables.length} subTables`);
  }
  if (isTableOf(subTable, protocol, day)) return subTable;
  throw noPlace(table, day, `partition ${partition}, whose subTable ${subTable} is of another day`);
}

/** `imap_2022_01_07`, or without the padding `imap_2022_1_7`: MyCat's ranges make such names. */
export function isTableOf(table: string, protocol: MailProtocol, day: string): boolean {
  const parts = /^([a-z0-9]+)_(\d{4})_(\d{1,2})_(\d{1,2})$/i.exec(table);
  if (parts === null) return false;
  const [, name = '', year = '', month = '', dayOfMonth = ''] = parts;
  const padded = `${year}-${month.padStart(2, '0')}-${dayOfMonth.padStart(2, '0')}`;
  return name.toLowerCase() === protocol && padded === day;
}

function noPlace({ where }: PartitionedTable, day: string, what: string): MailprocError {
  return new MailprocError('config.no-shard', `find the place of ${day} by ${where}: the rule says ${what}`, {
    hint: 'the rule counts from sBeginDate: it must begin with the first day of the table, or use sNaturalDay 1 with tables of whole months',
  });
}
