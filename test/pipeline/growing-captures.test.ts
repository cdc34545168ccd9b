/** Captures that are read while they are written, every ten minutes, and once when the day is over. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ingest } from '../../src/pipeline/ingest.ts';
import type { Job } from '../../src/pipeline/job.ts';
import { exitStatus, type Report } from '../../src/pipeline/report.ts';
import { verify } from '../../src/pipeline/verify.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { readCapture } from '../support/capture-reader.ts';
import { conversation } from '../support/conversation.ts';
import { fixturesFolder } from '../support/fixture.ts';
import {
  type CaptureToWrite,
  capturesIn,
  dated,
  sharedSeries,
  storedMails,
  writeInSteps,
  writtenAt,
} from '../support/growing-captures.ts';
import { toPackets, writePcapng } from '../support/packets.ts';
import { SeededRandom } from '../support/random.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

const day = '2022-01-28';
/** 12:00 in Shanghai, and 01:00 of the next day. */
const noon = Date.UTC(2022, 0, 28, 4);
const afterMidnight = Date.UTC(2022, 0, 28, 17);
const silent = { progress: () => undefined, anomaly: () => undefined };

function jobIn(folder: string, store: string, captures = 'captures', jobs = 1): Job {
  return {
    jobs,
    root: join(folder, captures),
    day,
    timeZone: 'Asia/Shanghai',
    store,
    imageFolder: join(folder, 'image'),
    ports: new Map(),
    keyLogFile: undefined,
    reprocess: false,
  };
}

/** One run of the command: opens the store, reads, closes it. */
async function run(
  folder: string,
  store: string,
  nowMs: number,
  captures = 'captures',
  jobs = 1,
): Promise<Report> {
  const sink = new SqliteSink(join(folder, store));
  await sink.open();
  try {
    const job = jobIn(folder, sink.url, captures, jobs);
    const report = await ingest(job, sink, silent, new AbortController().signal, 0, nowMs);
    const { differences, others } = await verify(sink, sink.ledger, await sink.ledger.days());
    assert.deepEqual([differences, others], [[], []]);
    return report;
  } finally {
    await sink.close();
  }
}

/** What one run over the finished captures stores. */
async function undisturbed(folder: string, captures: readonly CaptureToWrite[]): Promise<string[]> {
  mkdirSync(join(folder, 'finished'));
  for (const { name, bytes } of captures) {
    writeFileSync(join(folder, 'finished', name), bytes);
    writtenAt(join(folder, 'finished', name), noon);
  }
  await run(folder, 'whole.sqlite', afterMidnight, 'finished');
  return storedMails(join(folder, 'whole.sqlite'));
}

const rotated = capturesIn(join(fixturesFolder, 'rotated-series/captures'));
const [oneFile] = capturesIn(join(fixturesFolder, 'sample-day/captures/20220128'));
assert(oneFile !== undefined);
const days: readonly (readonly [what: string, captures: readonly CaptureToWrite[], expected: number])[] = [
  ['a rotated series', rotated, 13],
  ['one file', [{ ...oneFile, name: 'day_20220128.pcapng' }], 5],
  ['the rotated series of the lab', sharedSeries('v_rotate_cap_'), 13],
  ['the ring of the lab', dated(sharedSeries('ring_rotate_'), '20220128'), 30],
];

for (const [what, captures, expected] of days) {
  for (const [seed, jobs] of [
    [1, 1],
    [2, 3],
  ] as const) {
    test(
      `ingest of ${what} after each of its random steps ends in the rows of one run, seed ${seed}, jobs ${jobs}`,
      {
        skip: captures.length === 0,
      },
      () =>
        inTemporaryFolder(async (folder) => {
          const whole = await undisturbed(folder, captures);
          assert(whole.length >= expected, `${whole.length} rows`);
          const wholeMails = new Set(whole.map(keyOf));
          const path = join(folder, 'captures');
          let nowMs = noon;
          let left = 0;
          await writeInSteps(path, captures, 5, new SeededRandom(seed), async (file) => {
            nowMs += 60_000;
            writtenAt(file, nowMs - 1000);
            const report = await run(folder, 'growing.sqlite', nowMs, 'captures', jobs);
            left += report.growing.mails;
            assert.equal(exitStatus(report), 0);
            assert.deepEqual(
              Object.keys(report.anomalies).filter((code) => !isKnownLoss(code)),
              [],
            );
            for (const row of storedMails(join(folder, 'growing.sqlite')))
              assert(wholeMails.has(keyOf(row)), row);
          });
          const atMidnight = storedMails(join(folder, 'growing.sqlite'));
          await run(folder, 'growing.sqlite', afterMidnight);
          assert.deepEqual(storedMails(join(folder, 'growing.sqlite')), whole);
          assert(atMidnight.length > 0 && left > 0);
        }),
    );
  }
}

/** Mails of the lab have damaged images, too: the loss is theirs and not the file's. */
function isKnownLoss(code: string): boolean {
  return code.startsWith('message.') || code.startsWith('record.');
}

function keyOf(row: string): string {
  const { key, sign } = /"parse_sign":(?<sign>\d).*"mail_key":"(?<key>\w+)"/.exec(row)?.groups ?? {};
  return `${key} ${sign}`;
}

function write(folder: string, { name, bytes }: CaptureToWrite, timeMs: number): string {
  mkdirSync(join(folder, 'captures'), { recursive: true });
  const file = join(folder, 'captures', name);
  writeFileSync(file, bytes);
  writtenAt(file, timeMs);
  return file;
}

/** `parse_sign` of all rows. */
function signs(folder: string): string[] {
  return storedMails(join(folder, 'mail.sqlite')).map((row) => keyOf(row).slice(-1));
}

const oneMail = `
  S: 220 mx.example
  C: EHLO here
  S: 250 mx.example
  C: MAIL FROM:<a@example>
  S: 250 ok
  C: RCPT TO:<b@example>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: one
  C:
  C: text
  C: more text
  C: .
  S: 250 ok
  C: QUIT
  S: 221 bye
`;

/** A capture of its own minute, with one mail in one connection. */
function finished(index: number): CaptureToWrite {
  const number = String(index + 1).padStart(5, '0');
  const minute = String(index).padStart(2, '0');
  const startNs = BigInt(noon + index * 60_000) * 1_000_000n;
  const client = { address: '10.0.0.1', port: 20_000 + index };
  const packets = toPackets(conversation(oneMail), { startNs, client, segmentBytes: 16 });
  return { name: `cap_${number}_2022012812${minute}00.pcapng`, bytes: writePcapng(packets) };
}

const ends = finished(0);
/** Its end cuts a packet within the mail. */
const begins = { ...ends, bytes: ends.bytes.subarray(0, ends.bytes.indexOf('more text') + 2) };

test('ingest leaves a mail in progress to the next run while its file is written, and flags it afterwards', () =>
  inTemporaryFolder(async (folder) => {
    write(folder, begins, noon);
    const first = await run(folder, 'mail.sqlite', noon + 60_000);
    assert.deepEqual([first.captures.damaged, first.growing.mails], [[], 1]);
    assert.deepEqual(first.growing.captures, [join(folder, 'captures', begins.name)]);
    assert.deepEqual(signs(folder), []);
    const second = await run(folder, 'mail.sqlite', noon + 600_000);
    assert.deepEqual([second.captures.read, second.captures.unchanged], [0, 1], 'nothing has come');
    const stale = await run(folder, 'mail.sqlite', noon + 1_000_000);
    assert.deepEqual([stale.growing.mails, exitStatus(stale)], [0, 3]);
    assert.deepEqual(signs(folder), ['0']);
    const again = await run(folder, 'mail.sqlite', noon + 2_000_000);
    assert.deepEqual([again.captures.read, exitStatus(again)], [0, 0], 'told once');
    write(folder, ends, noon + 3_000_000);
    const grown = await run(folder, 'mail.sqlite', noon + 3_000_000);
    assert.equal(grown.mails.smtp.replaced, 1);
    assert(signs(folder).every((sign) => sign === '1'));
  }));

test('ingest stores a mail in progress as incomplete once its day is over', () =>
  inTemporaryFolder(async (folder) => {
    write(folder, begins, afterMidnight - 1000);
    const report = await run(folder, 'mail.sqlite', afterMidnight);
    assert.deepEqual([exitStatus(report), report.growing.mails, signs(folder)], [0, 0, ['0']]);
  }));

test('ingest takes a file named by the operator as finished, however fresh it is', () =>
  inTemporaryFolder(async (folder) => {
    write(folder, begins, noon);
    const report = await run(folder, 'mail.sqlite', noon, join('captures', begins.name));
    assert.deepEqual([exitStatus(report), signs(folder)], [3, ['0']]);
  }));

test('ingest reads a growing file and what leads into it, not the finished files before', () =>
  inTemporaryFolder(async (folder) => {
    for (let index = 0; index < 20; index++) write(folder, finished(index), noon - 3_600_000);
    await run(folder, 'mail.sqlite', noon);
    write(folder, finished(20), noon);
    const grown = await run(folder, 'mail.sqlite', noon);
    assert.deepEqual([grown.captures.read, grown.captures.unchanged, grown.mails.smtp.added], [2, 20, 1]);
  }));

test('ingest knows a file that was compressed after it had been read', () =>
  inTemporaryFolder(async (folder) => {
    const files = rotated.map((capture) => write(folder, capture, noon));
    await run(folder, 'mail.sqlite', afterMidnight);
    const before = storedMails(join(folder, 'mail.sqlite'));
    for (const [index, file] of files.entries()) {
      writeFileSync(`${file}.gz`, gzipSync(rotated[index]?.bytes ?? ''));
      writtenAt(`${file}.gz`, noon);
    }
    const both = await run(folder, 'mail.sqlite', afterMidnight);
    assert.deepEqual([both.captures.read, both.captures.ignored.duplicate], [0, files.length]);
    for (const file of files) rmSync(file);
    const report = await run(folder, 'mail.sqlite', afterMidnight);
    assert.deepEqual([report.captures.read, report.captures.unchanged], [0, files.length]);
    for (const file of files) writtenAt(`${file}.gz`, noon + 5000);
    const unsure = await run(folder, 'mail.sqlite', afterMidnight);
    assert.deepEqual(
      [unsure.captures.read, unsure.mails.smtp.added],
      [files.length, 0],
      'another time: read',
    );
    assert.deepEqual(storedMails(join(folder, 'mail.sqlite')), before);
  }));

test('ingest reads what was written to a file between its last run and its compression', () =>
  inTemporaryFolder(async (folder) => {
    const file = write(folder, begins, noon);
    await run(folder, 'mail.sqlite', noon);
    rmSync(file);
    writeFileSync(`${file}.gz`, gzipSync(ends.bytes));
    writtenAt(`${file}.gz`, noon + 1000);
    const report = await run(folder, 'mail.sqlite', noon + 600_000);
    assert.equal(report.captures.read, 1);
    assert(report.mails.smtp.added > 0);
  }));

for (const becomes of ['gone', 'compressed'] as const) {
  test(`ingest reads the others where a file is ${becomes} when it is to be read`, () =>
    inTemporaryFolder((folder) => loseOne(folder, becomes)));
}

async function loseOne(folder: string, becomes: 'gone' | 'compressed'): Promise<void> {
  const files = rotated.map((capture) => write(folder, capture, noon));
  const gone = files[2] ?? '';
  const sink = new SqliteSink(join(folder, 'mail.sqlite'));
  await sink.open();
  try {
    // Between the search and the reading the ledger is asked.
    const { ledger } = sink;
    const lease = ledger.lease.bind(ledger);
    ledger.lease = async (captures) => {
      rmSync(gone, { force: true });
      if (becomes === 'compressed') writeFileSync(`${gone}.gz`, gzipSync(rotated[2]?.bytes ?? ''));
      return lease(captures);
    };
    const job = jobIn(folder, sink.url);
    const report = await ingest(job, sink, silent, new AbortController().signal, 0, afterMidnight);
    const damaged = report.captures.damaged.map(({ path, code }) => [path, code]);
    assert.deepEqual(damaged, becomes === 'gone' ? [[gone, 'capture.unreadable']] : []);
    const read = becomes === 'gone' ? files.length - 1 : files.length;
    assert.deepEqual([report.captures.read, exitStatus(report)], [read, becomes === 'gone' ? 3 : 0]);
    assert(report.mails.smtp.added > 0);
    assert.equal((await ledger.find([gone])).length, becomes === 'gone' ? 0 : 1);
  } finally {
    await sink.close();
  }
}

test('ingest reads a file of a ring anew when another capture has taken its name', () =>
  inTemporaryFolder(async (folder) => {
    const [first, second, third] = [finished(0), finished(1), finished(2)];
    write(folder, { ...first, name: '20220128.pcap0' }, noon);
    write(folder, { ...second, name: '20220128.pcap1' }, noon);
    await run(folder, 'mail.sqlite', afterMidnight);
    write(folder, { ...third, name: '20220128.pcap0' }, noon + 1000);
    const report = await run(folder, 'mail.sqlite', afterMidnight);
    assert.deepEqual([report.mails.smtp.added, signs(folder)], [1, ['1', '1', '1']]);
  }));

for (const fixture of ['pop3-operations', 'pop3-fetchmail', 'imap-alpine-sections']) {
  test(`ingest of ${fixture} cut into files at random, one more for each run, ends in the rows of one file`, async () => {
    const packets = readCapture(readFileSync(join(fixturesFolder, fixture, 'capture.pcapng')));
    const whole = { name: 'x_00001_20220128010000.pcapng', bytes: writePcapng(packets) };
    const told = (rows: readonly string[]) => rows.map(withoutPlace).sort();
    await inTemporaryFolder(async (folder) => {
      const expected = told(await undisturbed(folder, [whole]));
      for (let seed = 1; seed <= 3; seed++) {
        const random = new SeededRandom(seed);
        const places = [0, packets.length];
        for (let count = 0; count < 4; count++) places.push(random.integer(packets.length));
        places.sort((one, other) => one - other);
        const own = join(folder, `${seed}`);
        for (const [index, end] of places.slice(1).entries()) {
          const name = `x_0000${index + 1}_20220128010000.pcapng`;
          const nowMs = noon + index * 60_000;
          write(own, { name, bytes: writePcapng(packets.slice(places[index], end)) }, nowMs);
          await run(own, 'mail.sqlite', nowMs);
        }
        await run(own, 'mail.sqlite', afterMidnight);
        assert.deepEqual(told(storedMails(join(own, 'mail.sqlite'))), expected, `seed ${seed}`);
      }
    });
  });
}

/** The octets are in other files, and images in the folders of those. */
function withoutPlace(row: string): string {
  return row.replace(/"(?:file_path|path)":"[^"]*"|"(?:first|last)_frame":\d+/g, '');
}
