/**
 * One writer for a file: a lock file beside it names the process that writes. The lock of a process that
 * has died is taken over, so that a killed run does not block the next one.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
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
  // Each round but the first follows a lock that has vanished or is just being removed.
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

/**
 * Two runs may find the same dead lock: unless they take turns, the second removes what is by then the
 * lock of the first.
 */
async function removeIfDead(path: string, target: string): Promise<void> {
  if (!(await isDead(path, target))) return;
  const turn = `${path}.takeover`;
  if (!(await create(turn, ''))) {
    // Left by a run killed in the few lines below.
    if ((await ageMs(turn)) > namelessAfterMs) await rm(turn, { force: true });
    return;
  }
  try {
    if (await isDead(path, target)) await rm(path, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** False where there is no lock any more; throws where somebody holds it. */
async function isDead(path: string, target: string): Promise<boolean> {
  const content = await readIfThere(path);
  if (content === undefined) return false;
  const owner = livingOwner(content, await ageMs(path));
  if (owner !== undefined) throw busy(target, path, owner);
  return true;
}

/** Since the last change; 0 for a file that has just gone, because what follows it is not older. */
async function ageMs(path: string): Promise<number> {
  const status = await stat(path).catch(() => undefined);
  return status === undefined ? 0 : Date.now() - status.mtimeMs;
}

/** Milliseconds after which a lock without a name in it was left by a run killed while creating it. */
const namelessAfterMs = 10_000;

/** Who holds the lock, for a person; undefined where nobody does. */
function livingOwner(content: string, lockAgeMs: number): string | undefined {
  const parts = /^(\d{1,10}) (\S+) [0-9a-f]+\n$/.exec(content);
  if (parts === null) return lockAgeMs <= namelessAfterMs ? 'a starting run' : undefined;
  const [processId, host] = [Number(parts[1]), parts[2]];
  const owner = `process ${processId} on ${host}`;
  // Nothing can be known of a process on another machine.
  if (host !== hostname()) return owner;
  // In containers a restarted run often gets the number of the killed one: then the lock is older than we are.
  if (processId === pid) return lockAgeMs > uptime() * 1000 + 1000 ? undefined : owner;
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
