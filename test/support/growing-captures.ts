/** Captures that are written while they are read: file by file, and each in steps, as a probe does it. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Libsql from 'libsql';
import type { SeededRandom } from './random.ts';
import { sharedNames, sharedPath } from './shared-captures.ts';

export interface CaptureToWrite {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files of a folder, in the order of their names. */
export function capturesIn(folder: string): CaptureToWrite[] {
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

/** Those of the shared corpus whose names begin so; none where it is not there. */
export function sharedSeries(prefix: string): CaptureToWrite[] {
  return sharedNames('lab')
    .filter((name) => name.startsWith(prefix) && !name.endsWith('.json'))
    .map((name) => ({ name, bytes: readFileSync(sharedPath(`lab/${name}`)) }));
}

/** With the date that the names tell replaced; `date` is `yyyyMMdd`. */
export function dated(captures: readonly CaptureToWrite[], date: string): CaptureToWrite[] {
  return captures.map(({ name, bytes }) => ({ name: name.replace(/20\d{6}/, date), bytes }));
}

/** Writes `captures` in at most `steps` steps a file, and calls `then` after each with the file that grows. */
export async function writeInSteps(
  folder: string,
  captures: readonly CaptureToWrite[],
  steps: number,
  random: SeededRandom,
  then: (file: string) => Promise<void>,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { name, bytes } of captures) {
    const file = join(folder, name);
    writeFileSync(file, '');
    const ends = Array.from({ length: random.integer(steps) }, () => random.integer(bytes.length));
    let begin = 0;
    for (const end of [...ends.sort((one, other) => one - other), bytes.length]) {
      appendFileSync(file, bytes.subarray(begin, end));
      begin = end;
      await then(file);
    }
  }
}

/** Sets when a file was written last. */
export function writtenAt(file: string, timeMs: number): void {
  utimesSync(file, timeMs / 1000, timeMs / 1000);
}

/** All rows of a SQLite store with their details, as text, sorted; ids tell only when they were stored. */
export function storedMails(file: string): string[] {
  const database = new Libsql(file);
  try {
    const sql = `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '*_20[0-9][0-9]_*_*'`;
    const tables = (database.prepare(sql).all() as { name: string }[]).map(({ name }) => name);
    return tables
      .flatMap((table) => {
        const rows = database.prepare(`SELECT * FROM "${table}" JOIN mail_detail USING (id)`).all();
        return (rows as Record<string, unknown>[]).map(({ id, detail, ...columns }) => {
          const path = basename(String(columns['file_path']));
          return `${table} ${JSON.stringify({ ...columns, file_path: path })} ${withoutFolders(String(detail))}`;
        });
      })
      .sort();
  } finally {
    database.close();
  }
}

/** Where images were written depends on the test's folder. */
function withoutFolders(detail: string): string {
  return detail.replace(/"path":"[^"]*\/([^"/]+\/[^"/]+)"/g, '"path":"$1"');
}
