/** What every store must keep, whatever it is made of. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { columnNames } from '../../src/record/types.ts';
import type { Sink, StoredRow } from '../../src/store/sink.ts';
import { day, incompleteRecord, sampleRecord } from './samples.ts';

export interface Target {
  /** A new sink on this target, not yet open. */
  sink(): Sink;
  /** All rows by id, read without the sink; it may be closed. */
  rows(): Promise<readonly StoredRow[]>;
}

export interface Traits {
  /** What a second sink meets while the first is open; undefined where there can be none. */
  readonly second: 'shared' | 'busy' | undefined;
  /** The target outlives the sink. */
  readonly reopens: boolean;
  /** What becomes of a text in a column that cannot hold every text; itself where there is none. */
  readonly fitted?: (
    column: 'mail_subject' | 'mail_content' | 'mail_from' | 'file_path',
    text: string,
  ) => string;
}

export function sinkSuite(name: string, create: (context: TestContext) => Target, traits: Traits): void {
  /** `body` gets an open sink, which is closed behind it. */
  const sinkTest = (title: string, body: (sink: Sink, target: Target) => Promise<void>): void => {
    test(`${name} ${title}`, async (context) => {
      const target = create(context);
      const sink = target.sink();
      await sink.open();
      try {
        await body(sink, target);
      } finally {
        await sink.close();
      }
    });
  };

  sinkTest('stores every column under its name and in the documented order', async (sink, target) => {
    const record = sampleRecord(1);
    assert.deepEqual(await sink.write([record]), { added: 1, replaced: 0, known: 0 });
    await sink.close();
    const [row] = await target.rows();
    assert.deepEqual(Object.keys(row ?? {}), [...columnNames]);
    assert.deepEqual({ ...row }, { id: 1, ...record.columns });
  });

  sinkTest('takes an empty batch', async (sink) => {
    assert.deepEqual(await sink.write([]), { added: 0, replaced: 0, known: 0 });
    assert.deepEqual(await sink.tables(day), []);
  });

  sinkTest('stores a mail once, in one batch and over batches', async (sink, target) => {
    const [one, two, three] = [sampleRecord(1), sampleRecord(2), sampleRecord(3)];
    assert.deepEqual(await sink.write([one, two, one]), { added: 2, replaced: 0, known: 1 });
    assert.deepEqual(await sink.write([two, three]), { added: 1, replaced: 0, known: 1 });
    await sink.close();
    assert.deepEqual(
      (await target.rows()).map((row) => row.mail_subject),
      ['mail 1', 'mail 2', 'mail 3'],
    );
  });

  sinkTest('replaces an incomplete mail by one with more of it and keeps its id', async (sink, target) => {
    await sink.write([sampleRecord(1), incompleteRecord(2, 10), sampleRecord(3)]);
    assert.deepEqual(await sink.write([incompleteRecord(2, 11)]), { added: 0, replaced: 1, known: 0 });
    assert.deepEqual(await sink.write([incompleteRecord(2, 11)]), { added: 0, replaced: 0, known: 1 });
    assert.deepEqual(await sink.write([incompleteRecord(2, 10)]), { added: 0, replaced: 0, known: 1 });
    assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 0, replaced: 1, known: 0 });
    assert.deepEqual(await sink.write([incompleteRecord(2, 99999)]), { added: 0, replaced: 0, known: 1 });
    await sink.close();
    assert.deepEqual(
      (await target.rows()).map((row) => [row.id, row.mail_subject, row.parse_sign]),
      [
        [1, 'mail 1', 1],
        [2, 'mail 2', 1],
        [3, 'mail 3', 1],
      ],
    );
  });

  sinkTest('replaces within a batch', async (sink, target) => {
    const batch = [incompleteRecord(1, 10), sampleRecord(1), incompleteRecord(1, 20)];
    assert.deepEqual(await sink.write(batch), { added: 1, replaced: 1, known: 1 });
    await sink.close();
    assert.deepEqual(
      (await target.rows()).map((row) => [row.id, row.mail_subject]),
      [[1, 'mail 1']],
    );
  });

  sinkTest('moves a row to the day of the record that has more of the mail', async (sink, target) => {
    const next = { columns: { insert_time: '2022-01-29' } };
    const afterNext = { columns: { insert_time: '2022-02-01' } };
    await sink.write([incompleteRecord(1, 10), sampleRecord(2), incompleteRecord(3, 10)]);
    // Less and as much leave it where it is.
    const less = [incompleteRecord(1, 9, next), incompleteRecord(1, 10, next), sampleRecord(2, next)];
    assert.deepEqual(await sink.write(less), { added: 0, replaced: 0, known: 3 });
    assert.deepEqual(await sink.tables('2022-01-29'), []);
    const more = [sampleRecord(1, next), incompleteRecord(3, 11, next)];
    assert.deepEqual(await sink.write(more), { added: 0, replaced: 2, known: 0 });
    assert.deepEqual(await sink.tables(day), [{ name: 'smtp_2022_01_28', rows: 1 }]);
    assert.deepEqual(await sink.tables('2022-01-29'), [{ name: 'smtp_2022_01_29', rows: 2 }]);
    // On, and back to where it was first; and the same within one batch.
    assert.deepEqual(await sink.write([incompleteRecord(3, 12, afterNext)]), {
      added: 0,
      replaced: 1,
      known: 0,
    });
    const batch = [sampleRecord(3), incompleteRecord(4, 5), sampleRecord(4, next), incompleteRecord(4, 6)];
    assert.deepEqual(await sink.write(batch), { added: 1, replaced: 2, known: 1 });
    assert.deepEqual(await sink.tables(day), [{ name: 'smtp_2022_01_28', rows: 2 }]);
    assert.deepEqual(await sink.tables('2022-02-01'), [{ name: 'smtp_2022_02_01', rows: 0 }]);
    await sink.close();
    const rows = await target.rows();
    assert.deepEqual(
      rows.map((row) => [row.insert_time, row.mail_subject]),
      [
        ['2022-01-29', 'mail 1'],
        [day, 'mail 2'],
        [day, 'mail 3'],
        ['2022-01-29', 'mail 4'],
      ],
    );
    // The last is new: some of the ids before it may have been taken in vain.
    assert.deepEqual(
      rows.slice(0, 3).map((row) => row.id),
      [1, 2, 3],
    );
  });

  sinkTest('stores a mail once that comes for several days', async (sink, target) => {
    const on = (insert_time: string, number: number) => sampleRecord(number, { columns: { insert_time } });
    const days = ['2022-01-27', day, '2022-01-29', '2022-02-01'];
    for (const [first, of] of days.entries()) {
      const stored = await sink.write([on(of, first), on(of, first + 10)]);
      assert.deepEqual(stored, { added: 2, replaced: 0, known: 0 });
    }
    for (const of of days) {
      const again = days.flatMap((_, first) => [on(of, first), on(of, first + 10)]);
      assert.deepEqual(await sink.write(again), { added: 0, replaced: 0, known: 8 });
      assert.deepEqual(
        (await sink.tables(of)).map(({ rows }) => rows),
        [2],
      );
    }
    await sink.close();
    assert.equal((await target.rows()).length, 8);
  });

  sinkTest('counts the rows of each table of a day', async (sink) => {
    await sink.write([
      sampleRecord(1, { protocol: 'imap' }),
      sampleRecord(2, { protocol: 'smtp' }),
      sampleRecord(3, { protocol: 'imap' }),
      sampleRecord(4, { protocol: 'pop3', columns: { insert_time: '2022-02-01' } }),
    ]);
    assert.deepEqual(await sink.tables(day), [
      { name: 'smtp_2022_01_28', rows: 1 },
      { name: 'imap_2022_01_28', rows: 2 },
    ]);
    assert.deepEqual(await sink.tables('2022-02-01'), [{ name: 'pop3_2022_02_01', rows: 1 }]);
    assert.deepEqual(await sink.tables('2022-01-27'), []);
  });

  sinkTest(
    'hands out ids that are unique over protocols and days, in the order written',
    async (sink, target) => {
      const batch = Array.from({ length: 300 }, (_, index) =>
        sampleRecord(index + 1, {
          protocol: (['smtp', 'pop3', 'imap'] as const)[index % 3] ?? 'smtp',
          columns: { insert_time: index % 2 === 0 ? day : '2022-03-01' },
        }),
      );
      for (let index = 0; index < 300; index += 100) await sink.write(batch.slice(index, index + 100));
      await sink.close();
      assert.deepEqual(
        (await target.rows()).map((row) => [row.id, row.mail_subject]),
        batch.map((record, index) => [index + 1, record.columns.mail_subject]),
      );
    },
  );

  const hostile: readonly (readonly [what: string, text: string, stored?: string])[] = [
    ['quotes', `'";\`--\\'' %s $1 ? :a @b`],
    ['SQL', `'); DROP TABLE smtp_2022_01_28; --`],
    ['JSON', `"}\n{"id":1,"detail":{}}`],
    ['line separators', 'a\u2028b\u2029c\r\nd'],
    ['four-octet characters', '😀👨‍👩‍👧𠮷'],
    ['U+0000', 'a\0b', 'a\uFFFDb'],
    ['lone surrogates', '\uD83Dx\uDE00', '\uFFFDx\uFFFD'],
    ['a text that looks like a number', '007'],
    ['a text that looks like an escape', '\\u0000 \\ud800'],
    ['nothing', ''],
    ['ten megabytes', '邮'.repeat(3_500_000)],
  ];
  for (const [what, text, stored = text] of hostile) {
    sinkTest(`stores ${what} as text`, async (sink, target) => {
      const columns = { mail_subject: text, mail_content: text, mail_from: text, file_path: text };
      await sink.write([
        sampleRecord(1, { columns, detail: { user: text, mailbox: text } }),
        sampleRecord(2),
      ]);
      await sink.close();
      const rows = await target.rows();
      assert.equal(rows.length, 2);
      for (const name of ['mail_subject', 'mail_content', 'mail_from', 'file_path'] as const) {
        // Not assert.equal: its message would print ten megabytes.
        assert.ok(rows[0]?.[name] === (traits.fitted?.(name, stored) ?? stored), name);
      }
      assert.equal(rows[1]?.mail_subject, 'mail 2');
    });
  }

  sinkTest('takes writes that are not awaited one after another', async (sink, target) => {
    const batches = [1, 2, 3, 4, 5].map((number) => [sampleRecord(number), sampleRecord(number + 1)]);
    const stored = await Promise.all(batches.map((batch) => sink.write(batch)));
    assert.equal(
      stored.reduce((sum, { added }) => sum + added, 0),
      6,
    );
    await sink.close();
    assert.deepEqual(
      (await target.rows()).map((row) => row.id),
      [1, 2, 3, 4, 5, 6],
    );
  });

  sinkTest('may be closed twice', async (sink) => {
    await sink.close();
    await sink.close();
  });

  if (traits.reopens) {
    sinkTest('goes on where it was when it is opened again', async (sink, target) => {
      await sink.write([sampleRecord(1), incompleteRecord(2, 10)]);
      await sink.close();
      const again = target.sink();
      await again.open();
      assert.deepEqual(await again.tables(day), [{ name: 'smtp_2022_01_28', rows: 2 }]);
      const batch = [sampleRecord(1), sampleRecord(2), sampleRecord(3)];
      assert.deepEqual(await again.write(batch), { added: 1, replaced: 1, known: 1 });
      await again.close();
      assert.deepEqual(
        (await target.rows()).map((row) => [row.id, row.mail_subject]),
        [
          [1, 'mail 1'],
          [2, 'mail 2'],
          [3, 'mail 3'],
        ],
      );
    });

    sinkTest('refuses to be used while it is closed', async (sink) => {
      await sink.close();
      await assert.rejects(async () => sink.write([sampleRecord(1)]), { code: 'store.closed' });
    });
  }

  if (traits.second === 'busy') {
    sinkTest('keeps a second writer out until it is closed', async (sink, target) => {
      const second = target.sink();
      await assert.rejects(second.open(), { name: 'MailprocError', code: 'store.busy' });
      await sink.write([sampleRecord(1)]);
      await sink.close();
      await second.open();
      assert.deepEqual(await second.write([sampleRecord(1)]), { added: 0, replaced: 0, known: 1 });
      await second.close();
    });
  }

  if (traits.second === 'shared') {
    sinkTest('shares its target with a second writer', async (sink, target) => {
      const second = target.sink();
      await second.open();
      for (let number = 1; number <= 40; number += 2) {
        await sink.write([sampleRecord(number), sampleRecord(number + 1)]);
        const shared = await second.write([sampleRecord(number + 1), sampleRecord(number + 2)]);
        assert.deepEqual(shared, { added: 1, replaced: 0, known: 1 });
      }
      await second.close();
      await sink.close();
      const rows = await target.rows();
      assert.deepEqual(
        rows.map((row) => row.id),
        Array.from({ length: 41 }, (_, index) => index + 1),
      );
      assert.equal(new Set(rows.map((row) => row.mail_subject)).size, 41);
    });
  }
}
