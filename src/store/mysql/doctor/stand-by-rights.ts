/**
 * Whether the user may do on a stand-by master what a run does after a failover, and read on a replica. Nothing is
 * made there: a statement of its own could be what breaks their replication. So rights that must be seen to be
 * believed are tried with statements that touch no row, the others read from what the server says of the user.
 */
import type { Finding } from '../../finding.ts';
import { mysqlError } from '../mysql-error.ts';
import { Attempt, mayDo, tryExisting } from './rights.ts';
import type { Examined } from './server-status.ts';

/** `tables` of the database are there on the active master; a replica that lags may lack the newest. */
export async function standByRights(
  { connection, status, role, server }: Examined,
  database: string,
  tables: readonly string[],
): Promise<Finding[]> {
  const about = `${server.name}, database ${database}`;
  const attempt = new Attempt(connection);
  try {
    await connection.use(database);
  } catch (error) {
    // Replication has not brought it yet, which is told of elsewhere.
    if ((error as { errno?: number }).errno === 1049) return [];
    if (!connection.isUsable) throw error;
    attempt.failed.set('SELECT', mysqlError(error, 'SELECT').message);
    return attempt.findings(about, database);
  }
  const [oldest] = tables;
  if (role === 'replica') {
    if (oldest !== undefined) await attempt.run('SELECT', `SELECT id FROM ${oldest} WHERE FALSE`);
    return attempt.findings(about, database);
  }
  if (oldest !== undefined && !connection.facts.isReadOnly) await tryExisting(attempt, oldest);
  for (const right of ['CREATE', 'DROP', 'CREATE VIEW', 'SHOW VIEW']) {
    if (!mayDo(status.grants, right, database)) attempt.failed.set(right, 'SHOW GRANTS does not show it');
  }
  return attempt.findings(about, database);
}
