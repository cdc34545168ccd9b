/** The day tables of a data node: whether they can hold mail, and whether one is missing. */
import { millisecondsPerDay, utcDay } from '../../../core/clock.ts';
import { MailprocError } from '../../../core/errors.ts';
import { doctorLimits } from '../../../core/limits.ts';
import { type Finding, listed } from '../../finding.ts';
import { dayOfTable } from '../../row.ts';
import type { MysqlConnection } from '../connection.ts';
import { type BrokenView, brokenMonthViews, isInMonthView } from '../month-view.ts';
import { checkId, type DayTable, describeDayTable, missingTables } from '../schema.ts';

export interface NodeTable {
  readonly name: string;
  readonly day: string;
  readonly engine: string;
}

/** Day tables of the connection's database, the oldest first. */
export async function dayTables(connection: MysqlConnection): Promise<readonly NodeTable[]> {
  const rows = await connection.rows(
    `SELECT table_name AS name, engine AS engine FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'`,
  );
  const tables = rows.flatMap((row) => {
    const name = String(row['name']);
    const day = dayOfTable(name);
    return day === undefined ? [] : [{ name, day, engine: String(row['engine']) }];
  });
  return tables.sort((left, right) => (left.day < right.day ? -1 : 1));
}

export interface TableWishes {
  readonly idBits: 31 | 63;
  /** Whether the view of a month is of this data node alone. */
  readonly hasMonthView: (table: NodeTable) => boolean;
}

export async function tableFindings(
  connection: MysqlConnection,
  tables: readonly NodeTable[],
  wishes: TableWishes,
): Promise<Finding[]> {
  const newest = tables.slice(-doctorLimits.tablesMax);
  const findings: Finding[] = [];
  const broken = await brokenMonthViews(connection);
  const isBroken = (name: string): boolean => broken.some((view) => name.startsWith(`${view.name}_`));
  for (const table of newest) {
    findings.push(...(await ofTable(connection, table, wishes)));
    if (isBroken(table.name) || !wishes.hasMonthView(table)) continue;
    if (!(await isInMonthView(connection, table.name))) findings.push(notShown(table));
  }
  return [...findings, ...broken.map(brokenView)];
}

function notShown({ name }: NodeTable): Finding {
  return {
    code: 'mysql.view',
    weight: 'problem',
    about: `table ${name}`,
    what: 'the view of its month does not show it',
    remedy: 'run that day again, which renews the view; the user needs CREATE VIEW, SHOW VIEW and DROP',
  };
}

function brokenView({ name, gone }: BrokenView): Finding {
  return {
    code: 'mysql.view-broken',
    weight: 'problem',
    about: `view ${name}`,
    what: `it cannot be read: ${listed(gone)} was dropped by hand`,
    remedy: 'the next run on that database mends it; `mailproc prune` drops days without breaking views',
  };
}

async function ofTable(
  connection: MysqlConnection,
  table: NodeTable,
  wishes: TableWishes,
): Promise<Finding[]> {
  const about = `table ${table.name}`;
  const findings: Finding[] = [];
  if (table.engine !== 'InnoDB') {
    findings.push({
      code: 'mysql.table-engine',
      weight: 'problem',
      about,
      what: `its engine is ${table.engine}: without transactions a crash leaves rows without keys, or twice`,
      remedy: `ALTER TABLE ${table.name} ENGINE = InnoDB`,
    });
  }
  try {
    const description = await describeDayTable(connection, table.name);
    if (description === undefined) return findings;
    findings.push(...textFindings(description));
    checkId(description, wishes.idBits);
  } catch (error) {
    if (!(error instanceof MailprocError)) throw error;
    const code = error.code === 'store.id-too-narrow' ? 'mysql.id-too-narrow' : 'mysql.table-columns';
    const what = error.message.replace(`write table ${table.name}: `, '');
    findings.push({ code, weight: 'problem', about, what, remedy: error.hint ?? '' });
  }
  return findings;
}

function textFindings(table: DayTable): Finding[] {
  const sets = new Set(table.columns.flatMap(({ characterSet }) => characterSet ?? []));
  const narrow = [...sets].filter((name) => !['utf8mb4', 'utf8mb3'].includes(name));
  const about = `table ${table.name}`;
  const convert = `ALTER TABLE ${table.name} CONVERT TO CHARACTER SET utf8mb4`;
  if (narrow.length > 0) {
    const what = `it holds text in ${narrow.join(', ')}: Chinese becomes "?"`;
    return [{ code: 'mysql.table-charset', weight: 'problem', about, what, remedy: convert }];
  }
  if (!sets.has('utf8mb3')) return [];
  const what =
    'its utf8 has no characters of four octets: emoji and rare Chinese become U+FFFD, and are counted';
  return [{ code: 'mysql.table-utf8', weight: 'note', about, what, remedy: convert }];
}

/** Mails that a run took to another data node and was killed at: until it is run again they are on both. */
export async function moveFindings(connection: MysqlConnection, database: string): Promise<Finding[]> {
  if ((await missingTables(connection, ['mailproc_place'])).length > 0) return [];
  const rows = await connection.rows(
    `SELECT from_day AS left_day, day, COUNT(*) AS mails FROM mailproc_place WHERE from_day IS NOT NULL
      GROUP BY from_day, day ORDER BY from_day, day`,
  );
  return rows.map((row) => ({
    code: 'mysql.move-unfinished',
    weight: 'problem',
    about: `database ${database}`,
    what: `${Number(row['mails'])} mails on their way from ${String(row['left_day'])} to ${String(row['day'])} may be in both tables: a run was killed, or is just at it`,
    remedy: `run ${String(row['day'])} again`,
  }));
}

/**
 * Days without a table between two that have one or an entry in the ledger: nothing was captured, or nobody has
 * read it. A day the ledger has entries of was read, and had no mail. Longer pauses are not of this kind.
 */
export function missingDays(tables: readonly NodeTable[], readDays: ReadonlySet<string>): Finding[] {
  const daysOf = new Map<string, Set<string>>();
  for (const { name, day } of tables) {
    const protocol = name.replace(/_.*$/s, '');
    daysOf.set(protocol, (daysOf.get(protocol) ?? new Set(readDays)).add(day));
  }
  return [...daysOf].flatMap(([protocol, days]) => {
    const sorted = [...days].sort();
    const missing = sorted.flatMap((day, index) => between(day, sorted[index + 1]));
    if (missing.length === 0) return [];
    return [
      {
        code: 'mysql.days-missing',
        weight: 'problem' as const,
        about: `tables ${protocol}_…`,
        what: `no table and no entry in the ledger for ${listed(missing)}`,
        remedy: `if there are captures of that day: mailproc <dir> ${missing[0]?.replaceAll('-', '')} --store …`,
      },
    ];
  });
}

/** None where they are further apart than a month. */
function between(first: string, last: string | undefined): string[] {
  const [begin, end] = [Date.parse(first) + millisecondsPerDay, Date.parse(last ?? first)];
  if (end - begin > doctorLimits.daysMissingMax * millisecondsPerDay) return [];
  const days: string[] = [];
  for (let ms = begin; ms < end; ms += millisecondsPerDay) days.push(utcDay(ms));
  return days;
}
