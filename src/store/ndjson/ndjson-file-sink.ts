/**
 * A file of one JSON object a line. The file is its own index: it is read when it is opened, so that
 * ids go on and no mail is written twice. A replaced row is appended; the later line of a key counts,
 * and the earlier one is dropped when the file is closed.
 *
 * There is no ledger: the file is only appended to, so every run reads the captures again and skips the
 * mails whose keys it knows. The lock keeps a second run out.
 */
import { constants, writeSync } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MailprocError } from '../../core/errors.ts';
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import { KnownMails, type Plan } from '../known-mails.ts';
import type { Sink, Stored, StoredTable } from '../sink.ts';
import { fileError, missingFile } from '../store-error.ts';
import { addLine, lineStart, parseLine } from './line.ts';
import { type FileLock, lockFile } from './lock.ts';
import { type FileLine, readLines } from './read-lines.ts';

interface OpenFile {
  /** Without symbolic links. */
  readonly path: string;
  readonly handle: FileHandle;
  readonly lock: FileLock;
  readonly known: KnownMails;
  /** Lines that a later line replaces. */
  outdatedLines: number;
  /** Octets that are durable whole lines. */
  bytes: number;
  /** One for all batches: a block is as large as many of them. */
  readonly writer: PieceWriter;
}

export class NdjsonFileSink implements Sink {
  readonly url: string;
  readonly #path: string;
  readonly #mustExist: boolean;
  #file: OpenFile | undefined;
  /** Writes follow one another. */
  #last: Promise<unknown> = Promise.resolve();

  /** With `mustExist`, `open` throws `store.missing` instead of creating the file. */
  constructor(path: string, options: { readonly mustExist?: boolean } = {}) {
    this.url = `ndjson:${path}`;
    this.#path = path;
    this.#mustExist = options.mustExist ?? false;
  }

  async open(): Promise<void> {
    const path = await regularFile(this.#path, this.#mustExist);
    const lock = await lockFile(path);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const file = {
        path,
        handle,
        lock,
        known: new KnownMails(),
        outdatedLines: 0,
        bytes: 0,
        writer: new PieceWriter(handle),
      };
      await load(file);
      this.#file = file;
    } catch (error) {
      await handle?.close();
      await lock.release();
      throw fileError(error, `open ${this.#path}`);
    }
  }

  write(batch: readonly MailRecord[]): Promise<Stored> {
    const written = this.#last.then(() => this.#writeNext(batch));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    return this.#opened().known.tables(day);
  }

  async close(): Promise<void> {
    await this.#last;
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      if (file.outdatedLines > 0) await compact(file);
    } catch (error) {
      throw fileError(error, `drop replaced rows of ${this.#path}`);
    } finally {
      await file.handle.close();
      await file.lock.release();
    }
  }

  async #writeNext(batch: readonly MailRecord[]): Promise<Stored> {
    const file = this.#opened();
    const plan = file.known.plan(batch, this.url);
    if (plan.writes.length === 0) return plan.stored;
    try {
      await append(file, plan);
    } catch (error) {
      // Half a batch would stay as a torn line for the next one to be glued to.
      await file.handle.truncate(file.bytes).catch(() => undefined);
      throw fileError(error, `write ${this.#path}`);
    }
    return plan.stored;
  }

  #opened(): OpenFile {
    if (this.#file === undefined) throw new MailprocError('store.closed', `use ${this.url}: it is not open`);
    return this.#file;
  }
}

/** The path without symbolic links, because compaction puts a new file in the place of the old one. */
async function regularFile(path: string, mustExist: boolean): Promise<string> {
  try {
    if ((await stat(path)).isFile()) return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(error, `open ${path}`);
    if (mustExist) throw missingFile(path);
    return resolve(path);
  }
  throw new MailprocError('store.not-writable', `open ${path}: it is no regular file`, {
    hint: 'name a file, or `ndjson:-` for standard output',
  });
}

/** Learns what the file holds and cuts off a line that a killed run has left unfinished. */
async function load(file: OpenFile): Promise<void> {
  for await (const line of readLines(file.handle)) {
    const row = parseLine(line.bytes, line.offset);
    if (row === undefined) {
      if (!isTorn(line)) throw notOurs(file.path, line.offset);
      await file.handle.truncate(line.offset);
      break;
    }
    if (file.known.remember(row.key, row.mail) !== undefined) file.outdatedLines++;
    file.bytes = line.offset + line.bytes.length + 1;
    // Whole but for its line feed: an editor may have taken it away.
    if (!line.ended) await file.handle.write('\n', file.bytes - 1);
  }
}

/** Begins like a line of ours, or is the row of zeros a crashed machine leaves: nothing else is cut off. */
function isTorn({ bytes, ended }: FileLine): boolean {
  if (ended || bytes.length > storeLimits.lineBytesMax) return false;
  const start = bytes.toString('latin1', 0, lineStart.length);
  return lineStart.startsWith(start) || bytes[0] === 0;
}

function notOurs(path: string, offset: number): MailprocError {
  return new MailprocError('store.foreign', `read ${path} at byte ${offset}: this is no row of mailproc`, {
    hint: 'name another file; this one is left as it is',
  });
}

/** In pieces: a batch may be larger than memory likes to hold twice. */
async function append(file: OpenFile, plan: Plan): Promise<void> {
  const offsets: number[] = [];
  let position = file.bytes;
  const { writer } = file;
  writer.begin(position);
  for (const { record, mail } of plan.writes) {
    offsets.push(position);
    position += addLine(writer, mail.id, record);
    if (writer.isFull) writer.flush();
  }
  writer.flush();
  await file.handle.datasync();
  file.bytes = position;
  plan.writes.forEach(({ key, mail }, index) => {
    const offset = offsets[index] ?? 0;
    if (file.known.remember(key, { ...mail, offset }) !== undefined) file.outdatedLines++;
  });
}

/** Writes the file anew without the outdated lines, beside it, and puts it in its place at once. */
async function compact(file: OpenFile): Promise<void> {
  const path = `${file.path}.compact`;
  // Left by a run killed in here: the lock says that nobody else is writing it.
  await rm(path, { force: true });
  const { mode } = await file.handle.stat();
  const target = await open(path, 'wx', mode & 0o777);
  try {
    const writer = new PieceWriter(target);
    for await (const { offset, bytes } of readLines(file.handle)) {
      const row = parseLine(bytes, offset);
      if (row !== undefined && file.known.find(row.key)?.offset !== offset) continue;
      writer.addOctets(bytes);
      writer.add('\n');
      if (writer.isFull) writer.flush();
    }
    writer.flush();
    await target.datasync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await target.close();
  }
  await rename(path, file.path);
  await syncDirectory(dirname(file.path));
}

/** Makes a rename durable; not every system can open a directory. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

/** Collects lines up to about `storeLimits.blockBytes`. */
class PieceWriter {
  readonly #file: FileHandle;
  #position = 0;
  #piece = Buffer.allocUnsafe(storeLimits.blockBytes);
  #used = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** What is added from now on belongs at `position`; what was not flushed is forgotten. */
  begin(position: number): void {
    this.#position = position;
    this.#used = 0;
  }

  /** To be flushed before more is added. */
  get isFull(): boolean {
    return this.#used >= storeLimits.blockBytes / 2;
  }

  /** Octets that `text` takes. */
  add(text: string): number {
    // UTF-8 takes at most three octets for a UTF-16 unit; of a long text it is worth knowing.
    this.#reserve(text.length < storeLimits.blockBytes / 4 ? text.length * 3 : Buffer.byteLength(text));
    const octets = this.#piece.write(text, this.#used);
    this.#used += octets;
    return octets;
  }

  /** How many they are. */
  addOctets(bytes: Buffer): number {
    this.#reserve(bytes.length);
    this.#used += bytes.copy(this.#piece, this.#used);
    return bytes.length;
  }

  /** Without waiting: it only touches the cache of the system, and who waits for it must be waited for, too. */
  flush(): void {
    for (let written = 0; written < this.#used; ) {
      const octets = writeSync(this.#file.fd, this.#piece, written, this.#used - written, this.#position);
      written += octets;
      this.#position += octets;
    }
    this.#used = 0;
    if (this.#piece.length > storeLimits.blockBytes) this.#piece = Buffer.allocUnsafe(storeLimits.blockBytes);
  }

  #reserve(octets: number): void {
    if (this.#used + octets <= this.#piece.length) return;
    const larger = Buffer.allocUnsafe(this.#used + octets);
    this.#piece.copy(larger, 0, 0, this.#used);
    this.#piece = larger;
  }
}
