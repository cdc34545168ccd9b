import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import Database from 'libsql';
import { columnNames } from '../../src/record/types.ts';
import type { StoredRow } from '../../src/store/sink.ts';
import { packMails, sqliteMail, unpackMails } from '../../src/store/sqlite/sqlite-mail.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { day, incompleteRecord, sampleRecord } from './samples.ts';
import { sinkSuite } from './sink-suite.ts';
import { temporaryFolder } from './temporary-folder.ts';

sinkSuite(
  'SqliteSink',
  (context) => {
    const path = join(temporaryFolder(context), 'mail.sqlite');
    return { sink: () => new SqliteSink(path), rows: async () => allRows(path) };
  },
  { second: 'shared', reopens: true },
);

sinkSuite(
  'SqliteSink with a thread',
  (context) => {
    const path = join(temporaryFolder(context), 'mail.sqlite');
    return { sink: () => new SqliteSink(path, { threadFrom: 1 }), rows: async () => allRows(path) };
  },
  { second: 'shared', reopens: true },
);

test('unpackMails gives the mails that sqliteMail makes, texts that no store can hold included', () => {
  const sample = sampleRecord(1);
  const odd = {
    ...sampleRecord(2),
    columns: { ...sample.columns, host_name: null, mail_subject: 'a\u0000b\ud800', mail_content: '合同𠮷' },
  };
  const records = [sample, odd, incompleteRecord(3, 5)];
  assert.deepEqual([...unpackMails(packMails(records))], records.map(sqliteMail));
});

test('SqliteSink tells what keeps its thread from writing, and writes when that is over', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path, { threadFrom: 1, busyTimeoutMs: 1 });
  await sink.open();
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(sink.write([sampleRecord(1)]), { name: 'MailprocError', code: 'store.busy' });
  other.exec('ROLLBACK');
  other.close();
  assert.deepEqual(await sink.write([sampleRecord(1)]), { added: 1, replaced: 0, known: 0 });
  const writes = [sink.write([sampleRecord(2)]), sink.write([sampleRecord(2), sampleRecord(3)])];
  await sink.close();
  assert.deepEqual(await Promise.all(writes), [
    { added: 1, replaced: 0, known: 0 },
    { added: 1, replaced: 0, known: 1 },
  ]);
  assert.deepEqual(
    allRows(path).map(({ id }) => id),
    [1, 2, 3],
  );
});

/** Rows of all day tables by id. */
function allRows(path: string): StoredRow[] {
  const database = new Database(path);
  try {
    const sql = `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '*_[0-9][0-9]'`;
    const tables = database.prepare(sql).all() as { name: string }[];
    const rows = tables.flatMap(
      ({ name }) => database.prepare(`SELECT * FROM "${name}"`).all() as StoredRow[],
    );
    return rows.sort((left, right) => Number(left.id) - Number(right.id));
  } finally {
    database.close();
  }
}

function query(path: string, sql: string): unknown[] {
  const database = new Database(path);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

test('SqliteSink makes day tables of exactly the documented columns, and no others', async (context) => {
  const { path } = await written(context, [sampleRecord(1)]);
  const columns = query(path, 'PRAGMA table_info(smtp_2022_01_28)') as {
    name: string;
    type: string;
    pk: number;
  }[];
  assert.deepEqual(
    columns.map(({ name }) => name),
    [...columnNames],
  );
  assert.deepEqual(
    columns.filter(({ pk }) => pk > 0).map(({ name }) => name),
    ['id'],
  );
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  assert.equal(types.get('len'), 'INTEGER');
  assert.equal(types.get('message_id'), 'TEXT');
  assert.deepEqual(
    query(path, 'SELECT typeof(id) i, typeof(sport) s, typeof(parse_sign) p FROM smtp_2022_01_28'),
    [{ i: 'integer', s: 'integer', p: 'integer' }],
  );
});

test('SqliteSink shows the days of a month in one view, each day as it comes', async (context) => {
  const on = (number: number, insert_time: string, protocol: 'imap' | 'smtp' = 'imap') =>
    sampleRecord(number, { protocol, columns: { insert_time } });
  const { path, sink } = await written(context, [
    on(1, '2022-01-28'),
    on(2, '2022-02-01'),
    on(3, '2022-01-28', 'smtp'),
  ]);
  const subjects = () =>
    (query(path, 'SELECT * FROM imap_2022_01 ORDER BY id') as StoredRow[]).map((row) => row.mail_subject);
  assert.deepEqual(subjects(), ['mail 1']);
  await sink.open();
  await sink.write([on(4, '2022-01-03'), on(5, '2022-01-31'), on(6, '2022-01-03')]);
  await sink.close();
  assert.deepEqual(subjects(), ['mail 1', 'mail 4', 'mail 5', 'mail 6']);
  const [row] = query(path, 'SELECT * FROM imap_2022_01') as StoredRow[];
  assert.deepEqual(Object.keys(row ?? {}), [...columnNames]);
});

test('SqliteSink keeps the detail beside the row and replaces it with the row', async (context) => {
  const { path, sink } = await written(context, [incompleteRecord(1, 10)]);
  const detail = () =>
    JSON.parse(
      (query(path, 'SELECT detail FROM mail_detail WHERE id = 1') as [{ detail: string }])[0].detail,
    );
  assert.deepEqual(detail(), incompleteRecord(1, 10).detail);
  await sink.open();
  await sink.write([sampleRecord(1)]);
  await sink.close();
  assert.deepEqual(detail(), sampleRecord(1).detail);
});

test('SqliteSink stores a batch of many statements, of two days, with a mail in it that comes again', async (context) => {
  const sink = new SqliteSink(join(temporaryFolder(context), 'mails.sqlite'));
  await sink.open();
  const batch = Array.from({ length: 101 }, (_, index) =>
    sampleRecord(index + 1, { columns: { insert_time: index % 3 === 0 ? '2022-01-29' : day } }),
  );
  batch[50] = incompleteRecord(51, 10);
  batch.push(sampleRecord(51));
  assert.deepEqual(await sink.write(batch), { added: 101, replaced: 1, known: 0 });
  const rows = [...(await sink.sample(day, 200)), ...(await sink.sample('2022-01-29', 200))];
  rows.sort((one, other) => Number(one.id) - Number(other.id));
  assert.deepEqual(
    rows.map((row) => [row.id, row.mail_subject, row.parse_sign]),
    batch.slice(0, 101).map((_, index) => [index + 1, `mail ${index + 1}`, 1]),
  );
  await sink.close();
});

test('SqliteSink gives the first rows of a day over all protocols', async (context) => {
  const { sink } = await written(context, [
    sampleRecord(1, { protocol: 'imap' }),
    sampleRecord(2, { columns: { insert_time: '2022-01-29' } }),
    sampleRecord(3),
    sampleRecord(4, { protocol: 'pop3' }),
  ]);
  await sink.open();
  assert.deepEqual(
    (await sink.sample(day, 2)).map((row) => row.mail_subject),
    ['mail 1', 'mail 3'],
  );
  assert.deepEqual(Object.keys((await sink.sample(day, 1))[0] ?? {}), [...columnNames]);
  assert.deepEqual(await sink.sample('2020-01-01', 2), []);
  await sink.close();
});

test('SqliteSink stores nothing of a batch that fails, and takes the next one', async (context) => {
  const { path, sink } = await written(context, [sampleRecord(1)]);
  await sink.open();
  const newTable = sampleRecord(2, { protocol: 'pop3' });
  const impossible = sampleRecord(3, { columns: { insert_time: `x'; DROP TABLE mail_keys; --` } });
  await assert.rejects(sink.write([newTable, impossible]), { name: 'AssertionError' });
  assert.deepEqual(await sink.tables(day), [{ name: 'smtp_2022_01_28', rows: 1 }]);
  assert.deepEqual(await sink.write([newTable]), { added: 1, replaced: 0, known: 0 });
  await sink.close();
  assert.deepEqual(
    allRows(path).map((row) => row.id),
    [1, 2],
  );
});

test('SqliteSink stops when the ids of 31 bits are used up', async (context) => {
  const { path, sink } = await written(context, [sampleRecord(1)]);
  const database = new Database(path);
  database.exec('UPDATE mailproc_sequence SET current_value = 2147483646');
  database.close();
  await sink.open();
  assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 1, replaced: 0, known: 0 });
  await assert.rejects(sink.write([sampleRecord(3)]), { code: 'store.ids-exhausted' });
  await sink.close();
  assert.deepEqual(
    allRows(path).map((row) => row.id),
    [1, 2147483647],
  );
});

test('SqliteSink leaves one file, for its owner alone', async (context) => {
  const folder = temporaryFolder(context);
  const sink = new SqliteSink(join(folder, 'mail.sqlite'));
  await sink.open();
  await sink.write([sampleRecord(1)]);
  for (const name of readdirSync(folder))
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  await sink.close();
  assert.deepEqual(readdirSync(folder), ['mail.sqlite']);
});

test('SqliteSink lets others read while it is open', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  await sink.open();
  await sink.write([sampleRecord(1)]);
  const reader = new Database(path, { timeout: 0 });
  reader.exec('BEGIN');
  assert.equal(reader.prepare('SELECT * FROM smtp_2022_01_28').all().length, 1);
  assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 1, replaced: 0, known: 0 });
  reader.close();
  await sink.close();
});

test('SqliteSink says so when another program keeps the file locked', async (context) => {
  const { path } = await written(context, [sampleRecord(1)]);
  const sink = new SqliteSink(path, { busyTimeoutMs: 1 });
  await sink.open();
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(sink.write([sampleRecord(2)]), { name: 'MailprocError', code: 'store.busy' });
  other.exec('ROLLBACK');
  assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 1, replaced: 0, known: 0 });
  await sink.close();
  other.close();
});

for (const [what, content] of [
  ['a short text', 'hello'],
  ['a long text', 'hello world\n'.repeat(1000)],
  ['a damaged database', `SQLite format 3\0${'x'.repeat(5000)}`],
] as const) {
  test(`SqliteSink refuses ${what} and leaves it as it is`, async (context) => {
    const path = join(temporaryFolder(context), 'mail.sqlite');
    writeFileSync(path, content);
    await assert.rejects(new SqliteSink(path).open(), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.name, 'MailprocError');
      assert.match(error.code, /^store\.(?:foreign|damaged)$/);
      assert.ok(error.hint.length > 0);
      return true;
    });
    assert.equal(readFileSync(path, 'latin1'), content);
  });
}

test('SqliteSink refuses a directory, a device and a missing folder', async (context) => {
  const folder = temporaryFolder(context);
  for (const path of [folder, '/dev/null', join(folder, 'missing', 'mail.sqlite')]) {
    await assert.rejects(new SqliteSink(path).open(), { name: 'MailprocError', code: 'store.not-writable' });
  }
});

test('SqliteSink that must exist creates nothing, and opens what is there', async (context) => {
  const folder = temporaryFolder(context);
  const missing = new SqliteSink(join(folder, 'mail.sqlite'), { mustExist: true });
  await assert.rejects(missing.open(), (error: Error & { code: string; hint: string }) => {
    assert.equal(error.name, 'MailprocError');
    assert.equal(error.code, 'store.missing');
    assert.match(error.hint, /check the name/);
    return true;
  });
  assert.deepEqual(readdirSync(folder), []);
  const { path } = await written(context, [sampleRecord(1)]);
  const there = new SqliteSink(path, { mustExist: true });
  await there.open();
  assert.deepEqual(await there.tables(day), [{ name: 'smtp_2022_01_28', rows: 1 }]);
  await there.close();
  await assert.rejects(new SqliteSink(folder, { mustExist: true }).open(), { code: 'store.not-writable' });
});

test('SqliteSink refuses a file it may not write', { skip: process.getuid?.() === 0 }, async (context) => {
  const { path } = await written(context, [sampleRecord(1)]);
  chmodSync(path, 0o400);
  await assert.rejects(new SqliteSink(path).open(), { name: 'MailprocError', code: 'store.not-writable' });
});

test('SqliteSink takes any name for the name of a file', async (context) => {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, 'work'));
  const source = `
    process.chdir(${JSON.stringify(join(folder, 'work'))});
    const { SqliteSink } = await import(${JSON.stringify(sinkModule)});
    for (const name of [':memory:', 'file:a?mode=memory', 'libsql:b', "it's"]) {
      const sink = new SqliteSink(name);
      await sink.open();
      await sink.close();
    }`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  assert.equal(child.stderr, '');
  assert.deepEqual(readdirSync(join(folder, 'work')).sort(), [
    ':memory:',
    'file:a?mode=memory',
    "it's",
    'libsql:b',
  ]);
});

const sinkModule = new URL('../../src/store/sqlite/sqlite-sink.js', import.meta.url).href;
const samplesModule = new URL('./samples.js', import.meta.url).href;

/** A run of its own that writes mails `from` to `to`, four in a batch, then does `last`. */
function runSource(path: string, from: number, to: number, last: string, ofDay = day): string {
  return `
    const { SqliteSink } = await import(${JSON.stringify(sinkModule)});
    const { sampleRecord } = await import(${JSON.stringify(samplesModule)});
    const sink = new SqliteSink(${JSON.stringify(path)});
    await sink.open();
    for (let number = ${from}; number <= ${to}; number += 4) {
      await sink.write([0, 1, 2, 3].map((index) => sampleRecord(number + index, {
        columns: { insert_time: ${JSON.stringify(ofDay)} },
      })));
    }
    ${last}`;
}

test('SqliteSink is safe with two runs at once', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const run = (from: number, to: number) =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      runSource(path, from, to, 'await sink.close();'),
    ]);
  await Promise.all([run(1, 80), run(41, 120)]);
  const rows = allRows(path);
  assert.deepEqual(
    rows.map((row) => row.id),
    Array.from({ length: 120 }, (_, index) => index + 1),
  );
  assert.equal(new Set(rows.map((row) => row.mail_subject)).size, 120);
});

test('SqliteSink stores a mail once of two runs at once for different days', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const run = (ofDay: string) =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      runSource(path, 1, 120, 'await sink.close();', ofDay),
    ]);
  await Promise.all([run(day), run('2022-01-29'), run(day)]);
  const rows = allRows(path);
  assert.equal(rows.length, 120);
  assert.equal(new Set(rows.map((row) => row.mail_subject)).size, 120);
});

test('SqliteSink has every acknowledged row of a run that was killed', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const source = runSource(path, 1, 8, `process.kill(process.pid, 'SIGKILL');`);
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', source]);
  assert.equal(child.signal, 'SIGKILL');
  const sink = new SqliteSink(path);
  await sink.open();
  assert.deepEqual(await sink.write([sampleRecord(8), sampleRecord(9)]), { added: 1, replaced: 0, known: 1 });
  await sink.close();
  assert.deepEqual(
    allRows(path).map((row) => row.id),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

async function written(
  context: TestContext,
  records: Parameters<SqliteSink['write']>[0],
): Promise<{ path: string; sink: SqliteSink }> {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  await sink.open();
  await sink.write(records);
  await sink.close();
  return { path, sink };
}

test('SqliteSink makes a table anew that is pruned while it writes', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const [sink, other] = [new SqliteSink(path), new SqliteSink(path)];
  await sink.open();
  await other.open();
  await sink.write([sampleRecord(1), sampleRecord(2)]);
  await other.pruning.drop(day);
  assert.deepEqual(await sink.tables(day), []);
  assert.deepEqual(await sink.write([sampleRecord(2), sampleRecord(3)]), { added: 2, replaced: 0, known: 0 });
  assert.deepEqual(await sink.tables(day), [{ name: 'smtp_2022_01_28', rows: 2 }]);
  assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
  await other.close();
  await sink.close();
});
