/** The days of a folder that is followed: midnight, and what is finished behind it. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../src/core/errors.ts';
import type { Report } from '../../src/pipeline/report.ts';
import { CaptureWatch, type DailyJob, type WatchListener } from '../../src/pipeline/watch.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { projectRoot } from '../support/project.ts';

const mail = join(projectRoot, 'fixtures/smtp-slow-segments/capture.pcapng');

class Following implements WatchListener {
  readonly folder: string;
  readonly job: DailyJob;
  readonly watch: CaptureWatch;
  /** `day: captures read, left to others` and what else happened, in order. */
  readonly told: string[] = [];
  now: number;
  /** That were looked at, read or not. */
  series = 0;
  readonly #stopping = new AbortController();

  constructor(context: TestContext, zone: string, start: string) {
    this.folder = temporaryFolder(context);
    mkdirSync(join(this.folder, 'captures'));
    this.now = Date.parse(start);
    this.job = {
      root: join(this.folder, 'captures'),
      timeZone: zone,
      store: `sqlite:${join(this.folder, 'mail.sqlite')}`,
      imageFolder: join(this.folder, 'image'),
      ports: new Map(),
      keyLogFile: undefined,
      reprocess: false,
    };
    this.watch = new CaptureWatch(this.job, this, { now: () => this.now });
    const ended = this.watch.run(this.#stopping.signal);
    ended.catch((error) => this.told.push(String(error)));
    context.after(async () => {
      this.#stopping.abort();
      await ended;
    });
  }

  progress(): void {
    this.series++;
  }
  anomaly(): void {}

  begins(how: string): void {
    this.told.push(how);
  }

  day(day: string): void {
    this.told.push(day);
  }

  ran({ day, captures }: Report): void {
    this.told.push(`${day}: ${captures.read} read`);
  }

  finished({ day, tables }: Report): void {
    const rows = tables.reduce((sum, table) => sum + table.rows, 0);
    this.told.push(`${day} finished: ${rows} rows`);
  }

  failed({ code }: MailprocError, retryMs: number): void {
    this.told.push(`${code}, again in ${retryMs}`);
  }

  add(name: string): void {
    copyFileSync(mail, join(this.folder, 'captures', name));
  }

  async tells(...expected: readonly string[]): Promise<void> {
    for (let rounds = 0; this.told.length < expected.length && rounds < 600; rounds++) await sleep(25);
    assert.deepEqual(this.told, expected);
  }
}

test('CaptureWatch changes the day at midnight of the zone, and captures go to their own', async (context) => {
  const following = new Following(context, 'Asia/Shanghai', '2022-01-28T15:59:50Z');
  following.add('a_20220127.pcapng');
  following.add('b_20220126.pcapng');
  await following.tells('told', '2022-01-27: 1 read', '2022-01-27 finished: 1 rows');
  following.told.length = 1;
  following.add('c_20220128235955.pcapng');
  await following.tells('told', '2022-01-28: 1 read');
  following.now += 20_000;
  following.told.length = 0;
  following.add('d_20220129000005.pcapng');
  await following.tells('2022-01-29', '2022-01-29: 1 read');
  // A capture of the day before that is still written to.
  following.add('e_20220128235958.pcapng');
  await following.tells('2022-01-29', '2022-01-29: 1 read', '2022-01-28: 1 read');
});

test('CaptureWatch finishes yesterday once, when nothing more is awaited for it', async (context) => {
  const following = new Following(context, 'UTC', '2022-01-28T23:59:50Z');
  await following.tells('told', '2022-01-27 finished: 0 rows');
  following.add('a_20220128.pcapng');
  const before = ['told', '2022-01-27 finished: 0 rows', '2022-01-28: 1 read', '2022-01-29'];
  await following.tells(...before.slice(0, 3));
  following.now = Date.parse('2022-01-29T00:15:00Z');
  writeFileSync(join(following.folder, 'captures/wakes'), '');
  await following.tells(...before);
  following.now = Date.parse('2022-01-29T00:16:00Z');
  writeFileSync(join(following.folder, 'captures/wakes'), 'x');
  await following.tells(...before, '2022-01-28 finished: 1 rows');
  following.add('b_20220129.pcapng');
  await following.tells(...before, '2022-01-28 finished: 1 rows', '2022-01-29: 1 read');
});

test('CaptureWatch runs a day again when its captures have been quiet for long', async (context) => {
  const following = new Following(context, 'UTC', '2022-01-28T12:00:00Z');
  const before = ['told', '2022-01-27 finished: 0 rows', '2022-01-28: 1 read'];
  await following.tells(...before.slice(0, 2));
  following.add('a_20220128.pcapng');
  await following.tells(...before);
  const looks = following.series;
  following.now += 906_000;
  writeFileSync(join(following.folder, 'captures/wakes'), '');
  for (let rounds = 0; following.series === looks && rounds < 600; rounds++) await sleep(25);
  assert.ok(following.series > looks);
});

test('CaptureWatch finds a folder again that was away', async (context) => {
  const following = new Following(context, 'UTC', '2022-01-28T00:00:00Z');
  await following.tells('told');
  const captures = join(following.folder, 'captures');
  following.add('a_20220128.pcapng');
  await following.tells('told', '2022-01-28: 1 read');
  following.told.length = 0;
  following.add('b_20220128.pcapng');
  renameSync(captures, `${captures}-away`);
  following.watch.change(following.job);
  await following.tells('capture.not-found, again in 1000');
  mkdirSync(captures);
  following.add('c_20220128.pcapng');
  await following.tells('capture.not-found, again in 1000', '2022-01-28: 1 read');
  following.add('d_20220128.pcapng');
  await following.tells('capture.not-found, again in 1000', '2022-01-28: 1 read', '2022-01-28: 1 read');
});

test('CaptureWatch rejects where its first run fails', async (context) => {
  const folder = temporaryFolder(context);
  const job: DailyJob = {
    root: folder,
    timeZone: 'UTC',
    store: `sqlite:${join(folder, 'no/mail.sqlite')}`,
    imageFolder: folder,
    ports: new Map(),
    keyLogFile: undefined,
    reprocess: false,
  };
  const listener = {
    begins() {},
    day() {},
    ran() {},
    finished() {},
    failed() {},
    progress() {},
    anomaly() {},
  };
  await assert.rejects(
    new CaptureWatch(job, listener).run(new AbortController().signal),
    (error: unknown) => error instanceof MailprocError && error.code === 'store.not-writable',
  );
});
