/** Whether the other servers of a data host hold the rows of the active one. */
import type { TableCopy } from '../ledger.ts';
import { type MysqlConnection, quoted } from './connection.ts';
import type { OpenNode } from './data-nodes.ts';
import { describeDayTable } from './schema.ts';

/** What a table holds, in short: which mails, how much of each, and the ids of their rows. */
interface Print {
  readonly rows: number;
  readonly versions: string;
}

const nothing: Print = { rows: 0, versions: '0' };

/** Of `table`, one for each server but the active one. */
export async function copiesOf(node: OpenNode, table: string): Promise<TableCopy[]> {
  const print = (connection: MysqlConnection): Promise<Print> => printOf(connection, table);
  // The others first: what is committed meanwhile, they do not have to have.
  const others = await node.lookElsewhere(print);
  if (others.length === 0) return [];
  const active = (await node.look(print)) ?? nothing;
  const wanted = { table, activeServer: node.host.activeServer, activeRows: active.rows };
  return others.map(({ server, value, trouble }) => {
    if (trouble !== undefined) return { ...wanted, server, trouble, rows: 0, isSame: false };
    const { rows, versions } = value ?? nothing;
    return { ...wanted, server, trouble, rows, isSame: rows === active.rows && versions === active.versions };
  });
}

async function printOf(connection: MysqlConnection, name: string): Promise<Print> {
  const table = await describeDayTable(connection, name);
  if (table === undefined) return nothing;
  const [from, where] =
    table.keys === 'hidden'
      ? [quoted(name), `mail_key IS NOT NULL AND ? <> ''`]
      : ['mail_keys', 'table_name = ?'];
  // 64 bits of a hash (MySQL 9 has no MD5): sums of codes that are linear, as CRC, can hide changes.
  const version = `CONV(LEFT(SHA2(CONCAT_WS(' ', HEX(mail_key), mail_rank, id), 256), 16), 16, 10)`;
  const [row] = await connection.rows(
    `SELECT COUNT(*) AS total, CAST(BIT_XOR(CAST(${version} AS UNSIGNED)) AS CHAR) AS versions FROM ${from} WHERE ${where}`,
    [name],
  );
  return { rows: Number(row?.['total']), versions: String(row?.['versions']) };
}
