/**
 * A run: finds the captures of a day, reads what is new in them, and sees every mail safely into the store.
 *
 * The order of events makes it safe to be killed anywhere: images are written before the rows that name them,
 * and a capture is entered into the ledger only when all its rows are durable. What was not entered is read
 * again by the next run, which finds the same mails under the same keys.
 */
import { readFile } from 'node:fs/promises';
import { findCaptures } from '../capture/find-captures.ts';
import type { CaptureFile, CaptureSeries } from '../capture/types.ts';
import { millisecondsPerDay, ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import { systemReason } from '../core/system-reason.ts';
import { version } from '../core/version.ts';
import type { Lease, LedgerEntry } from '../store/ledger.ts';
import { openStore } from '../store/open-store.ts';
import type { Sink } from '../store/sink.ts';
import { folderTrouble } from './folder-trouble.ts';
import type { Job, Watcher } from './job.ts';
import { RecordWriter } from './record-writer.ts';
import {
  addIgnored,
  addNotices,
  addSeries,
  addShareCounts,
  emptyReport,
  type Notice,
  type Report,
} from './report.ts';
import { type Growth, ledgerNames, ownFiles, planSeries, type SeriesPlan } from './series-plan.ts';
import type { ReadFile, SeriesSummary } from './series-reader.ts';
import { ShareReaders } from './share-readers.ts';

/** Reads the day's captures into the job's store. `signal` ends the run after the batch at hand. */
export async function runJob(job: Job, watcher: Watcher, signal: AbortSignal): Promise<Report> {
  const notices: Notice[] = [];
  const noteDown = (code: string, detail: string): void => {
    notices.push({ code, detail });
    watcher.notice?.(code, detail);
  };
  if (job.spillFolder !== undefined) await checkSpillFolder(job.spillFolder);
  const sink = await openStore(job.store, { report: noteDown });
  await sink.open();
  try {
    const report = await ingest(job, sink, watcher, signal);
    addNotices(report, notices, sink.cuts);
    return report;
  } finally {
    await sink.close();
  }
}

/**
 * The same into a sink that is open already. Series of fewer octets than `workersFrom` need no workers;
 * `nowMs` is the machine's clock, which tells whether a file is still written.
 */
export async function ingest(
  job: Job,
  sink: Sink,
  watcher: Watcher,
  signal: AbortSignal,
  workersFrom: number = pipelineLimits.workersFromBytes,
  nowMs: number = Date.now(),
): Promise<Report> {
  const started = performance.now();
  const report = emptyReport(job.day, job.timeZone, sink.url, job.imageFolder);
  const found = await findCaptures(job.root, job.day, job.timeZone);
  addIgnored(report, found.ignored);
  const shares = new ShareReaders(job, await readSecrets(job.keyLogFile), signal, workersFrom);
  const run = new Run({ job, sink, watcher, signal, report, shares, nowMs });
  try {
    await run.read(found.series);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    report.interrupted = true;
  } finally {
    await shares.close();
  }
  report.tables = [...(await sink.tables(job.day))];
  report.seconds = (performance.now() - started) / 1000;
  return report;
}

/** Told now: it is written to only when memory is short, and a mail would be cut then. */
async function checkSpillFolder(folder: string): Promise<void> {
  const trouble = await folderTrouble(folder, 'write');
  if (trouble === undefined) return;
  throw new MailprocError('config.spill', `use ${folder} for mails in progress: ${trouble}`, {
    hint: 'name a directory that this user may write to with --spill',
  });
}

/** The operator's key log; undefined where no `path` was given. */
export async function readSecrets(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new MailprocError('keylog.unreadable', `read key log ${path}: ${systemReason(cause)}`, {
      hint: 'give a readable file in NSS key log format (SSLKEYLOGFILE) with --keylog',
      cause,
    });
  }
}

/** What a run works with. */
interface RunParts {
  readonly job: Job;
  readonly sink: Sink;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
  readonly report: Report;
  readonly shares: ShareReaders;
  readonly nowMs: number;
}

class Run {
  readonly #job: Job;
  readonly #sink: Sink;
  readonly #watcher: Watcher;
  readonly #signal: AbortSignal;
  readonly #report: Report;
  readonly #shares: ShareReaders;
  readonly #nowMs: number;
  #octetsTotal = 0;
  /** Octets of the series that are read to their end. */
  #octetsBefore = 0;
  /** Of the series that is read, and when it was renewed last. */
  #lease: Lease | undefined;
  #renewedMs = 0;

  constructor({ job, sink, watcher, signal, report, shares, nowMs }: RunParts) {
    this.#job = job;
    this.#sink = sink;
    this.#watcher = watcher;
    this.#signal = signal;
    this.#report = report;
    this.#shares = shares;
    this.#nowMs = nowMs;
  }

  async read(series: readonly CaptureSeries[]): Promise<void> {
    const { day } = this.#job;
    const octetsOfDay = (files: readonly CaptureFile[]) => octetsOf(files.filter((file) => file.day === day));
    this.#octetsTotal = series.reduce((sum, { files }) => sum + octetsOfDay(files), 0);
    for (const { files } of series) {
      if (files.some(({ isStream }) => isStream === true)) await this.#readStream(files);
      else await this.#claimSeries(files);
      this.#octetsBefore += octetsOfDay(files);
      this.#watcher.progress(this.#octetsBefore, this.#octetsTotal);
    }
  }

  /** Two runs on the same captures at once would do the same work twice: one of them leaves it to the other. */
  async #claimSeries(files: readonly CaptureFile[]): Promise<void> {
    const { ledger } = this.#sink;
    const { day } = this.#job;
    const ofDay = files.filter((file) => file.day === day);
    const isOwn = ownFiles(files, day, (await ledger?.find(ledgerNames(files))) ?? []);
    // One file of the day before keeps a run of that day away: it has all of them.
    const before = files.findLast((file) => file.day < day && isOwn(file));
    this.#lease = await ledger?.lease([...(before ? [before] : []), ...ofDay].map((file) => file.path));
    if (ledger && !this.#lease) {
      this.#report.captures.busy += ofDay.length;
      return;
    }
    try {
      const plan = await this.#plan(files);
      this.#report.captures.unchanged += plan.unchanged;
      if (plan.files.length > 0) await this.#settle(await this.#readSeries(plan), plan);
    } finally {
      await this.#lease?.release();
      this.#lease = undefined;
    }
  }

  /** What has come through a pipe cannot be read again: no ledger knows it, and no lease guards it. */
  async #readStream(files: readonly CaptureFile[]): Promise<void> {
    await this.#readSeries(planSeries(files, this.#job.day, []));
  }

  async #readSeries(plan: SeriesPlan): Promise<readonly ReadFile[]> {
    const writer = new RecordWriter(this.#sink, this.#report, this.#signal);
    const summaries = await this.#readInto(writer, plan).finally(() => writer.settled());
    const read = joinFiles(plan, summaries);
    addSeries(this.#report, read, summaries);
    return read;
  }

  /** Resolves when all of it is durable. */
  async #readInto(writer: RecordWriter, plan: SeriesPlan): Promise<readonly SeriesSummary[]> {
    const isStream = plan.files.some((file) => file.isStream === true);
    const summaries = await this.#shares.read(plan, {
      write: async (records) => {
        await writer.write(records);
        // A stream may go on for ever, and be silent for long: nothing waits for a batch to be full.
        if (isStream) await writer.flush();
      },
      heard: async (anomalies, octetsRead) => {
        await this.#renewLease();
        for (const { capture, code, at, detail } of anomalies)
          this.#watcher.anomaly(capture, code, at, detail);
        this.#watcher.progress(this.#octetsBefore + octetsRead, this.#octetsTotal);
      },
      count: (counts) => addShareCounts(this.#report, counts),
    });
    await writer.flush();
    return summaries;
  }

  async #plan(files: readonly CaptureFile[]): Promise<SeriesPlan> {
    const { ledger } = this.#sink;
    const growth = this.#growthOf(files);
    if (!ledger) return planSeries(files, this.#job.day, [], growth);
    if (this.#job.reprocess) {
      for (const file of files) if (file.day === this.#job.day) await ledger.forget(file.path);
    }
    return planSeries(files, this.#job.day, await ledger.find(ledgerNames(files)), growth);
  }

  /** Whether the last file of a series is still written: it was a moment ago, and is of these days. */
  #growthOf(files: readonly CaptureFile[]): Growth {
    const last = files.at(-1);
    if (last === undefined || last.isNamed === true) return 'over';
    const isFresh = Math.abs(this.#nowMs - last.modifiedMs) <= pipelineLimits.freshSeconds * 1000;
    const clock = new ZoneClock(this.#job.timeZone);
    const today = clock.day(BigInt(Math.floor(this.#nowMs)) * 1_000_000n);
    if (!isFresh || Date.parse(today) - Date.parse(last.day) > millisecondsPerDay) return 'over';
    return last.day >= today ? 'live' : 'cut';
  }

  /** Files before the first new one were settled by the run that read all of what leads into them. */
  async #settle(read: readonly ReadFile[], { firstNew, firstOwn, lastOfDay }: SeriesPlan): Promise<void> {
    const settled = read.slice(Math.max(firstNew, firstOwn), lastOfDay + 1);
    const entries = settled.filter(({ capture }) => !capture.isUnread).map(ledgerEntry);
    await this.#sink.ledger?.settle(entries);
  }

  async #renewLease(): Promise<void> {
    const now = performance.now();
    if (!this.#lease || now - this.#renewedMs < pipelineLimits.leaseRenewMs) return;
    this.#renewedMs = now;
    await this.#lease.renew();
  }
}

/** The files as all shares together read them: a stream may be open in one share alone. */
function joinFiles(plan: SeriesPlan, shares: readonly SeriesSummary[]): ReadFile[] {
  const [first] = shares;
  const paths = plan.files.map(({ path }) => path);
  return (first?.files ?? []).map((read, index) => {
    const all = shares.flatMap(({ files }) => files[index] ?? []);
    const needed = Math.min(...all.map(({ neededFrom }) => paths.indexOf(neededFrom)));
    // Gone between two shares it was not read.
    const { capture } = all.find((each) => each.capture.isUnread) ?? read;
    const isDone = all.every((each) => each.isDone);
    return { ...read, capture, neededFrom: paths[needed] ?? read.neededFrom, isDone };
  });
}

function ledgerEntry({ file, capture, neededFrom, isDone }: ReadFile): LedgerEntry {
  const { packets, contentBytes, anomalies } = capture;
  return {
    capture: file.path,
    day: file.day,
    bytes: file.bytes,
    modifiedMs: file.modifiedMs,
    firstPacketNs: capture.firstPacketNs,
    lastPacketNs: capture.lastPacketNs,
    isDone,
    neededFrom,
    summary: JSON.stringify({ packets, octets: contentBytes, anomalies: anomalies.map(({ code }) => code) }),
    version,
  };
}

function octetsOf(files: readonly CaptureFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
