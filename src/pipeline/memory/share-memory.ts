/**
 * The memory of the conversations of one share. Octets of mails lie in an arena of fixed size; where it is full,
 * the mails that hold most of it go to a file. So memory does not depend on how many mails are in progress,
 * nor on how large they are.
 */
import { tmpdir } from 'node:os';
import { dialogueLimits, pipelineLimits } from '../../core/limits.ts';
import type { DialogueMemory, OctetLog } from '../../dialogue/octets.ts';
import type { Job } from '../job.ts';
import { KeptLog, type Place } from './kept-log.ts';
import { OctetArena } from './octet-arena.ts';
import { SpillFile } from './spill-file.ts';

export interface ShareMemoryOptions {
  readonly mailBytesMax?: number;
  /** Folder of the file; that of the system for temporary files where none is given. */
  readonly folder?: string | undefined;
  readonly arenaBytes?: number;
}

/** Logs that hold from 2^n to 2^(n+1) octets of the arena, in the order in which they came to hold so many. */
interface Shelf {
  oldest: KeptLog | undefined;
  newest: KeptLog | undefined;
}

const shelfCount = 32;

export class ShareMemory implements DialogueMemory {
  readonly mailBytesMax: number;
  readonly #place: Place;
  readonly #folder: string;
  readonly #shelves: readonly Shelf[];
  /** Logs that somebody dropped without `release`: what they hold is given back when the runtime finds them. */
  readonly #forgotten = new FinalizationRegistry<KeptLog>((log) => this.#release(log));
  /** Why the file could not be written. */
  #trouble: Error | undefined;
  #isTold = false;
  #heldBytes = 0;

  constructor(options: ShareMemoryOptions = {}) {
    this.mailBytesMax = options.mailBytesMax ?? dialogueLimits.messageBytesMax;
    this.#folder = options.folder ?? tmpdir();
    const arena = new OctetArena(options.arenaBytes ?? pipelineLimits.arenaBytes);
    this.#place = { arena, file: new SpillFile(this.#folder) };
    this.#shelves = Array.from({ length: shelfCount }, () => ({ oldest: undefined, newest: undefined }));
  }

  get unreadBytesMax(): number {
    const { unreadBytesMax, unreadBytesMin, heldBytesMax } = dialogueLimits;
    const left = Math.floor((heldBytesMax - this.#heldBytes) / 4);
    return Math.max(unreadBytesMin, Math.min(left, unreadBytesMax));
  }

  hold(octets: number): void {
    this.#heldBytes += octets;
  }

  get isCrowded(): boolean {
    return this.#heldBytes > dialogueLimits.crowdedBytes;
  }

  begin(): OctetLog {
    const log = new KeptLog();
    const handle = new LogHandle(this, log);
    this.#forgotten.register(handle, log, log);
    return handle;
  }

  /** Where mails could not be moved to, and why; told once. */
  takeTrouble(): { readonly folder: string; readonly reason: string } | undefined {
    if (this.#trouble === undefined || this.#isTold) return undefined;
    this.#isTold = true;
    return { folder: this.#folder, reason: this.#trouble.message };
  }

  /** Octets of the file. */
  get spilledBytes(): number {
    return this.#place.file.bytes;
  }

  /** Nothing is asked of it any more. */
  close(): void {
    this.#place.file.close();
  }

  append(log: KeptLog, bytes: Buffer): number {
    let kept = 0;
    while (kept < bytes.length && !log.isCut) {
      const size = log.wantedCell;
      const cell = size === undefined ? undefined : this.#place.arena.take(size);
      if (cell !== undefined) {
        log.addCell(cell);
        this.#shelve(log);
      }
      if (size === undefined || cell !== undefined) kept += log.fill(bytes, kept, this.#place);
      else if (!this.#makeRoom()) log.isCut = true;
    }
    return kept;
  }

  copy(log: KeptLog, target: Buffer, start: number, from: number, to: number): void {
    log.copy(target, start, from, to, this.#place);
  }

  release(log: KeptLog): void {
    this.#release(log);
    // The registry holds on to it until the runtime has time for such things, which it may not have amid a read.
    this.#forgotten.unregister(log);
  }

  #release(log: KeptLog): void {
    log.release(this.#place);
    this.#shelve(log);
  }

  /** Moves a log that holds much of the arena to the file; false where there is none, or the file takes no more. */
  #makeRoom(): boolean {
    const log = this.#shelves.findLast(({ oldest }) => oldest !== undefined)?.oldest;
    if (log === undefined) return false;
    const trouble = log.spill(this.#place);
    this.#shelve(log);
    if (trouble === undefined) return true;
    this.#trouble ??= trouble;
    return false;
  }

  #shelve(log: KeptLog): void {
    const { residentBytes } = log;
    const shelf = residentBytes === 0 ? -1 : 31 - Math.clz32(residentBytes);
    if (shelf === log.shelf) return;
    const before = this.#shelves[log.shelf];
    if (before !== undefined) unlink(before, log);
    log.shelf = shelf;
    const behind = this.#shelves[shelf];
    if (behind !== undefined) link(behind, log);
  }
}

/** For one share after the other of a job. */
export function shareMemory({ mailBytesMax, spillFolder }: Job): ShareMemory {
  return new ShareMemory({ folder: spillFolder, ...(mailBytesMax === undefined ? {} : { mailBytesMax }) });
}

function link(shelf: Shelf, log: KeptLog): void {
  log.older = shelf.newest;
  if (shelf.newest === undefined) shelf.oldest = log;
  else shelf.newest.newer = log;
  shelf.newest = log;
}

function unlink(shelf: Shelf, log: KeptLog): void {
  if (log.older === undefined) shelf.oldest = log.newer;
  else log.older.newer = log.newer;
  if (log.newer === undefined) shelf.newest = log.older;
  else log.newer.older = log.older;
  log.older = undefined;
  log.newer = undefined;
}

/** What a decoder holds; the memory itself does not hold on to it. */
class LogHandle implements OctetLog {
  readonly #memory: ShareMemory;
  readonly #log: KeptLog;
  #length = 0;

  constructor(memory: ShareMemory, log: KeptLog) {
    this.#memory = memory;
    this.#log = log;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Buffer): number {
    const kept = this.#memory.append(this.#log, bytes);
    this.#length += kept;
    return kept;
  }

  read(from = 0, to = this.#length): Buffer {
    const bytes = Buffer.allocUnsafe(Math.max(to - from, 0));
    this.#memory.copy(this.#log, bytes, 0, from, to);
    return bytes;
  }

  copy(target: Buffer, start: number, from: number, to: number): void {
    this.#memory.copy(this.#log, target, start, from, to);
  }

  release(): void {
    this.#memory.release(this.#log);
  }
}
