/** Everything the doctor wants to know of one server, read once; findings are made of it without asking again. */
import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { MysqlConnection, Row } from '../connection.ts';
import type { DataHost, Server } from '../types.ts';

/** A server in the role that the configuration gives it. */
export interface Post {
  readonly server: Server;
  readonly role: 'active master' | 'stand-by master' | 'replica';
  readonly dataHost: DataHost;
}

/** A server that was reached. */
export interface Examined extends Post {
  readonly connection: MysqlConnection;
  readonly status: ServerStatus;
}

export interface FreeSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface ServerStatus {
  /** Global ones, by name in small letters. */
  readonly variables: ReadonlyMap<string, string>;
  /** Character sets the session got though it asked for utf8mb4. */
  readonly sessionCharacterSets: readonly string[];
  /** Chinese and an emoji came back as they were sent. */
  readonly isTextIntact: boolean;
  readonly hasInnodb: boolean;
  /** One row for each master it follows; undefined where the user may not see it. */
  readonly replication: readonly Row[] | undefined;
  /** Of `SHOW MASTER STATUS`; undefined where the user may not see it or nothing is logged. */
  readonly binaryLog: Row | undefined;
  /** Whether a stand-by acknowledges what is committed; undefined where it is not known. */
  readonly isSemiSynchronous: boolean | undefined;
  /** `wsrep_…`; undefined where it is no Galera node. */
  readonly galera: ReadonlyMap<string, string> | undefined;
  /** How far its clock is ahead of this host's. */
  readonly clockAheadMs: number;
  /** Seconds its zone is ahead of UTC at the instants asked for. */
  readonly zoneOffsets: readonly number[];
  /** `SHOW GRANTS` of the user. */
  readonly grants: readonly string[];
  /** undefined where it cannot be known from here. */
  readonly freeSpace: FreeSpace | undefined;
}

export interface Surroundings {
  /** Milliseconds since 1970 of this host. */
  readonly now: () => number;
  /** Seconds since 1970 at which time zones are compared. */
  readonly instants: readonly number[];
  /** Of a directory on this host; undefined where there is none. */
  readonly freeSpace: (directory: string) => Promise<FreeSpace | undefined>;
}

const probeText = '邮件😀';

export async function readStatus(
  connection: MysqlConnection,
  surroundings: Surroundings,
): Promise<ServerStatus> {
  const variables = toMap(await connection.rows('SHOW GLOBAL VARIABLES'));
  const [session = {}] = await connection.rows(
    `SELECT @@character_set_client AS client, @@character_set_connection AS connection,
      @@character_set_results AS results, ? AS text`,
    [probeText],
  );
  const engines = await connection.rows(
    `SELECT support AS support FROM information_schema.engines WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT')`,
  );
  return {
    variables,
    sessionCharacterSets: ['client', 'connection', 'results'].map((name) => String(session[name])),
    isTextIntact: session['text'] === probeText,
    hasInnodb: engines.length > 0,
    replication: await firstAnswer(connection, replicationStatements(connection)),
    binaryLog: (await firstAnswer(connection, ['SHOW MASTER STATUS', 'SHOW BINARY LOG STATUS']))?.[0],
    isSemiSynchronous: await readSemiSynchronous(connection),
    galera: await readGalera(connection, variables),
    clockAheadMs: await readClock(connection, surroundings.now),
    zoneOffsets: await readZoneOffsets(connection, surroundings.instants),
    grants: ((await firstAnswer(connection, ['SHOW GRANTS'])) ?? []).map((row) =>
      String(Object.values(row)[0]),
    ),
    freeSpace: await readFreeSpace(variables, surroundings),
  };
}

export async function freeSpaceOf(directory: string): Promise<FreeSpace | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

function replicationStatements({ facts }: MysqlConnection): readonly string[] {
  return facts.isMariaDb ? ['SHOW ALL SLAVES STATUS'] : ['SHOW REPLICA STATUS', 'SHOW SLAVE STATUS'];
}

/** undefined where the server knows none of the statements, or refuses them to this user. */
async function firstAnswer(
  connection: MysqlConnection,
  statements: readonly string[],
): Promise<readonly Row[] | undefined> {
  for (const sql of statements) {
    try {
      return await connection.rows(sql);
    } catch (error) {
      if (!connection.isUsable) throw error;
    }
  }
  return undefined;
}

async function readSemiSynchronous(connection: MysqlConnection): Promise<boolean | undefined> {
  const rows = await connection.rows(
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_status', 'Rpl_semi_sync_source_status')`,
  );
  const [status] = toMap(rows).values();
  return status === undefined ? undefined : status === 'ON';
}

async function readGalera(
  connection: MysqlConnection,
  variables: ServerStatus['variables'],
): Promise<ServerStatus['galera']> {
  if (variables.get('wsrep_on') !== 'ON') return undefined;
  return toMap(await connection.rows(`SHOW GLOBAL STATUS LIKE 'wsrep%'`));
}

/** The server's answer is taken to be of the middle of the question's way there and back. */
async function readClock(connection: MysqlConnection, now: () => number): Promise<number> {
  const asked = now();
  const [row] = await connection.rows('SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS utc');
  const answered = now();
  return utcMs(row?.['utc']) - (asked + answered) / 2;
}

async function readZoneOffsets(connection: MysqlConnection, instants: readonly number[]): Promise<number[]> {
  const offsets: number[] = [];
  for (const seconds of instants) {
    const [row] = await connection.rows('SELECT CAST(FROM_UNIXTIME(?) AS CHAR) AS local', [seconds]);
    offsets.push(Math.round(utcMs(row?.['local']) / 1000) - seconds);
  }
  return offsets;
}

/** Only of a server on this very host: another one's directories may have the same names. */
async function readFreeSpace(
  variables: ServerStatus['variables'],
  { freeSpace }: Surroundings,
): Promise<FreeSpace | undefined> {
  const directory = variables.get('datadir');
  if (directory === undefined || variables.get('hostname') !== hostname()) return undefined;
  return freeSpace(directory);
}

function utcMs(text: unknown): number {
  return Date.parse(`${String(text).replace(' ', 'T')}Z`);
}

function toMap(rows: readonly Row[]): ReadonlyMap<string, string> {
  return new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
}
