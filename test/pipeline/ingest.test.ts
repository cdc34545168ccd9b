/** Runs that come again, are cut short, or find more than the last time. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ingest } from '../../src/pipeline/ingest.ts';
import type { Report } from '../../src/pipeline/report.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Sink } from '../../src/store/sink.ts';
import { conversation } from '../support/conversation.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { toPackets, writePcapng } from '../support/packets.ts';
import { inTemporaryFolder, sampleDay } from '../support/run-mailproc.ts';

const rotated = join(fixturesFolder, 'rotated-series/captures');
const silent = { progress: () => undefined, anomaly: () => undefined };

interface RunOptions {
  readonly day?: string;
  readonly reprocess?: boolean;
  readonly signal?: AbortSignal;
  readonly jobs?: number;
}

/** Images go beside `sink`'s rows into a folder of the test's own. */
function run(folder: string, root: string, sink: Sink, options: RunOptions = {}): Promise<Report> {
  const job = {
    root,
    day: options.day ?? '2022-01-28',
    timeZone: 'Asia/Shanghai',
    store: 'memory',
    imageFolder: join(folder, 'image'),
    ports: new Map(),
    keyLogFile: undefined,
    reprocess: options.reprocess ?? false,
    jobs: options.jobs ?? 1,
  };
  return ingest(job, sink, silent, options.signal ?? new AbortController().signal, 0);
}

async function memory(): Promise<MemorySink> {
  const sink = new MemorySink();
  await sink.open();
  return sink;
}

/** Rows by the time of their first octet, without their ids, which tell only when they were stored. */
function withoutIds(sink: MemorySink): unknown[] {
  const text = sink.mails.map(({ record }) =>
    JSON.stringify([record.detail.mail_key, record.columns, record.detail]),
  );
  return text.sort();
}

function added({ mails }: Report): number {
  return Object.values(mails).reduce((sum, counts) => sum + counts.added, 0);
}

test('ingest of a series that grows file by file ends in the same rows as one run over all of it', () =>
  inTemporaryFolder(async (folder) => {
    const captures = join(folder, 'captures');
    mkdirSync(captures);
    const [whole, growing] = [await memory(), await memory()];
    for (const name of readdirSync(rotated)) {
      copyFileSync(join(rotated, name), join(captures, name));
      await run(folder, captures, growing);
    }
    await run(folder, captures, whole);
    assert(whole.rows.length >= 13);
    assert.deepEqual(withoutIds(growing), withoutIds(whole));
  }));

test('ingest of a file that grows ends in the same rows as one run over all of it', () =>
  inTemporaryFolder(async (folder) => {
    const captures = join(folder, 'captures');
    mkdirSync(captures);
    const bytes = readFileSync(join(sampleDay, '20220128/desk-claws.pcapng'));
    const file = join(captures, '20220128.pcapng');
    const [whole, growing] = [await memory(), await memory()];
    for (const part of [0.3, 0.6, 0.9, 1]) {
      writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length * part)));
      utimesSync(file, part * 1000, part * 1000);
      await run(folder, captures, growing);
    }
    await run(folder, captures, whole);
    assert(whole.rows.length > 5);
    assert.deepEqual(withoutIds(growing), withoutIds(whole));
  }));

test('ingest reads nothing again that has not changed, and with reprocess all of it', () =>
  inTemporaryFolder(async (folder) => {
    const sink = await openStore(`sqlite:${join(folder, 'mail.sqlite')}`);
    await sink.open();
    try {
      const first = await run(folder, sampleDay, sink);
      const second = await run(folder, sampleDay, sink);
      assert.equal(second.captures.read, 0);
      assert.equal(second.captures.unchanged, first.captures.read);
      assert.equal(added(second), 0);
      assert.deepEqual(second.tables, first.tables);
      const third = await run(folder, sampleDay, sink, { reprocess: true });
      assert.equal(added(third), added(first));
      assert.deepEqual(third.tables, first.tables);
    } finally {
      await sink.close();
    }
  }));

for (const jobs of [1, 2]) {
  test(`ingest that is interrupted keeps what it stored, and the next run goes on, jobs ${jobs}`, () =>
    inTemporaryFolder(async (folder) => {
      const [whole, interrupted] = [await memory(), await memory()];
      await run(folder, sampleDay, whole);
      for (let writes = 1; writes <= 4; writes++) {
        const controller = new AbortController();
        const stopping = stopAfter(interrupted, writes, controller);
        const report = await run(folder, sampleDay, stopping, { signal: controller.signal, jobs });
        assert.equal(report.interrupted, true);
      }
      await run(folder, sampleDay, interrupted);
      assert.deepEqual(withoutIds(interrupted), withoutIds(whole));
    }));
}

/** The same sink, which has the run stopped at its `writes`th batch. */
function stopAfter(sink: Sink, writes: number, controller: AbortController): Sink {
  let left = writes;
  return {
    url: sink.url,
    ...(sink.ledger ? { ledger: sink.ledger } : {}),
    open: () => sink.open(),
    close: () => sink.close(),
    tables: (day) => sink.tables(day),
    write: async (batch) => {
      const stored = await sink.write(batch);
      if (batch.length > 0 && --left === 0) controller.abort();
      return stored;
    },
  };
}

const overMidnight = conversation(`
  S: 220 mx.example
  C: EHLO night
  S: 250 mx.example
  C: MAIL FROM:<a@example>
  S: 250 ok
  C: RCPT TO:<b@example>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: before
  C:
  C: early
  C: .
  S: 250 ok
  C: MAIL FROM:<a@example>
  S: 250 ok
  C: RCPT TO:<b@example>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: over midnight
  C:
  C: one line
  C: another line
  C: .
  S: 250 ok
  C: MAIL FROM:<a@example>
  S: 250 ok
  C: RCPT TO:<b@example>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: after
  C:
  C: late
  C: .
  S: 250 ok
  C: QUIT
  S: 221 bye
`);

const inDays = [
  ['in order', ['2022-01-28', '2022-01-29']],
  ['the later one first', ['2022-01-29', '2022-01-28']],
  ['the earlier one twice', ['2022-01-28', '2022-01-29', '2022-01-28']],
  ['the later one twice', ['2022-01-29', '2022-01-28', '2022-01-29']],
] as const;

for (const [order, days] of inDays) {
  for (const jobs of [1, 3]) {
    test(`ingest gives a mail over midnight one whole row of the day it ended, days read ${order}, jobs ${jobs}`, () =>
      inTemporaryFolder(async (folder) => {
        const captures = join(folder, 'captures');
        mkdirSync(captures);
        // The first file lasts longer than the second one is read for.
        const packets = toPackets(overMidnight, { segmentBytes: 12, stepNs: 10_000_000_000n });
        const cut = packets.findIndex((packet) => packet.bytes.includes('midnight'));
        assert(cut > 0);
        const [first, second] = [packets.slice(0, cut + 1), packets.slice(cut + 1)];
        writeFileSync(join(captures, 'cap_00001_20220128235959.pcapng'), writePcapng(first));
        writeFileSync(join(captures, 'cap_00002_20220129000000.pcapng'), writePcapng(second));
        const sink = await memory();
        for (const day of days) await run(folder, captures, sink, { day, jobs });
        const rows = sink.rows.map((row) => [row.mail_subject, row.insert_time, row.parse_sign]);
        assert.deepEqual(rows.sort(), [
          ['after', '2022-01-29', 1],
          ['before', '2022-01-28', 1],
          ['over midnight', '2022-01-29', 1],
        ]);
      }));
  }
}
