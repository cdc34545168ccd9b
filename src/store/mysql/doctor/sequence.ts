/** Whether the sequence can hand out ids, and none that the tables have. */
import { doctorLimits, storeLimits } from '../../../core/limits.ts';
import type { Finding } from '../../finding.ts';
import { type MysqlConnection, quoted } from '../connection.ts';
import { missingTables } from '../schema.ts';

/** In the tables of the newest day of a data node. */
export interface GreatestId {
  readonly table: string;
  readonly id: bigint;
}

export async function greatestId(
  connection: MysqlConnection,
  tables: readonly { readonly name: string; readonly day: string }[],
): Promise<GreatestId | undefined> {
  const lastDay = tables.at(-1)?.day;
  let greatest: GreatestId | undefined;
  for (const { name } of tables.filter(({ day }) => day === lastDay)) {
    const [row] = await connection.rows(`SELECT CAST(MAX(id) AS CHAR) AS id FROM ${quoted(name)}`);
    if (row?.['id'] === null || row?.['id'] === undefined) continue;
    const id = BigInt(String(row['id']));
    if (greatest === undefined || id > greatest.id) greatest = { table: name, id };
  }
  return greatest;
}

/** Of a sequence in the table MYCAT_SEQUENCE of the connection's database. */
export async function sequenceFindings(
  connection: MysqlConnection,
  name: string,
  greatest: GreatestId | undefined,
): Promise<Finding[]> {
  const about = `sequence ${name}`;
  const next = greatest === undefined ? -99n : greatest.id - 98n;
  if ((await missingTables(connection, ['MYCAT_SEQUENCE'])).length > 0) {
    return greatest === undefined ? [] : [lost(about, 'its table MYCAT_SEQUENCE is missing', name, next)];
  }
  const [row] = await connection.rows(
    'SELECT CAST(current_value AS CHAR) AS value, increment FROM MYCAT_SEQUENCE WHERE name = ?',
    [name],
  );
  if (row === undefined) {
    return greatest === undefined ? [] : [lost(about, 'MYCAT_SEQUENCE has no row of it', name, next)];
  }
  const value = BigInt(String(row['value']));
  const increment = Number(row['increment']);
  const findings = valueFindings(about, value, increment);
  const firstNext = value + BigInt(Math.max(increment, 0));
  if (greatest !== undefined && greatest.id >= firstNext) {
    findings.push(await behind(connection, about, { name, firstNext, greatest, increment }));
  }
  return findings;
}

function valueFindings(about: string, value: bigint, increment: number): Finding[] {
  if (!Number.isInteger(increment) || increment < 1) {
    const what = `its increment is ${increment}: no id can be taken`;
    const remedy = 'UPDATE MYCAT_SEQUENCE SET increment = 100 WHERE name = …';
    return [{ code: 'mysql.sequence', weight: 'problem', about, what, remedy }];
  }
  if (value + BigInt(increment) < 1n) {
    const what = `its next ids begin at ${value + BigInt(increment)}, below 1`;
    const remedy = `UPDATE MYCAT_SEQUENCE SET current_value = ${1 - increment} WHERE name = …`;
    return [{ code: 'mysql.sequence', weight: 'problem', about, what, remedy }];
  }
  const left = BigInt(storeLimits.idMax) - value;
  if (left > BigInt(doctorLimits.idsLeftMin)) return [];
  const what = `${left} ids of 31 bits are left`;
  const remedy = 'set it back where old ids are not needed, or use a sequence of kind time with BIGINT ids';
  return [{ code: 'mysql.sequence', weight: 'problem', about, what, remedy }];
}

interface Behind {
  readonly name: string;
  readonly firstNext: bigint;
  readonly greatest: GreatestId;
  readonly increment: number;
}

/** Documented systems set the sequence back every day, by an event: then tables of another day may be ahead of it. */
async function behind(
  connection: MysqlConnection,
  about: string,
  { name, firstNext, greatest, increment }: Behind,
): Promise<Finding> {
  const [event] = await connection.rows(
    `SELECT event_name AS name FROM information_schema.events
      WHERE event_definition LIKE '%MYCAT_SEQUENCE%' LIMIT 1`,
  );
  const what = `its next id is ${firstNext}, and table ${greatest.table} has ids up to ${greatest.id}`;
  if (event !== undefined) {
    return {
      code: 'mysql.sequence-behind',
      weight: 'note',
      about,
      what: `${what}: the event ${String(event['name'])} sets it back`,
      remedy: 'nothing, as long as each day has tables of its own; ids that are taken are skipped',
    };
  }
  return {
    code: 'mysql.sequence-behind',
    weight: 'problem',
    about,
    what: `${what}: every segment until then is refused as a duplicate`,
    remedy: `UPDATE MYCAT_SEQUENCE SET current_value = ${greatest.id + 1n - BigInt(increment)} WHERE name = '${name}'`,
  };
}

function lost(about: string, what: string, name: string, next: bigint): Finding {
  return {
    code: 'mysql.sequence-missing',
    weight: 'problem',
    about,
    what: `${what}, and there are tables with ids: a new one would begin at 1 again`,
    remedy: `make it before the next run: CREATE TABLE MYCAT_SEQUENCE (name varchar(50) PRIMARY KEY, current_value int NOT NULL, increment int NOT NULL); INSERT INTO MYCAT_SEQUENCE VALUES ('${name}', ${next}, 100)`,
  };
}
