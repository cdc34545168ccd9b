/** What one look at a server tells: alive, writable, how far its replication is, in or out of its Galera cluster. */
import { MysqlConnection, type Row } from './connection.ts';
import type { Server } from './types.ts';

export interface Health {
  readonly isReadOnly: boolean;
  /** Seconds behind its master; undefined where it follows none or nothing is known. */
  readonly lagSeconds: number | undefined;
  /** undefined where it follows no master, or its state may not be read. */
  readonly replication: Replication | undefined;
  /** undefined where it is no Galera node. */
  readonly galera:
    | { readonly status: string; readonly isConnected: boolean; readonly isReady: boolean }
    | undefined;
}

export interface Replication {
  readonly isApplying: boolean;
  /** Everything that was received is applied. */
  readonly isDrained: boolean;
}

/** A server that neither answers nor refuses: busy, stopped, or behind a cut line. */
export class SilenceError extends Error {
  constructor() {
    super('no answer in time');
  }
}

/** On a connection of its own, so that a full pool is no silence. Throws where there is no answer in time. */
export async function probe(server: Server, statement: string, timeoutMs: number): Promise<Health> {
  let timer: NodeJS.Timeout | undefined;
  let connection: MysqlConnection | undefined;
  let isLate = false;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new SilenceError());
    }, timeoutMs);
  });
  const look = MysqlConnection.connect(server).then((connected) => {
    connection = connected;
    if (isLate) connected.destroy();
    return examine(connected, statement);
  });
  look.catch(() => {});
  try {
    return await Promise.race([look, late]);
  } finally {
    clearTimeout(timer);
    connection?.destroy();
  }
}

async function examine(connection: MysqlConnection, statement: string): Promise<Health> {
  await connection.rows(statement);
  const status = await replicationStatus(connection);
  return {
    isReadOnly: connection.facts.isReadOnly,
    lagSeconds: numberOf(status?.['Seconds_Behind_Master'] ?? status?.['Seconds_Behind_Source']),
    replication: status === undefined ? undefined : toReplication(status),
    galera: await galeraStatus(connection),
  };
}

async function replicationStatus(connection: MysqlConnection): Promise<Row | undefined> {
  for (const sql of ['SHOW SLAVE STATUS', 'SHOW REPLICA STATUS']) {
    try {
      const [status] = await connection.rows(sql);
      return status;
    } catch (error) {
      // A right that is missing, or a word that this server does not know (any more).
      if (!connection.isUsable) throw error;
    }
  }
  return undefined;
}

function toReplication(status: Row): Replication {
  const either = (old: string, later: string): unknown => status[old] ?? status[later];
  const isApplying = either('Slave_SQL_Running', 'Replica_SQL_Running') === 'Yes';
  const received = either('Master_Log_File', 'Source_Log_File');
  const hasReached =
    received === either('Relay_Master_Log_File', 'Relay_Source_Log_File') &&
    Number(either('Read_Master_Log_Pos', 'Read_Source_Log_Pos')) <=
      Number(either('Exec_Master_Log_Pos', 'Exec_Source_Log_Pos'));
  // One that never reached its master names no file, and places that are none.
  return { isApplying, isDrained: received === '' || hasReached };
}

async function galeraStatus(connection: MysqlConnection): Promise<Health['galera']> {
  const rows = await connection.rows(
    `SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_connected', 'wsrep_ready')`,
  );
  const values = new Map(
    rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]),
  );
  const status = values.get('wsrep_cluster_status');
  if (status === undefined || values.get('wsrep_connected') === undefined) return undefined;
  if (status === 'Disconnected' && values.get('wsrep_connected') === 'OFF') return undefined;
  return {
    status,
    isConnected: values.get('wsrep_connected') === 'ON',
    isReady: values.get('wsrep_ready') === 'ON',
  };
}

/** switchType 3. */
export function isGaleraReady({ galera }: Health): boolean {
  return galera !== undefined && galera.status === 'Primary' && galera.isConnected && galera.isReady;
}

/** Whether a stand-by has applied all it received. */
export function isCaughtUp(health: Health | undefined): 'yes' | 'no' | 'stopped' | 'unknown' {
  if (health?.replication === undefined) return 'unknown';
  if (health.replication.isDrained) return 'yes';
  return health.replication.isApplying ? 'no' : 'stopped';
}

function numberOf(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
