/** What the ledger of every store must keep that has one. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Ledger, LedgerEntry, LedgerRows } from '../../src/store/ledger.ts';
import type { Sink } from '../../src/store/sink.ts';
import { day, incompleteRecord, type RecordChanges, sampleRecord } from './samples.ts';

export interface LedgerTarget {
  /** A sink on this target, not yet open: a new one where the store takes several at once. */
  sink(): Sink & { readonly ledger: Ledger };
  /** From now on every lease taken or renewed before has expired. */
  expireLeases(): void | Promise<void>;
}

/** Paths as they are found on disks, and as nobody wants them. */
export const paths: readonly (readonly [what: string, path: string])[] = [
  ['a plain path', 'captures/20220128.pcapng'],
  ['Chinese', '抓包/二〇二二年/邮件 服务器.pcapng'],
  ['quotes', `cap'tures/"a";\`b\`--\\'' %_ $1 ? :a @b.pcapng`],
  ['SQL', `'); DROP TABLE mailproc_ledger; --`],
  ['four-octet characters', '😀/𠮷.pcap'],
  ['4 kB', `/${'目录/'.repeat(580)}x.pcapng`],
  ['a trailing space', 'a '],
  ['another case', 'CAPTURES/20220128.PCAPNG'],
  ['a number', '007'],
  ['line feeds', 'a\nb\r\nc'],
  ['nothing', ''],
];

export function sampleEntry(capture: string, changes: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    capture,
    day,
    bytes: 1_048_576,
    modifiedMs: 1_643_328_000_123.25,
    firstPacketNs: 1_643_328_000_123_456_789n,
    lastPacketNs: 1_643_331_600_987_654_321n,
    isDone: true,
    neededFrom: capture,
    summary: '{"octets":{"mail":1000},"packets":10}',
    version: '1.0.0',
    ...changes,
  };
}

/** A mail of `capture`. */
function from(capture: string, number: number, changes: RecordChanges = {}) {
  return sampleRecord(number, { ...changes, columns: { file_path: capture, ...changes.columns } });
}

function partFrom(capture: string, number: number, rawSize: number) {
  return incompleteRecord(number, rawSize, { columns: { file_path: capture } });
}

/** Compares without regard to the order, which stores may choose. */
function assertSame(actual: readonly LedgerRows[], expected: readonly LedgerRows[]): void {
  const sorted = (rows: readonly LedgerRows[]) =>
    rows.map(({ capture, table, rows }) => JSON.stringify([table, capture, rows])).sort();
  assert.deepEqual(sorted(actual), sorted(expected));
}

/** The ledger says `expected`, and the tables say the same. */
async function assertRows(ledger: Ledger, ofDay: string, expected: readonly LedgerRows[]): Promise<void> {
  assertSame(await ledger.rows(ofDay), expected);
  assertSame(await ledger.count(ofDay), expected);
}

function byCapture(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return [...entries].sort((left, right) => (left.capture < right.capture ? -1 : 1));
}

export function ledgerSuite(name: string, create: (context: TestContext) => LedgerTarget): void {
  /** `body` gets an open sink, which is closed behind it. */
  const ledgerTest = (
    title: string,
    body: (ledger: Ledger, sink: Sink, target: LedgerTarget) => Promise<void>,
  ): void => {
    test(`${name} ledger ${title}`, async (context) => {
      const target = create(context);
      const sink = target.sink();
      await sink.open();
      try {
        await body(sink.ledger, sink, target);
      } finally {
        await sink.close();
      }
    });
  };
  const smtp = 'smtp_2022_01_28';

  ledgerTest('is empty at first', async (ledger) => {
    assert.deepEqual(await ledger.find(['a', 'b']), []);
    assert.deepEqual(await ledger.find([]), []);
    assert.deepEqual(await ledger.ofDay(day), []);
    await assertRows(ledger, day, []);
  });

  ledgerTest('finds what was settled, by capture and by day', async (ledger) => {
    const [a, b, c] = [sampleEntry('a'), sampleEntry('b'), sampleEntry('c', { day: '2022-01-29' })];
    await ledger.settle([a, b]);
    await ledger.settle([c]);
    await ledger.settle([]);
    assert.deepEqual(byCapture(await ledger.find(['c', 'x', 'a'])), [a, c]);
    assert.deepEqual(byCapture(await ledger.ofDay(day)), [a, b]);
    assert.deepEqual(await ledger.ofDay('2022-01-29'), [c]);
    assert.deepEqual(await ledger.ofDay('2022-01-30'), []);
  });

  ledgerTest('knows the days of its entries and of its tables', async (ledger, sink) => {
    assert.deepEqual(await ledger.days(), []);
    await ledger.settle([sampleEntry('c', { day: '2022-02-01' }), sampleEntry('a'), sampleEntry('b')]);
    assert.deepEqual(await ledger.days(), [day, '2022-02-01']);
    const columns = { file_path: 'd', insert_time: '2021-12-31', timestamp: '2021-12-31 10:00:00' };
    await sink.write([sampleRecord(1, { columns })]);
    assert.deepEqual(await ledger.days(), ['2021-12-31', day, '2022-02-01']);
  });

  ledgerTest('finds an entry once for a capture asked for twice', async (ledger) => {
    await ledger.settle([sampleEntry('a')]);
    assert.deepEqual(await ledger.find(['a', 'a']), [sampleEntry('a')]);
  });

  for (const [what, changes] of [
    ['a capture without packets', { bytes: 0, firstPacketNs: null, lastPacketNs: null }],
    ['packets at zero', { firstPacketNs: 0n, lastPacketNs: 0n, modifiedMs: 0 }],
    ['times beyond 64 bits', { firstPacketNs: -(2n ** 63n) - 1n, lastPacketNs: 2n ** 64n * 1_000_000_000n }],
    ['a file of petabytes', { bytes: Number.MAX_SAFE_INTEGER, modifiedMs: 8.64e15 }],
    ['an unfinished capture', { isDone: false, neededFrom: 'the one before' }],
    ['a summary of a megabyte', { summary: JSON.stringify({ text: "邮\\u0000'".repeat(100_000) }) }],
  ] as const satisfies readonly (readonly [string, Partial<LedgerEntry>])[]) {
    ledgerTest(`keeps ${what} as it is`, async (ledger) => {
      await ledger.settle([sampleEntry('a', changes)]);
      const found = await ledger.find(['a']);
      // Not assert.deepEqual alone: its message would print a megabyte.
      assert.ok(found[0]?.summary === sampleEntry('a', changes).summary);
      assert.deepEqual({ ...found[0], summary: '' }, { ...sampleEntry('a', changes), summary: '' });
    });
  }

  ledgerTest('replaces an entry, within a call and over calls', async (ledger) => {
    const grown = sampleEntry('a', { bytes: 2_097_152, isDone: true, version: '1.1.0', day: '2022-01-29' });
    await ledger.settle([sampleEntry('a', { isDone: false }), sampleEntry('a', { bytes: 5 })]);
    assert.deepEqual(await ledger.find(['a']), [sampleEntry('a', { bytes: 5 })]);
    await ledger.settle([grown]);
    assert.deepEqual(await ledger.find(['a']), [grown]);
    assert.deepEqual(await ledger.ofDay(day), []);
    assert.deepEqual(await ledger.ofDay('2022-01-29'), [grown]);
  });

  ledgerTest('takes and finds a thousand captures', async (ledger) => {
    const entries = Array.from({ length: 1000 }, (_, index) => sampleEntry(`captures/${index}.pcapng`));
    await ledger.settle(entries);
    const captures = entries.map(({ capture }) => capture);
    assert.deepEqual(byCapture(await ledger.find(captures)), byCapture(entries));
    assert.equal((await ledger.ofDay(day)).length, 1000);
  });

  ledgerTest('counts rows by capture and table, of its day alone', async (ledger, sink) => {
    await sink.write([from('a', 1), from('a', 2), from('b', 3), from('b', 4, { protocol: 'imap' })]);
    await sink.write([from('a', 5), from('a', 6, { columns: { insert_time: '2022-01-29' } })]);
    await assertRows(ledger, day, [
      { capture: 'a', table: smtp, rows: 3 },
      { capture: 'b', table: smtp, rows: 1 },
      { capture: 'b', table: 'imap_2022_01_28', rows: 1 },
    ]);
    await assertRows(ledger, '2022-01-29', [{ capture: 'a', table: 'smtp_2022_01_29', rows: 1 }]);
    await assertRows(ledger, '2022-01-27', []);
  });

  ledgerTest('counts a known mail once, for the capture that brought it', async (ledger, sink) => {
    await sink.write([from('a', 1), from('b', 1)]);
    await sink.write([from('b', 1), from('a', 1)]);
    await assertRows(ledger, day, [{ capture: 'a', table: smtp, rows: 1 }]);
  });

  ledgerTest('counts a replaced row for its new capture and no longer for the old', async (ledger, sink) => {
    await sink.write([partFrom('a', 1, 10), from('a', 2)]);
    await sink.write([partFrom('b', 1, 20)]);
    await assertRows(ledger, day, [
      { capture: 'a', table: smtp, rows: 1 },
      { capture: 'b', table: smtp, rows: 1 },
    ]);
    await sink.write([from('c', 1), partFrom('a', 1, 99)]);
    await assertRows(ledger, day, [
      { capture: 'a', table: smtp, rows: 1 },
      { capture: 'c', table: smtp, rows: 1 },
    ]);
    // Within one batch, and back to the capture where it was first.
    await sink.write([partFrom('a', 3, 10), partFrom('b', 3, 20), from('a', 3)]);
    await assertRows(ledger, day, [
      { capture: 'a', table: smtp, rows: 2 },
      { capture: 'c', table: smtp, rows: 1 },
    ]);
  });

  ledgerTest('counts a row that moves to another day where it is', async (ledger, sink) => {
    const next = { columns: { insert_time: '2022-01-29' } };
    await sink.write([partFrom('a', 1, 10), partFrom('a', 2, 10)]);
    await sink.write([from('b', 1, next)]);
    await assertRows(ledger, day, [{ capture: 'a', table: smtp, rows: 1 }]);
    await assertRows(ledger, '2022-01-29', [{ capture: 'b', table: 'smtp_2022_01_29', rows: 1 }]);
    await sink.write([from('a', 2, next)]);
    await assertRows(ledger, day, []);
    await assertRows(ledger, '2022-01-29', [
      { capture: 'a', table: 'smtp_2022_01_29', rows: 1 },
      { capture: 'b', table: 'smtp_2022_01_29', rows: 1 },
    ]);
    await ledger.forget('b');
    await assertRows(ledger, '2022-01-29', [{ capture: 'a', table: 'smtp_2022_01_29', rows: 1 }]);
    assert.deepEqual(await sink.write([partFrom('a', 1, 10)]), { added: 1, replaced: 0, known: 0 });
    await assertRows(ledger, day, [{ capture: 'a', table: smtp, rows: 1 }]);
  });

  ledgerTest('agrees with the tables after any sequence of writes', async (ledger, sink) => {
    // A small linear congruential generator: the same sequence in every run.
    let seed = 42;
    const below = (limit: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * limit);
    };
    const days = [day, '2022-01-29', '2022-02-01'];
    for (let round = 0; round < 30; round++) {
      const batch = Array.from({ length: 1 + below(6) }, () => {
        const capture = ['a', 'b', '抓包'][below(3)] ?? 'a';
        const ofDay = { columns: { insert_time: days[below(3)] ?? day } };
        const part = (number: number) =>
          incompleteRecord(number, below(50), { columns: { file_path: capture, ...ofDay.columns } });
        return below(3) === 0 ? from(capture, below(12), ofDay) : part(below(12));
      });
      await sink.write(batch);
      if (below(8) === 0) await ledger.forget('b');
      for (const each of days) assertSame(await ledger.rows(each), await ledger.count(each));
    }
    assert.notDeepEqual(await ledger.rows(day), []);
  });

  ledgerTest('forgets a capture, so that it can be written again', async (ledger, sink) => {
    const otherDay = { columns: { insert_time: '2022-01-29' } };
    const ofA = [from('a', 1), from('a', 2, { protocol: 'pop3' }), from('a', 3, otherDay)];
    await sink.write([...ofA, from('b', 4), from('b', 5, { protocol: 'pop3' })]);
    await ledger.settle([sampleEntry('a'), sampleEntry('b')]);
    await ledger.forget('a');
    assert.deepEqual(await ledger.find(['a', 'b']), [sampleEntry('b')]);
    await assertRows(ledger, day, [
      { capture: 'b', table: smtp, rows: 1 },
      { capture: 'b', table: 'pop3_2022_01_28', rows: 1 },
    ]);
    await assertRows(ledger, '2022-01-29', []);
    assert.deepEqual(await sink.write([from('b', 4), ...ofA]), { added: 3, replaced: 0, known: 1 });
    await assertRows(ledger, day, [
      { capture: 'a', table: smtp, rows: 1 },
      { capture: 'a', table: 'pop3_2022_01_28', rows: 1 },
      { capture: 'b', table: smtp, rows: 1 },
      { capture: 'b', table: 'pop3_2022_01_28', rows: 1 },
    ]);
    const tables = await sink.tables(day);
    assert.deepEqual(
      tables.map(({ rows }) => rows),
      [2, 2],
    );
    const subjects = (await sink.sample?.(day, 10))?.map((row) => row.mail_subject).sort();
    assert.deepEqual(subjects, ['mail 1', 'mail 2', 'mail 4', 'mail 5']);
  });

  ledgerTest('forgets a mail for the capture that has replaced it', async (ledger, sink) => {
    await sink.write([partFrom('a', 1, 10)]);
    await sink.write([from('b', 1)]);
    await ledger.forget('a');
    await assertRows(ledger, day, [{ capture: 'b', table: smtp, rows: 1 }]);
    await ledger.forget('b');
    await assertRows(ledger, day, []);
    assert.deepEqual(await sink.write([partFrom('a', 1, 10)]), { added: 1, replaced: 0, known: 0 });
  });

  ledgerTest('forgets what it never knew without a word', async (ledger, sink) => {
    await sink.write([from('a', 1)]);
    await ledger.forget('b');
    await assertRows(ledger, day, [{ capture: 'a', table: smtp, rows: 1 }]);
  });

  ledgerTest('gives out no id twice after forgetting', async (ledger, sink) => {
    await sink.write([from('a', 1), from('b', 2)]);
    await ledger.forget('b');
    await sink.write([from('c', 3)]);
    const ids = (await sink.sample?.(day, 10))?.map((row) => row.id) ?? [];
    assert.ok(Number(ids[1]) > 2, `${ids}`);
  });

  for (const [what, path] of paths) {
    ledgerTest(`takes ${what} for a path`, async (ledger, sink) => {
      // Neighbours differ in the last character alone, or not in the eyes of a careless collation.
      const others = [`${path}x`, `${path} `];
      const entries = [path, ...others].map((capture) => sampleEntry(capture, { neededFrom: `${path}x` }));
      await sink.write([from(path, 1), ...others.map((capture, index) => from(capture, index + 2))]);
      await ledger.settle(entries);
      assert.deepEqual(await ledger.find([path]), [entries[0]]);
      assert.equal((await ledger.ofDay(day)).length, 3);
      await assertRows(
        ledger,
        day,
        [path, ...others].map((capture) => ({ capture, table: smtp, rows: 1 })),
      );
      const lease = await ledger.lease([path]);
      assert.ok(lease !== undefined);
      assert.equal(await ledger.lease([path]), undefined);
      assert.notEqual(await ledger.lease(others), undefined);
      await lease.release();
      await ledger.forget(path);
      assert.deepEqual(await ledger.find([path]), []);
      await assertRows(
        ledger,
        day,
        others.map((capture) => ({ capture, table: smtp, rows: 1 })),
      );
    });
  }

  ledgerTest('tells captures apart that differ in case or accent alone', async (ledger, sink) => {
    const captures = ['a.pcap', 'A.pcap', 'á.pcap', 'a\u0301.pcap'];
    await sink.write(captures.map((capture, index) => from(capture, index + 1)));
    await ledger.settle(captures.map((capture) => sampleEntry(capture)));
    await assertRows(
      ledger,
      day,
      captures.map((capture) => ({ capture, table: smtp, rows: 1 })),
    );
    for (const capture of captures) assert.deepEqual(await ledger.find([capture]), [sampleEntry(capture)]);
    await ledger.forget('a.pcap');
    assert.equal((await ledger.ofDay(day)).length, 3);
    for (const capture of captures) assert.notEqual(await ledger.lease([capture]), undefined, capture);
  });

  /** Another run on the same target. */
  const withOther = async (target: LedgerTarget, body: (ledger: Ledger) => Promise<void>): Promise<void> => {
    const other = target.sink();
    await other.open();
    try {
      await body(other.ledger);
    } finally {
      await other.close();
    }
  };

  ledgerTest('leases a capture to one run at a time', async (ledger, _sink, target) => {
    const lease = await ledger.lease(['a', 'b']);
    assert.ok(lease !== undefined);
    await withOther(target, async (other) => {
      assert.equal(await other.lease(['a']), undefined);
      assert.equal(await other.lease(['x', 'b']), undefined);
      const free = await other.lease(['x', 'y']);
      assert.ok(free !== undefined, 'a refused lease takes nothing');
      assert.equal(await ledger.lease(['y', 'c']), undefined);
      await lease.release();
      const taken = await other.lease(['a', 'b']);
      assert.ok(taken !== undefined);
      await taken.renew();
      await free.renew();
      await taken.release();
      await free.release();
    });
  });

  ledgerTest('leases to one of those who ask at the same time', async (ledger, _sink, target) => {
    await withOther(target, async (other) => {
      const leases = await Promise.all(
        [ledger, other, ledger, other].map((each, index) => each.lease(['a', `own ${index}`])),
      );
      assert.equal(leases.filter((lease) => lease !== undefined).length, 1);
    });
  });

  ledgerTest('leases captures named twice, and none', async (ledger) => {
    const lease = await ledger.lease(['a', 'a']);
    assert.ok(lease !== undefined);
    await lease.renew();
    await lease.release();
    const nothing = await ledger.lease([]);
    assert.ok(nothing !== undefined);
    await nothing.renew();
    await nothing.release();
  });

  ledgerTest('keeps a lease that is renewed', async (ledger, _sink, target) => {
    const lease = await ledger.lease(['a']);
    assert.ok(lease !== undefined);
    await target.expireLeases();
    await lease.renew();
    await withOther(target, async (other) => assert.equal(await other.lease(['a']), undefined));
    await lease.renew();
  });

  ledgerTest(
    'gives an expired lease to another run, and the first one learns it',
    async (ledger, _sink, target) => {
      const lease = await ledger.lease(['a', 'b']);
      assert.ok(lease !== undefined);
      await target.expireLeases();
      await withOther(target, async (other) => {
        const taken = await other.lease(['b']);
        assert.ok(taken !== undefined);
        await assert.rejects(lease.renew(), { name: 'MailprocError', code: 'store.lease-lost' });
        await assert.rejects(lease.renew(), { name: 'MailprocError', code: 'store.lease-lost' });
        // Gives back what it still has, and nothing of the other.
        await lease.release();
        assert.equal(await ledger.lease(['b']), undefined);
        assert.notEqual(await ledger.lease(['a']), undefined);
        await taken.renew();
        await taken.release();
      });
    },
  );

  ledgerTest('takes a lease given back twice, and renews it no more', async (ledger) => {
    const lease = await ledger.lease(['a']);
    assert.ok(lease !== undefined);
    await lease.release();
    const next = await ledger.lease(['a']);
    assert.ok(next !== undefined);
    await lease.release();
    await next.renew();
    await assert.rejects(lease.renew(), { code: 'store.lease-lost' });
  });
}
