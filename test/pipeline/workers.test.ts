/** A run by several threads: the same rows in the same order, and an end to everything that goes wrong. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ingest, runJob } from '../../src/pipeline/ingest.ts';
import type { Job } from '../../src/pipeline/job.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { conversation } from '../support/conversation.ts';
import { expectedFile, fixtureNames, runFixture } from '../support/fixture.ts';
import { toPackets, writePcapng } from '../support/packets.ts';
import { inTemporaryFolder, sampleDay } from '../support/run-mailproc.ts';

const silent = { progress: () => undefined, anomaly: () => undefined };
const never = new AbortController().signal;

function jobIn(folder: string, changes: Partial<Job> = {}): Job {
  return {
    root: sampleDay,
    day: '2022-01-28',
    timeZone: 'Asia/Shanghai',
    store: `ndjson:${join(folder, 'mails.ndjson')}`,
    imageFolder: join(folder, 'image'),
    ports: new Map(),
    keyLogFile: undefined,
    reprocess: false,
    jobs: 2,
    ...changes,
  };
}

for (const jobs of [2, 3, 4, 5]) {
  test(`every fixture gives the expected rows and octets by ${jobs} workers`, async () => {
    for (const name of fixtureNames()) {
      const expected: unknown = JSON.parse(readFileSync(expectedFile(name), 'utf8'));
      assert.deepEqual(await runFixture(name, jobs), expected, name);
    }
  });
}

/** `connections` conversations at the same time, each with `mails` mails. */
function crowd(connections: number, mails: number): Buffer {
  const all = Array.from({ length: connections }, (_, number) => {
    const mail = Array.from({ length: mails }, (_, index) => transaction(`${number}.${index}`)).join('');
    const turns = conversation(`S: 220 mx\nC: EHLO me\nS: 250 mx\n${mail}C: QUIT\nS: 221 bye\n`);
    return toPackets(turns, { client: { address: `10.0.${number >> 8}.${number & 255}`, port: 40_000 } });
  });
  const packets = all.flat().sort((one, other) => Number(one.timestampNs - other.timestampNs));
  return writePcapng(packets);
}

function transaction(subject: string): string {
  return `C: MAIL FROM:<a@example>\nS: 250 ok\nC: RCPT TO:<b@example>\nS: 250 ok\nC: DATA\nS: 354 go
    C: Subject: ${subject}\nC:\nC: text\nC: .\nS: 250 ok\n`;
}

test('runJob writes the same octets for any number of workers, also in more than one batch', () =>
  inTemporaryFolder(async (folder) => {
    writeFileSync(join(folder, '20220128.pcapng'), crowd(60, 20));
    const outputs: string[] = [];
    for (const jobs of [1, 2, 3, 5]) {
      const store = `ndjson:${join(folder, `${jobs}.ndjson`)}`;
      const sink = new MemorySink();
      await sink.open();
      const report = await ingest(jobIn(folder, { root: folder, store, jobs }), sink, silent, never, 0);
      assert.equal(report.mails.smtp.added, 1200);
      outputs.push(JSON.stringify(sink.rows));
    }
    assert.equal(new Set(outputs).size, 1);
  }));

for (const jobs of [2, 4]) {
  test(`ingest by ${jobs} threads that the store fails rejects with its reason and leaves no thread behind`, () =>
    inTemporaryFolder(async (folder) => {
      const sink = new MemorySink();
      await sink.open();
      const reason = new Error('the disk is full');
      sink.write = () => Promise.reject(reason);
      await assert.rejects(ingest(jobIn(folder, { jobs }), sink, silent, never, 0), reason);
    }));

  test(`ingest by ${jobs} threads rejects with a thread's trouble in the words of the operator`, () =>
    inTemporaryFolder(async (folder) => {
      const sink = new MemorySink();
      await sink.open();
      // Only who makes the mails meets it.
      const job = { ...jobIn(folder, { jobs }), imageFolder: join(folder, 'file', 'image') };
      writeFileSync(join(folder, 'file'), '');
      await assert.rejects(ingest(job, sink, silent, never, 0), {
        name: 'MailprocError',
        message: /create folder/,
      });
    }));
}

/** Mistakes that only a thread meets, and what is said then. */
const mistakes: readonly { readonly in: string; readonly changes: Partial<Job>; readonly message: RegExp }[] =
  [
    {
      in: 'a thread that reads',
      changes: { jobs: 4, ports: 1 as unknown as Job['ports'] },
      message: /^read captures by worker [12] of 2: /,
    },
    {
      in: 'a thread that makes mails',
      changes: { jobs: 2, imageFolder: 1 as unknown as string },
      message: /^decode mails by a thread: /,
    },
    {
      in: 'a thread of a thread',
      changes: { jobs: 5, imageFolder: 1 as unknown as string },
      message: /^decode mails by a thread: /,
    },
  ];

for (const mistake of mistakes) {
  test(`ingest says so when ${mistake.in} dies, and the next run stores everything`, () =>
    inTemporaryFolder(async (folder) => {
      const sink = new MemorySink();
      await sink.open();
      const { changes, message } = mistake;
      await assert.rejects(ingest(jobIn(folder, changes), sink, silent, never, 0), {
        code: 'worker.died',
        message,
      });
      const report = await ingest(jobIn(folder), sink, silent, never, 0);
      assert.deepEqual(report.captures.busy, 0);
      assert(sink.rows.length > 10);
    }));
}

test('ingest that was aborted before it began is interrupted and stores nothing', () =>
  inTemporaryFolder(async (folder) => {
    const report = await runJob(jobIn(folder), silent, AbortSignal.abort());
    assert.equal(report.interrupted, true);
  }));
