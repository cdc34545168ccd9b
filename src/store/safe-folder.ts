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
  rmSync,
  writeFileSync,
} from 'node:fs';
import { lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/** A file that is to be written, and who waits for it. */
interface Order {
  readonly file: OutputFile;
  /** True where the file was written, false where it was there. */
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (reason: unknown) => void;
}

/** Written under another name; not durable yet. */
interface UnsyncedFile {
  readonly order: Order;
  readonly path: string;
  readonly temporary: string;
  readonly descriptor: number;
}

export class SafeFolder {
  readonly root: string;
  /** Folders below the root, once they are looked at or while they are. */
  readonly #prepared = new Map<string, Promise<void>>();
  #orders: Order[] = [];
  #isCommitting = false;
  /** Names of temporary files: this folder's own part, and a number. */
  readonly #ownName = randomBytes(4).toString('hex');
  #files = 0;

  /** `root` is created at the first file. It may be a symbolic link; nothing below it may. */
  constructor(root: string) {
    this.root = root;
  }

  /** Resolves once the files are durable. Writing the same files again is safe, by several runs at once too. */
  async write(files: readonly OutputFile[]): Promise<WrittenFiles> {
    if (files.length === 0) return { written: 0, present: 0 };
    for (const folder of new Set(files.map((file) => splitPath(file.path)[0])))
      await this.#prepareOnce(folder);
    const results = await Promise.allSettled(files.map((file) => this.#order(file)));
    let written = 0;
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      if (result.value) written++;
    }
    return { written, present: files.length - written };
  }

  #order(file: OutputFile): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#orders.push({ file, resolve, reject });
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  /**
   * Files that were ordered while the disk was at work become durable together: all are written, then all are
   * sent to the disk at once. A file system with a journal makes who creates a file wait while it commits, so
   * none is created then.
   */
  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    // Those of one mail are ordered in one turn.
    await Promise.resolve();
    while (this.#orders.length > 0) {
      const orders = this.#orders.splice(0, storeLimits.fileWritesMax);
      await Promise.all(orders.flatMap((order) => this.#begin(order) ?? []).map(finish));
    }
    this.#isCommitting = false;
  }

  /** Writes the file under another name; undefined where that was not necessary, or not possible. */
  #begin(order: Order): UnsyncedFile | undefined {
    const { file } = order;
    const [folder, name] = splitPath(file.path);
    const path = join(this.root, folder, name);
    const number = (this.#files++ >>> 0).toString(16).padStart(8, '0');
    const temporary = join(this.root, folder, `.${pid}-${this.#ownName}${number}.part`);
    try {
      if (!isSame(path, file.bytes)) {
        return { order, path, temporary, descriptor: writeNew(temporary, file.bytes) };
      }
      order.resolve(false);
    } catch (error) {
      removeQuietly(temporary);
      order.reject(fileError(error, `write ${path}`));
    }
    return undefined;
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
      await makeFolder(path);
      if ((await lstat(path)).isSymbolicLink()) {
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
}

/**
 * With the folders above it, which others may be making at the same time. Node's own way to do so asks for ever
 * where the system says ENOENT in a folder that is there, as /proc does.
 */
async function makeFolder(path: string): Promise<void> {
  const error = await makeOne(path);
  if (error === undefined) return;
  const above = dirname(path);
  if (error.code !== 'ENOENT' || above === path) throw error;
  await makeFolder(above);
  const again = await makeOne(path);
  if (again !== undefined) throw again;
}

/** undefined where it is there now. Links are the caller's to judge. */
async function makeOne(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path, { mode: 0o700 });
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return error as NodeJS.ErrnoException;
  }
  const status = await lstat(path);
  if (status.isDirectory() || status.isSymbolicLink()) return undefined;
  return Object.assign(new Error(`${path} is no folder`), { code: 'ENOTDIR' });
}

/** Makes the file durable, and only then gives it its name. */
async function finish({ order, path, temporary, descriptor }: UnsyncedFile): Promise<void> {
  try {
    try {
      await toDisk(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
    order.resolve(true);
  } catch (error) {
    removeQuietly(temporary);
    order.reject(fileError(error, `write ${path}`));
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

/** O_EXCL and O_NOFOLLOW: nobody can have put a link where the file is going to be. Returns the open file. */
function writeNew(path: string, bytes: Buffer): number {
  const noFollow = constants.O_NOFOLLOW ?? 0; // not on Windows
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | noFollow, 0o600);
  try {
    writeFileSync(file, bytes);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Of a file that could not be written: what went wrong there is the trouble to tell. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next run clears it away.
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
