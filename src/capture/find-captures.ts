/**
 * Which captures belong to a day. The day of a capture is a fact of the capture, the same on every run: the
 * date in its path below the folder that is searched, else the time of its first packet in the zone.
 */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { millisecondsPerDay, ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { systemReason } from '../core/system-reason.ts';
import { groupIntoSeries, type ProbedCapture } from './capture-series.ts';
import { withoutCompression } from './compressed-name.ts';
import { dateInPath } from './path-date.ts';
import { type CaptureBeginning, probeCapture } from './probe-capture.ts';
import type { CaptureFile, CaptureSeries } from './types.ts';

export type IgnoredReason =
  /** Its date or its first packet is of another day. */
  | 'other-day'
  /** Its content is no capture. */
  | 'not-a-capture'
  | 'empty'
  /** Neither its path nor a packet tells its day. */
  | 'no-packets'
  | 'unreadable'
  /** A link to a file that is taken, its compressed copy, or a link to a folder that is searched already. */
  | 'duplicate';

export interface IgnoredFile {
  readonly path: string;
  readonly reason: IgnoredReason;
  /** Why something that is there could not be read; a file may well be gone again, or be a link to nothing. */
  readonly refusal?: string;
}

export interface FoundCaptures {
  readonly series: readonly CaptureSeries[];
  /** Sorted by path. */
  readonly ignored: readonly IgnoredFile[];
}

/** What names the standard input. */
const standardInput = '-';

/**
 * Finds the captures of `day` (`yyyy-MM-dd`) in the folder `root`, recursively. Where `root` is a file, a pipe
 * or `-` it is taken whatever its day. Of a rotated series the files of the days before and after are given,
 * too. Throws a `MailprocError` where there is no `root` or no such zone.
 */
export async function findCaptures(root: string, day: string, timeZone: string): Promise<FoundCaptures> {
  const clock = new ZoneClock(timeZone);
  if (root === standardInput) return only(streamFile(root, day));
  const rootStats = await statRoot(root);
  if (isStream(rootStats)) return only(streamFile(root, day));
  if (!rootStats.isDirectory()) return only({ ...captureFile(root, rootStats, day), isNamed: true });
  const search = new CaptureSearch(root, day, clock);
  await search.run(rootStats);
  return search.result();
}

function only(file: CaptureFile): FoundCaptures {
  return { series: [{ files: [file] }], ignored: [] };
}

function isStream(stats: Stats): boolean {
  return stats.isFIFO() || stats.isSocket() || stats.isCharacterDevice();
}

function streamFile(path: string, day: string): CaptureFile {
  return { path, bytes: 0, modifiedMs: 0, day, isNamed: true, isStream: true };
}

async function statRoot(root: string): Promise<Stats> {
  try {
    return await stat(root);
  } catch (cause) {
    throw new MailprocError('capture.not-found', `search captures in ${root}: ${systemReason(cause)}`, {
      hint: 'name a folder of captures or one capture file that exists and that this user may read',
      cause,
    });
  }
}

interface Folder {
  readonly relativePath: string;
  readonly stats: Stats;
}

class CaptureSearch {
  readonly #root: string;
  readonly #day: string;
  readonly #clock: ZoneClock;
  readonly #captures: ProbedCapture[] = [];
  readonly #ignored: IgnoredFile[] = [];
  /** Folders searched and files taken, as device and inode: links may lead in circles. */
  readonly #seen = new Set<string>();
  readonly #folders: Folder[] = [];
  /** Followed when all else is searched, so that a file is known by its own path rather than a link's. */
  readonly #links: string[] = [];

  constructor(root: string, day: string, clock: ZoneClock) {
    this.#root = root;
    this.#day = day;
    this.#clock = clock;
  }

  async run(rootStats: Stats): Promise<void> {
    this.#folders.push({ relativePath: '', stats: rootStats });
    while (this.#folders.length + this.#links.length > 0) {
      const folder = this.#folders.pop();
      if (folder !== undefined) {
        await this.#searchFolder(folder);
        continue;
      }
      for (const link of this.#links.splice(0).sort()) await this.#visit(link);
    }
  }

  result(): FoundCaptures {
    const captures = this.#withoutCopies();
    const series = groupIntoSeries(captures).filter(({ files }) =>
      files.some(({ day }) => day === this.#day),
    );
    const kept = new Set(series.flatMap(({ files }) => files.map((file) => file.path)));
    for (const { file, relativePath } of captures) {
      if (!kept.has(file.path)) this.#ignore(relativePath, 'other-day');
    }
    const ignored = this.#ignored.sort((one, other) => (one.path < other.path ? -1 : 1));
    return { series, ignored };
  }

  /** While a file is compressed it is there twice, and the compressed one is not whole. */
  #withoutCopies(): readonly ProbedCapture[] {
    const names = new Set(this.#captures.map(({ relativePath }) => relativePath));
    return this.#captures.filter(({ relativePath }) => {
      const plain = withoutCompression(relativePath);
      const isCopy = plain !== relativePath && names.has(plain);
      if (isCopy) this.#ignore(relativePath, 'duplicate');
      return !isCopy;
    });
  }

  async #searchFolder({ relativePath, stats }: Folder): Promise<void> {
    if (!this.#isFirst(stats)) {
      this.#ignore(relativePath, 'duplicate');
      return;
    }
    let entries: Dirent[];
    try {
      entries = await readdir(this.#pathOf(relativePath), { withFileTypes: true });
    } catch (error) {
      this.#ignore(relativePath, 'unreadable', refusalOf(relativePath, error));
      return;
    }
    entries.sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const entry of entries) {
      const inside = relativePath === '' ? entry.name : `${relativePath}/${entry.name}`;
      if (entry.isSymbolicLink()) this.#links.push(inside);
      // Of years of captures in one folder only those near the day are looked at.
      else if (entry.isFile() && this.#isOfOtherDay(inside)) this.#ignore(inside, 'other-day');
      else await this.#visit(inside);
    }
  }

  async #visit(relativePath: string): Promise<void> {
    let stats: Stats;
    try {
      stats = await stat(this.#pathOf(relativePath));
    } catch (error) {
      this.#ignore(relativePath, 'unreadable', refusalOf(relativePath, error));
      return;
    }
    if (stats.isDirectory()) this.#folders.push({ relativePath, stats });
    // Pipes and devices are never opened: that could wait for ever.
    else if (stats.isFile()) await this.#consider(relativePath, stats);
    else this.#ignore(relativePath, 'not-a-capture');
  }

  #isOfOtherDay(relativePath: string): boolean {
    const date = dateInPath(relativePath);
    return date !== undefined && !isNear(date, this.#day);
  }

  async #consider(relativePath: string, stats: Stats): Promise<void> {
    const date = dateInPath(relativePath);
    if (this.#isOfOtherDay(relativePath)) {
      this.#ignore(relativePath, 'other-day');
      return;
    }
    let probed: CaptureBeginning;
    try {
      probed = await probeCapture(this.#pathOf(relativePath), stats);
    } catch (error) {
      if (!(error instanceof MailprocError)) throw error;
      this.#ignore(relativePath, 'unreadable', refusalOf(relativePath, error.cause));
      return;
    }
    const { firstPacketNs, seenUntilNs, origin } = probed;
    const day = date ?? (firstPacketNs === null ? '' : this.#clock.day(firstPacketNs));
    const reason = this.#reasonToIgnore(probed, day, stats);
    if (reason !== undefined) this.#ignore(relativePath, reason);
    else if (!this.#isFirst(stats)) this.#ignore(relativePath, 'duplicate');
    else {
      const file = { ...captureFile(this.#pathOf(relativePath), stats, day), firstPacketNs };
      this.#captures.push({ file, relativePath, firstPacketNs, seenUntilNs, origin });
    }
  }

  /** `day` is empty where nothing tells it. */
  #reasonToIgnore(probed: CaptureBeginning, day: string, stats: Stats): IgnoredReason | undefined {
    if (stats.size === 0) return 'empty';
    if (!probed.isCapture) return 'not-a-capture';
    if (day === '') return 'no-packets';
    return isNear(day, this.#day) ? undefined : 'other-day';
  }

  #isFirst({ dev, ino }: Stats): boolean {
    const key = `${dev}:${ino}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #ignore(relativePath: string, reason: IgnoredReason, refusal?: string): void {
    const file = { path: this.#pathOf(relativePath), reason };
    this.#ignored.push(refusal === undefined ? file : { ...file, refusal });
  }

  #pathOf(relativePath: string): string {
    if (relativePath === '') return this.#root;
    return this.#root.endsWith(path.sep) ? this.#root + relativePath : `${this.#root}/${relativePath}`;
  }
}

function captureFile(file: string, stats: Stats, day: string): CaptureFile {
  return { path: file, bytes: stats.size, modifiedMs: Math.floor(stats.mtimeMs), day };
}

/** Undefined where there is nothing to read. */
function refusalOf(relativePath: string, error: unknown): string | undefined {
  // The system's own, in the root of every ext4.
  if (path.basename(relativePath) === 'lost+found') return undefined;
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return systemReason(error);
  // Octets that are no UTF-8 were read as this character, and no file has the name that came of it.
  return relativePath.includes('\ufffd') ? 'its name is not UTF-8: rename it' : undefined;
}

/** Both are `yyyy-MM-dd`: the same day, the one before or the one after. */
function isNear(one: string, other: string): boolean {
  return Math.abs(Date.parse(one) - Date.parse(other)) <= millisecondsPerDay;
}
