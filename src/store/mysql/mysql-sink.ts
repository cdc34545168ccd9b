/**
 * Day tables on one MySQL server or many. The mails of a table are written in one transaction with their
 * keys and the ledger's count of them, so that they are stored once whatever breaks in between: who does not
 * know how a transaction ended looks the keys up and writes what is missing.
 */
import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import { protocols } from '../row.ts';
import type { Pruning, Sink, Stored, StoredRow, StoredTable } from '../sink.ts';
import { type Group, groupBy, learn, type Mail, octetsOf, toGroups, toMails, toStored } from './batch.ts';
import { keysOf, writeChunk } from './chunk.ts';
import { type MysqlConnection, quoted } from './connection.ts';
import { copiesOf } from './copies.ts';
import { DataNodes, type OpenNode, type Work } from './data-nodes.ts';
import { DayTables } from './day-tables.ts';
import { forgetDroppedTables } from './dropped-tables.ts';
import { Cuts } from './fit.ts';
import { findIfAny, findKnown } from './keys.ts';
import { homeTables, MysqlLedger } from './ledger.ts';
import { MailIds } from './mail-ids.ts';
import { MailPlaces } from './mail-places.ts';
import { isDuplicateId, mysqlError, troubleOf } from './mysql-error.ts';
import { Misplaced } from './placement.ts';
import { MysqlPruning } from './pruning.ts';
import { columnList, createMissing, type DayTable, describeDayTable, missingTables } from './schema.ts';
import { openSequence } from './sequence/open-sequence.ts';
import type { IdSource } from './sequence/types.ts';
import type { ClusterSettings, MailProtocol } from './types.ts';

export interface MysqlSinkOptions {
  /** For reports; without a password. */
  readonly url?: string;
  /** What the operator should know: a failover, a value that was cut. Codes are stable. */
  readonly report?: (code: string, detail: string) => void;
  /** Instead of the sequence of the settings. */
  readonly ids?: IdSource;
  /** How long a lease lasts without renewal. */
  readonly leaseMs?: number;
  /** For reading: `open` throws `store.missing` where no run has stored anything, and makes nothing. */
  readonly mustExist?: boolean;
}

export class MysqlSink implements Sink {
  readonly url: string;
  readonly ledger: MysqlLedger;
  readonly pruning: Pruning;
  readonly #settings: ClusterSettings;
  readonly #report: (code: string, detail: string) => void;
  readonly #givenIds: IdSource | undefined;
  readonly #mustExist: boolean;
  readonly #cuts: Cuts;
  readonly #nodes: DataNodes;
  readonly #dayTables: DayTables;
  readonly #places: MailPlaces;
  /** The memories of tables in whose time those of the home were seen to be there. */
  readonly #homeTables = new WeakSet<Map<string, DayTable>>();
  readonly #lookedForDropped = new WeakSet<OpenNode>();
  #ids: MailIds | undefined;
  /** Writes take turns, so that ids are in the order written. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(settings: ClusterSettings, options: MysqlSinkOptions = {}) {
    this.#settings = settings;
    this.url = options.url ?? urlOf(settings);
    this.#report = options.report ?? (() => {});
    this.#givenIds = options.ids;
    this.#mustExist = options.mustExist ?? false;
    this.#cuts = new Cuts(this.#report);
    this.#nodes = new DataNodes(settings, this.url, this.#report);
    const home = <Value>(work: Work<Value>): Promise<Value> => this.#onHome(work);
    this.#dayTables = new DayTables(this.#nodes, {
      schema: settings.schema,
      idBits: () => this.#idBits,
      home,
      report: this.#report,
    });
    this.pruning = new MysqlPruning({
      url: this.url,
      nodes: this.#nodes,
      dayTables: this.#dayTables,
      home,
    });
    this.#places = new MailPlaces(this.#nodes, {
      on: async (node, work) => {
        await this.#dayTables.prepareNode(node);
        return node.write(work);
      },
      known: (protocol, day, keys) => this.#knownOf(protocol, day, keys),
    });
    this.ledger = new MysqlLedger({
      home,
      on: (shard, work) => this.#nodes.of(shard.dataNode).look(work),
      copies: (shard) => copiesOf(this.#nodes.of(shard.dataNode), shard.table),
      shardOf: (protocol, day) => this.#nodes.shardIfAny(protocol, day),
      everywhere: async (work) => {
        const values = await Promise.all(this.#nodes.all().map((node) => node.look(work)));
        return values.filter((value) => value !== undefined);
      },
      forgetDropped: (days) => this.#forgetDropped(days),
      leaseMs: options.leaseMs,
    });
  }

  /** How many values were cut or lost characters, by `table.column`. */
  get cuts(): ReadonlyMap<string, number> {
    return this.#cuts.counts;
  }

  async open(): Promise<void> {
    await this.#nodes.open();
    try {
      await (this.#mustExist ? this.#checkThere() : this.#prepare());
    } catch (error) {
      await this.#drop();
      throw mysqlError(error, `open ${this.url}`);
    }
    this.#nodes.startHeartbeats();
  }

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    this.#nodes.checkOpen();
    const written = this.#lastWrite.then(() => this.#write(batch));
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    return this.#ofDay(day, async (connection, table) => {
      const [row] = await connection.rows(`SELECT COUNT(*) AS total FROM ${quoted(table)}`);
      return { name: table, rows: Number(row?.['total']) };
    });
  }

  async sample(day: string, limit: number): Promise<readonly StoredRow[]> {
    const sql = (table: string) => `SELECT ${columnList} FROM ${quoted(table)} ORDER BY id LIMIT ?`;
    const found = await this.#ofDay(day, (connection, table) => connection.rows(sql(table), [limit]), 'read');
    const rows = found.flat() as unknown as StoredRow[];
    return rows.sort((left, right) => Number(left.id) - Number(right.id)).slice(0, limit);
  }

  async close(): Promise<void> {
    if (!this.#nodes.isOpen) return;
    await this.#lastWrite;
    await this.#drop();
  }

  async #prepare(): Promise<void> {
    await this.#onHome(async () => {});
    const connect = async (name: string) => this.#nodes.sequenceConnection(name);
    this.#ids = new MailIds(this.#givenIds ?? (await openSequence(this.#settings.sequence, connect)));
  }

  async #checkThere(): Promise<void> {
    const names = [...homeTables.keys()];
    const missing = await this.#nodes.home().look((connection) => missingTables(connection, names));
    if (missing?.length === 0) return;
    throw new MailprocError('store.missing', `open ${this.url}: no run has stored anything there`, {
      hint: 'check the name; databases and tables are made by the first run that stores mails in them',
    });
  }

  /** Each data node is looked at once. */
  async #forgetDropped(days: readonly string[]): Promise<boolean> {
    if (this.#mustExist) return false;
    const shards = days.flatMap((day) =>
      protocols.flatMap((protocol) => this.#nodes.shardIfAny(protocol, day) ?? []),
    );
    const nodes = [...new Set(shards.map(({ dataNode }) => this.#nodes.of(dataNode)))];
    let wereAny = false;
    for (const node of nodes.filter((each) => !this.#lookedForDropped.has(each))) {
      this.#lookedForDropped.add(node);
      if (await forgetDroppedTables(node, (work) => this.#onHome(work))) wereAny = true;
      await this.#dayTables.mendViews(node);
    }
    return wereAny;
  }

  async #drop(): Promise<void> {
    this.#ids = undefined;
    await this.#nodes.close();
  }

  get #idBits(): 31 | 63 {
    return this.#ids?.idBits ?? 31;
  }

  async #write(batch: readonly MailRecord[]): Promise<Stored> {
    this.#nodes.checkOpen();
    if (batch.length === 0) return { added: 0, replaced: 0, known: 0 };
    try {
      const mails = toMails(batch);
      let strays = await this.#writeRound(
        mails,
        mails.filter(({ day, ownDay }) => day !== ownDay),
      );
      for (let round = 1; strays.length > 0; round++) {
        if (round > mysqlLimits.attemptsMax) throw inTheWay(strays.length);
        await pause(round);
        strays = await this.#writeRound(strays, strays);
      }
      await this.#secureTails();
      return toStored(mails);
    } catch (error) {
      throw mysqlError(error, `write ${this.url}`);
    }
  }

  /** Returns the mails that turned out to be elsewhere; `astray`: those that may be, for all that is known. */
  async #writeRound(mails: readonly Mail[], astray: readonly Mail[]): Promise<readonly Mail[]> {
    const looked = new Set(astray);
    const found = await this.#places.find(astray);
    const toWrite = new Set(found.open);
    const groupsOf = (some: readonly Mail[]) =>
      toGroups(some, (protocol, day) => this.#settings.shardMap.shardOf(protocol, day));
    await Promise.all(
      groupsOf(mails.filter((mail) => !looked.has(mail))).map((group) => this.#lookUp(group)),
    );
    const open = mails.filter((mail) => !looked.has(mail) || toWrite.has(mail));
    await this.#ids?.give(open);
    return [...found.again, ...(await this.#storeGroups(groupsOf(open)))];
  }

  /** Not where all is new presumably: there the unique keys tell, at the price of a second attempt. */
  async #lookUp(group: Group): Promise<void> {
    const [mail] = group.mails;
    if (mail === undefined) return;
    if (this.#nodes.of(group.shard.dataNode).newGround.has(group.shard.table)) return;
    learn(group, await this.#knownOf(mail.protocol, group.day, keysOf(group.mails)));
  }

  /** Nothing is created to look into it. */
  async #knownOf(protocol: MailProtocol, day: string, keys: readonly string[]): ReturnType<typeof findKnown> {
    const shard = this.#nodes.shardIfAny(protocol, day);
    if (shard === undefined) return new Map();
    const node = this.#nodes.of(shard.dataNode);
    const look = () =>
      node.look((connection) => findIfAny(connection, shard.table, node.tables.get(shard.table), keys));
    const known = await look().catch((error: unknown) => {
      if (troubleOf(error) !== 'schema') throw error;
      // Dropped by hand since it was seen.
      node.forgetTables();
      return look();
    });
    return known ?? new Map();
  }

  /** Data nodes beside each other, the tables of one after another. Returns mails that are elsewhere. */
  async #storeGroups(groups: readonly Group[]): Promise<readonly Mail[]> {
    const byNode = groupBy(groups, ({ shard }) => this.#nodes.of(shard.dataNode));
    const strays: Mail[] = [];
    const results = await Promise.allSettled(
      [...byNode].map(async ([node, ofNode]) => {
        for (const group of ofNode) strays.push(...(await this.#store(node, group)));
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return strays;
  }

  async #store(node: OpenNode, group: Group): Promise<readonly Mail[]> {
    await this.#secureTail(node);
    const strays = await this.#storeMost(node, group, 'write');
    const mails = group.mails.filter((mail) => !strays.includes(mail));
    const again = () => this.#storeMost(node, { ...group, mails }, 'look');
    node.tail.keep({ mails: mails.length, octets: octetsOf(mails), again });
    const isAllNew = mails.every(({ rankBefore }) => rankBefore === undefined);
    if (isAllNew && strays.length === 0) node.newGround.add(group.shard.table);
    else node.newGround.delete(group.shard.table);
    return strays;
  }

  /** Until every mail of the group is stored, here or by another run, but those that are in other tables. */
  async #storeMost(node: OpenNode, group: Group, first: 'look' | 'write'): Promise<readonly Mail[]> {
    const strays: Mail[] = [];
    let { mails } = group;
    while (mails.length > 0) {
      try {
        await this.#ids?.give(mails);
        await this.#places.claim(node, mails);
        await this.#storeOnce(node, { ...group, mails }, first);
        await this.#places.leave(node, mails);
        break;
      } catch (error) {
        if (!(error instanceof Misplaced)) throw error;
        const isStray = ({ key, isMoving }: Mail) => error.keys?.has(key) ?? isMoving;
        const some = mails.filter(isStray);
        assert(some.length > 0, 'a mail that is elsewhere is one of the batch');
        strays.push(...some);
        mails = mails.filter((mail) => !isStray(mail));
      }
    }
    return strays;
  }

  async #storeOnce(node: OpenNode, group: Group, first: 'look' | 'write'): Promise<void> {
    let attempts = 0;
    await this.#dayTables.at(node, group.shard.table, async (connection, table) => {
      if (attempts++ > 0 || first === 'look') {
        learn(group, await findKnown(connection, table, keysOf(group.mails)));
        await this.#ids?.give(group.mails);
      }
      const leavesHere = (mail: Mail) => mail.leaving !== undefined && this.#places.leavesHere(node, mail);
      try {
        await writeChunk(connection, { table, day: group.day, cuts: this.#cuts, leavesHere }, group.mails);
      } catch (error) {
        if (isDuplicateId(error)) this.#ids?.discard(group.mails);
        // Later, an attempt whose COMMIT was not answered may have used them; of a tail, another master.
        else if (first === 'write' && attempts === 1 && isRolledBack(error)) this.#ids?.takeBack(group.mails);
        throw error;
      }
    });
  }

  /** Also of data nodes that this batch has nothing for: it may be the last. */
  async #secureTails(): Promise<void> {
    await Promise.all(this.#nodes.used().map((node) => this.#secureTail(node)));
  }

  /** What was acknowledged shortly before another master took over is written to that one, too. */
  async #secureTail(node: OpenNode): Promise<void> {
    const kept = [...node.tail.lost()];
    for (const { again } of kept) {
      // Mails that are elsewhere by now were moved by another run, which sees to them.
      await again().catch((error: unknown) => {
        if (!(error instanceof Misplaced)) throw error;
      });
    }
    if (kept.length > 0) {
      const mails = kept.reduce((sum, each) => sum + each.mails, 0);
      this.#report(
        'store.rewritten',
        `${mails} mails written again to ${node.host.activeServer}, as far as they were missing`,
      );
    }
  }

  /** One answer for each table of a day that exists, in the order of the protocols. */
  async #ofDay<Value>(
    day: string,
    work: (connection: MysqlConnection, table: string) => Promise<Value>,
    from: 'read' | 'write' = 'write',
  ): Promise<Value[]> {
    this.#nodes.checkOpen();
    const shards = protocols.flatMap((protocol) => this.#nodes.shardIfAny(protocol, day) ?? []);
    try {
      const values = await Promise.all(
        shards.map(({ dataNode, table }) => {
          const one = async (connection: MysqlConnection): Promise<Value | undefined> => {
            const isThere = (await describeDayTable(connection, table)) !== undefined;
            return isThere ? work(connection, table) : undefined;
          };
          return this.#nodes.of(dataNode).look(one, from);
        }),
      );
      return values.filter((value) => value !== undefined);
    } catch (error) {
      throw mysqlError(error, `read ${this.url}`);
    }
  }

  /** Where entries and leases are; their tables are made where they are missing. */
  async #onHome<Value>(work: Work<Value>): Promise<Value> {
    const home = this.#nodes.home();
    const { epoch } = home.host;
    const value = await home.write(async (connection) => {
      const { tables } = home;
      if (!this.#homeTables.has(tables)) {
        await createMissing(connection, homeTables);
        this.#homeTables.add(tables);
      }
      return work(connection);
    });
    if (home.host.epoch !== epoch) await this.#secureTails();
    return value;
  }
}

function urlOf({ dataHosts }: ClusterSettings): string {
  const server = dataHosts[0]?.writeHosts[0]?.server;
  return `mysql://${server?.socketPath ?? `${server?.host}:${server?.port}`}`;
}

async function pause(round: number): Promise<void> {
  await sleep(Math.random() * Math.min(mysqlLimits.retryPauseMsMax, 2 ** Math.min(round, 10)));
}

function inTheWay(mails: number): MailprocError {
  return new MailprocError('store.busy', `store ${mails} mails: other runs move them again and again`, {
    hint: 'run again when the other runs have ended',
  });
}

function isRolledBack(error: unknown): boolean {
  return error instanceof Misplaced || troubleOf(error) === 'duplicate';
}
