/**
 * Takes old days out of a store: their tables and what is known of them, and the folders of files that belong
 * to their captures alone. What would be done can be seen first.
 */
import { basename } from 'node:path';
import { MailprocError } from '../core/errors.ts';
import { folderOfCapture } from '../record/files.ts';
import { type FileFolder, measureFolder, removeFolder } from '../store/file-folder.ts';
import type { Ledger } from '../store/ledger.ts';
import { openStore, type StoreOptions } from '../store/open-store.ts';
import type { Pruning, Sink } from '../store/sink.ts';

export interface PruneRequest {
  readonly store: string;
  /** Days before this one, `yyyy-MM-dd`. */
  readonly before: string;
  readonly imageFolder: string;
  readonly attachmentFolder?: string | undefined;
  readonly messageFolder?: string | undefined;
  /** Otherwise it is only looked at. */
  readonly isMeant: boolean;
}

export interface PrunedDay {
  readonly day: string;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly bytes: number | null }[];
  readonly captures: number;
  /** Of images, attachments and mails. */
  readonly folders: readonly FileFolder[];
  /** `busy`: left to another run that is at its captures now. */
  readonly state: 'listed' | 'dropped' | 'busy';
}

export interface Pruned {
  /** Without a password. */
  readonly store: string;
  readonly before: string;
  readonly days: readonly PrunedDay[];
  /** Inside the store, for days to come; null where the system has it back. */
  readonly freeBytes: number | null;
}

/** `signal` ends it behind the day at hand. */
export async function pruneStore(
  request: PruneRequest,
  signal: AbortSignal,
  options: StoreOptions = {},
): Promise<Pruned> {
  const sink = await openStore(request.store, { ...options, mustExist: true });
  const { ledger, pruning } = sink;
  if (ledger === undefined || pruning === undefined) {
    throw new MailprocError('usage.store', `prune ${sink.url}: this kind of store is not made of days`, {
      hint: 'prune a store of the form sqlite:FILE, mysql://…, cluster:FILE or mycat:DIR; start a new file of lines for each month',
    });
  }
  await sink.open();
  try {
    const days: PrunedDay[] = [];
    const run = new Prune(request, sink, ledger, pruning);
    for await (const day of run.days(signal)) days.push(day);
    const freeBytes = (await pruning.freeBytes?.()) ?? null;
    return { store: sink.url, before: request.before, days, freeBytes };
  } finally {
    await sink.close();
  }
}

class Prune {
  readonly #request: PruneRequest;
  readonly #sink: Sink;
  readonly #ledger: Ledger;
  readonly #pruning: Pruning;
  /** Days that have captures whose files are in a folder of this name. */
  readonly #users = new Map<string, Set<string>>();

  constructor(request: PruneRequest, sink: Sink, ledger: Ledger, pruning: Pruning) {
    this.#request = request;
    this.#sink = sink;
    this.#ledger = ledger;
    this.#pruning = pruning;
  }

  async *days(signal: AbortSignal): AsyncGenerator<PrunedDay, void, void> {
    const days = await this.#ledger.days();
    const captures = new Map<string, readonly string[]>();
    for (const day of days) captures.set(day, await this.#capturesOf(day));
    for (const [day, paths] of captures) for (const path of paths) this.#use(folderName(path), day);
    for (const [day, paths] of captures) {
      if (day >= this.#request.before) continue;
      if (signal.aborted) return;
      yield await this.#prune(day, paths);
    }
  }

  #use(folder: string, day: string): void {
    const users = this.#users.get(folder);
    if (users === undefined) this.#users.set(folder, new Set([day]));
    else users.add(day);
  }

  /** A run that was killed may have stored rows of captures that it has not entered. */
  async #capturesOf(day: string): Promise<readonly string[]> {
    const entries = await this.#ledger.ofDay(day);
    const rows = await this.#ledger.rows(day);
    return [...new Set([...entries, ...rows].map(({ capture }) => capture))];
  }

  async #prune(day: string, captures: readonly string[]): Promise<PrunedDay> {
    const folders = await this.#foldersOf(day, captures);
    const tables = await this.#tablesOf(day);
    const found = { day, tables, captures: captures.length, folders };
    if (!this.#request.isMeant) {
      this.#leave(day, captures);
      return { ...found, state: 'listed' };
    }
    const lease = await this.#ledger.lease(captures);
    if (lease === undefined) return { ...found, state: 'busy' };
    try {
      // Files first: while there are entries, they are found again, should this be killed.
      for (const { path } of folders) await removeFolder(path);
      await this.#pruning.drop(day);
    } finally {
      await lease.release();
    }
    this.#leave(day, captures);
    return { ...found, state: 'dropped' };
  }

  /** A folder that several days use goes with the last of them. */
  #leave(day: string, captures: readonly string[]): void {
    for (const path of captures) this.#users.get(folderName(path))?.delete(day);
  }

  async #tablesOf(day: string): Promise<PrunedDay['tables']> {
    const tables = await this.#sink.tables(day);
    const bytes = tables.length === 0 ? new Map<string, number>() : await this.#pruning.bytes(day);
    return tables.map(({ name, rows }) => ({ name, rows, bytes: bytes.get(name) ?? null }));
  }

  async #foldersOf(day: string, captures: readonly string[]): Promise<readonly FileFolder[]> {
    const { imageFolder, attachmentFolder, messageFolder } = this.#request;
    const own = [...new Set(captures.map(folderName))].filter((name) => this.#users.get(name)?.size === 1);
    const roots = [imageFolder, ...(attachmentFolder === undefined ? [] : [attachmentFolder])];
    const paths = roots.flatMap((root) => own.map((name) => `${root}/${name}`));
    if (messageFolder !== undefined) paths.push(`${messageFolder}/${day}`);
    const folders: FileFolder[] = [];
    for (const path of new Set(paths)) {
      const folder = await measureFolder(path);
      if (folder !== undefined) folders.push(folder);
    }
    return folders;
  }
}

function folderName(capture: string): string {
  return folderOfCapture(basename(capture));
}
