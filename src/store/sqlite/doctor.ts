/** What is wrong with a SQLite store: the file, who can read it, what runs have left behind. Opens it for reading. */
import { closeSync, existsSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Database } from 'libsql';
import { MailprocError } from '../../core/errors.ts';
import { doctorLimits } from '../../core/limits.ts';
import type { Diagnosis, Finding } from '../finding.ts';
import { sqliteError } from './sqlite-error.ts';

export async function diagnoseSqlite(path: string): Promise<Diagnosis> {
  const findings: Finding[] = [];
  const seen: string[] = [];
  const store = `sqlite:${path}`;
  if (!existsSync(path)) {
    const what = 'there is no such file';
    const remedy = 'check the name; the file is made by the first run that stores mails in it';
    return {
      store,
      seen,
      findings: [{ code: 'sqlite.missing', weight: 'unreachable', about: path, what, remedy }],
    };
  }
  findings.push(...fileFindings(path));
  let database: Database | undefined;
  try {
    if (!isSqlite(path)) throw new MailprocError('store.foreign', `read ${path}: it is no SQLite file`);
    const { default: Libsql } = await import('libsql');
    database = new Libsql(resolve(path), { timeout: 1000 });
    database.exec('PRAGMA query_only = ON');
    seen.push(
      `${path}: ${statSync(path).size.toLocaleString('en-US')} octets, ${countTables(database)} day tables`,
    );
    const damages = integrityFindings(database, path);
    findings.push(...damages, ...(damages.length > 0 ? [] : ledgerFindings(database, path)));
  } catch (cause) {
    const error = sqliteError(cause, `read ${path}`);
    const remedy = error.hint ?? 'restore the file from a copy, or run its days into a new one';
    findings.push({
      code: 'sqlite.unreadable',
      weight: 'unreachable',
      about: path,
      what: error.message,
      remedy,
    });
  } finally {
    database?.close();
  }
  return { store, seen, findings };
}

/** Asked of the octets: to open another file as a database could change it. */
function isSqlite(path: string): boolean {
  const { size } = statSync(path);
  if (size === 0) return true;
  const start = Buffer.alloc(16);
  const file = openSync(path, 'r');
  try {
    readSync(file, start, 0, start.length, 0);
  } finally {
    closeSync(file);
  }
  return start.toString('latin1') === 'SQLite format 3\0';
}

function fileFindings(path: string): Finding[] {
  const findings: Finding[] = [];
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    findings.push({
      code: 'sqlite.mode',
      weight: 'problem',
      about: path,
      what: `others can get at it (mode ${mode.toString(8).padStart(4, '0')}), and mail is private`,
      remedy: `chmod 600 ${path}`,
    });
  }
  const log = `${path}-wal`;
  if (existsSync(log) && statSync(log).size > 0) {
    findings.push({
      code: 'sqlite.wal',
      weight: 'note',
      about: log,
      what: 'a run is at work, or was killed: its last rows are in this file',
      remedy: 'leave it where it is, and copy both files together; the next run takes it in',
    });
  }
  const { bavail, blocks, bsize } = statfsSync(dirname(resolve(path)));
  const [free, total] = [bavail * bsize, blocks * bsize];
  if (free < doctorLimits.freeBytesMin || free < total * doctorLimits.freeShareMin) {
    findings.push({
      code: 'sqlite.space',
      weight: 'problem',
      about: path,
      what: `${Math.round(free / 2 ** 20)} MiB are free where it is`,
      remedy: 'make room; a run that finds none stops, and goes on when it is started again',
    });
  }
  return findings;
}

function integrityFindings(database: Database, path: string): Finding[] {
  const said = integrityCheck(database);
  if (said.length === 0) return [];
  return [
    {
      code: 'sqlite.integrity',
      weight: 'problem',
      about: path,
      what: `it is damaged: ${said.join('; ')}`,
      remedy:
        'save what can be read (sqlite3 FILE .recover), or run its days into a new file; then check the disk',
    },
  ];
}

/** What is damaged; empty where nothing is. Damage within the tables' own structure comes as an error. */
function integrityCheck(database: Database): string[] {
  try {
    const rows = database.prepare('PRAGMA integrity_check(10)').all() as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith('SQLITE_CORRUPT')) throw error;
    return [(error as Error).message];
  }
}

function ledgerFindings(database: Database, path: string): Finding[] {
  const tables = new Set(
    (database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all() as { name: string }[]).map(
      ({ name }) => name,
    ),
  );
  if (!tables.has('mailproc_ledger') || !tables.has('mailproc_ledger_rows')) {
    const what = 'it holds no mail of mailproc yet';
    return [
      {
        code: 'sqlite.empty',
        weight: 'note',
        about: path,
        what,
        remedy: 'check the name, or run a day into it',
      },
    ];
  }
  const names = (sql: string): string[] =>
    (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
  const unfinished = names(
    `SELECT DISTINCT capture AS name FROM mailproc_ledger_rows
      WHERE rows <> 0 AND capture NOT IN (SELECT capture FROM mailproc_ledger) ORDER BY capture LIMIT ${doctorLimits.namesMax}`,
  );
  const dropped = names(
    'SELECT DISTINCT table_name AS name FROM mailproc_ledger_rows WHERE rows <> 0',
  ).filter((name) => !tables.has(name));
  const findings: Finding[] = [];
  if (unfinished.length > 0) {
    findings.push({
      code: 'sqlite.captures-unfinished',
      weight: 'problem',
      about: path,
      what: `rows, but no entry in the ledger, for ${unfinished.join(', ')}: a run is at them, or was killed`,
      remedy: 'run their day again: it reads them to the end and stores what is missing, once',
    });
  }
  if (dropped.length > 0) {
    findings.push({
      code: 'sqlite.tables-missing',
      weight: 'problem',
      about: path,
      what: `${dropped.slice(0, doctorLimits.namesMax).join(', ')} had rows and are gone`,
      remedy: 'run their days again: the next run stores them anew',
    });
  }
  return findings;
}

function countTables(database: Database): number {
  const sql = `SELECT count(*) AS tables FROM sqlite_master WHERE type = 'table' AND name GLOB '????_[0-9]*_[0-9]*_[0-9]*'`;
  return (database.prepare(sql).get() as { tables: number }).tables;
}
