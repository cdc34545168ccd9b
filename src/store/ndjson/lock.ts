/**
 * One writer for a file: a lock file beside it names the process that writes. The lock of a process that
 * has died is taken over, so that a killed run does not block the next one.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { pid, uptime } from 'node:process';
import { MailprocError } from '../../core/errors.ts';
import { isAlive } from '../process.ts';
import { fileError } from '../store-error.ts';

export interface FileLock {
  release(): Promise<void>;
}

/** Throws `store.busy` while another writer is at work. */
export async function lockFile(target: string): Promise<FileLock> {
  const path = `${target}.lock`;
  // The last part tells two locks of one process apart.
  const content = `${pid} ${hostname()} ${randomBytes(8).toString('hex')}\n`;
  // Each round but the first follows a lock that has vanished; so many vanish only with as many runs about.
  for (let round = 0; round < 10; round++) {
    if (await create(path, content)) return { release: () => release(path, content) };
    await removeIfDead(path, target);
  }
  throw busy(target, path, 'several runs');
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileError(error, `create lock ${path}`);
  }
}

async function release(path: string, content: string): Promise<void> {
  if ((await readIfThere(path)) === content) await rm(path, { force: true });
}

async function removeIfDead(path: string, target: string): Promise<void> {
  const content = await readIfThere(path);
  if (content === undefined) return;
  const owner = await livingOwner(path, content);
  if (owner !== undefined) throw busy(target, path, owner);
  // Moved aside first: if another run has taken the lock over in between, its lock is put back.
  const aside = `${path}.${pid}-${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readIfThere(aside);
  if (moved !== content && moved !== undefined) await create(path, moved);
  await rm(aside, { force: true });
}

/** Milliseconds after which a lock without a name in it was left by a run killed while creating it. */
const namelessAfterMs = 10_000;

/** Who holds the lock, for a person; undefined where nobody does. */
async function livingOwner(path: string, content: string): Promise<string | undefined> {
  const modifiedMs = (await stat(path).catch(() => undefined))?.mtimeMs;
  if (modifiedMs === undefined) return undefined;
  const parts = /^(\d{1,10}) (\S+) [0-9a-f]+\n$/.exec(content);
  if (parts === null) return Date.now() - modifiedMs < namelessAfterMs ? 'a starting run' : undefined;
  const [processId, host] = [Number(parts[1]), parts[2]];
  const owner = `process ${processId} on ${host}`;
  // Nothing can be known of a process on another machine.
  if (host !== hostname()) return owner;
  // In containers a restarted run often gets the number of the killed one: then the lock is older than we are.
  if (processId === pid) return modifiedMs < Date.now() - uptime() * 1000 - 1000 ? undefined : owner;
  return isAlive(processId) ? owner : undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(error, `read lock ${path}`);
  }
}

function busy(target: string, path: string, owner: string): MailprocError {
  return new MailprocError('store.busy', `write ${target}: ${owner} is writing to it`, {
    hint: `wait for it to end; if no such process runs any more, remove ${path}`,
  });
}
