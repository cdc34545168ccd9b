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
import { MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import { version } from '../core/version.ts';
import type { Lease, LedgerEntry } from '../store/ledger.ts';
import { openStore } from '../store/open-store.ts';
import type { Sink } from '../store/sink.ts';
import type { Job, Watcher } from './job.ts';
import { RecordWriter } from './record-writer.ts';
import { addNotices, addSeries, addShareCounts, emptyReport, type Notice, type Report } from './report.ts';
import { planSeries, type SeriesPlan } from './series-plan.ts';
import type { ReadFile, SeriesSummary } from './series-reader.ts';
import { ShareReaders } from './share-readers.ts';

/** Reads the day's captures into the job's store. `signal` ends the run after the batch at hand. */
export async function runJob(job: Job, watcher: Watcher, signal: AbortSignal): Promise<Report> {
  const notices: Notice[] = [];
  const noteDown = (code: string, detail: string): void => {
    notices.push({ code, detail });
    watcher.notice?.(code, detail);
  };
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

/** The same into a sink that is open already. Series of fewer octets than `workersFrom` need no workers. */
export async function ingest(
  job: Job,
  sink: Sink,
  watcher: Watcher,
  signal: AbortSignal,
  workersFrom: number = pipelineLimits.workersFromBytes,
): Promise<Report> {
  const started = performance.now();
  const report = emptyReport(job.day, job.timeZone, sink.url, job.imageFolder);
  const found = await findCaptures(job.root, job.day, job.timeZone);
  for (const { reason } of found.ignored) {
    report.captures.ignored[reason] = (report.captures.ignored[reason] ?? 0) + 1;
  }
  const shares = new ShareReaders(job, await readSecrets(job.keyLogFile), signal, workersFrom);
  const run = new Run(job, sink, watcher, signal, report, shares);
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

/** The operator's key log; undefined where no `path` was given. */
export async function readSecrets(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new MailprocError('keylog.unreadable', `read key log ${path}: ${(cause as Error).message}`, {
      hint: 'give a readable file in NSS key log format (SSLKEYLOGFILE) with --keylog',
      cause,
    });
  }
}

class Run {
  readonly #job: Job;
  readonly #sink: Sink;
  readonly #watcher: Watcher;
  readonly #signal: AbortSignal;
  readonly #report: Report;
  readonly #shares: ShareReaders;
  #octetsTotal = 0;
  /** Octets of the series that are read to their end. */
  #octetsBefore = 0;
  #lease: Lease | undefined;
  #renewedMs = 0;

  constructor(
    job: Job,
    sink: Sink,
    watcher: Watcher,
    signal: AbortSignal,
    report: Report,
    shares: ShareReaders,
  ) {
    this.#job = job;
    this.#sink = sink;
    this.#watcher = watcher;
    this.#signal = signal;
    this.#report = report;
    this.#shares = shares;
  }

  async read(series: readonly CaptureSeries[]): Promise<void> {
    this.#octetsTotal = series.reduce((sum, { files }) => sum + octetsOf(files), 0);
    for (const { files } of series) {
      await this.#claimSeries(files);
      this.#octetsBefore += octetsOf(files);
      this.#watcher.progress(this.#octetsBefore, this.#octetsTotal);
    }
  }

  /** Two runs on the same captures at once would do the same work twice: one of them leaves it to the other. */
  async #claimSeries(files: readonly CaptureFile[]): Promise<void> {
    const { ledger } = this.#sink;
    const ofDay = files.filter((file) => file.day === this.#job.day);
    this.#lease = await ledger?.lease(ofDay.map((file) => file.path));
    if (ledger && !this.#lease) {
      this.#report.captures.busy += ofDay.length;
      return;
    }
    try {
      await this.#readSeries(files);
    } finally {
      await this.#lease?.release();
      this.#lease = undefined;
    }
  }

  async #readSeries(files: readonly CaptureFile[]): Promise<void> {
    const plan = await this.#plan(files);
    this.#report.captures.unchanged += plan.unchanged;
    if (plan.files.length === 0) return;
    const writer = new RecordWriter(this.#sink, this.#report, this.#signal);
    const summaries = await this.#shares.read(plan, {
      write: (records) => writer.write(records),
      heard: async (anomalies, octetsRead) => {
        await this.#renewLease();
        for (const { capture, code, at, detail } of anomalies)
          this.#watcher.anomaly(capture, code, at, detail);
        this.#watcher.progress(this.#octetsBefore + octetsRead, this.#octetsTotal);
      },
      count: (counts) => addShareCounts(this.#report, counts),
    });
    await writer.flush();
    addSeries(this.#report, summaries);
    await this.#settle(joinFiles(plan, summaries));
  }

  async #plan(files: readonly CaptureFile[]): Promise<SeriesPlan> {
    const { ledger } = this.#sink;
    if (!ledger) return planSeries(files, this.#job.day, []);
    if (this.#job.reprocess) {
      for (const file of files) if (file.day === this.#job.day) await ledger.forget(file.path);
    }
    return planSeries(files, this.#job.day, await ledger.find(files.map((file) => file.path)));
  }

  async #settle(read: readonly ReadFile[]): Promise<void> {
    const { ledger } = this.#sink;
    const ofDay = read.filter(({ file }) => file.day === this.#job.day);
    await ledger?.settle(ofDay.map(ledgerEntry));
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
    const needed = shares.map(({ files }) => paths.indexOf(files[index]?.neededFrom ?? read.neededFrom));
    return { ...read, neededFrom: paths[Math.min(...needed)] ?? read.neededFrom };
  });
}

function ledgerEntry({ file, capture, neededFrom }: ReadFile): LedgerEntry {
  const { packets, contentBytes, anomalies } = capture;
  return {
    capture: file.path,
    day: file.day,
    bytes: file.bytes,
    modifiedMs: file.modifiedMs,
    firstPacketNs: capture.firstPacketNs,
    lastPacketNs: capture.lastPacketNs,
    isDone: true,
    neededFrom,
    summary: JSON.stringify({ packets, octets: contentBytes, anomalies: anomalies.map(({ code }) => code) }),
    version,
  };
}

function octetsOf(files: readonly CaptureFile[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}
