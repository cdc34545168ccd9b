/**
 * Whether the user may do in a database what a run does there. It is tried: on a table of the doctor's own, gone
 * a moment later, or where that may not be made on a table that is there, with statements that touch no row.
 */
import { randomBytes } from 'node:crypto';
import type { Finding } from '../../finding.ts';
import { type MysqlConnection, quoted } from '../connection.ts';
import { mysqlError } from '../mysql-error.ts';
import { likePattern } from './replication-findings.ts';

/** The connection's database must be `database`. `tables` are there. */
export async function rightsFindings(
  connection: MysqlConnection,
  database: string,
  tables: readonly string[],
): Promise<Finding[]> {
  const own = `mailproc_doctor_${randomBytes(4).toString('hex')}`;
  const attempt = new Attempt(connection);
  // Of a table that is not there: only who may drop tables gets as far as hearing that. Nothing is left behind.
  if (await attempt.run('DROP', `DROP TABLE IF EXISTS ${quoted(own)}`)) {
    await tryOwn(attempt, own);
  }
  const [existing] = tables;
  if (attempt.failed.has('CREATE') && existing !== undefined) await tryExisting(attempt, existing);
  return attempt.findings(`database ${database}`, database);
}

/** Where the database is not there yet: by what the server says of the user. */
export function mayDo(grants: readonly string[], right: string, database: string): boolean {
  return grants.some((grant) => {
    const [, privileges = '', target = ''] = /^GRANT (.*?) ON [`"]?(.*?)[`"]?\.\* TO/.exec(grant) ?? [];
    const isGranted = /^ALL PRIVILEGES/.test(privileges) || privileges.split(', ').includes(right);
    return isGranted && (target === '*' || likePattern(target).test(database));
  });
}

async function tryOwn(attempt: Attempt, name: string): Promise<void> {
  const table = quoted(name);
  const view = quoted(`${name}_view`);
  const make = `CREATE TABLE ${table} (id int NOT NULL PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;
  if (!(await attempt.run('CREATE', make))) return;
  try {
    await attempt.run('INSERT', `INSERT INTO ${table} VALUES (1)`);
    await attempt.run('SELECT', `SELECT id FROM ${table}`);
    await attempt.run('UPDATE', `UPDATE ${table} SET id = 2`);
    await attempt.run('DELETE', `DELETE FROM ${table}`);
    const makeView = `CREATE OR REPLACE SQL SECURITY INVOKER VIEW ${view} AS SELECT id FROM ${table}`;
    if (await attempt.run('CREATE VIEW', makeView)) {
      await attempt.run('SHOW VIEW', `SHOW CREATE VIEW ${view}`);
      await attempt.run('DROP', `DROP VIEW ${view}`);
    }
  } finally {
    await attempt.run('DROP', `DROP TABLE ${table}`);
  }
}

/** With statements that touch no row. */
export async function tryExisting(attempt: Attempt, name: string): Promise<void> {
  const table = quoted(name);
  await attempt.run('SELECT', `SELECT id FROM ${table} WHERE FALSE`);
  await attempt.run('INSERT', `INSERT INTO ${table} (id) SELECT id FROM ${table} WHERE FALSE`);
  await attempt.run('UPDATE', `UPDATE ${table} SET id = id WHERE FALSE`);
  await attempt.run('DELETE', `DELETE FROM ${table} WHERE FALSE`);
}

export class Attempt {
  /** What did not work, and what the server said. */
  readonly failed = new Map<string, string>();
  readonly #connection: MysqlConnection;

  constructor(connection: MysqlConnection) {
    this.#connection = connection;
  }

  async run(right: string, sql: string): Promise<boolean> {
    try {
      await this.#connection.run(sql);
      return true;
    } catch (error) {
      if (!this.#connection.isUsable) throw error;
      this.failed.set(right, mysqlError(error, right).message);
      return false;
    }
  }

  findings(about: string, database: string): Finding[] {
    if (this.failed.size === 0) return [];
    const names = [...this.failed.keys()];
    const [said = ''] = this.failed.values();
    return [
      {
        code: 'mysql.rights',
        weight: 'problem',
        about,
        what: `the user cannot ${names.join(', ')} there: ${said}`,
        remedy: `GRANT ${names.join(', ')} ON ${quoted(database)}.* TO the user (a run needs SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, CREATE VIEW, SHOW VIEW)`,
      },
    ];
  }
}
