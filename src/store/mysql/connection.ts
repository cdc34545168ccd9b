/**
 * One connection to a MySQL or MariaDB server in a session of known settings: whatever the server's defaults
 * are, statements mean the same and no value makes an INSERT fail.
 */
import { strict as assert } from 'node:assert';
import { connect, isIP, type Socket } from 'node:net';
import type { Connection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';
import { mysqlLimits } from '../../core/limits.ts';
import type { Server } from './types.ts';

export type Row = Readonly<Record<string, unknown>>;
export type Parameter = string | number | bigint | null | Buffer;

export interface Result {
  readonly affectedRows: number;
  readonly insertId: number;
  readonly warnings: number;
}

/** What a server is, read when a connection to it is made. */
export interface ServerFacts {
  readonly version: string;
  readonly isMariaDb: boolean;
  /** A column may be left out of `SELECT *`. */
  readonly hasInvisibleColumns: boolean;
  readonly isReadOnly: boolean;
  readonly packetBytesMax: number;
}

/**
 * No mode that refuses or changes what is written: values are fitted before, and an error here would lose a
 * mail. Backslashes mean what the driver takes them for.
 */
const sqlMode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION';

export class MysqlConnection {
  readonly facts: ServerFacts;
  readonly #connection: Connection;
  /** Rejects when the connection is given up; the driver leaves statements on their way unanswered. */
  readonly #givenUp: Promise<never>;
  #giveUp: (error: Error) => void = () => {};
  #database: string | undefined;
  #isUsable = true;

  private constructor(connection: Connection, facts: ServerFacts) {
    this.#connection = connection;
    this.facts = facts;
    this.#givenUp = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
    this.#givenUp.catch(() => {});
    connection.on('error', (error: Error) => this.destroy(error));
    connection.on('end', () => this.destroy());
  }

  static async connect(server: Server): Promise<MysqlConnection> {
    const { createConnection } = await import('mysql2/promise');
    const connection = await createConnection({
      ...(server.socketPath === undefined
        ? { host: server.host, port: server.port }
        : { socketPath: server.socketPath }),
      user: server.user,
      password: server.password,
      charset: 'utf8mb4',
      connectTimeout: mysqlLimits.connectTimeoutMs,
      dateStrings: true,
      supportBigNumbers: true,
      maxPreparedStatements: mysqlLimits.preparedStatementsMax,
      ...(server.tls === undefined ? {} : { ssl: tlsOptions(server.tls), ...checkedAddress(server) }),
    });
    try {
      return new MysqlConnection(connection, await setUp(connection));
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** Statements that select no other database are written to the binary log under this one: its filters go by it. */
  async use(database: string): Promise<void> {
    if (this.#database === database) return;
    await this.#answered(this.#connection.query(`USE ${quoted(database)}`));
    this.#database = database;
  }

  /** An array stands for a list: `IN (?)`. */
  async rows(
    sql: string,
    parameters: readonly (Parameter | readonly Parameter[])[] = [],
  ): Promise<readonly Row[]> {
    const [rows] = await this.#answered(this.#connection.query<RowDataPacket[]>(sql, [...parameters]));
    return rows;
  }

  /** A statement without rows. */
  async run(sql: string, parameters: readonly (Parameter | readonly Parameter[])[] = []): Promise<Result> {
    const [header] = await this.#answered(this.#connection.query<ResultSetHeader>(sql, [...parameters]));
    return toResult(header);
  }

  /** With its database: a prepared statement keeps the one it was prepared in, whatever is selected later. */
  qualified(table: string): string {
    assert(this.#database !== undefined, 'no database is selected');
    return `${quoted(this.#database)}.${quoted(table)}`;
  }

  /** A statement without rows, prepared once a connection; for those that are run often. Its tables are `qualified`. */
  async runPrepared(sql: string, parameters: Parameter[]): Promise<Result> {
    const [header] = await this.#answered(this.#connection.execute<ResultSetHeader>(sql, parameters));
    return toResult(header);
  }

  /**
   * All of `work` or nothing. Of an error at COMMIT nobody knows whether it was done.
   *
   * QUIRK: COMMIT goes to the server alone. Behind another statement in one packet, Galera answers OK where it
   * has rolled the transaction back for another node's (MariaDB 10.11).
   */
  async transaction<Value>(work: () => Promise<Value>): Promise<Value> {
    await this.run('START TRANSACTION');
    try {
      const value = await work();
      await this.run('COMMIT');
      return value;
    } catch (error) {
      await this.run('ROLLBACK').catch(() => this.destroy());
      throw error;
    }
  }

  /** Statements on their way end in an error. */
  destroy(reason: Error = new Error('the connection was given up')): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#giveUp(Object.assign(new Error(reason.message), { code: 'ECONNRESET' }));
    this.#connection.destroy();
  }

  async #answered<Value>(answer: Promise<Value>): Promise<Value> {
    answer.catch((error: { readonly errno?: number }) => {
      // The database was dropped, and with it the selection.
      if (error.errno === 1046 || error.errno === 1049) this.#database = undefined;
    });
    return await Promise.race([answer, this.#givenUp]);
  }
}

/** Of names that come from the configuration or are made by `tableName`. */
export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

function tlsOptions(tls: NonNullable<Server['tls']>): {
  ca?: string;
  rejectUnauthorized: boolean;
  verifyIdentity: boolean;
} {
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    rejectUnauthorized: tls.verify,
    verifyIdentity: tls.verify,
  };
}

/**
 * QUIRK: where the host is an IP address, the driver has the certificate checked for the name `localhost`, because
 * the socket does not tell its host. This one does: Node.js takes `_host` for the name to check.
 */
function checkedAddress({ host, port, socketPath }: Server): { stream?: () => Socket } {
  if (isIP(host) === 0 || socketPath !== undefined) return {};
  return { stream: () => Object.assign(connect(port, host), { _host: host }).setNoDelay(true) };
}

/**
 * The zone of the session is the server's own, so that a TIMESTAMP shows the text that was written to
 * whoever reads with the server's defaults.
 */
async function setUp(connection: Connection): Promise<ServerFacts> {
  await connection.query(
    `SET SESSION sql_mode = '${sqlMode}', time_zone = @@global.time_zone, autocommit = 1`,
  );
  // No gap locks: two runs that write beside each other need not wait.
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  const [rows] = await connection.query<RowDataPacket[]>(
    'SELECT VERSION() AS version, @@global.read_only AS readOnly, @@max_allowed_packet AS packetBytes',
  );
  const row: Row = rows[0] ?? {};
  const version = String(row['version']);
  const isMariaDb = /mariadb/i.test(version);
  return {
    version,
    isMariaDb,
    hasInvisibleColumns: isAtLeast(version, isMariaDb ? [10, 3, 0] : [8, 0, 23]),
    isReadOnly: Number(row['readOnly']) !== 0,
    packetBytesMax: Number(row['packetBytes']),
  };
}

function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const parts = version.split(/\D/, 3).map(Number);
  for (const [index, least] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

function toResult(header: ResultSetHeader): Result {
  return { affectedRows: header.affectedRows, insertId: header.insertId, warnings: header.warningStatus };
}
