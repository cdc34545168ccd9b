/**
 * Which files of a series a run must read, and which of the mails in them are its own: what earlier runs have
 * done is not done again, and a mail that spans two files, two runs or midnight is stored once.
 */
import type { CaptureFile } from '../capture/types.ts';
import type { LedgerEntry } from '../store/ledger.ts';

export interface SeriesPlan {
  /** To be read, in order; none where nothing is new. */
  readonly files: readonly CaptureFile[];
  /**
   * Index of the first file that is new. The files before it are read for the streams that lead into it: a
   * mail that was complete before it was stored by an earlier run, or belongs to the run of an earlier day.
   */
  readonly firstNew: number;
  /** Index of the last file of the day. Files behind it only complete the mails that began in it or before. */
  readonly lastOfDay: number;
  /** Files of the day that were read by an earlier run and have not changed. */
  readonly unchanged: number;
}

/** `entries` are what the ledger knows of the series' files. */
export function planSeries(
  files: readonly CaptureFile[],
  day: string,
  entries: readonly LedgerEntry[],
): SeriesPlan {
  const known = new Map(entries.map((entry) => [entry.capture, entry]));
  const isUnchanged = (file: CaptureFile) => matches(file, known.get(file.path));
  const ofDay = files.filter((file) => file.day === day);
  const unchanged = ofDay.filter(isUnchanged).length;
  const firstChanged = files.findIndex((file) => file.day === day && !isUnchanged(file));
  if (firstChanged < 0) return { files: [], firstNew: 0, lastOfDay: -1, unchanged };
  const start = startFor(files, firstChanged, day, known);
  return {
    files: files.slice(start),
    firstNew: firstChanged - start,
    lastOfDay: files.findLastIndex((file) => file.day === day) - start,
    unchanged,
  };
}

/** Where to begin so that every stream open at the beginning of `firstChanged` is read from its own beginning. */
function startFor(
  files: readonly CaptureFile[],
  firstChanged: number,
  day: string,
  known: ReadonlyMap<string, LedgerEntry>,
): number {
  const before = files[firstChanged - 1];
  if (before === undefined) return firstChanged;
  // The ledger of the day before need not be at hand: its last file is read for what leads over midnight.
  if (before.day !== day) return firstChanged - 1;
  const needed = known.get(before.path)?.neededFrom;
  const start = files.findIndex((file) => file.path === needed);
  return start < 0 ? 0 : Math.min(start, firstChanged);
}

function matches(file: CaptureFile, entry: LedgerEntry | undefined): boolean {
  if (entry === undefined || !entry.isDone || entry.day !== file.day) return false;
  return entry.bytes === file.bytes && entry.modifiedMs === file.modifiedMs;
}
