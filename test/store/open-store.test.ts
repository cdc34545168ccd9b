import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { MailprocError } from '../../src/core/errors.ts';
import { NdjsonFileSink } from '../../src/store/ndjson/ndjson-file-sink.ts';
import { openStore } from '../../src/store/open-store.ts';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { fileError } from '../../src/store/store-error.ts';
import { sampleRecord } from './samples.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('openStore gives the store its URL names and touches nothing', (context) => {
  const folder = temporaryFolder(context);
  const sqlite = openStore(`sqlite:${join(folder, 'a')}`);
  const ndjson = openStore(`ndjson:${join(folder, 'b:c')}`);
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
  const sink = openStore('ndjson:-', { output });
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
    await assert.rejects(openStore(url, { mustExist: true }).open(), {
      name: 'MailprocError',
      code: 'store.missing',
    });
    assert.deepEqual(readdirSync(folder), []);
    const sink = openStore(url);
    await sink.open();
    await sink.close();
    const again = openStore(url, { mustExist: true });
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
  test(`openStore refuses ${JSON.stringify(url)} and names the forms`, () => {
    assert.throws(
      () => openStore(url),
      (error: unknown) => {
        assert.ok(error instanceof MailprocError);
        assert.equal(error.code, 'usage.store');
        assert.match(error.hint ?? '', /sqlite:FILE.*ndjson:FILE.*ndjson:-/);
        return true;
      },
    );
  });
}

test('openStore says that MySQL is not in this version, without the password', () => {
  assert.throws(
    () => openStore('mysql://root:secret@db.example:3306'),
    (error: unknown) => {
      assert.ok(error instanceof MailprocError);
      assert.match(error.message, /mysql:\/\/root:\*\*\*@db\.example:3306: mysql is not in this version/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
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
