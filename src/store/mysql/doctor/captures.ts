/** What runs have left behind: captures that were not finished, leases that nobody gave back. */
import { type Finding, listed } from '../../finding.ts';
import type { MysqlConnection } from '../connection.ts';
import { missingTables } from '../schema.ts';

export interface CaptureKey {
  readonly key: string;
  readonly capture: string;
}

/** Captures that have rows in the connection's database. */
export async function writtenCaptures(connection: MysqlConnection): Promise<readonly CaptureKey[]> {
  if ((await missingTables(connection, ['mailproc_ledger_rows'])).length > 0) return [];
  const rows = await connection.rows(
    `SELECT capture_key, MAX(capture) AS capture FROM mailproc_ledger_rows
      GROUP BY capture_key HAVING SUM(row_count) <> 0`,
  );
  return rows.map((row) => ({ key: hex(row['capture_key']), capture: String(row['capture']) }));
}

/** What the data node of the entries knows. */
export interface Entries {
  readonly keys: ReadonlySet<string>;
  readonly days: ReadonlySet<string>;
  /** By capture; those that have not ended. */
  readonly liveLeases: ReadonlySet<string>;
  /** Ended, and never given back. */
  readonly deadLeases: number;
}

export const noEntries: Entries = { keys: new Set(), days: new Set(), liveLeases: new Set(), deadLeases: 0 };

export async function readEntries(connection: MysqlConnection): Promise<Entries> {
  if ((await missingTables(connection, ['mailproc_ledger', 'mailproc_lease'])).length > 0) return noEntries;
  const entries = await connection.rows('SELECT capture_key, day FROM mailproc_ledger');
  const leases = await connection.rows(
    `SELECT capture_key, ends_ms > UNIX_TIMESTAMP(NOW(3)) * 1000 AS is_live FROM mailproc_lease WHERE owner <> ''`,
  );
  const live = leases.filter((row) => Number(row['is_live']) === 1);
  return {
    keys: new Set(entries.map((row) => hex(row['capture_key']))),
    days: new Set(entries.map((row) => String(row['day']))),
    liveLeases: new Set(live.map((row) => hex(row['capture_key']))),
    deadLeases: leases.length - live.length,
  };
}

export function captureFindings(written: readonly CaptureKey[], entries: Entries): Finding[] {
  const findings: Finding[] = [];
  const unfinished = new Map(
    written
      .filter(({ key }) => !entries.keys.has(key) && !entries.liveLeases.has(key))
      .map(({ key, capture }) => [key, capture]),
  );
  if (unfinished.size > 0) {
    findings.push({
      code: 'mysql.captures-unfinished',
      weight: 'problem',
      about: 'ledger',
      what: `rows, but no entry, for ${listed([...unfinished.values()])}: a run was killed while it read them`,
      remedy: 'run their day again: it reads them to the end and stores what is missing, once',
    });
  }
  if (entries.liveLeases.size > 0) {
    findings.push({
      code: 'mysql.leases-live',
      weight: 'note',
      about: 'ledger',
      what: `${entries.liveLeases.size} captures are leased: a run is at work, or was killed within the last minute`,
      remedy: 'nothing; a lease of a run that died ends by itself',
    });
  }
  if (entries.deadLeases > 0) {
    findings.push({
      code: 'mysql.leases-left',
      weight: 'note',
      about: 'ledger',
      what: `${entries.deadLeases} leases have ended and were never given back: a run was killed`,
      remedy: 'nothing; the next run of these captures takes them over',
    });
  }
  return findings;
}

function hex(key: unknown): string {
  return (key as Buffer).toString('hex');
}
