/** `mailproc prune` as an operator runs it. */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Libsql from 'libsql';
import type { Pruned } from '../../src/pipeline/prune.ts';
import type { Report } from '../../src/pipeline/report.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { type MariadbServer, mariadbServer, testUser, whyNoMariadb } from '../support/mariadb.ts';
import { projectRoot } from '../support/project.ts';
import { inTemporaryFolder, type Outcome, runMailproc, sampleDay } from '../support/run-mailproc.ts';

const zone = ['--timezone', 'Asia/Shanghai'];
const withImages = join(projectRoot, 'fixtures/smtp-bdat/capture.pcapng');
const folders = ['--attachments', 'attachment', '--messages', 'message'];

/** 28 January with the sample day and a capture, 29 January with a capture of the same name. */
async function fillStore(folder: string, ...store: readonly string[]): Promise<void> {
  cpSync(sampleDay, join(folder, 'captures/20220128'), { recursive: true });
  for (const day of ['20220128', '20220129']) {
    mkdirSync(join(folder, 'captures', day), { recursive: true });
    copyFileSync(withImages, join(folder, 'captures', day, 'same.pcapng'));
  }
  copyFileSync(
    join(projectRoot, 'fixtures/smtp-pipelining/capture.pcapng'),
    join(folder, 'captures/20220129/other.pcapng'),
  );
  for (const day of ['20220128', '20220129']) await run(folder, day, ...store);
}

async function run(folder: string, day: string, ...store: readonly string[]): Promise<Report> {
  const outcome = await runMailproc(folder, 'captures', day, '--json', ...zone, ...folders, ...store);
  assert.equal(outcome.status, 0, outcome.stderr);
  return JSON.parse(outcome.stdout) as Report;
}

function prune(folder: string, ...argv: readonly string[]): Promise<Outcome> {
  return runMailproc(folder, 'prune', ...zone, ...folders, ...argv);
}

function numbers(text: string): unknown {
  const { days } = JSON.parse(text) as Pruned;
  return days.map(({ day, tables, captures, state }) => {
    return [day, tables.reduce((sum, table) => sum + table.rows, 0), captures, state];
  });
}

function query(folder: string, sql: string): unknown[] {
  const database = new Libsql(join(folder, 'mailproc.sqlite'));
  try {
    return database.prepare(sql).raw(true).all().flat();
  } finally {
    database.close();
  }
}

test('mailproc prune shows what it would drop, and does it with --yes', () =>
  inTemporaryFolder(async (folder) => {
    await fillStore(folder);
    const before = query(folder, 'SELECT name FROM sqlite_master ORDER BY name');
    const shown = await prune(folder, '--before', '20220129');
    assert.deepEqual([shown.status, shown.stderr], [0, '']);
    assert.match(
      shown.stdout,
      /1 day before 2022-01-29\n {2}2022-01-28: 6 captures, \d+ folders with \d+ files/,
    );
    assert.match(shown.stdout, /smtp_2022_01_28 {2}\d+ rows, [\d.]+ [kM]B\n/);
    assert.match(shown.stdout, /nothing was dropped: add --yes/);
    assert.deepEqual(query(folder, 'SELECT name FROM sqlite_master ORDER BY name'), before);
    const json = await prune(folder, '--before', '20220129', '--json');
    assert.deepEqual(numbers(json.stdout), [['2022-01-28', 97, 6, 'listed']]);

    const done = await prune(folder, '--before', '20220129', '--yes');
    assert.deepEqual([done.status, done.stderr], [0, '']);
    assert.match(done.stdout, /, dropped\n/);
    assert.match(done.stdout, /[kM]B inside the file are free for days to come/);
    const tables = query(
      folder,
      `SELECT name FROM sqlite_master WHERE name GLOB '*_2022_*' AND type <> 'index'`,
    );
    assert.deepEqual(tables.sort(), ['smtp_2022_01', 'smtp_2022_01_29']);
    assert.deepEqual(query(folder, 'SELECT DISTINCT table_name FROM mail_keys'), ['smtp_2022_01_29']);
    assert.deepEqual(query(folder, 'SELECT DISTINCT day FROM mailproc_ledger'), ['2022-01-29']);
    const [left] = query(folder, 'SELECT count(*) FROM smtp_2022_01');
    assert.deepEqual(query(folder, 'SELECT count(*) FROM mail_detail'), [left]);
    assert.deepEqual(query(folder, 'SELECT count(*) FROM mailproc_lease'), [0]);
    assert.equal((await runMailproc(folder, 'verify')).status, 0);
    const again = await prune(folder, '--before', '20220129', '--yes');
    assert.match(again.stdout, /nothing before 2022-01-29\n/);
  }));

test('mailproc prune takes the folders of captures that are pruned, and nothing that is not of mailproc', () =>
  inTemporaryFolder(async (folder) => {
    await fillStore(folder);
    const images = readdirSync(join(folder, 'image'));
    assert.ok(images.length > 2 && images.includes('same.pcapng'));
    assert.deepEqual(readdirSync(join(folder, 'message')), ['2022-01-28', '2022-01-29']);
    const kept = images.find((name) => name !== 'same.pcapng') ?? '';
    writeFileSync(join(folder, 'image', kept, 'notes.txt'), 'of a person');
    mkdirSync(join(folder, 'image/mine'));
    await prune(folder, '--before', '20220129', '--yes');
    assert.deepEqual(
      readdirSync(join(folder, 'image')).sort(),
      [kept, 'mine', 'other.pcapng', 'same.pcapng'].sort(),
    );
    assert.deepEqual(readdirSync(join(folder, 'image', kept)), ['notes.txt']);
    assert.deepEqual(readdirSync(join(folder, 'message')), ['2022-01-29']);
    await prune(folder, '--before', '20220130', '--yes');
    assert.deepEqual(readdirSync(join(folder, 'image')).sort(), [kept, 'mine'].sort());
    assert.deepEqual(readdirSync(join(folder, 'message')), []);
  }));

test('mailproc of a day that was pruned stores it again', () =>
  inTemporaryFolder(async (folder) => {
    await fillStore(folder);
    await prune(folder, '--before', '20220130', '--yes');
    const { captures, tables } = await run(folder, '20220128');
    assert.equal(captures.unchanged, 0);
    assert.equal(
      tables.reduce((sum, { rows }) => sum + rows, 0),
      97,
    );
    assert.equal((await runMailproc(folder, 'verify')).status, 0);
  }));

test('mailproc prune leaves a day to the run that is at its captures, says so and exits with 75', () =>
  inTemporaryFolder(async (folder) => {
    await fillStore(folder);
    const sink = new SqliteSink(join(folder, 'mailproc.sqlite'));
    await sink.open();
    const lease = await sink.ledger.lease(['captures/20220128/same.pcapng']);
    const busy = await prune(folder, '--before', '20220130', '--yes', '--quiet');
    assert.deepEqual([busy.status, busy.stdout], [75, '']);
    assert.equal(busy.stderr, 'mailproc: left to another run that is at them now: 2022-01-28\n');
    assert.ok(readdirSync(join(folder, 'image')).includes('same.pcapng'), 'the day that is left uses it');
    await lease?.release();
    await sink.close();
    const done = await prune(folder, '--before', '20220130', '--yes', '--quiet');
    assert.deepEqual(done, { status: 0, stdout: '', stderr: '' });
    assert.deepEqual(query(folder, 'SELECT count(*) FROM mail_keys'), [0]);
  }));

test('mailproc prune --keep counts days, weeks, months and years back from today', () =>
  inTemporaryFolder(async (folder) => {
    await runMailproc(folder, withImages, '20220128', '--quiet');
    const first = async (keep: string): Promise<string> => {
      const { stdout } = await runMailproc(folder, 'prune', '--keep', keep, '--json', '--timezone', 'UTC');
      return (JSON.parse(stdout) as Pruned).before;
    };
    const back = (days: number): string =>
      new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
    assert.equal(await first('0d'), back(0));
    assert.equal(await first('90d'), back(90));
    assert.equal(await first('2w'), back(14));
    const [year = 0, month = 0] = back(0).split('-').map(Number);
    assert.match(await first('12m'), new RegExp(`^${year - 1}-${String(month).padStart(2, '0')}-`));
    assert.equal(await first('1y'), await first('12m'));
  }));

for (const [what, argv, said] of [
  ['nothing that says how much', [], /one of --keep and --before expected/],
  ['both', ['--keep', '3m', '--before', '20220101'], /one of --keep and --before expected/],
  ['a time that is none', ['--keep', '90'], /a number with d, w, m or y expected/],
  ['a date that is none', ['--before', '20220230'], /not a date/],
  ['a day to come', ['--before', '29990101'], /today, .*, is one of them/],
  ['lines as its store', ['--keep', '90d', '--store', 'ndjson:x'], /this kind of store is not made of days/],
] as const) {
  test(`mailproc prune with ${what} says what is wrong and exits with 2`, () =>
    inTemporaryFolder(async (folder) => {
      const { status, stdout, stderr } = await runMailproc(folder, 'prune', ...argv);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, said);
      assert.deepEqual(readdirSync(folder), []);
    }));
}

const skip = whyNoMariadb();
if (skip === undefined) withServer();
else test('mailproc prune --store mysql://…', { skip }, () => {});

function withServer(): void {
  let server: MariadbServer;
  before(async () => {
    server = await mariadbServer();
    process.env['MAILPROC_MYSQL_PASSWORD'] = testUser.password;
  });
  after(() => server.remove());

  for (const schema of ['wide', 'documented'] as const) {
    test(`mailproc prune drops days of ${schema} tables of MySQL, and a run stores them again`, () =>
      inTemporaryFolder(async (folder) => {
        const address = `mysql://${testUser.user}@127.0.0.1:${server.port}/${schema}?schema=${schema}`;
        const store = ['--store', address];
        await fillStore(folder, ...store);
        const names = async (sql: string): Promise<unknown[]> => {
          const connection = await server.connect({ asRoot: true, database: schema });
          try {
            const [rows] = await connection.query({ sql, rowsAsArray: true });
            return (rows as unknown[][]).flat().map(String);
          } finally {
            connection.destroy();
          }
        };
        const shown = await prune(folder, '--before', '20220129', '--json', ...store);
        assert.deepEqual(numbers(shown.stdout), [['2022-01-28', 97, 6, 'listed']]);
        const done = await prune(folder, '--before', '20220129', '--yes', '--json', ...store);
        assert.deepEqual(numbers(done.stdout), [['2022-01-28', 97, 6, 'dropped']]);
        assert.deepEqual(await names(`SHOW TABLES LIKE '%2022%'`), ['smtp_2022_01', 'smtp_2022_01_29']);
        const [left] = await names('SELECT COUNT(*) FROM smtp_2022_01_29');
        assert.deepEqual(await names('SELECT COUNT(*) FROM smtp_2022_01'), [left]);
        assert.deepEqual(await names('SELECT DISTINCT day FROM mailproc_ledger'), ['2022-01-29']);
        const counted = await names('SELECT DISTINCT table_name FROM mailproc_ledger_rows');
        assert.deepEqual(counted, ['smtp_2022_01_29']);
        if (schema === 'documented')
          assert.deepEqual(await names('SELECT DISTINCT table_name FROM mail_keys'), ['smtp_2022_01_29']);
        assert.equal((await runMailproc(folder, 'verify', ...store)).status, 0);
        const { tables } = await run(folder, '20220128', ...store);
        assert.equal(
          tables.reduce((sum, { rows }) => sum + rows, 0),
          97,
        );
        await prune(folder, '--before', '20220130', '--yes', ...store);
        assert.deepEqual(await names(`SHOW TABLES LIKE '%2022%'`), []);
        assert.equal((await runMailproc(folder, 'verify', ...store)).status, 0);
      }));
  }
}
