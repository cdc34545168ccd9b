/** Mails and connections that lead over midnight, with runs in every order. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ingest } from '../../src/pipeline/ingest.ts';
import type { Report } from '../../src/pipeline/report.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { conversation } from '../support/conversation.ts';
import { writtenAt } from '../support/growing-captures.ts';
import { toPackets, writePcapng } from '../support/packets.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

const [before, after] = ['2022-01-28', '2022-01-29'] as const;
/** In Shanghai. */
const midnight = Date.UTC(2022, 0, 28, 16);
const minute = 60_000;
const silent = { progress: () => undefined, anomaly: () => undefined };

const mail = (subject: string): string => `
  C: MAIL FROM:<a@example>
  S: 250 ok
  C: RCPT TO:<b@example>
  S: 250 ok
  C: DATA
  S: 354 go
  C: Subject: ${subject}
  C:
  C: begin of ${subject}
  C: end of ${subject}
  C: .
  S: 250 ok ${subject}
`;
const packets = toPackets(
  conversation(`
  S: 220 mx.example
  C: EHLO night
  S: 250 mx.example
  ${mail('early')}
  ${mail('midnight')}
  ${mail('late')}
  C: QUIT
  S: 221 bye
`),
  { segmentBytes: 12, startNs: BigInt(midnight - 20 * minute) * 1_000_000n, stepNs: 15_000_000_000n },
);

/** The packets up to the one with the last octet of `text`, and the others. */
function cutBehind(text: string): readonly [typeof packets, typeof packets] {
  let said = '';
  const at = packets.findIndex((packet) => {
    said += packet.bytes.subarray(headerBytes).toString('latin1');
    return said.includes(text);
  });
  assert(at >= 0, text);
  return [packets.slice(0, at + 1), packets.slice(at + 1)];
}

/** Ethernet, IPv4, TCP. */
const headerBytes = 54;

class Days {
  readonly sink = new MemorySink();
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(join(folder, 'captures'));
  }

  /** A file of the series: `number` is that of its name. */
  write(number: number, day: string, content: typeof packets, writtenMs: number): void {
    const name = `cap_${String(number).padStart(5, '0')}_${day.replaceAll('-', '')}235900.pcapng`;
    const file = join(this.#folder, 'captures', name);
    writeFileSync(file, writePcapng(content));
    writtenAt(file, writtenMs);
  }

  run(day: string, nowMs: number): Promise<Report> {
    const job = {
      root: join(this.#folder, 'captures'),
      day,
      timeZone: 'Asia/Shanghai',
      store: 'memory',
      imageFolder: join(this.#folder, 'image'),
      ports: new Map(),
      keyLogFile: undefined,
      reprocess: false,
    };
    return ingest(job, this.sink, silent, new AbortController().signal, 0, nowMs);
  }

  /** Of all rows, sorted. */
  rows(): unknown[] {
    return this.sink.rows
      .map((row) => [row.mail_subject, row.insert_time, row.parse_sign])
      .sort((one, other) => (String(one) < String(other) ? -1 : 1));
  }
}

const days = (use: (days: Days) => Promise<void>) => (): Promise<void> =>
  inTemporaryFolder((folder) => use(new Days(folder)));

const expected = [
  ['early', before, 1],
  ['late', after, 1],
  ['midnight', after, 1],
];
const [untilMidnight, sinceMidnight] = cutBehind('begin of mid');

test(
  'ingest every ten minutes over midnight stores a mail once, in the table of the day it ended',
  days(async (series) => {
    series.write(1, before, untilMidnight.slice(0, 30), midnight - 10 * minute);
    await series.run(before, midnight - 10 * minute);
    series.write(1, before, untilMidnight, midnight);
    const last = await series.run(before, midnight - minute);
    assert.equal(last.growing.mails, 1);
    series.write(2, after, sinceMidnight.slice(0, 1), midnight + 10 * minute);
    await series.run(after, midnight + 10 * minute);
    assert.deepEqual(series.rows(), [['early', before, 1]]);
    series.write(2, after, sinceMidnight, midnight + 20 * minute);
    await series.run(after, midnight + 20 * minute);
    assert.deepEqual(series.rows(), expected);
    await series.run(before, midnight + 30 * minute);
    await series.run(after, midnight + 600 * minute);
    assert.deepEqual(series.rows(), expected);
  }),
);

test(
  'ingest of the next day finishes what was written between the last run of a day and midnight',
  days(async (series) => {
    series.write(1, before, packets.slice(0, 4), midnight - 10 * minute);
    await series.run(before, midnight - 10 * minute);
    series.write(1, before, untilMidnight, midnight);
    series.write(2, after, sinceMidnight, midnight + 5 * minute);
    const report = await series.run(after, midnight + 10 * minute);
    assert.deepEqual(series.rows(), expected);
    assert.equal(report.mails.smtp.added, 3);
    const again = await series.run(before, midnight + 30 * minute);
    assert.deepEqual([again.captures.read, again.captures.unchanged], [0, 1]);
  }),
);

test(
  'ingest of the next day leaves a day alone that no run has begun',
  days(async (series) => {
    series.write(1, before, untilMidnight, midnight);
    series.write(2, after, sinceMidnight, midnight + 5 * minute);
    await series.run(after, midnight + 10 * minute);
    assert.deepEqual(series.rows(), expected.slice(1));
    await series.run(before, midnight + 30 * minute);
    assert.deepEqual(series.rows(), expected);
  }),
);

for (const [order, runs] of [
  ['the earlier day first', [before, after]],
  ['the later day first', [after, before]],
] as const) {
  test(
    `ingest gives a mail that began two files before midnight one row, ${order}`,
    days(async (series) => {
      const [beginning, rest] = cutBehind('Subject: mid');
      const old = midnight - 600 * minute;
      series.write(1, before, beginning, old);
      series.write(2, before, rest.slice(0, 1), old);
      series.write(3, before, rest.slice(1, 2), old);
      series.write(4, after, rest.slice(2, 3), old);
      series.write(5, after, rest.slice(3), old);
      for (const day of runs) await series.run(day, midnight + 600 * minute);
      assert.deepEqual(series.rows(), expected);
    }),
  );

  test(
    `ingest gives a mail whose last octet came before midnight and its answer after it to the day before, ${order}`,
    days(async (series) => {
      const [beginning, rest] = cutBehind('end of midnight\r\n.\r\n');
      const old = midnight - 600 * minute;
      series.write(1, before, beginning, old);
      series.write(2, after, rest, old);
      for (const day of runs) await series.run(day, midnight + 600 * minute);
      const ofBefore = expected.map(([subject, day, sign]) => [
        subject,
        subject === 'late' ? day : before,
        sign,
      ]);
      assert.deepEqual(series.rows(), ofBefore);
      const accepted = series.sink.mails.map(({ record }) => record.detail.accepted);
      assert.deepEqual(accepted, [true, true, true]);
    }),
  );
}

test(
  'ingest moves a mail that was flagged at the end of its day to the next one, where it ends',
  days(async (series) => {
    series.write(1, before, untilMidnight, midnight - 120 * minute);
    await series.run(before, midnight + minute);
    assert.deepEqual(series.rows(), [
      ['early', before, 1],
      ['midnight', before, 0],
    ]);
    series.write(2, after, sinceMidnight, midnight + 10 * minute);
    await series.run(after, midnight + 20 * minute);
    assert.deepEqual(series.rows(), expected);
    await series.run(before, midnight + 30 * minute);
    assert.deepEqual(series.rows(), expected);
  }),
);
