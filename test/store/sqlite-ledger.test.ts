import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import Database from 'libsql';
import { storeLimits } from '../../src/core/limits.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { ledgerSuite, sampleEntry } from './ledger-suite.ts';
import { day, incompleteRecord, sampleRecord } from './samples.ts';
import { temporaryFolder } from './temporary-folder.ts';

ledgerSuite('SqliteSink', (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  let nowMs = 1_700_000_000_000;
  return {
    sink: () => new SqliteSink(path, { now: () => nowMs }),
    expireLeases: () => {
      nowMs += storeLimits.leaseMs;
    },
  };
});

function inDatabase<Result>(path: string, body: (database: InstanceType<typeof Database>) => Result): Result {
  const database = new Database(path);
  try {
    return body(database);
  } finally {
    database.close();
  }
}

const sinkModule = new URL('../../src/store/sqlite/sqlite-sink.js', import.meta.url).href;
const samplesModule = new URL('./samples.js', import.meta.url).href;

/** Arguments of a run of its own with `sink` open on `path`. */
function run(path: string, body: string): string[] {
  const source = `
    const { SqliteSink } = await import(${JSON.stringify(sinkModule)});
    const { sampleRecord, incompleteRecord } = await import(${JSON.stringify(samplesModule)});
    const sink = new SqliteSink(${JSON.stringify(path)});
    await sink.open();
    ${body}`;
  return ['--input-type=module', '-e', source];
}

test('SqliteSink keeps entries, rows and leases over close and open', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const first = new SqliteSink(path);
  await first.open();
  await first.write([sampleRecord(1)]);
  await first.ledger.settle([sampleEntry('a')]);
  assert.notEqual(await first.ledger.lease(['a']), undefined);
  await first.close();
  const second = new SqliteSink(path);
  await second.open();
  assert.deepEqual(await second.ledger.find(['a']), [sampleEntry('a')]);
  assert.equal((await second.ledger.rows(day)).length, 1);
  assert.equal(await second.ledger.lease(['a']), undefined, 'this process is alive');
  await second.close();
});

test('SqliteSink refuses its ledger while it is closed', async (context) => {
  const sink = new SqliteSink(join(temporaryFolder(context), 'mail.sqlite'));
  const closed = { name: 'MailprocError', code: 'store.closed' };
  await assert.rejects(sink.ledger.find(['a']), closed);
  await sink.open();
  const lease = await sink.ledger.lease(['a']);
  await sink.close();
  await assert.rejects(async () => lease?.renew(), closed);
  await assert.rejects(sink.ledger.lease(['a']), closed);
  await assert.rejects(sink.ledger.settle([sampleEntry('a')]), closed);
});

test('SqliteSink counts nothing of a batch that fails', async (context) => {
  const sink = new SqliteSink(join(temporaryFolder(context), 'mail.sqlite'));
  await sink.open();
  const impossible = sampleRecord(2, { columns: { insert_time: 'never' } });
  await assert.rejects(sink.write([sampleRecord(1), impossible]), { name: 'AssertionError' });
  assert.deepEqual(await sink.ledger.rows(day), []);
  await sink.close();
});

test('SqliteSink forgets keys and details with the rows', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  await sink.open();
  await sink.write([sampleRecord(1), sampleRecord(2, { columns: { file_path: 'b' } })]);
  await sink.ledger.forget('b');
  await sink.close();
  inDatabase(path, (database) => {
    assert.deepEqual(database.prepare('SELECT id FROM mail_keys').all(), [{ id: 1 }]);
    assert.deepEqual(database.prepare('SELECT id FROM mail_detail').all(), [{ id: 1 }]);
  });
});

test('SqliteSink finds the rows of a capture by an index', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  await sink.open();
  await sink.write([sampleRecord(1)]);
  await sink.close();
  inDatabase(path, (database) => {
    for (const sql of [
      `SELECT id FROM smtp_2022_01_28 WHERE file_path = 'a'`,
      'SELECT file_path, count(*) FROM smtp_2022_01_28 GROUP BY file_path',
    ]) {
      const [plan] = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[];
      assert.match(plan?.detail ?? '', /COVERING INDEX smtp_2022_01_28_file_path/);
    }
  });
});

test('SqliteSink counts by capture with two runs at once', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const body = (capture: string) => `
    for (let number = 1; number <= 40; number++) {
      const changes = { columns: { file_path: ${JSON.stringify(capture)} } };
      await sink.write([incompleteRecord(number, 10, changes), sampleRecord(number + 1, changes)]);
    }
    await sink.close();`;
  await Promise.all(
    ['a', 'b'].map((capture) => promisify(execFile)(process.execPath, run(path, body(capture)))),
  );
  const sink = new SqliteSink(path);
  await sink.open();
  const counted = await sink.ledger.count(day);
  assert.deepEqual(await sink.ledger.rows(day), counted);
  assert.equal(
    counted.reduce((sum, { rows }) => sum + rows, 0),
    41,
  );
  await sink.close();
});

test('SqliteSink takes over the lease of a run that was killed, at once', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const child = spawnSync(
    process.execPath,
    run(path, `await sink.ledger.lease(['a', 'b']); process.kill(process.pid, 'SIGKILL');`),
  );
  assert.equal(child.signal, 'SIGKILL');
  inDatabase(path, (database) => {
    assert.equal(database.prepare('SELECT * FROM mailproc_lease').all().length, 2);
  });
  const sink = new SqliteSink(path);
  await sink.open();
  const lease = await sink.ledger.lease(['b', 'c']);
  assert.ok(lease !== undefined);
  await lease.renew();
  await sink.close();
});

test('SqliteSink leaves the lease of a run that is alive', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const body = `await sink.ledger.lease(['a']); console.log('leased'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, run(path, body), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    const sink = new SqliteSink(path);
    await sink.open();
    assert.equal(await sink.ledger.lease(['a']), undefined);
    child.kill('SIGKILL');
    await ended;
    assert.notEqual(await sink.ledger.lease(['a']), undefined);
    await sink.close();
  } finally {
    child.kill('SIGKILL');
  }
});

for (const [what, change, taken] of [
  [
    'whose process id another process has by now',
    `start_time = 'x' || start_time`,
    process.platform === 'linux',
  ],
  ['on another host', `host = 'elsewhere', process_id = 2147483647`, false],
  ['whose process is gone', 'process_id = 2147483647', true],
] as const) {
  test(`SqliteSink ${taken ? 'takes over' : 'leaves'} the lease of a run ${what}`, async (context) => {
    const path = join(temporaryFolder(context), 'mail.sqlite');
    let nowMs = 1_700_000_000_000;
    const sink = new SqliteSink(path, { now: () => nowMs });
    await sink.open();
    await sink.ledger.lease(['a']);
    inDatabase(path, (database) => database.exec(`UPDATE mailproc_lease SET ${change}`));
    nowMs += storeLimits.leaseMs - 1;
    assert.equal((await sink.ledger.lease(['a'])) !== undefined, taken);
    nowMs += storeLimits.leaseMs;
    assert.notEqual(await sink.ledger.lease(['a']), undefined, 'expired');
    await sink.close();
  });
}

test('SqliteSink stores the mails of a day again whose table was dropped by hand', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  const other = { columns: { insert_time: '2022-01-29', file_path: 'b' } };
  const later = { columns: { insert_time: '2022-01-30', file_path: 'c' } };
  const records = [sampleRecord(1), sampleRecord(2, other), sampleRecord(3, { protocol: 'imap' })];
  await sink.open();
  await sink.write([...records, incompleteRecord(4, 10)]);
  const laterOfDay = sampleRecord(4, { columns: { file_path: 'c' } });
  await sink.write([laterOfDay, sampleRecord(5, later)]);
  const [a, b, c] = [
    sampleEntry('captures/20220128.pcapng'),
    sampleEntry('b', { day: '2022-01-29' }),
    sampleEntry('c', { day: '2022-01-30' }),
  ];
  // Brought no mail, but one may begin in it.
  const d = sampleEntry('d');
  await sink.ledger.settle([a, b, c, d]);
  await sink.close();
  inDatabase(path, (database) => database.exec('DROP TABLE smtp_2022_01_28'));

  await sink.open();
  const found = await sink.ledger.find([a.capture, 'b', 'c', 'd']);
  assert.deepEqual(found, [b], 'captures of that day or with rows in that table are to be read again');
  assert.deepEqual(await sink.tables(day), [{ name: 'imap_2022_01_28', rows: 1 }]);
  assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
  inDatabase(path, (database) => {
    const subjects = database.prepare('SELECT mail_subject FROM smtp_2022_01').all();
    assert.deepEqual(subjects, [{ mail_subject: 'mail 2' }, { mail_subject: 'mail 5' }]);
    assert.equal(database.prepare('SELECT * FROM mail_detail').all().length, 3);
  });
  assert.deepEqual(await sink.write([...records, laterOfDay, sampleRecord(5, later)]), {
    added: 2,
    replaced: 0,
    known: 3,
  });
  assert.deepEqual(await sink.ledger.rows(day), await sink.ledger.count(day));
  await sink.close();
});

test('SqliteSink drops the view of a month whose only table was dropped, forgotten rows or not', async (context) => {
  const path = join(temporaryFolder(context), 'mail.sqlite');
  const sink = new SqliteSink(path);
  await sink.open();
  await sink.write([sampleRecord(1)]);
  await sink.ledger.forget(sampleRecord(1).columns.file_path);
  await sink.close();
  inDatabase(path, (database) => database.exec('DROP TABLE smtp_2022_01_28'));
  await sink.open();
  await sink.close();
  inDatabase(path, (database) => {
    assert.deepEqual(database.prepare(`SELECT name FROM sqlite_master WHERE type = 'view'`).all(), []);
  });
});
