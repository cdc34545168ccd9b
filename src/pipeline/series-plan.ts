/**
 * Which files of a series a run must read, and which of the mails in them are its own: what earlier runs have
 * done is not done again, and a mail that spans two files, two runs or midnight is stored once.
 *
 * A mail belongs to the day of the capture that holds its last octet. A run finishes the day before, too, where
 * an earlier run has begun it: the last run of a day cannot know what is written behind it until midnight.
 */
import { withoutCompression } from '../capture/compressed-name.ts';
import type { CaptureFile } from '../capture/types.ts';
import { pipelineLimits } from '../core/limits.ts';
import type { LedgerEntry } from '../store/ledger.ts';
import { earliestWithin } from './open-conversations.ts';

export interface SeriesPlan {
  /** To be read, in order; none where nothing is new. */
  readonly files: readonly CaptureFile[];
  /**
   * Index of the first file that is new. The files before it are read for the streams that lead into it: a
   * mail that was complete before it was stored by an earlier run, or belongs to the run of an earlier day.
   */
  readonly firstNew: number;
  /** The run stores the mails whose last octet is in the files from `firstOwn` to `lastOfDay`. */
  readonly firstOwn: number;
  /** Index of the last file of the day. Files behind it only tell how mails in progress end. */
  readonly lastOfDay: number;
  /** Files of the day that were read by an earlier run and have not changed. */
  readonly unchanged: number;
  readonly growth: Growth;
}

/**
 * Whether the last file of the series may still be written. `cut`: it may end within a packet. `live`: besides,
 * the mails in progress at its end are left to the next run, for their day is not over.
 */
export type Growth = 'over' | 'cut' | 'live';

/** `entries` are what the ledger knows of the series' files, see `ledgerNames`. */
export function planSeries(
  files: readonly CaptureFile[],
  day: string,
  entries: readonly LedgerEntry[],
  growth: Growth = 'over',
): SeriesPlan {
  const known = new KnownCaptures(entries);
  const isOwn = ownFiles(files, day, entries);
  const changed = files.findIndex((file) => isOwn(file) && !known.isSame(file));
  const unchanged = files.filter((file) => file.day === day && known.isSame(file)).length;
  // What is left to be done waits for more of a file that is still written.
  const isWaiting = growth === 'live' && changed < 0 && files.at(-1)?.day === day;
  const firstNew = isWaiting ? -1 : files.findIndex((file) => isOwn(file) && !known.isDone(file));
  const nothing = { files: [], firstNew: 0, firstOwn: 0, lastOfDay: -1, unchanged, growth };
  if (firstNew < 0) return nothing;
  const start = Math.min(startFor(files, firstNew, known), firstNew);
  return {
    files: files.slice(start),
    firstNew: firstNew - start,
    firstOwn: Math.max(files.findIndex(isOwn) - start, 0),
    lastOfDay: files.findLastIndex((file) => file.day === day) - start,
    unchanged,
    growth,
  };
}

/** The names under which the ledger may know a file: compressed since, it has another one. */
export function ledgerNames(files: readonly CaptureFile[]): string[] {
  return files.flatMap(({ path }) => {
    const plain = withoutCompression(path);
    return plain === path ? [path] : [path, plain];
  });
}

/** Files whose mails a run of `day` stores: those of the day, and of the day before where it is known. */
export function ownFiles(
  files: readonly CaptureFile[],
  day: string,
  entries: readonly LedgerEntry[],
): (file: CaptureFile) => boolean {
  const known = new KnownCaptures(entries);
  const isBefore = (file: CaptureFile) => file.day < day;
  const finishesBefore = files.some((file) => isBefore(file) && known.entryOf(file)?.day === file.day);
  return (file) => file.day === day || (finishesBefore && isBefore(file));
}

class KnownCaptures {
  readonly #entries: ReadonlyMap<string, LedgerEntry>;

  constructor(entries: readonly LedgerEntry[]) {
    this.#entries = new Map(entries.map((entry) => [entry.capture, entry]));
  }

  entryOf(file: CaptureFile): LedgerEntry | undefined {
    return this.#entries.get(file.path) ?? this.#entries.get(withoutCompression(file.path));
  }

  /** Nothing has come since it was read. */
  isSame(file: CaptureFile): boolean {
    const entry = this.entryOf(file);
    if (entry === undefined || entry.day !== file.day) return false;
    if (entry.capture !== file.path) return isCompressedSince(file, entry);
    return entry.bytes === file.bytes && entry.modifiedMs === file.modifiedMs;
  }

  isDone(file: CaptureFile): boolean {
    return this.entryOf(file)?.isDone === true && this.isSame(file);
  }
}

/**
 * gzip, zstd and lz4 give the new file the times of the old one, some to the second. What was written after it
 * had been read has another time.
 */
function isCompressedSince(file: CaptureFile, entry: LedgerEntry): boolean {
  if (entry.firstPacketNs === null || entry.firstPacketNs !== file.firstPacketNs) return false;
  const isToTheSecond = file.modifiedMs % 1000 === 0;
  const read = isToTheSecond ? entry.modifiedMs - (entry.modifiedMs % 1000) : entry.modifiedMs;
  return read === file.modifiedMs;
}

/** Where to begin so that every stream open at the beginning of `firstNew` is read from its own beginning. */
function startFor(files: readonly CaptureFile[], firstNew: number, known: KnownCaptures): number {
  const before = files[firstNew - 1];
  if (before === undefined) return firstNew;
  const needed = known.entryOf(before)?.neededFrom;
  const plain = needed === undefined ? undefined : withoutCompression(needed);
  const start = files.findIndex(({ path }) => withoutCompression(path) === plain);
  if (start >= 0) return start;
  // The ledger of the day before need not be at hand, and a ring deletes files.
  return Math.min(earliestWithin(files, firstNew, pipelineLimits.rereadBytesMax), firstNew - 1);
}
