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
import { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import { version } from '../core/version.ts';
import { wellKnownPorts } from '../dialogue/ports.ts';
import type { Lease, LedgerEntry } from '../store/ledger.ts';
import { openStore } from '../store/open-store.ts';
import type { Sink } from '../store/sink.ts';
import type { Job, Watcher } from './job.ts';
import { MailWriter } from './mail-writer.ts';
import { addSeries, countAnomaly, emptyReport, type Report } from './report.ts';
import { planSeries, type SeriesPlan } from './series-plan.ts';
import { type ReadFile, SeriesReader, type SeriesReceiver } from './series-reader.ts';

/** Reads the day's captures into the job's store. `signal` ends the run after the batch at hand. */
export async function runJob(job: Job, watcher: Watcher, signal: AbortSignal): Promise<Report> {
  const sink = openStore(job.store);
  await sink.open();
  try {
    return await ingest(job, sink, watcher, signal);
  } finally {
    await sink.close();
  }
}

/** The same into a sink that is open already. */
export async function ingest(job: Job, sink: Sink, watcher: Watcher, signal: AbortSignal): Promise<Report> {
  const started = performance.now();
  const report = emptyReport(job.day, job.timeZone, sink.url, job.imageFolder);
  const found = await findCaptures(job.root, job.day, job.timeZone);
  for (const { reason } of found.ignored) {
    report.captures.ignored[reason] = (report.captures.ignored[reason] ?? 0) + 1;
  }
  const run = new Run(job, sink, watcher, signal, report, await readSecrets(job.keyLogFile));
  try {
    await run.read(found.series);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    report.interrupted = true;
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
  readonly #secrets: Buffer | undefined;
  readonly #writer: MailWriter;
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
    secrets: Buffer | undefined,
  ) {
    this.#job = job;
    this.#sink = sink;
    this.#watcher = watcher;
    this.#signal = signal;
    this.#report = report;
    this.#secrets = secrets;
    this.#writer = new MailWriter(job, sink, new ZoneClock(job.timeZone), report, watcher);
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
    const ports = new Map([...wellKnownPorts, ...this.#job.ports]);
    const options = { ports, secrets: this.#secrets, trace: false };
    const summary = await new SeriesReader(plan, options, this.#receiver(plan)).read();
    addSeries(this.#report, summary);
    await this.#settle(summary.files);
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

  #receiver({ files }: SeriesPlan): SeriesReceiver {
    const report = this.#report;
    return {
      messages: async (messages) => {
        await this.#renewLease();
        await this.#writer.store(messages, files, this.#signal);
      },
      anomaly: (anomaly, capture) => {
        countAnomaly(report, anomaly.code);
        this.#watcher.anomaly(capture, anomaly.code, anomaly.at, anomaly.detail);
      },
      tally: (tally) => {
        if (tally.what === 'header-listing') report.noMails.headerListings++;
        if (tally.what === 'refused') report.noMails.refused++;
      },
      trace: () => undefined,
      conversation: ({ kind, octets }) => {
        report.connections[kind]++;
        report.octets.mail += octets.mail;
        report.octets.protocol += octets.protocol;
        report.octets.encrypted += octets.encrypted;
        report.octets.other += octets.other;
      },
      progress: (octets) => this.#watcher.progress(this.#octetsBefore + octets, this.#octetsTotal),
    };
  }

  async #renewLease(): Promise<void> {
    const now = performance.now();
    if (!this.#lease || now - this.#renewedMs < pipelineLimits.leaseRenewMs) return;
    this.#renewedMs = now;
    await this.#lease.renew();
  }
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
