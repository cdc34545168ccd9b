/**
 * Databases, day tables and month views on a server: how they are made, and what those that exist can hold.
 */
import { MailprocError } from '../../core/errors.ts';
import { mysqlLimits } from '../../core/limits.ts';
import { columnNames } from '../../record/types.ts';
import { type MysqlConnection, quoted, type Row } from './connection.ts';
import type { ColumnLimit } from './fit.ts';

export type ColumnName = (typeof columnNames)[number];

export interface DayTable {
  readonly name: string;
  /** In the order of `columnNames`. */
  readonly columns: readonly ColumnLimit[];
  /** Where the keys of its rows are: in columns `SELECT *` does not show, or in `mail_keys` of its database. */
  readonly keys: 'hidden' | 'side';
}

/** The documented table; `int(32)` is what it says, its width shows nowhere. */
const documentedTypes: Readonly<Record<ColumnName, string>> = {
  id: 'int(32) NOT NULL',
  insert_time: 'date DEFAULT NULL',
  timestamp: 'timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP',
  sport: 'int(11) DEFAULT NULL',
  dport: 'int(11) DEFAULT NULL',
  source_ip: 'char(30) DEFAULT NULL',
  target_ip: 'char(30) DEFAULT NULL',
  len: 'int(11) DEFAULT NULL',
  ttl: 'int(11) DEFAULT NULL',
  host_name: 'varchar(50) DEFAULT NULL',
  mail_from: 'varchar(50) DEFAULT NULL',
  mail_to: 'varchar(50) DEFAULT NULL',
  x_mail: 'varchar(50) DEFAULT NULL',
  mail_subject: 'varchar(1000) DEFAULT NULL',
  mail_priority: 'int(11) DEFAULT NULL',
  message_id: 'varchar(50) DEFAULT NULL',
  mail_content: 'varchar(10000) DEFAULT NULL',
  file_path: 'varchar(200) DEFAULT NULL',
  image_sign: 'int(11) DEFAULT NULL',
  parse_sign: 'int(11) DEFAULT NULL',
};

/** Wider where real mail needs it; a row of all columns but the texts stays below 65,535 octets. */
const wideTypes: Readonly<Record<ColumnName, string>> = {
  ...documentedTypes,
  source_ip: 'char(45) DEFAULT NULL',
  target_ip: 'char(45) DEFAULT NULL',
  host_name: 'varchar(255) DEFAULT NULL',
  mail_from: 'varchar(998) DEFAULT NULL',
  mail_to: 'text DEFAULT NULL',
  x_mail: 'varchar(998) DEFAULT NULL',
  mail_subject: 'varchar(4000) DEFAULT NULL',
  message_id: 'varchar(998) DEFAULT NULL',
  mail_content: 'mediumtext DEFAULT NULL',
  file_path: 'varchar(4096) DEFAULT NULL',
};

/** Rank and capture stand beside the key, for rows that are replaced and captures that are read anew. */
const hiddenColumns = `
  mail_key binary(16) DEFAULT NULL INVISIBLE,
  mail_rank bigint DEFAULT NULL INVISIBLE,
  mail_capture binary(16) DEFAULT NULL INVISIBLE`;

export const columnList = columnNames.map(quoted).join(', ');

export interface TableForm {
  readonly schema: 'wide' | 'documented';
  /** 63: ids need a BIGINT. */
  readonly idBits: 31 | 63;
  readonly hasInvisibleColumns: boolean;
}

export function createDayTableStatement(name: string, form: TableForm): string {
  const isWide = form.schema === 'wide';
  const types = isWide ? wideTypes : documentedTypes;
  const lines = columnNames.map((column) => {
    const type = column === 'id' && isWide && form.idBits === 63 ? 'bigint NOT NULL' : types[column];
    return `  ${quoted(column)} ${type}`;
  });
  // The documented table is made exactly as documented: its keys live beside it.
  const isHidden = isWide && form.hasInvisibleColumns;
  if (isHidden) lines.push(hiddenColumns.slice(1));
  lines.push('  PRIMARY KEY (`id`)');
  if (isHidden) lines.push('  UNIQUE KEY mail_key (mail_key)');
  const characters = isWide ? 'utf8mb4' : 'utf8';
  return `CREATE TABLE IF NOT EXISTS ${quoted(name)} (\n${lines.join(',\n')}\n) ENGINE=InnoDB DEFAULT CHARSET=${characters}`;
}

/** Keys of rows in tables that cannot hold them; one row of a database has a key once. */
export const sideKeysStatement = `CREATE TABLE IF NOT EXISTS mail_keys (
  mail_key binary(16) NOT NULL PRIMARY KEY,
  table_name varchar(64) CHARACTER SET ascii NOT NULL,
  id bigint NOT NULL,
  mail_rank bigint NOT NULL,
  mail_capture binary(16) NOT NULL,
  UNIQUE KEY row_of_key (table_name, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

/** Selects the database; one that is not there is made. */
export async function useDatabase(connection: MysqlConnection, database: string): Promise<void> {
  try {
    await connection.use(database);
  } catch (error) {
    if ((error as { errno?: number }).errno !== 1049) throw error;
    await connection.run(`CREATE DATABASE IF NOT EXISTS ${quoted(database)} CHARACTER SET utf8mb4`);
    await connection.use(database);
  }
}

/**
 * Statements that are run where their table is missing. Looked up first: on Galera even a CREATE that finds the
 * table there stops the whole cluster for a moment.
 */
export async function createMissing(
  connection: MysqlConnection,
  statements: ReadonlyMap<string, string>,
): Promise<void> {
  for (const name of await missingTables(connection, [...statements.keys()])) {
    await connection.run(statements.get(name) ?? '');
  }
}

export async function missingTables(
  connection: MysqlConnection,
  names: readonly string[],
): Promise<readonly string[]> {
  const rows = await connection.rows(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?)',
    [names],
  );
  const there = new Set(rows.map((row) => String(row['name'])));
  return names.filter((name) => !there.has(name));
}

/** Makes the table in the connection's database, and that of the keys where they do not fit into it. */
export async function createDayTable(
  connection: MysqlConnection,
  name: string,
  form: Omit<TableForm, 'hasInvisibleColumns'>,
): Promise<DayTable> {
  const { hasInvisibleColumns } = connection.facts;
  const statement = createDayTableStatement(name, { ...form, hasInvisibleColumns });
  await createMissing(connection, new Map([[name, statement]]));
  const table = await describeDayTable(connection, name);
  if (table === undefined) throw new MailprocError('store.failed', `create table ${name}: it is not there`);
  if (table.keys === 'side') await createMissing(connection, new Map([['mail_keys', sideKeysStatement]]));
  return table;
}

/** undefined where the connection's database has no such table. */
export async function describeDayTable(
  connection: MysqlConnection,
  name: string,
): Promise<DayTable | undefined> {
  const rows = await connection.rows(
    `SELECT LOWER(column_name) AS name, LOWER(data_type) AS type, LOWER(column_type) AS full_type,
      character_maximum_length AS characters, character_octet_length AS octets,
      LOWER(character_set_name) AS charset, is_nullable AS nullable
      FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?`,
    [name],
  );
  if (rows.length === 0) return undefined;
  const byName = new Map(rows.map((row) => [String(row['name']), row]));
  const columns = columnNames.map((column) => {
    const row = byName.get(column);
    if (row !== undefined) return toLimit(column, row, connection.facts.packetBytesMax);
    throw new MailprocError('store.foreign', `write table ${name}: it has no column ${column}`, {
      hint: 'rename the table, or add the column as documented',
    });
  });
  return { name, columns, keys: byName.has('mail_key') && byName.has('mail_rank') ? 'hidden' : 'side' };
}

const integerBits: Readonly<Record<string, number>> = {
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  bigint: 64,
};

function toLimit(name: ColumnName, row: Row, packetBytesMax: number): ColumnLimit {
  const type = String(row['type']);
  const bits = integerBits[type];
  const isUnsigned = String(row['full_type']).includes('unsigned');
  const range = 1n << BigInt((bits ?? 64) - (isUnsigned ? 0 : 1));
  // Only the TEXT types are bounded by octets.
  const octets = type.endsWith('char') ? Number(row['characters']) * 4 : Number(row['octets']);
  const characterSet = row['charset'] === null ? undefined : String(row['charset']);
  const isText = row['characters'] !== null && !['enum', 'set'].includes(type);
  return {
    name,
    kind: bits !== undefined ? 'integer' : isText ? 'text' : type === 'timestamp' ? 'timestamp' : 'other',
    charactersMax: isText ? Number(row['characters']) : 0,
    octetsMax: isText ? Math.min(octets, packetBytesMax - packetReserve(packetBytesMax)) : 0,
    characterSet: characterSet === 'utf8' ? 'utf8mb3' : characterSet,
    least: isUnsigned ? 0n : -range,
    greatest: range - 1n,
    isNullable: row['nullable'] === 'YES',
  };
}

function packetReserve(packetBytesMax: number): number {
  return Math.min(mysqlLimits.packetReserveBytes, packetBytesMax >> 1);
}

/** Throws where the ids of the sequence do not fit into the table. */
export function checkId(table: DayTable, idBits: 31 | 63): void {
  const [id] = table.columns;
  if (id === undefined || id.kind !== 'integer' || id.greatest >= (1n << BigInt(idBits)) - 1n) return;
  throw new MailprocError(
    'store.id-too-narrow',
    `write table ${table.name}: its id has less than ${idBits} bits`,
    {
      hint: `ALTER TABLE ${table.name} MODIFY id ${idBits === 63 ? 'bigint' : 'int(32)'} NOT NULL, or use another sequence`,
    },
  );
}
