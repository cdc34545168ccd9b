/** The tables that mails go into, and the views of their months: made where they are missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import type { Lease } from '../ledger.ts';
import { dayOfTable, protocols } from '../row.ts';
import { type MysqlConnection, quoted } from './connection.ts';
import type { DataNodes, OpenNode, Work } from './data-nodes.ts';
import { forgetDroppedTables } from './dropped-tables.ts';
import { takeLease } from './lease.ts';
import { ledgerRowsStatement } from './ledger.ts';
import {
  brokenMonthViews,
  isInMonthView,
  mendMonthViews,
  refreshMonthView,
  takeOutOfMonthView,
} from './month-view.ts';
import { mysqlError, troubleOf } from './mysql-error.ts';
import { placementTables, visitTable } from './placement.ts';
import {
  checkId,
  createDayTable,
  createMissing,
  type DayTable,
  describeDayTable,
  missingTables,
} from './schema.ts';
import type { MailProtocol } from './types.ts';

/** Of each data node, beside its day tables. */
const nodeTables: ReadonlyMap<string, string> = new Map([
  ['mailproc_ledger_rows', ledgerRowsStatement],
  ...placementTables,
]);

export interface DayTablesOptions {
  readonly schema: 'wide' | 'documented';
  /** Of the sequence. */
  readonly idBits: () => 31 | 63;
  /** Runs `work` where the leases are. */
  readonly home: <Value>(work: Work<Value>) => Promise<Value>;
  readonly report: (code: string, detail: string) => void;
}

export class DayTables {
  readonly #nodes: DataNodes;
  readonly #options: DayTablesOptions;
  /** The memories of tables in whose time those beside the day tables were seen to be there. */
  readonly #preparedNodes = new WeakSet<Map<string, unknown>>();
  /** Days whose tables can hold the ids. */
  readonly #checkedDays = new Set<string>();

  constructor(nodes: DataNodes, options: DayTablesOptions) {
    this.#nodes = nodes;
    this.#options = options;
  }

  /** Runs `work` on the active master of `node`, where table `name` is there then; again as `node.write` does. */
  async at<Value>(
    node: OpenNode,
    name: string,
    work: (connection: MysqlConnection, table: DayTable) => Promise<Value>,
  ): Promise<Value> {
    const withTable = async (connection: MysqlConnection): Promise<Value> => {
      const table = node.tables.get(name);
      if (table === undefined) throw tableMissing(name);
      return work(connection, table);
    };
    return node.write(withTable, () => this.prepare(node, name));
  }

  /** Afterwards `node.tables` knows the table; nobody else changes tables while it is made. */
  async prepare(node: OpenNode, name: string): Promise<void> {
    if (node.tables.has(name)) return;
    await this.#checkIds(name);
    if (await node.write((connection) => this.#isReady(connection, node, name))) return;
    const lock = await this.#schemaLock();
    try {
      await forgetDroppedTables(node, this.#options.home);
      await this.#mendViews(node);
      await node.write((connection) => this.#make(connection, node, name));
    } finally {
      await lock.release();
    }
  }

  /** Takes tables that were dropped by hand out of the views of their months. */
  async mendViews(node: OpenNode): Promise<void> {
    if (((await node.look(brokenMonthViews)) ?? []).length === 0) return;
    const lock = await this.#schemaLock();
    try {
      await this.#mendViews(node);
    } finally {
      await lock.release();
    }
  }

  /** Takes the table away, out of the view of its month first: a view must not name what is gone. */
  async drop(node: OpenNode, name: string): Promise<void> {
    const lock = await this.#schemaLock();
    try {
      await node.look(async (connection) => {
        if ((await missingTables(connection, [name])).length > 0) return;
        await takeOutOfMonthView(connection, name);
        await connection.run(`DROP TABLE IF EXISTS ${quoted(name)}`);
      });
      node.tables.delete(name);
    } finally {
      await lock.release();
    }
  }

  /** Afterwards the tables beside the day tables are there. */
  async prepareNode(node: OpenNode): Promise<void> {
    const { tables } = node;
    if (tables.size > 0 || this.#preparedNodes.has(tables)) return;
    const missing = await node.write((connection) => missingTables(connection, [...nodeTables.keys()]));
    if (missing.length > 0) {
      const lock = await this.#schemaLock();
      try {
        await node.write((connection) => createMissing(connection, nodeTables));
      } finally {
        await lock.release();
      }
    }
    this.#preparedNodes.add(tables);
  }

  /** Long ids are refused before the first row of a day is written, not at the first table that is too narrow. */
  async #checkIds(name: string): Promise<void> {
    const day = dayOfTable(name);
    const idBits = this.#options.idBits();
    if (idBits === 31 || day === undefined || this.#checkedDays.has(day)) return;
    for (const protocol of protocols) {
      const shard = this.#nodes.shardIfAny(protocol, day);
      if (shard === undefined) continue;
      const node = this.#nodes.of(shard.dataNode);
      const table = await node.look((connection) => describeDayTable(connection, shard.table));
      if (table !== undefined) checkId(table, idBits);
      else if (shard.table === name && this.#options.schema === 'documented') throw tooNarrow(name);
    }
    this.#checkedDays.add(day);
  }

  async #isReady(connection: MysqlConnection, node: OpenNode, name: string): Promise<boolean> {
    const table = await describeDayTable(connection, name);
    const needed = [...nodeTables.keys(), ...(table?.keys === 'side' ? ['mail_keys'] : [])];
    if (table === undefined || (await missingTables(connection, needed)).length > 0) return false;
    if (this.#hasView(node, name) && !(await isInMonthView(connection, name))) return false;
    checkId(table, this.#options.idBits());
    await visitTable(connection, name);
    node.tables.set(name, table);
    return true;
  }

  async #make(connection: MysqlConnection, node: OpenNode, name: string): Promise<void> {
    const { schema, idBits } = this.#options;
    await createMissing(connection, nodeTables);
    const isNew = (await missingTables(connection, [name])).length > 0;
    const table = await createDayTable(connection, name, { schema, idBits: idBits() });
    checkId(table, idBits());
    if (this.#hasView(node, name)) await this.#refreshView(connection, name);
    await visitTable(connection, name);
    node.tables.set(name, table);
    if (isNew) node.newGround.add(name);
  }

  /** DDL of two writers at once can hang a Galera cluster. */
  async #schemaLock(): Promise<Lease> {
    for (;;) {
      // No capture's name begins with U+0000.
      const lease = await takeLease(this.#options.home, ['\0schema'], mysqlLimits.schemaLockMs);
      if (lease !== undefined) return lease;
      await sleep(20 + Math.random() * 30);
    }
  }

  async #mendViews(node: OpenNode): Promise<void> {
    await node.look((connection) => this.#tryView(connection, 'mend views of months', mendMonthViews));
  }

  async #refreshView(connection: MysqlConnection, table: string): Promise<void> {
    const action = `show ${table} in the view of its month`;
    await this.#tryView(connection, action, (on) => refreshMonthView(on, table));
  }

  /** Rows matter more than the view over them. */
  async #tryView(connection: MysqlConnection, action: string, work: Work<void>): Promise<void> {
    try {
      await work(connection);
    } catch (error) {
      if (!connection.isUsable || troubleOf(error) !== 'other') throw error;
      this.#options.report('store.no-view', mysqlError(error, action).message);
    }
  }

  /** Where the whole month is in one database. */
  #hasView(node: OpenNode, table: string): boolean {
    const day = dayOfTable(table);
    const protocol = protocols.find((name) => table.startsWith(`${name}_`));
    return day !== undefined && protocol !== undefined && this.#isMonthOn(node, protocol, day);
  }

  #isMonthOn(node: OpenNode, protocol: MailProtocol, day: string): boolean {
    for (let number = 1; number <= 31; number++) {
      const other = `${day.slice(0, 8)}${String(number).padStart(2, '0')}`;
      const shard = this.#nodes.shardIfAny(protocol, other);
      if (shard !== undefined && shard.dataNode.name !== node.dataNode.name) return false;
    }
    return true;
  }
}

function tooNarrow(name: string): MailprocError {
  return new MailprocError(
    'store.id-too-narrow',
    `make table ${name}: the documented one has no room for ids of a time sequence`,
    { hint: 'use schema wide, or another sequence' },
  );
}

/** To be prepared (again): as the server would say it. */
function tableMissing(name: string): Error {
  return Object.assign(new Error(`no table ${name}`), { errno: 1146, sqlMessage: `no table ${name}` });
}
