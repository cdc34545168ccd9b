import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { columnNames } from '../../src/record/types.ts';
import { NdjsonFileSink } from '../../src/store/ndjson/ndjson-file-sink.ts';
import { NdjsonStreamSink } from '../../src/store/ndjson/ndjson-stream-sink.ts';
import type { StoredRow } from '../../src/store/sink.ts';
import { incompleteRecord, sampleRecord } from './samples.ts';
import { sinkSuite } from './sink-suite.ts';
import { temporaryFolder } from './temporary-folder.ts';

sinkSuite(
  'NdjsonFileSink',
  (context) => {
    const path = join(temporaryFolder(context), 'mail.ndjson');
    return { sink: () => new NdjsonFileSink(path), rows: async () => rowsOf(readFileSync(path)) };
  },
  { second: 'busy', reopens: true },
);

sinkSuite(
  'NdjsonStreamSink',
  () => {
    const pieces: Buffer[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        pieces.push(chunk);
        setImmediate(done);
      },
    });
    return { sink: () => new NdjsonStreamSink(stream), rows: async () => rowsOf(Buffer.concat(pieces)) };
  },
  { second: undefined, reopens: false },
);

/** Rows by id; of two with one id the later counts. */
function rowsOf(ndjson: Buffer): StoredRow[] {
  const text = ndjson.toString();
  assert.ok(text === '' || text.endsWith('\n'));
  const rows = new Map<number, StoredRow>();
  for (const line of text.split('\n').slice(0, -1)) {
    const { detail, ...row } = JSON.parse(line) as StoredRow & { detail: { mail_key: string } };
    assert.match(detail.mail_key, /^[0-9a-f]{32}$/);
    rows.set(Number(row.id), row as StoredRow);
  }
  return [...rows.values()].sort((left, right) => Number(left.id) - Number(right.id));
}

test('NdjsonFileSink writes the documented columns and then the detail, for its owner alone', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  const record = sampleRecord(1);
  await writeAll(path, [record]);
  const line = JSON.parse(await readFile(path, 'utf8')) as object;
  assert.deepEqual(Object.keys(line), [...columnNames, 'detail']);
  assert.deepEqual(line, { id: 1, ...record.columns, detail: record.detail });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('NdjsonFileSink has no NUL and no lone surrogate in its detail, escaped or not', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeAll(path, [sampleRecord(1, { detail: { user: 'a\0\ud800', mailbox: '\\u0000' } })]);
  const line = JSON.parse(await readFile(path, 'utf8')) as { detail: { user: string; mailbox: string } };
  assert.deepEqual([line.detail.user, line.detail.mailbox], ['a\uFFFD\uFFFD', '\\u0000']);
});

test('NdjsonFileSink cuts off the line a killed run has torn, wherever it was torn', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeAll(path, [sampleRecord(1), sampleRecord(2)]);
  const whole = await readFile(path);
  const second = whole.indexOf(10) + 1;
  for (const end of [second + 1, second + 6, second + 40, whole.length - 2]) {
    await writeFile(path, whole.subarray(0, end));
    const sink = new NdjsonFileSink(path);
    await sink.open();
    assert.equal(statSync(path).size, second, `torn at ${end}`);
    assert.deepEqual(await sink.write([sampleRecord(1), sampleRecord(2)]), {
      added: 1,
      replaced: 0,
      known: 1,
    });
    await sink.close();
    assert.deepEqual(await readFile(path), whole);
  }
});

test('NdjsonFileSink keeps a last line that lacks nothing but its line feed', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeAll(path, [sampleRecord(1), sampleRecord(2)]);
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, -1));
  await writeAll(path, [sampleRecord(2), sampleRecord(3)]);
  assert.deepEqual(
    rowsOf(await readFile(path)).map((row) => row.id),
    [1, 2, 3],
  );
});

test('NdjsonFileSink cuts off the zeros a crashed machine has left', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeAll(path, [sampleRecord(1)]);
  const whole = await readFile(path);
  await appendFile(path, Buffer.alloc(5000));
  await writeAll(path, []);
  assert.deepEqual(await readFile(path), whole);
});

for (const [what, content] of [
  ['a text without a line feed', 'my only copy'],
  ['a text', 'first\nsecond\n'],
  ['other JSON lines', '{"id":1}\n{"id":2}\n'],
  ['a row and then something else', undefined],
] as const) {
  test(`NdjsonFileSink refuses ${what} and leaves it as it is`, async (context) => {
    const path = join(temporaryFolder(context), 'mail.ndjson');
    if (content === undefined) {
      await writeAll(path, [sampleRecord(1)]);
      await appendFile(path, 'something else\n');
    } else {
      await writeFile(path, content);
    }
    const before = await readFile(path);
    await assert.rejects(new NdjsonFileSink(path).open(), { name: 'MailprocError', code: 'store.foreign' });
    assert.deepEqual(await readFile(path), before);
    assert.deepEqual(await readdir(join(path, '..')), ['mail.ndjson']);
  });
}

test('NdjsonFileSink drops replaced rows when it is closed, and those of a killed run at the next time', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  const sink = new NdjsonFileSink(path);
  await sink.open();
  await sink.write([incompleteRecord(1, 10), sampleRecord(2)]);
  await sink.write([sampleRecord(1)]);
  const killed = await readFile(path);
  assert.equal(lineCount(killed), 3, 'the row that replaces is durable before the old one goes');
  await sink.close();
  const closed = await readFile(path);
  assert.equal(lineCount(closed), 2);

  await writeFile(path, killed);
  await writeFile(`${path}.compact`, 'left by a run that was killed');
  await writeAll(path, [sampleRecord(1)]);
  assert.deepEqual(await readFile(path), closed);
  assert.deepEqual(await readdir(join(path, '..')), ['mail.ndjson']);
});

test('NdjsonFileSink writes through a symbolic link and leaves it one', async (context) => {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, 'real'), '');
  symlinkSync('real', join(folder, 'link'));
  await writeAll(join(folder, 'link'), [incompleteRecord(1, 1), sampleRecord(1)]);
  assert.equal(lineCount(readFileSync(join(folder, 'real'))), 1);
});

test('NdjsonFileSink refuses a directory, a device and a missing folder', async (context) => {
  const folder = temporaryFolder(context);
  for (const path of [folder, '/dev/null', join(folder, 'missing', 'mail.ndjson')]) {
    await assert.rejects(new NdjsonFileSink(path).open(), {
      name: 'MailprocError',
      code: 'store.not-writable',
    });
  }
});

test('NdjsonFileSink stops when the ids of 31 bits are used up', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeAll(path, [sampleRecord(1)]);
  const line = (await readFile(path, 'utf8')).replace('"id":1,', '"id":2147483646,');
  await writeFile(path, line);
  await writeAll(path, [sampleRecord(2)]);
  const sink = new NdjsonFileSink(path);
  await sink.open();
  assert.deepEqual(await sink.write([sampleRecord(2)]), { added: 0, replaced: 0, known: 1 });
  await assert.rejects(sink.write([sampleRecord(3)]), { code: 'store.ids-exhausted' });
  await sink.close();
  assert.deepEqual(
    rowsOf(await readFile(path)).map((row) => row.id),
    [2147483646, 2147483647],
  );
});

test('NdjsonFileSink takes over the lock of a process that has died', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  await writeFile(`${path}.lock`, `${pid} ${hostname()} 00\n`);
  await writeAll(path, [sampleRecord(1)]);
  assert.deepEqual(await readdir(join(path, '..')), ['mail.ndjson']);
});

test('NdjsonFileSink takes over a lock of its own number from before its time', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeFile(`${path}.lock`, `${process.pid} ${hostname()} 00\n`);
  utimesSync(`${path}.lock`, 1_600_000_000, 1_600_000_000);
  await writeAll(path, [sampleRecord(1)]);
});

test('NdjsonFileSink takes over a lock without a name in it only once that is old', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  await writeFile(`${path}.lock`, '');
  await assert.rejects(new NdjsonFileSink(path).open(), { code: 'store.busy' });
  utimesSync(`${path}.lock`, 1_600_000_000, 1_600_000_000);
  await writeAll(path, [sampleRecord(1)]);
});

test('NdjsonFileSink respects the lock of another machine and of a living process', async (context) => {
  const path = join(temporaryFolder(context), 'mail.ndjson');
  for (const owner of ['1 another.host', `${process.ppid} ${hostname()}`]) {
    await writeFile(`${path}.lock`, `${owner} 00\n`);
    await assert.rejects(new NdjsonFileSink(path).open(), { name: 'MailprocError', code: 'store.busy' });
    assert.equal(await readFile(`${path}.lock`, 'utf8'), `${owner} 00\n`);
  }
});

test('NdjsonStreamSink goes on counting when the reader has gone', async () => {
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const sink = new NdjsonStreamSink(stream);
  await sink.open();
  assert.deepEqual(await sink.write([sampleRecord(1)]), { added: 1, replaced: 0, known: 0 });
  assert.deepEqual(await sink.write([sampleRecord(1), sampleRecord(2)]), { added: 1, replaced: 0, known: 1 });
  await sink.close();
});

test('NdjsonStreamSink reports any other trouble of the pipe', async () => {
  const stream = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
    },
  });
  const sink = new NdjsonStreamSink(stream);
  await sink.open();
  await assert.rejects(sink.write([sampleRecord(1)]), { name: 'MailprocError', code: 'store.full' });
});

async function writeAll(path: string, records: Parameters<NdjsonFileSink['write']>[0]): Promise<void> {
  const sink = new NdjsonFileSink(path);
  await sink.open();
  await sink.write(records);
  await sink.close();
}

function lineCount(ndjson: Buffer): number {
  return ndjson.toString().split('\n').length - 1;
}
