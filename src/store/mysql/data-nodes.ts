/**
 * The data nodes of a cluster: a database each, on the servers of its data host. What is to be done on one is
 * done on the server that is active then, and again where a server or another transaction was in the way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import { readActiveHosts, rememberActiveHost } from './active-host.ts';
import type { MysqlConnection } from './connection.ts';
import { DataHostConnections, type Elsewhere } from './data-host.ts';
import { troubleOf } from './mysql-error.ts';
import { type DayTable, useDatabase } from './schema.ts';
import type { SequenceConnection } from './sequence/types.ts';
import { Tail } from './tail.ts';
import type { ClusterSettings, DataNode, MailProtocol, Shard } from './types.ts';

export type Work<Value> = (connection: MysqlConnection) => Promise<Value>;

/** A data node and the servers it is on. */
export class OpenNode {
  readonly dataNode: DataNode;
  readonly host: DataHostConnections;
  readonly tail: Tail;
  /** Tables whose last mails were all new: the next ones are written without a look whether they are known. */
  readonly newGround = new Set<string>();
  readonly #checkOpen: () => void;
  #tables = new Map<string, DayTable>();
  #tablesEpoch: number;

  constructor(dataNode: DataNode, host: DataHostConnections, checkOpen: () => void) {
    this.dataNode = dataNode;
    this.host = host;
    this.tail = new Tail(host);
    this.#checkOpen = checkOpen;
    this.#tablesEpoch = host.epoch;
  }

  /** Of the tables that are there for certain: what they hold. Another map when another server takes over. */
  get tables(): Map<string, DayTable> {
    if (this.#tablesEpoch !== this.host.epoch) this.#tables = new Map();
    this.#tablesEpoch = this.host.epoch;
    return this.#tables;
  }

  /** On the active master, in the data node's database, which is made where it is missing. */
  async write<Value>(work: Work<Value>, prepare?: () => Promise<void>): Promise<Value> {
    this.#checkOpen();
    for (let attempt = 1; ; attempt++) {
      try {
        await prepare?.();
        return await this.host.write(async (connection) => {
          await useDatabase(connection, this.dataNode.database);
          return work(connection);
        });
      } catch (error) {
        const trouble = troubleOf(error);
        const isPassing = trouble === 'conflict' || trouble === 'duplicate' || trouble === 'schema';
        if (!isPassing || attempt >= mysqlLimits.attemptsMax) throw error;
        if (trouble === 'schema') this.forgetTables();
      }
      await sleep(Math.random() * Math.min(mysqlLimits.retryPauseMsMax, 5 * 2 ** Math.min(attempt, 10)));
    }
  }

  /** Somebody dropped or changed one of them. */
  forgetTables(): void {
    this.#tables = new Map();
  }

  /** undefined where the database does not exist: nothing is made to look into it. */
  async look<Value>(work: Work<Value>, from: 'read' | 'write' = 'write'): Promise<Value | undefined> {
    this.#checkOpen();
    const guarded = this.#guarded(work);
    return from === 'read' ? this.host.read(guarded) : this.host.write(guarded);
  }

  /** The same on each server but the active one. */
  async lookElsewhere<Value>(work: Work<Value>): Promise<readonly Elsewhere<Value | undefined>[]> {
    this.#checkOpen();
    return this.host.onOthers(this.#guarded(work));
  }

  #guarded<Value>(work: Work<Value>): Work<Value | undefined> {
    return async (connection) => {
      try {
        await connection.use(this.dataNode.database);
      } catch (error) {
        if ((error as { errno?: number }).errno === 1049) return undefined;
        throw error;
      }
      return work(connection);
    };
  }
}

export class DataNodes {
  readonly #settings: ClusterSettings;
  readonly #url: string;
  readonly #report: (code: string, detail: string) => void;
  readonly #hosts = new Map<string, DataHostConnections>();
  readonly #nodes = new Map<string, OpenNode>();
  #isOpen = false;
  #remembering: Promise<unknown> = Promise.resolve();

  constructor(settings: ClusterSettings, url: string, report: (code: string, detail: string) => void) {
    this.#settings = settings;
    this.#url = url;
    this.#report = report;
  }

  /** Connects to nobody yet. */
  async open(): Promise<void> {
    const { activeHostFile, dataHosts } = this.#settings;
    const active =
      activeHostFile === undefined ? new Map<string, number>() : await readActiveHosts(activeHostFile);
    for (const settings of dataHosts) {
      const hooks = {
        report: this.#report,
        onSwitch: (name: string, index: number) => this.#remember(name, index),
      };
      this.#hosts.set(settings.name, new DataHostConnections(settings, hooks, active.get(settings.name)));
    }
    this.#isOpen = true;
  }

  startHeartbeats(): void {
    for (const host of this.#hosts.values()) host.startHeartbeat();
  }

  /** Resolves when it is remembered who is active. */
  async close(): Promise<void> {
    this.#isOpen = false;
    for (const host of this.#hosts.values()) host.close();
    this.#hosts.clear();
    this.#nodes.clear();
    await this.#remembering;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  checkOpen(): void {
    if (!this.#isOpen) throw new MailprocError('store.closed', `use ${this.#url}: it is not open`);
  }

  /** Those that were used already. */
  used(): readonly OpenNode[] {
    return [...this.#nodes.values()];
  }

  all(): readonly OpenNode[] {
    return this.#settings.shardMap.dataNodes().map((dataNode) => this.of(dataNode));
  }

  /** The first: entries and leases are there. */
  home(): OpenNode {
    const [first] = this.#settings.shardMap.dataNodes();
    if (first === undefined)
      throw new MailprocError('config.data-node', `open ${this.#url}: there is no data node`);
    return this.of(first);
  }

  of(dataNode: DataNode): OpenNode {
    this.checkOpen();
    const open = this.#nodes.get(dataNode.name);
    if (open !== undefined) return open;
    const host = this.#hosts.get(dataNode.dataHost);
    if (host === undefined) {
      const message = `use data node ${dataNode.name}: there is no data host ${dataNode.dataHost}`;
      throw new MailprocError('config.data-node', message);
    }
    const node = new OpenNode(dataNode, host, () => this.checkOpen());
    this.#nodes.set(dataNode.name, node);
    return node;
  }

  /** undefined where the configuration has no place for the day. */
  shardIfAny(protocol: MailProtocol, day: string): Shard | undefined {
    try {
      return this.#settings.shardMap.shardOf(protocol, day);
    } catch (error) {
      if (error instanceof MailprocError) return undefined;
      throw error;
    }
  }

  /** For the sequence that has its counter on the data node `name`. */
  sequenceConnection(name: string): SequenceConnection {
    const dataNode = this.#settings.shardMap.dataNodes().find((candidate) => candidate.name === name);
    if (dataNode === undefined) {
      const message = `use the sequence on data node ${name}: there is no such data node`;
      throw new MailprocError('config.sequence', message);
    }
    const node = this.of(dataNode);
    return {
      query: (sql, parameters) =>
        node.host.write(async (connection) => {
          await useDatabase(connection, dataNode.database);
          if (/^\s*SELECT/i.test(sql))
            return { rows: await connection.rows(sql, parameters), affectedRows: 0, insertId: 0 };
          return { rows: [], ...(await connection.run(sql, parameters)) };
        }),
    };
  }

  #remember(name: string, index: number): void {
    const { activeHostFile } = this.#settings;
    if (activeHostFile === undefined) return;
    this.#remembering = this.#remembering
      .then(() => rememberActiveHost(activeHostFile, name, index))
      .catch((error: Error) => this.#report('store.not-remembered', error.message));
  }
}
