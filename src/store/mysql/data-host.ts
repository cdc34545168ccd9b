/**
 * One logical server: masters in order and their replicas. Writes go to the active master; when it is gone
 * or takes no writes, the next that qualifies takes over, and there is no way back by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import { hasStandBy } from './config/settings.ts';
import type { MysqlConnection } from './connection.ts';
import { mysqlError, troubleOf } from './mysql-error.ts';
import { Pool } from './pool.ts';
import { type Health, isCaughtUp, isGaleraReady, probe, SilenceError } from './server-health.ts';
import type { DataHost } from './types.ts';

export interface DataHostHooks {
  /** Every decision and its reason. */
  readonly report: (code: string, detail: string) => void;
  /** Called with the place of the new active master. */
  readonly onSwitch?: (dataHost: string, index: number) => void;
}

/** What a server beside the active one has to say. */
export type Elsewhere<Value> = { readonly server: string } & (
  | { readonly value: Value; readonly trouble?: never }
  | { readonly trouble: string; readonly value?: never }
);

/** A server and what the heartbeat knows of it. */
interface Member {
  readonly pool: Pool;
  readonly weight: number;
  misses: number;
  /** Of the last miss: it did not refuse. */
  isSilent: boolean;
  /** undefined before the first answer. */
  health: Health | undefined;
  lastError: string;
}

interface Master extends Member {
  readonly replicas: readonly Member[];
}

export class DataHostConnections {
  readonly name: string;
  readonly #settings: DataHost;
  readonly #hooks: DataHostHooks;
  readonly #masters: readonly Master[];
  #active: number;
  /** Grows with every switch. */
  #epoch = 0;
  #recovery: Promise<void> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #isBeating = false;
  #isClosed = false;

  /** `active`: the remembered place of the active master. */
  constructor(settings: DataHost, hooks: DataHostHooks, active = 0) {
    this.name = settings.name;
    this.#settings = settings;
    this.#hooks = hooks;
    const member = (server: DataHost['writeHosts'][number]['server'], weight: number): Member => {
      const pool = new Pool(server, settings.maxConnections);
      return { pool, weight, misses: 0, isSilent: false, health: undefined, lastError: '' };
    };
    this.#masters = settings.writeHosts.map(({ server, readHosts }) => ({
      ...member(server, 1),
      replicas: readHosts.map((host) => member(host.server, host.weight)),
    }));
    this.#active = active < this.#masters.length ? active : 0;
  }

  /** Name of the server that takes the writes. */
  get activeServer(): string {
    return this.#master.pool.server.name;
  }

  /** Grows when another server takes over: what was known of the tables must be asked again. */
  get epoch(): number {
    return this.#epoch;
  }

  get hasStandBy(): boolean {
    return hasStandBy(this.#settings);
  }

  /** Beats in the background where there is more than one server; does not keep the process alive. */
  startHeartbeat(): void {
    const servers = this.#masters.reduce((sum, master) => sum + 1 + master.replicas.length, 0);
    if (servers < 2) return;
    this.#heartbeat = setInterval(() => void this.#beat(), this.#settings.heartbeat.intervalMs);
    this.#heartbeat.unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#heartbeat);
    for (const member of this.#members()) member.pool.drop(new Error('the store was closed'));
  }

  /**
   * Runs `work` on the active master, and again on whoever is active then when the connection breaks: `work`
   * must find out what of it was done. Errors but broken connections come through.
   */
  async write<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value> {
    for (let attempt = 1; ; attempt++) {
      const epoch = this.#epoch;
      try {
        return await this.#master.pool.with(async (connection) => {
          if (connection.facts.isReadOnly) {
            connection.destroy();
            throw readOnlyError();
          }
          try {
            return await work(connection);
          } catch (error) {
            if (isServerTrouble(error)) connection.destroy();
            throw error;
          }
        });
      } catch (error) {
        if (!isServerTrouble(error) || this.#isClosed) throw error;
        if (attempt >= mysqlLimits.attemptsMax) throw mysqlError(error, `write to ${this.activeServer}`);
        await this.#recover(epoch, error);
      }
    }
  }

  /** Runs `work` on a server that serves reads; on the active master where that one fails. */
  async read<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Value> {
    const readers = this.#readers();
    const reader = pick(readers);
    if (reader !== undefined && reader !== this.#master) {
      try {
        return await reader.pool.with(work);
      } catch (error) {
        if (!isServerTrouble(error) && troubleOf(error) !== 'schema') throw error;
        reader.pool.drop(error as Error);
      }
    }
    return this.write(work);
  }

  /** What `work` gives on each server but the active one, or why it gives nothing there. */
  async onOthers<Value>(work: (connection: MysqlConnection) => Promise<Value>): Promise<Elsewhere<Value>[]> {
    const others = [...this.#members()].filter((member) => member !== this.#master);
    return Promise.all(
      others.map(async ({ pool }): Promise<Elsewhere<Value>> => {
        const server = pool.server.name;
        try {
          return { server, value: await pool.with(work) };
        } catch (error) {
          return { server, trouble: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
  }

  get #master(): Master {
    const master = this.#masters[this.#active];
    if (master === undefined)
      throw new MailprocError('config.data-host', `use data host ${this.name}: it has no server`);
    return master;
  }

  *#members(): Generator<Member> {
    for (const master of this.#masters) {
      yield master;
      yield* master.replicas;
    }
  }

  /** Who may serve reads: `balance` 0 active; 1 stand-by masters and replicas; 2 all; 3 replicas. */
  #readers(): readonly Member[] {
    const { balance } = this.#settings;
    const active = this.#master;
    if (balance === 0) return [active];
    const live = this.#masters.filter((master) => master === active || isLive(master));
    const replicas = live.flatMap((master) => master.replicas).filter((replica) => this.#isFresh(replica));
    const standBys = live.filter((master) => master !== active);
    const readers = balance === 3 ? replicas : [...standBys, ...replicas];
    if (balance === 2) return [active, ...readers];
    return readers.length > 0 ? readers : [active];
  }

  #isFresh(replica: Member): boolean {
    if (!isLive(replica)) return false;
    const { switchType, slaveThreshold } = this.#settings;
    if (switchType !== 2 || slaveThreshold < 0) return true;
    const lag = replica.health?.lagSeconds;
    return lag !== undefined && lag <= slaveThreshold;
  }

  async #beat(): Promise<void> {
    if (this.#isBeating || this.#isClosed) return;
    this.#isBeating = true;
    try {
      await Promise.all([...this.#members()].map((member) => this.#probe(member)));
      const master = this.#master;
      const { missesMax } = this.#settings.heartbeat;
      for (const member of this.#members()) {
        // Who reads on a server that has fallen silent would wait for ever.
        if (member !== master && member.misses >= missesMax) member.pool.drop(new Error(member.lastError));
      }
      if (this.hasStandBy && master.misses >= missesMax) {
        // What waits for the silent server is let go, and finds the next one.
        await this.#recover(this.#epoch, new Error(master.lastError)).catch(() => {});
      }
    } finally {
      this.#isBeating = false;
    }
  }

  /** Whether the server answers. */
  async #probe(member: Member): Promise<boolean> {
    try {
      const { statement } = this.#settings.heartbeat;
      member.health = await probe(member.pool.server, statement, mysqlLimits.heartbeatTimeoutMs);
      member.misses = 0;
      member.isSilent = false;
      return true;
    } catch (error) {
      member.misses++;
      member.isSilent = error instanceof SilenceError;
      member.lastError = error instanceof Error ? error.message : String(error);
      return false;
    }
  }

  /** Resolves when there is an active master to try; all who ask at once wait for one answer. */
  async #recover(epoch: number, cause: unknown): Promise<void> {
    if (epoch !== this.#epoch) return;
    this.#recovery ??= this.#findMaster(cause).finally(() => {
      this.#recovery = undefined;
    });
    await this.#recovery;
  }

  async #findMaster(cause: unknown): Promise<void> {
    const master = this.#master;
    const { intervalMs, missesMax } = this.#settings.heartbeat;
    const began = Date.now();
    for (let round = 0; ; await sleep(intervalMs)) {
      const isAlive = await this.#probe(master);
      if (isAlive && this.#mayWrite(master)) return;
      if (!isAlive && master.misses < missesMax) continue;
      const reason = isAlive
        ? whyNoMaster(master.health)
        : `${master.misses} heartbeats missed: ${master.lastError}`;
      const next = await this.#nextMaster(round);
      if (next !== undefined) return this.#switchTo(next, reason);
      if (this.#isClosed || Date.now() - began >= this.#patienceMs(master)) {
        master.pool.drop(new Error(reason));
        throw this.#noMaster(cause, reason);
      }
      if (round++ === 0) this.#reportWaiting(reason);
    }
  }

  #switchTo(next: number, reason: string): void {
    const { pool } = this.#master;
    pool.drop(new Error(reason));
    this.#active = next;
    this.#epoch++;
    this.#hooks.report(
      'store.failover',
      `data host ${this.name}: ${pool.server.name} is out (${reason}); ${this.activeServer} takes the writes (switchType ${this.#settings.switchType})`,
    );
    this.#hooks.onSwitch?.(this.name, next);
  }

  /**
   * How long to wait where nobody can take over. A server under a heavy load is silent for a while and then goes
   * on; the nodes that are left of a Galera cluster need a moment to agree that they are enough.
   */
  #patienceMs(master: Member): number {
    const candidates = this.hasStandBy ? this.#masters : [master];
    if (candidates.some(({ isSilent }) => isSilent)) return mysqlLimits.silenceMsMax;
    return this.#settings.switchType === 3 ? mysqlLimits.primaryWaitMs : 0;
  }

  #reportWaiting(reason: string): void {
    this.#hooks.report(
      'store.waiting',
      `data host ${this.name}: waiting for ${this.activeServer} (${reason}): no other server can take the writes`,
    );
  }

  #mayWrite(master: Member): boolean {
    const { health } = master;
    if (health === undefined || health.isReadOnly) return false;
    return this.#settings.switchType !== 3 || isGaleraReady(health);
  }

  /** In ring order. */
  async #nextMaster(round: number): Promise<number | undefined> {
    if (!this.hasStandBy) return undefined;
    for (let step = 1; step < this.#masters.length; step++) {
      const index = (this.#active + step) % this.#masters.length;
      const candidate = this.#masters[index];
      if (candidate === undefined) continue;
      const refusal = await this.#refusal(candidate);
      if (refusal === undefined) return index;
      if (round > 0) continue;
      this.#hooks.report(
        'store.failover-refused',
        `data host ${this.name}: ${candidate.pool.server.name} cannot take the writes: ${refusal}`,
      );
    }
    return undefined;
  }

  /** Why a stand-by cannot take over; waits until it has applied what it received. */
  async #refusal(candidate: Master): Promise<string | undefined> {
    const deadline = Date.now() + mysqlLimits.catchUpMsMax;
    for (;;) {
      if (!(await this.#probe(candidate))) return candidate.lastError;
      const { health } = candidate;
      if (!this.#mayWrite(candidate)) return whyNoMaster(health);
      const caughtUp = isCaughtUp(health);
      if (caughtUp === 'yes') return undefined;
      if (caughtUp === 'unknown') {
        return this.#settings.switchType === 2 ? 'its replication state is not known' : undefined;
      }
      if (caughtUp === 'stopped') {
        return this.#settings.switchType === 2 ? 'its replication has stopped' : undefined;
      }
      if (Date.now() > deadline) return 'it is still applying what it received';
      await sleep(20);
    }
  }

  #noMaster(cause: unknown, reason: string): MailprocError {
    const action = `write to ${this.activeServer} of data host ${this.name}`;
    if (!this.hasStandBy && troubleOf(cause) !== 'other') return mysqlError(cause, action);
    return new MailprocError('store.unreachable', `${action}: ${reason}, and no other server can take over`, {
      hint: 'start a server of this data host again; what is stored is not written twice',
      cause,
    });
  }
}

function isLive(member: Member): boolean {
  return member.health !== undefined && member.misses === 0;
}

function isServerTrouble(error: unknown): boolean {
  const trouble = troubleOf(error);
  return trouble === 'connection' || trouble === 'read-only';
}

function readOnlyError(): Error {
  return Object.assign(new Error('read_only is ON'), { errno: 1290, sqlMessage: 'read_only is ON' });
}

function whyNoMaster(health: Health | undefined): string {
  if (health === undefined) return 'it was never seen';
  if (health.isReadOnly) return 'it is read-only';
  const { status, isConnected, isReady } = health.galera ?? {};
  if (health.galera === undefined) return 'it is no Galera node';
  return `Galera is ${status}, connected ${isConnected}, ready ${isReady}`;
}

/**
 * By chance, each as often as its weight says; weight 0 counts as 1, as MyCat takes equal weights. Not in turn: three
 * tables read one after another would be each on the same of three servers for ever.
 */
function pick(members: readonly Member[]): Member | undefined {
  const weights = members.map(({ weight }) => Math.max(1, Math.floor(weight)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let place = Math.floor(Math.random() * total);
  for (const [index, weight] of weights.entries()) {
    if (place < weight) return members[index];
    place -= weight;
  }
  return undefined;
}
