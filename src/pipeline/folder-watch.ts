/**
 * Tells which files below a folder change: by what the system tells where it does, by looking again and again
 * where it does not. A server's file system is one of these: nobody tells what other machines write to it.
 */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { watchLimits } from '../core/limits.ts';

export interface FolderListener {
  /** A file was made or has changed; `relativePath` is written with `/`. It may be gone again. */
  changed(relativePath: string): void;
  /** Something may have changed that nobody told. */
  uncertain(): void;
}

export interface FolderWatch {
  readonly how: 'told' | 'polled';
  /** The folder may have been away. */
  renew(): void;
  close(): void;
}

export interface FolderWatchOptions {
  /** Look every so many milliseconds, whatever the system tells. */
  readonly pollMs?: number | undefined;
  /** Files that need not be looked at when polling. */
  readonly isOfNoInterest: (relativePath: string) => boolean;
}

/** `root` must be a folder. */
export async function watchFolder(
  root: string,
  listener: FolderListener,
  options: FolderWatchOptions,
): Promise<FolderWatch> {
  if (options.pollMs === undefined && !(await isOfServer(root))) {
    const told = new ToldFolders(root, listener);
    if (await told.open()) return told;
    told.close();
  }
  const polled = new PolledFolders(root, listener, options);
  await polled.open();
  return polled;
}

/** `f_type` of NFS, SMB (three), 9P, FUSE (sshfs and others), AFS, Ceph: statfs(2). */
const serverTypes: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x5346414f, 0x00c36400,
]);

async function isOfServer(root: string): Promise<boolean> {
  const { type } = await statfs(root);
  return serverTypes.has(type >>> 0);
}

/** One watcher a folder: what is told of a tree by Node itself looks at every file in it first. */
class ToldFolders implements FolderWatch {
  readonly how = 'told';
  readonly #root: string;
  readonly #listener: FolderListener;
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();
  #sweep: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(root: string, listener: FolderListener) {
    this.#root = root;
    this.#listener = listener;
  }

  /** False where the system has no more watches to give. */
  async open(): Promise<boolean> {
    try {
      await this.#add('', false);
    } catch (error) {
      if (isOutOfWatches(error)) return false;
      throw error;
    }
    this.#sweep = setInterval(() => this.renew(), watchLimits.sweepMs);
    return true;
  }

  /** Folders that are not there, or not readable, are found another time. */
  renew(): void {
    this.#add('', false)
      .catch(() => undefined)
      .finally(() => {
        // What was written before the folder was watched nobody has told.
        if (!this.#isClosed) this.#listener.uncertain();
      });
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** A folder and those in it. Files that were in a new folder before it was watched are told. */
  async #add(folder: string, isNew: boolean): Promise<void> {
    const visited = new Set<string>();
    for (const waiting = [folder]; waiting.length > 0; ) {
      const path = waiting.pop() ?? '';
      try {
        waiting.push(...(await this.#addOne(path, isNew, visited)));
      } catch (error) {
        // One that may not be read, or is gone again, is none of ours: a run would not find it either.
        if (path === folder || isOutOfWatches(error)) throw error;
      }
    }
  }

  /** Resolves with the folders in it. */
  async #addOne(folder: string, isNew: boolean, visited: Set<string>): Promise<string[]> {
    const { dev, ino } = await stat(`${this.#root}/${folder}`);
    const identity = `${dev} ${ino}`;
    // Links may lead in circles.
    if (this.#isClosed || visited.has(identity)) return [];
    visited.add(identity);
    this.#watch(folder, identity);
    const folders: string[] = [];
    for (const entry of await readdir(`${this.#root}/${folder}`, { withFileTypes: true })) {
      const inside = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await this.#isFolder(inside)));
      if (isFolder) folders.push(inside);
      else if (isNew) this.#listener.changed(inside);
    }
    return folders;
  }

  async #isFolder(path: string): Promise<boolean> {
    return (await stat(`${this.#root}/${path}`).catch(() => undefined))?.isDirectory() ?? false;
  }

  /** A folder that has taken the place of another one is watched instead of that. */
  #watch(folder: string, identity: string): void {
    const before = this.#watchers.get(folder);
    if (before?.identity === identity) return;
    before?.watcher.close();
    if (this.#watchers.size >= watchLimits.foldersMax) throw outOfWatches();
    const watcher = watch(`${this.#root}/${folder}`);
    this.#watchers.set(folder, { watcher, identity });
    watcher.on('change', (event, name) => {
      if (typeof name !== 'string') this.#listener.uncertain();
      else this.#told(folder === '' ? name : `${folder}/${name}`, event === 'rename');
    });
    watcher.on('error', () => this.#drop(folder));
  }

  /** A name that came, went or changed. */
  #told(path: string, isName: boolean): void {
    if (!isName) {
      this.#listener.changed(path);
      return;
    }
    stat(`${this.#root}/${path}`)
      .then((stats) => {
        return stats.isDirectory() ? this.#add(path, true) : this.#listener.changed(path);
      })
      .catch(() => this.#drop(path));
  }

  /** Also of the folders in it. */
  #drop(folder: string): void {
    for (const [path, { watcher }] of this.#watchers) {
      if (path !== folder && !path.startsWith(`${folder}/`)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }
}

function outOfWatches(): Error {
  return Object.assign(new Error('too many folders'), { code: 'ENOSPC' });
}

function isOutOfWatches(error: unknown): boolean {
  return ['ENOSPC', 'EMFILE', 'ENFILE'].includes(String((error as NodeJS.ErrnoException).code));
}

class PolledFolders implements FolderWatch {
  readonly how = 'polled';
  readonly #root: string;
  readonly #listener: FolderListener;
  readonly #options: FolderWatchOptions;
  /** Size and time of each file when it was looked at last. */
  #seen = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(root: string, listener: FolderListener, options: FolderWatchOptions) {
    this.#root = root;
    this.#listener = listener;
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#seen = await this.#look();
    this.#sleep(0);
  }

  /** Every look is at what is there. */
  renew(): void {}

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** A look that takes long is followed by a long rest. */
  #sleep(tookMs: number): void {
    if (this.#isClosed) return;
    const pauseMs = Math.max(this.#options.pollMs ?? watchLimits.pollMs, tookMs * watchLimits.restTimes);
    this.#timer = setTimeout(() => void this.#compare(), pauseMs);
  }

  async #compare(): Promise<void> {
    const started = performance.now();
    const now = await this.#look();
    for (const [path, state] of now) {
      if (!this.#isClosed && this.#seen.get(path) !== state) this.#listener.changed(path);
    }
    this.#seen = now;
    this.#sleep(performance.now() - started);
  }

  async #look(): Promise<Map<string, string>> {
    const seen = new Map<string, string>();
    const visited = new Set<string>();
    for (const waiting = ['']; waiting.length > 0 && !this.#isClosed; ) {
      const folder = waiting.pop() ?? '';
      const entries = await readdir(`${this.#root}/${folder}`, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.isFile() && this.#options.isOfNoInterest(path)) continue;
        const stats = await stat(`${this.#root}/${path}`).catch(() => undefined);
        if (stats?.isFile()) seen.set(path, `${stats.size} ${stats.mtimeMs} ${stats.ino}`);
        if (!stats?.isDirectory() || visited.has(`${stats.dev} ${stats.ino}`)) continue;
        visited.add(`${stats.dev} ${stats.ino}`);
        waiting.push(path);
      }
    }
    return seen;
  }
}
