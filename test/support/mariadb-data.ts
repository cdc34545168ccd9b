/** Where the data of private MariaDB servers are, and the template that they are copied from. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const isRoot = process.getuid?.() === 0;

/** A data directory nobody runs on, made once for each version; several processes may ask at once. */
export function template(): string {
  const version = execFileSync(findProgram('mariadbd') ?? 'mariadbd', ['--version'], { encoding: 'utf8' });
  const name = /Ver (\S+)/.exec(version)?.[1] ?? 'unknown';
  const path = join(tmpdir(), `mailproc-mariadb-${name}-${process.getuid?.() ?? 0}`);
  if (existsSync(path)) return path;
  const draft = mkdtempSync(`${path}-`);
  if (isRoot) chownSync(draft, 0, 0);
  const data = join(draft, 'data');
  mkdirSync(join(draft, 'tmp'));
  execFileSync(
    'mariadb-install-db',
    [
      '--no-defaults',
      ...(isRoot ? ['--user=root'] : []),
      `--datadir=${data}`,
      `--tmpdir=${join(draft, 'tmp')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ],
    { stdio: 'ignore' },
  );
  try {
    renameSync(data, path);
  } catch {
    // Another process was faster; its template is as good.
  }
  rmSync(draft, { recursive: true, force: true });
  return path;
}

/** Memory where there is plenty: what takes the time of short tests is files that are made and flushed. */
export function dataRoot(): string {
  const memory = '/dev/shm';
  try {
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize > 4e9 ? memory : tmpdir();
  } catch {
    return tmpdir();
  }
}

export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
