/**
 * Follows a folder of captures: what is written into it is in the store within seconds. Each time something
 * has changed the day it belongs to is run as the command for one day does it, so that nothing depends on
 * what this process remembers: it may be killed anywhere and started again, and a run may be made beside it.
 */
import { dateInPath } from '../capture/path-date.ts';
import { dayOfCapture } from '../capture/probe-capture.ts';
import { millisecondsPerDay, utcDay, ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { watchLimits } from '../core/limits.ts';
import { folderTrouble } from './folder-trouble.ts';
import { type FolderWatch, watchFolder } from './folder-watch.ts';
import { runJob } from './ingest.ts';
import type { Job, Watcher } from './job.ts';
import type { DamagedCapture, Report } from './report.ts';

/** Everything but the day, which changes by itself. */
export type DailyJob = Omit<Job, 'day'>;

export interface WatchListener extends Watcher {
  begins(how: FolderWatch['how'], root: string, day: string): void;
  day(day: string): void;
  /** A run that has read something, or has left something to another run. */
  ran(report: Report): void;
  /** The last run of a day, when nothing more was awaited for it; what comes nevertheless is stored, too. */
  finished(report: Report): void;
  /** A run that failed and is tried again. */
  failed(error: MailprocError, retryMs: number): void;
}

export interface WatchOptions {
  /** Look every so many milliseconds instead of waiting for the system to tell. */
  readonly pollMs?: number | undefined;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export class CaptureWatch {
  #job: DailyJob;
  readonly #listener: WatchListener;
  readonly #pollMs: number | undefined;
  readonly #now: () => number;
  #clock: ZoneClock;
  #today: string;
  /** Days to be run. */
  readonly #waiting = new Set<string>();
  /** Files that have changed since anybody asked whose day they are. */
  readonly #changed = new Set<string>();
  /** A time of `performance.now()`: no run begins before it. */
  #notBefore = 0;
  #failures = 0;
  /** When a day is run again although nothing has changed: the end of a file is stored once it is quiet. */
  readonly #quietFrom = new Map<string, number>();
  /** The last day for which a last run was asked for: nothing more is to come for it. */
  #finished = '';
  /** That day until its last run was made; then empty. */
  #finishing = '';
  /** Something has changed since the last run began. */
  #isPending = false;
  /** Days that another run was at. */
  readonly #busy = new Set<string>();
  /** Files that could not be read, and were told. */
  readonly #refused = new Set<string>();
  #folders: FolderWatch | undefined;
  #wake: () => void = () => undefined;

  constructor(job: DailyJob, listener: WatchListener, options: WatchOptions = {}) {
    this.#job = job;
    this.#listener = listener;
    this.#pollMs = options.pollMs;
    this.#now = options.now ?? Date.now;
    this.#clock = new ZoneClock(job.timeZone);
    this.#today = this.#clock.day(this.#nowNs());
  }

  /**
   * Until `signal` is aborted; resolves after the batch at hand. Rejects where the first run fails: who has
   * just started it can mend the store or its address. Later failures are told, and tried again.
   */
  async run(signal: AbortSignal): Promise<void> {
    await this.#checkRoot();
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    const folders = await watchFolder(
      this.#job.root,
      { changed: (path) => this.#note(path), uncertain: () => this.#waitForAll() },
      { pollMs: this.#pollMs, isOfNoInterest: (path) => this.#isOld(path) },
    );
    try {
      this.#folders = folders;
      this.#listener.begins(folders.how, this.#job.root, this.#today);
      this.#followClock();
      this.#waiting.add(dayBefore(this.#today)).add(this.#today);
      for (let isFirst = true; !signal.aborted; isFirst = false) {
        await this.#runWaiting(signal, isFirst);
        await this.#sleep(signal);
      }
    } finally {
      folders.close();
      signal.removeEventListener('abort', wake);
    }
  }

  /** From the next run on; the folder cannot change. Today and yesterday are run with it. */
  change(job: DailyJob): void {
    this.#clock = new ZoneClock(job.timeZone);
    this.#job = { ...job, root: this.#job.root };
    this.#failures = 0;
    this.#waitForAll();
  }

  async #checkRoot(): Promise<void> {
    const { root } = this.#job;
    const trouble = await folderTrouble(root, 'read');
    if (trouble === undefined) return;
    throw new MailprocError('usage.watch', `watch ${root}: ${trouble}`, {
      hint: 'name the directory that captures are written to, and let this user read it',
    });
  }

  #note(path: string): void {
    if (this.#changed.size >= watchLimits.changesMax) this.#waitForAll();
    else this.#changed.add(path);
    this.#settle();
  }

  #waitForAll(): void {
    this.#changed.clear();
    this.#waiting.add(dayBefore(this.#today)).add(this.#today);
    this.#settle();
  }

  /** The first change waits for those that come with it; later ones do not make it wait longer. */
  #settle(): void {
    if (!this.#isPending) this.#notBefore = Math.max(this.#notBefore, nowMs() + watchLimits.settleMs);
    this.#isPending = true;
    this.#wake();
  }

  async #runWaiting(signal: AbortSignal, isFirst: boolean): Promise<void> {
    this.#isPending = false;
    await this.#askForDays();
    for (const day of [...this.#waiting].sort()) {
      if (signal.aborted) return;
      this.#waiting.delete(day);
      const started = nowMs();
      try {
        this.#told(await runJob({ ...this.#job, day }, this.#listener, signal));
      } catch (error) {
        if (!(error instanceof MailprocError) || isFirst) throw error;
        if (!signal.aborted) this.#retry(day, error);
        return;
      }
      const restMs = Math.max(watchLimits.restMsMin, (nowMs() - started) * watchLimits.restTimes);
      this.#notBefore = Math.max(this.#notBefore, nowMs() + restMs);
    }
    if (this.#failures > 0) this.#folders?.renew();
    this.#failures = 0;
  }

  /** Captures of days before yesterday are left alone: it is no surprise that they are there. */
  async #askForDays(): Promise<void> {
    const paths = [...this.#changed];
    this.#changed.clear();
    const followed = [dayBefore(this.#today), this.#today];
    for (const path of paths) {
      const day = await dayOfCapture(this.#job.root, path, this.#clock);
      if (day !== undefined && followed.includes(day)) this.#waiting.add(day);
    }
  }

  #told(report: Report): void {
    const { day, captures } = report;
    const isBusy = captures.busy > 0;
    const isRefused = this.#forgetRefusalsTold(captures);
    if (captures.read > 0) this.#quietFrom.set(day, this.#now() + watchLimits.quietMs);
    // Said once, however often it is tried.
    if (captures.read > 0 || isRefused || (isBusy && !this.#busy.has(day))) this.#listener.ran(report);
    this.#busy.delete(day);
    if (!isBusy && !report.interrupted && this.#finishing === day) {
      this.#finishing = '';
      this.#listener.finished(report);
    }
    if (!isBusy) return;
    this.#busy.add(day);
    this.#waiting.add(day);
    this.#notBefore = Math.max(this.#notBefore, nowMs() + watchLimits.busyMs);
  }

  /** Files that may not be read are found by every run: only those that nobody has been told of stay in the report. */
  #forgetRefusalsTold(captures: Report['captures']): boolean {
    const isNew = ({ code, path }: DamagedCapture): boolean =>
      code === 'capture.unreadable' && !this.#refused.has(path);
    const refused = captures.damaged.filter(isNew);
    captures.damaged = captures.damaged.filter((each) => each.code !== 'capture.unreadable' || isNew(each));
    if (this.#refused.size + refused.length > watchLimits.changesMax) this.#refused.clear();
    for (const { path } of refused) this.#refused.add(path);
    return refused.length > 0;
  }

  #retry(day: string, error: MailprocError): void {
    const { retryMsMin, retryMsMax } = watchLimits;
    const retryMs = Math.min(retryMsMin * 2 ** this.#failures, retryMsMax);
    this.#failures++;
    this.#waiting.add(day);
    this.#notBefore = nowMs() + retryMs;
    this.#listener.failed(error, retryMs);
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#followClock();
      const hasWork = this.#waiting.size + this.#changed.size > 0;
      const restMs = this.#notBefore - nowMs();
      if (hasWork && restMs <= 0) return;
      await this.#pause(Math.min(hasWork ? restMs : watchLimits.sleepMsMax, watchLimits.sleepMsMax));
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What is to be run because of the time. */
  #followClock(): void {
    const [today = '', time = ''] = this.#clock.dateTime(this.#nowNs()).split(' ');
    if (today !== this.#today) {
      this.#today = today;
      this.#waitForAll();
      this.#listener.day(today);
    }
    for (const [day, from] of this.#quietFrom) {
      if (this.#now() < from) continue;
      this.#quietFrom.delete(day);
      this.#waiting.add(day);
    }
    const yesterday = dayBefore(today);
    if (this.#finished === yesterday || time < watchLimits.finishTime) return;
    this.#finished = yesterday;
    this.#finishing = yesterday;
    this.#waiting.add(yesterday);
  }

  #isOld(path: string): boolean {
    const day = dateInPath(path);
    return day !== undefined && day < dayBefore(this.#today);
  }

  #nowNs(): bigint {
    return BigInt(this.#now()) * 1_000_000n;
  }
}

function dayBefore(day: string): string {
  return utcDay(Date.parse(day) - millisecondsPerDay);
}

function nowMs(): number {
  return performance.now();
}
