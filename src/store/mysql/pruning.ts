/** Takes days out of servers: each table where it is, what is known of the day at home. */
import { dayOfTable, protocols } from '../row.ts';
import type { Pruning } from '../sink.ts';
import { type MysqlConnection, quoted } from './connection.ts';
import type { DataNodes, OpenNode, Work } from './data-nodes.ts';
import type { DayTables } from './day-tables.ts';
import { mysqlError } from './mysql-error.ts';
import { missingTables } from './schema.ts';

export interface PruningOptions {
  readonly url: string;
  readonly nodes: DataNodes;
  readonly dayTables: DayTables;
  /** Runs `work` where the entries are. */
  readonly home: <Value>(work: Work<Value>) => Promise<Value>;
}

export class MysqlPruning implements Pruning {
  readonly #options: PruningOptions;

  constructor(options: PruningOptions) {
    this.#options = options;
  }

  async bytes(day: string): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    const sql = `SELECT data_length + index_length AS bytes FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name = ?`;
    for (const { node, table } of this.#places(day)) {
      const [row] = (await node.look((connection) => connection.rows(sql, [table]))) ?? [];
      if (row !== undefined && row['bytes'] !== null) sizes.set(table, Number(row['bytes']));
    }
    return sizes;
  }

  /**
   * Tables before keys, counts and entries: what was begun is found again by these, and they would keep out
   * the mails of a table that is gone only until the next run has looked for such tables.
   */
  async drop(day: string): Promise<void> {
    const { url, nodes, dayTables, home } = this.#options;
    try {
      for (const { node, table } of this.#places(day)) {
        await dayTables.drop(node, table);
        if ((await node.look(async () => true)) === true) await node.write((one) => forget(one, table));
      }
      for (const node of nodes.all()) await node.look((connection) => forgetPlaces(connection, day));
      await home((connection) => connection.run('DELETE FROM mailproc_ledger WHERE day = ?', [day]));
    } catch (error) {
      throw mysqlError(error, `drop the tables of ${day} in ${url}`);
    }
  }

  #places(day: string): { readonly node: OpenNode; readonly table: string }[] {
    const { nodes } = this.#options;
    return protocols.flatMap((protocol) => {
      const shard = nodes.shardIfAny(protocol, day);
      // A rule may map days that it does not know to others: never drop one that was not meant.
      if (shard === undefined || dayOfTable(shard.table) !== day) return [];
      return [{ node: nodes.of(shard.dataNode), table: shard.table }];
    });
  }
}

/** Of mails that were in its tables: they are on the data nodes of the days these are of. */
async function forgetPlaces(connection: MysqlConnection, day: string): Promise<void> {
  if ((await missingTables(connection, ['mailproc_place'])).length > 0) return;
  await connection.run('DELETE FROM mailproc_place WHERE day = ?', [day]);
}

async function forget(connection: MysqlConnection, table: string): Promise<void> {
  const tables = ['mail_keys', 'mailproc_ledger_rows'];
  const missing = await missingTables(connection, tables);
  await connection.transaction(async () => {
    for (const name of tables.filter((each) => !missing.includes(each))) {
      await connection.run(`DELETE FROM ${quoted(name)} WHERE table_name = ?`, [table]);
    }
  });
}
