import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { MailprocError } from '../../src/core/errors.ts';
import { MysqlSink } from '../../src/store/mysql/mysql-sink.ts';
import { NdjsonFileSink } from '../../src/store/ndjson/ndjson-file-sink.ts';
import { openStore, readClusterSettings } from '../../src/store/open-store.ts';
import { sqliteError } from '../../src/store/sqlite/sqlite-error.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { fileError } from '../../src/store/store-error.ts';
import { projectRoot } from '../support/project.ts';
import { sampleRecord } from './samples.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('openStore gives the store its URL names and touches nothing', async (context) => {
  const folder = temporaryFolder(context);
  const sqlite = await openStore(`sqlite:${join(folder, 'a')}`);
  const ndjson = await openStore(`ndjson:${join(folder, 'b:c')}`);
  assert.ok(sqlite instanceof SqliteSink);
  assert.ok(ndjson instanceof NdjsonFileSink);
  assert.equal(sqlite.url, `sqlite:${join(folder, 'a')}`);
  assert.equal(ndjson.url, `ndjson:${join(folder, 'b:c')}`);
  assert.deepEqual(readdirSync(folder), []);
});

test('openStore writes `ndjson:-` to the output it is given', async () => {
  const pieces: Buffer[] = [];
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk);
      done();
    },
  });
  const sink = await openStore('ndjson:-', { output });
  await sink.open();
  await sink.write([sampleRecord(1)]);
  await sink.close();
  assert.equal(JSON.parse(Buffer.concat(pieces).toString()).mail_subject, 'mail 1');
  assert.equal(output.writableEnded, false, 'standard output is not closed');
});

for (const scheme of ['sqlite', 'ndjson']) {
  test(`openStore makes no ${scheme} file that must exist`, async (context) => {
    const folder = temporaryFolder(context);
    const url = `${scheme}:${join(folder, 'mail')}`;
    await assert.rejects((await openStore(url, { mustExist: true })).open(), {
      name: 'MailprocError',
      code: 'store.missing',
    });
    assert.deepEqual(readdirSync(folder), []);
    const sink = await openStore(url);
    await sink.open();
    await sink.close();
    const again = await openStore(url, { mustExist: true });
    await again.open();
    await again.close();
  });
}

for (const url of [
  '',
  'sqlite',
  'sqlite:',
  'ndjson:',
  'csv:file',
  '/tmp/a.sqlite',
  'SQLITE:a',
  ':a',
  'sqlite:a\0b',
]) {
  test(`openStore refuses ${JSON.stringify(url)} and names the forms`, () =>
    assert.rejects(openStore(url), (error: unknown) => {
      assert.ok(error instanceof MailprocError);
      assert.equal(error.code, 'usage.store');
      for (const form of ['sqlite:FILE', 'ndjson:FILE', 'ndjson:-', 'mysql://', 'cluster:FILE', 'mycat:DIR'])
        assert.ok(error.hint?.includes(form), form);
      return true;
    }));
}

const seed = join(projectRoot, 'test/store/mysql/config/samples/seed');

test('openStore takes servers from a URL, a cluster file and a MyCat directory, and connects to none', async () => {
  const environment = { CLUSTER_PASSWORD: 'x', MAILPROC_MYSQL_PASSWORD: 'x' };
  const cluster = join(projectRoot, 'test/store/mysql/config/samples/cluster.yaml');
  for (const url of ['mysql://user@192.0.2.1:3306/mail', `cluster:${cluster}`, `mycat:${seed}`]) {
    const sink = await openStore(url, { environment });
    assert.ok(sink instanceof MysqlSink, url);
    assert.equal(sink.url, url);
    await sink.close();
  }
});

test('openStore hands the parameters behind `mycat:DIR?` on, and refuses others', async () => {
  const sink = await openStore(`mycat:${seed}?time-zone=Asia%2FShanghai&schema=documented`);
  assert.ok(sink instanceof MysqlSink);
  for (const [query, said] of [
    ['zone=UTC', /unknown parameter "zone"/],
    ['schema=narrow', /schema is "narrow"/],
    ['schema=wide&schema=wide', /given twice/],
    ['time-zone=%', /followed by no code/],
  ] as const) {
    await assert.rejects(openStore(`mycat:${seed}?${query}`), { code: 'usage.store', message: said });
  }
  const settings = await readClusterSettings(`mycat:${seed}?schema=documented`);
  assert.equal(settings.schema, 'documented');
});

test('openStore tells what is odd in a configuration, once each', async () => {
  const told: string[] = [];
  await openStore(`mycat:${seed}`, { report: (code, detail) => told.push(`${code} ${detail}`) });
  assert.equal(
    told.filter((text) => /^config\.warning .*sPartitionDay/.test(text)).length,
    1,
    told.join('\n'),
  );
  assert.equal(new Set(told).size, told.length);
});

for (const url of [
  'mysql://root:secret@db.example:3306',
  'mysql://root:se%40cret@db.example',
  'mysql://root:secret@[::1]:3306/mail?tls=off',
]) {
  test(`openStore keeps the password of ${url} out of the name of the store`, async () => {
    const sink = await openStore(url);
    assert.equal(sink.url, url.replace(/root:[^@]*@/, 'root:***@'));
    assert.doesNotMatch(JSON.stringify([sink.url, sink]), /secret|cret@/);
  });
}

for (const url of [
  'mysql://root:se@cret@db:x',
  'postgres://root:se@cret@db',
  'mysql://root:secret@db:99999',
  'mysql://root:secret@db?x=1',
]) {
  test(`openStore repeats no password when it refuses ${url}`, () =>
    assert.rejects(openStore(url), (error: unknown) => {
      assert.ok(error instanceof MailprocError);
      assert.doesNotMatch(`${error.message} ${error.hint}`, /secret|cret|se@/);
      return true;
    }));
}

test('sqliteError tells of a file that the driver cannot open', () => {
  const cause = new Error('ConnectionFailed("Unable to open connection to local database /x: 14")');
  const { code, message, hint } = sqliteError(cause, 'open /x');
  assert.deepEqual([code, message], ['store.not-writable', 'open /x: it cannot be opened']);
  assert.match(hint ?? '', /right to write the file/);
});

for (const [code, expected] of [
  ['ENOSPC', 'store.full'],
  ['EDQUOT', 'store.full'],
  ['EACCES', 'store.not-writable'],
  ['EROFS', 'store.not-writable'],
  ['ENOENT', 'store.not-writable'],
  ['EIO', 'store.failed'],
] as const) {
  test(`fileError makes ${expected} of ${code} and keeps the cause`, () => {
    const cause = Object.assign(new Error(`${code}: reason`), { code });
    const error = fileError(cause, 'write /x');
    assert.equal(error.code, expected);
    assert.match(error.message, /^write \/x: ./);
    assert.equal(error.cause, cause);
    assert.equal(fileError(error, 'outer'), error);
  });
}
