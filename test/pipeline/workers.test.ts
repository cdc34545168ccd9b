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

for (const jobs of [2, 3]) {
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
    for (const jobs of [1, 2, 3]) {
      const store = `ndjson:${join(folder, `${jobs}.ndjson`)}`;
      const sink = new MemorySink();
      await sink.open();
      const report = await ingest(jobIn(folder, { root: folder, store, jobs }), sink, silent, never, 0);
      assert.equal(report.mails.smtp.added, 1200);
      outputs.push(JSON.stringify(sink.rows));
    }
    assert.equal(outputs[1], outputs[0]);
    assert.equal(outputs[2], outputs[0]);
  }));

test('ingest by workers that the store fails rejects with its reason and leaves no thread behind', () =>
  inTemporaryFolder(async (folder) => {
    const sink = new MemorySink();
    await sink.open();
    const reason = new Error('the disk is full');
    sink.write = () => Promise.reject(reason);
    await assert.rejects(ingest(jobIn(folder), sink, silent, never, 0), reason);
  }));

test("ingest by workers rejects with a worker's trouble in the words of the operator", () =>
  inTemporaryFolder(async (folder) => {
    const sink = new MemorySink();
    await sink.open();
    // Only the workers use the zone once the captures are found.
    const job = { ...jobIn(folder), imageFolder: join(folder, 'file', 'image') };
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(ingest(job, sink, silent, never, 0), {
      name: 'MailprocError',
      message: /create folder/,
    });
  }));

test('ingest says so when a worker dies, and the next run stores everything', () =>
  inTemporaryFolder(async (folder) => {
    const sink = new MemorySink();
    await sink.open();
    // A mistake that only a worker meets: the ports of the job are no list.
    const broken = { ...jobIn(folder), ports: 1 as unknown as Job['ports'] };
    await assert.rejects(ingest(broken, sink, silent, never, 0), {
      code: 'worker.died',
      message: /^read captures by worker [12] of 2: /,
    });
    const report = await ingest(jobIn(folder), sink, silent, never, 0);
    assert.deepEqual(report.captures.busy, 0);
    assert(sink.rows.length > 10);
  }));

test('ingest that was aborted before it began is interrupted and stores nothing', () =>
  inTemporaryFolder(async (folder) => {
    const report = await runJob(jobIn(folder), silent, AbortSignal.abort());
    assert.equal(report.interrupted, true);
  }));
