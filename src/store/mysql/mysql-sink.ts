/**
 * Day tables on one MySQL server or many. The mails of a table are written in one transaction with their
 * keys and the ledger's count of them, so that they are stored once whatever breaks in between: who does not
 * know how a transaction ended looks the keys up and writes what is missing.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import type { Lease } from '../ledger.ts';
import { protocols } from '../row.ts';
import type { Sink, Stored, StoredRow, StoredTable } from '../sink.ts';
import { readActiveHosts, rememberActiveHost } from './active-host.ts';
import { type Group, groupBy, learn, type Mail, toGroups, toMails, toStored } from './batch.ts';
import { type MysqlConnection, quoted } from './connection.ts';
import { DataHostConnections } from './data-host.ts';
import { Cuts } from './fit.ts';
import { type Entry, insertRows, replaceRow, type Target } from './insert.ts';
import { captureKey, findKnown } from './keys.ts';
import { takeLease } from './lease.ts';
import { homeTables, insertLedgerRows, ledgerRowsStatement, MysqlLedger } from './ledger.ts';
import { isDuplicateId, mysqlError, troubleOf } from './mysql-error.ts';
import { placeMails } from './placement.ts';
import {
  checkId,
  columnList,
  createDayTable,
  createMissing,
  type DayTable,
  describeDayTable,
  isInMonthView,
  missingTables,
  refreshMonthView,
  useDatabase,
} from './schema.ts';
import { openSequence } from './sequence/open-sequence.ts';
import { type IdSource, idsOf, type SequenceConnection } from './sequence/types.ts';
import { Tail } from './tail.ts';
import type { ClusterSettings, DataNode, MailProtocol, Shard } from './types.ts';

export interface MysqlSinkOptions {
  /** For reports; without a password. */
  readonly url?: string;
  /** What the operator should know: a failover, a value that was cut. Codes are stable. */
  readonly report?: (code: string, detail: string) => void;
  /** Instead of the sequence of the settings. */
  readonly ids?: IdSource;
  /** How long a lease lasts without renewal. */
  readonly leaseMs?: number;
}

/** A data node and the servers it is on. */
interface Node {
  readonly dataNode: DataNode;
  readonly host: DataHostConnections;
  readonly tail: Tail;
  /** Of the tables that are there for certain: what they hold. Forgotten when another server takes over. */
  tables: Map<string, DayTable>;
  tablesEpoch: number;
}

export class MysqlSink implements Sink {
  readonly url: string;
  readonly ledger: MysqlLedger;
  readonly #settings: ClusterSettings;
  readonly #report: (code: string, detail: string) => void;
  readonly #leaseMs: number | undefined;
  readonly #givenIds: IdSource | undefined;
  readonly #cuts: Cuts;
  readonly #hosts = new Map<string, DataHostConnections>();
  readonly #nodes = new Map<string, Node>();
  /** The memories of tables in whose time those of the home were seen to be there. */
  readonly #homeTables = new WeakSet<Map<string, DayTable>>();
  #ids: IdSource | undefined;
  #isOpen = false;
  /** Writes take turns, so that ids are in the order written. */
  #lastWrite: Promise<unknown> = Promise.resolve();
  #remembering: Promise<unknown> = Promise.resolve();

  constructor(settings: ClusterSettings, options: MysqlSinkOptions = {}) {
    this.#settings = settings;
    this.url = options.url ?? urlOf(settings);
    this.#report = options.report ?? (() => {});
    this.#givenIds = options.ids;
    this.#leaseMs = options.leaseMs;
    this.#cuts = new Cuts(this.#report);
    this.ledger = new MysqlLedger({
      home: (work) => this.#onHome(work),
      on: (shard, work) => this.#onExisting(this.#node(shard.dataNode), work),
      shardOf: (protocol, day) => this.#shardIfAny(protocol, day),
      everywhere: async (work) => {
        const nodes = this.#settings.shardMap.dataNodes().map((dataNode) => this.#node(dataNode));
        const values = await Promise.all(nodes.map((node) => this.#onExisting(node, work)));
        return values.filter((value) => value !== undefined);
      },
      leaseMs: this.#leaseMs,
    });
  }

  /** How many values were cut or lost characters, by `table.column`. */
  get cuts(): ReadonlyMap<string, number> {
    return this.#cuts.counts;
  }

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
    try {
      await this.#onHome(async () => {});
      const connect = async (name: string) => this.#sequenceConnection(name);
      this.#ids = this.#givenIds ?? (await openSequence(this.#settings.sequence, connect));
    } catch (error) {
      this.#drop();
      throw mysqlError(error, `open ${this.url}`);
    }
    for (const host of this.#hosts.values()) host.startHeartbeat();
  }

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    this.#checkOpen();
    const written = this.#lastWrite.then(() => this.#write(batch));
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    const counts = await this.#ofDay(day, async (connection, table) => {
      const [row] = await connection.rows(`SELECT COUNT(*) AS total FROM ${quoted(table)}`);
      return { name: table, rows: Number(row?.['total']) };
    });
    return counts;
  }

  async sample(day: string, limit: number): Promise<readonly StoredRow[]> {
    const sql = (table: string) => `SELECT ${columnList} FROM ${quoted(table)} ORDER BY id LIMIT ?`;
    const found = await this.#ofDay(day, (connection, table) => connection.rows(sql(table), [limit]), 'read');
    const rows = found.flat() as unknown as StoredRow[];
    return rows.sort((left, right) => Number(left.id) - Number(right.id)).slice(0, limit);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    await this.#lastWrite;
    this.#drop();
    await this.#remembering;
  }

  async #write(batch: readonly MailRecord[]): Promise<Stored> {
    this.#checkOpen();
    if (batch.length === 0) return { added: 0, replaced: 0, known: 0 };
    try {
      const mails = toMails(batch);
      await placeMails(mails, {
        home: (work) => this.#onHome(work),
        known: (protocol, day, keys) => this.#knownOf(protocol, day, keys),
      });
      const groups = toGroups(mails, (protocol, day) => this.#settings.shardMap.shardOf(protocol, day));
      await Promise.all(groups.map((group) => this.#lookUp(group)));
      await this.#giveIds(mails);
      await this.#storeGroups(groups);
      await this.#secureTails();
      return toStored(mails);
    } catch (error) {
      throw mysqlError(error, `write ${this.url}`);
    }
  }

  /** Data nodes beside each other, the tables of one after another. */
  async #storeGroups(groups: readonly Group[]): Promise<void> {
    const byNode = groupBy(groups, ({ shard }) => this.#node(shard.dataNode));
    const results = await Promise.allSettled(
      [...byNode].map(async ([node, ofNode]) => {
        for (const group of ofNode) await this.#store(node, group);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #lookUp(group: Group): Promise<void> {
    const [mail] = group.mails;
    if (mail === undefined) return;
    const keys = group.mails.map(({ key }) => key);
    learn(group, await this.#knownOf(mail.protocol, group.day, keys));
  }

  /** Nothing is created to look into it. */
  async #knownOf(protocol: MailProtocol, day: string, keys: readonly string[]): ReturnType<typeof findKnown> {
    const shard = this.#shardIfAny(protocol, day);
    if (shard === undefined) return new Map();
    const node = this.#node(shard.dataNode);
    const known = await this.#onExisting(node, async (connection) => {
      const ready = this.#tables(node).get(shard.table);
      const table = ready ?? (await describeDayTable(connection, shard.table));
      if (table === undefined) return undefined;
      const lacksKeys = table.keys === 'side' && ready === undefined;
      if (lacksKeys && (await missingTables(connection, ['mail_keys'])).length > 0) return undefined;
      return findKnown(connection, table, keys);
    });
    return known ?? new Map();
  }

  /** In the order of the batch. */
  async #giveIds(mails: readonly Mail[]): Promise<void> {
    const without = mails.filter(({ known, id }) => known === undefined && id === undefined);
    if (without.length === 0 || this.#ids === undefined) return;
    const ids = idsOf(await this.#ids.take(without.length));
    for (const [index, mail] of without.entries()) mail.id = ids[index];
  }

  async #store(node: Node, group: Group): Promise<void> {
    await this.#secureTail(node);
    await this.#storeOnce(node, group, 'write');
    node.tail.keep(group);
  }

  /** Until every mail of the group is stored, here or by another run. */
  async #storeOnce(node: Node, group: Group, first: 'look' | 'write'): Promise<void> {
    let isLookedUp = first === 'write';
    const { table: name } = group.shard;
    const prepare = () => this.#prepareTable(node, name);
    await this.#onNode(node, prepare, async (connection) => {
      const table = this.#tables(node).get(name);
      if (table === undefined) throw tableMissing(name);
      if (!isLookedUp) {
        learn(
          group,
          await findKnown(
            connection,
            table,
            group.mails.map(({ key }) => key),
          ),
        );
        await this.#giveIds(group.mails);
      }
      isLookedUp = false;
      try {
        await this.#storeMissing(connection, { table, day: group.day, cuts: this.#cuts }, group.mails);
      } catch (error) {
        if (isDuplicateId(error)) this.#dropIds(table, group.mails);
        throw error;
      }
    });
  }

  async #storeMissing(connection: MysqlConnection, target: Target, mails: readonly Mail[]): Promise<void> {
    const added = mails.filter(({ known }) => known === undefined);
    const replaced = mails.filter(({ known, rank }) => known !== undefined && known.rank < rank);
    if (added.length + replaced.length === 0) return;
    const entries = added.map(toEntry);
    for (const mail of added) mail.triedIds.add(String(mail.id));
    await connection.transaction(async () => {
      await insertRows(connection, target, entries);
      const moved: Mail[] = [];
      for (const mail of replaced) {
        if (await replaceRow(connection, await this.#targetOf(connection, target, mail), toEntry(mail)))
          moved.push(mail);
      }
      const changes = ledgerChanges(added, moved);
      await insertLedgerRows(connection, target.table.name, chunkOf(added, moved), changes);
    });
  }

  /** With keys beside the tables, a key may lead to another table of the same database. */
  async #targetOf(connection: MysqlConnection, target: Target, { known }: Mail): Promise<Target> {
    if (known === undefined || known.table === target.table.name) return target;
    const table = await describeDayTable(connection, known.table);
    return table === undefined ? target : { ...target, table, day: dayOf(known.table) ?? target.day };
  }

  /** Two masters may hand out the same ids after a failover: these are taken, the next are fresh. */
  #dropIds(table: DayTable, mails: readonly Mail[]): void {
    this.#ids?.discard();
    if (table.keys === 'side' || mails.some(({ id }) => id !== undefined)) {
      for (const mail of mails) if (mail.known === undefined) mail.id = undefined;
    }
  }

  /** Also of data nodes that this batch has nothing for: it may be the last. */
  async #secureTails(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => this.#secureTail(node)));
  }

  /** What was acknowledged shortly before another master took over is written to that one, too. */
  async #secureTail(node: Node): Promise<void> {
    const groups = node.tail.lost(node.host.epoch);
    for (const group of groups) await this.#storeOnce(node, group, 'look');
    if (groups.length > 0) {
      const mails = groups.reduce((sum, group) => sum + group.mails.length, 0);
      this.#report(
        'store.rewritten',
        `${mails} mails written again to ${node.host.activeServer}, as far as they were missing`,
      );
    }
  }

  /** Makes the table and the view of its month where that is needed; nobody else changes tables meanwhile. */
  async #prepareTable(node: Node, name: string): Promise<void> {
    if (this.#tables(node).has(name)) return;
    const look = async (connection: MysqlConnection): Promise<boolean> => {
      const table = await describeDayTable(connection, name);
      const needed = ['mailproc_ledger_rows', ...(table?.keys === 'side' ? ['mail_keys'] : [])];
      if (table === undefined || (await missingTables(connection, needed)).length > 0) return false;
      if (this.#hasView(node, name) && !(await isInMonthView(connection, name))) return false;
      checkId(table, this.#ids?.idBits ?? 31);
      this.#tables(node).set(name, table);
      return true;
    };
    if (await this.#onNode(node, undefined, look)) return;
    const lock = await this.#schemaLock();
    try {
      await this.#onNode(node, undefined, async (connection) => {
        await createMissing(connection, new Map([['mailproc_ledger_rows', ledgerRowsStatement]]));
        const form = { schema: this.#settings.schema, idBits: this.#ids?.idBits ?? 31 };
        const table = await createDayTable(connection, name, form);
        checkId(table, form.idBits);
        if (this.#hasView(node, name)) await this.#refreshView(connection, name);
        this.#tables(node).set(name, table);
      });
    } finally {
      await lock.release();
    }
  }

  /** DDL of two writers at once can hang a Galera cluster. */
  async #schemaLock(): Promise<Lease> {
    for (;;) {
      // No capture's name begins with U+0000.
      const lease = await takeLease((work) => this.#onHome(work), ['\0schema'], mysqlLimits.schemaLockMs);
      if (lease !== undefined) return lease;
      await sleep(20 + Math.random() * 30);
    }
  }

  #tables(node: Node): Map<string, DayTable> {
    if (node.tablesEpoch !== node.host.epoch) node.tables = new Map();
    node.tablesEpoch = node.host.epoch;
    return node.tables;
  }

  #hasView(node: Node, table: string): boolean {
    const day = dayOf(table);
    const protocol = protocols.find((name) => table.startsWith(`${name}_`));
    return day !== undefined && protocol !== undefined && this.#isMonthOn(node, protocol, day);
  }

  /** Rows matter more than the view over them. */
  async #refreshView(connection: MysqlConnection, table: string): Promise<void> {
    try {
      await refreshMonthView(connection, table);
    } catch (error) {
      if (!connection.isUsable || troubleOf(error) !== 'other') throw error;
      this.#report('store.no-view', mysqlError(error, `show ${table} in the view of its month`).message);
    }
  }

  #isMonthOn(node: Node, protocol: MailProtocol, day: string): boolean {
    for (let number = 1; number <= 31; number++) {
      const shard = this.#shardIfAny(protocol, `${day.slice(0, 8)}${String(number).padStart(2, '0')}`);
      if (shard !== undefined && shard.dataNode.name !== node.dataNode.name) return false;
    }
    return true;
  }

  /** One answer for each table of a day that exists, in the order of the protocols. */
  async #ofDay<Value>(
    day: string,
    work: (connection: MysqlConnection, table: string) => Promise<Value>,
    from: 'read' | 'write' = 'write',
  ): Promise<Value[]> {
    this.#checkOpen();
    const shards = protocols.flatMap((protocol) => this.#shardIfAny(protocol, day) ?? []);
    try {
      const values = await Promise.all(
        shards.map(({ dataNode, table }) => {
          const one = async (connection: MysqlConnection): Promise<Value | undefined> => {
            const isThere = (await describeDayTable(connection, table)) !== undefined;
            return isThere ? work(connection, table) : undefined;
          };
          return this.#onExisting(this.#node(dataNode), one, from);
        }),
      );
      return values.filter((value) => value !== undefined);
    } catch (error) {
      throw mysqlError(error, `read ${this.url}`);
    }
  }

  /** Where entries, leases and placements are; their tables are made where they are missing. */
  async #onHome<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value> {
    const home = this.#home();
    const { epoch } = home.host;
    const value = await this.#onNode(home, undefined, async (connection) => {
      const tables = this.#tables(home);
      if (!this.#homeTables.has(tables)) {
        await createMissing(connection, homeTables);
        this.#homeTables.add(tables);
      }
      return work(connection);
    });
    if (home.host.epoch !== epoch) await this.#secureTails();
    return value;
  }

  /** On the active master, in the data node's database, which is made where it is missing. */
  async #onNode<Value>(
    node: Node,
    prepare: (() => Promise<void>) | undefined,
    work: (connection: MysqlConnection) => Promise<Value>,
  ): Promise<Value> {
    this.#checkOpen();
    for (let attempt = 1; ; attempt++) {
      try {
        await prepare?.();
        return await node.host.write(async (connection) => {
          await useDatabase(connection, node.dataNode.database);
          return work(connection);
        });
      } catch (error) {
        const trouble = troubleOf(error);
        const isPassing = trouble === 'conflict' || trouble === 'duplicate' || trouble === 'schema';
        if (!isPassing || attempt >= mysqlLimits.attemptsMax) throw error;
        if (trouble === 'schema') node.tables = new Map();
      }
      await sleep(Math.random() * Math.min(mysqlLimits.retryPauseMsMax, 5 * 2 ** Math.min(attempt, 10)));
    }
  }

  /** undefined where the database does not exist. */
  async #onExisting<Value>(
    node: Node,
    work: (connection: MysqlConnection) => Promise<Value>,
    from: 'read' | 'write' = 'write',
  ): Promise<Value | undefined> {
    this.#checkOpen();
    const guarded = async (connection: MysqlConnection): Promise<Value | undefined> => {
      try {
        await connection.use(node.dataNode.database);
      } catch (error) {
        if ((error as { errno?: number }).errno === 1049) return undefined;
        throw error;
      }
      return work(connection);
    };
    return from === 'read' ? node.host.read(guarded) : node.host.write(guarded);
  }

  #sequenceConnection(name: string): SequenceConnection {
    const dataNode = this.#settings.shardMap.dataNodes().find((candidate) => candidate.name === name);
    if (dataNode === undefined) {
      throw new MailprocError(
        'config.sequence',
        `use the sequence on data node ${name}: there is no such data node`,
      );
    }
    const node = this.#node(dataNode);
    return {
      query: (sql, parameters) =>
        node.host.write(async (connection) => {
          await useDatabase(connection, node.dataNode.database);
          if (/^\s*SELECT/i.test(sql))
            return { rows: await connection.rows(sql, parameters), affectedRows: 0, insertId: 0 };
          return { rows: [], ...(await connection.run(sql, parameters)) };
        }),
    };
  }

  #node(dataNode: DataNode): Node {
    let node = this.#nodes.get(dataNode.name);
    if (node === undefined) {
      const host = this.#hosts.get(dataNode.dataHost);
      if (host === undefined) {
        throw new MailprocError(
          'config.data-node',
          `use data node ${dataNode.name}: there is no data host ${dataNode.dataHost}`,
        );
      }
      node = { dataNode, host, tail: new Tail(host.hasStandBy), tables: new Map(), tablesEpoch: host.epoch };
      this.#nodes.set(dataNode.name, node);
    }
    return node;
  }

  #home(): Node {
    const [first] = this.#settings.shardMap.dataNodes();
    if (first === undefined)
      throw new MailprocError('config.data-node', `open ${this.url}: there is no data node`);
    return this.#node(first);
  }

  #shardIfAny(protocol: MailProtocol, day: string): Shard | undefined {
    try {
      return this.#settings.shardMap.shardOf(protocol, day);
    } catch (error) {
      if (error instanceof MailprocError) return undefined;
      throw error;
    }
  }

  #remember(name: string, index: number): void {
    const { activeHostFile } = this.#settings;
    if (activeHostFile === undefined) return;
    this.#remembering = this.#remembering
      .then(() => rememberActiveHost(activeHostFile, name, index))
      .catch((error: Error) => this.#report('store.not-remembered', error.message));
  }

  #drop(): void {
    this.#isOpen = false;
    for (const host of this.#hosts.values()) host.close();
    this.#hosts.clear();
    this.#nodes.clear();
    this.#ids = undefined;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new MailprocError('store.closed', `use ${this.url}: it is not open`);
  }
}

function urlOf({ dataHosts }: ClusterSettings): string {
  const server = dataHosts[0]?.writeHosts[0]?.server;
  return `mysql://${server?.socketPath ?? `${server?.host}:${server?.port}`}`;
}

function toEntry({ best, rank, id, known }: Mail): Entry {
  return { record: best, rank, id: known?.id ?? id ?? 0 };
}

/** To be prepared (again): as the server would say it. */
function tableMissing(name: string): Error {
  return Object.assign(new Error(`no table ${name}`), { errno: 1146, sqlMessage: `no table ${name}` });
}

/** A replaced row moves from the capture it came from to the one that had more of it. */
function ledgerChanges(
  added: readonly Mail[],
  replaced: readonly Mail[],
): { capture: string | undefined; key: Buffer; rows: number }[] {
  const changes = new Map<string, { capture: string | undefined; key: Buffer; rows: number }>();
  const change = (key: Buffer, rows: number, capture?: string): void => {
    const before = changes.get(key.toString('hex'));
    changes.set(key.toString('hex'), {
      key,
      capture: before?.capture ?? capture,
      rows: (before?.rows ?? 0) + rows,
    });
  };
  const count = new Map<string, number>();
  for (const { best } of [...added, ...replaced]) {
    const capture = best.columns.file_path;
    count.set(capture, (count.get(capture) ?? 0) + 1);
  }
  for (const [capture, rows] of count) change(captureKey(capture), rows, capture);
  for (const { known } of replaced) if (known !== undefined) change(known.capture, -1);
  return [...changes.values()];
}

/** The same mails with the same ids are the same chunk: when it is written to two masters, they agree. */
function chunkOf(added: readonly Mail[], replaced: readonly Mail[]): Buffer {
  const hash = createHash('sha256');
  for (const { key, rank, id, known } of [...added, ...replaced]) {
    hash.update(`${key} ${rank} ${known?.id ?? id}\n`);
  }
  return hash.digest().subarray(0, 16);
}

/** `imap_2022_01_28` is of 2022-01-28; MyCat's ranges leave out the zeros. */
function dayOf(table: string): string | undefined {
  const parts = /_(\d{4})_(\d{1,2})_(\d{1,2})$/.exec(table);
  if (parts === null) return undefined;
  const [, year = '', month = '', day = ''] = parts;
  return `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}
