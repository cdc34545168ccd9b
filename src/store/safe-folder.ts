/**
 * A folder for what mails carry (images, attachments, the mails themselves): files appear whole or not at
 * all, and nothing is ever written outside. The paths come from the record stage, which makes them safe; they
 * are checked again, because a mistake there would let a stranger's mail write to the disk.
 */
import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { lstat, mkdir, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pid } from 'node:process';
import { promisify } from 'node:util';
import { MailprocError } from '../core/errors.ts';
import { storeLimits } from '../core/limits.ts';
import type { OutputFile } from '../record/types.ts';
import { isAlive } from './process.ts';
import { fileError } from './store-error.ts';

export interface WrittenFiles {
  readonly written: number;
  /** There before with the same octets: left alone. */
  readonly present: number;
}

export class SafeFolder {
  readonly root: string;
  /** Folders below the root, once they are looked at or while they are. */
  readonly #prepared = new Map<string, Promise<void>>();

  /** `root` is created at the first file. It may be a symbolic link; nothing below it may. */
  constructor(root: string) {
    this.root = root;
  }

  /** Resolves once the files are durable. Writing the same files again is safe, by several runs at once too. */
  async write(files: readonly OutputFile[]): Promise<WrittenFiles> {
    let written = 0;
    for (let index = 0; index < files.length; index += storeLimits.fileWritesMax) {
      const some = files.slice(index, index + storeLimits.fileWritesMax);
      for (const folder of new Set(some.map((file) => splitPath(file.path)[0])))
        await this.#prepareOnce(folder);
      const results = await Promise.allSettled(some.map((file) => this.#writeOne(file)));
      for (const result of results) {
        if (result.status === 'rejected') throw result.reason;
        if (result.value) written++;
      }
    }
    return { written, present: files.length - written };
  }

  async #prepareOnce(folder: string): Promise<void> {
    const preparing = this.#prepared.get(folder) ?? this.#prepare(folder);
    this.#prepared.set(folder, preparing);
    try {
      await preparing;
    } catch (error) {
      this.#prepared.delete(folder);
      throw error;
    }
  }

  /**
   * Creates one folder below the root, makes sure that it really lies below the root, and clears away what
   * killed runs left in it.
   */
  async #prepare(folder: string): Promise<void> {
    const path = join(this.root, folder);
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      if (!(await lstat(path)).isDirectory()) {
        throw new MailprocError(
          'store.unsafe-path',
          `write files to ${path}: a symbolic link leads elsewhere`,
          {
            hint: 'remove the link',
          },
        );
      }
      await sweep(path);
    } catch (error) {
      throw fileError(error, `create folder ${path}`);
    }
  }

  /** True where the file was written, false where it was there. */
  async #writeOne(file: OutputFile): Promise<boolean> {
    const [folder, name] = splitPath(file.path);
    const path = join(this.root, folder, name);
    const temporary = join(this.root, folder, `.${pid}-${randomBytes(8).toString('hex')}.part`);
    try {
      if (isSame(path, file.bytes)) return false;
      await writeNew(temporary, file.bytes);
      renameSync(temporary, path);
      return true;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw fileError(error, `write ${path}`);
    }
  }
}

/** Exactly a folder and a file name. */
function splitPath(path: string): [folder: string, name: string] {
  const [folder, name, ...rest] = path.split('/');
  assert(folder !== undefined && name !== undefined && rest.length === 0, `${path} is not folder/name`);
  for (const component of [folder, name]) {
    const safe = component !== '' && component !== '.' && component !== '..' && !/[\\\0:]/.test(component);
    assert(safe, `${path} is not a safe path`);
  }
  return [folder, name];
}

// What only touches the cache of the system is called synchronously: waiting for a thread of the pool, and being
// waited for, costs several times what the call does. The disk's answer is waited for.

function isSame(path: string, bytes: Buffer): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false });
  // A symbolic link is never followed: the rename puts the file in its place.
  return status?.isFile() === true && status.size === bytes.length && bytes.equals(readFileSync(path));
}

/** O_EXCL and O_NOFOLLOW: nobody can have put a link where the file is going to be. */
async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const noFollow = constants.O_NOFOLLOW ?? 0; // not on Windows
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, 0o600);
  try {
    writeFileSync(file, bytes);
    await toDisk(file);
  } finally {
    closeSync(file);
  }
}

const toDisk = promisify(fdatasync);

/** Longer than any file takes to be written. */
const abandonedAfterMs = 3_600_000;

/** Removes the temporary files of runs that were killed; those of runs at work stay. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const owner = /^\.(\d{1,10})-[0-9a-f]{16}\.part$/.exec(name)?.[1];
    if (owner === undefined) continue;
    const path = join(folder, name);
    const status = await lstat(path).catch(() => undefined);
    const old = status !== undefined && Date.now() - status.mtimeMs > abandonedAfterMs;
    if (old || !isAlive(Number(owner))) await unlink(path).catch(() => undefined);
  }
}
