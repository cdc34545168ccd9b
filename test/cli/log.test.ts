/** What the command says on standard error, as cron and collectors of logs get it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SqliteSink } from '../../src/store/sqlite/sqlite-sink.ts';
import { projectRoot } from '../support/project.ts';
import { inTemporaryFolder, runMailproc, sampleDay } from '../support/run-mailproc.ts';

const mailproc = join(projectRoot, 'bin/mailproc.js');
const oneMail = join(projectRoot, 'fixtures/smtp-slow-segments/capture.pcapng');

type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly code: string };

function jsonLines(text: string): Line[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));
}

test('mailproc repeats no password of a store URL that stands where something else should', () =>
  inTemporaryFolder(async (folder) => {
    const url = 'mysql://sec:p4s:s/w@rd@10.0.0.1:3306';
    const wrong = [
      [url, 'null'],
      [folder, url],
      ['verify', url],
      ['list', url],
      ['images', url],
      ['explain', url],
      ['watch', url],
      ['verify', '--store', `sqlite:${url}`],
      ['verify', '--config', url],
      ['explain', url, '--log', 'json'],
    ];
    for (const args of wrong) {
      const { status, stdout, stderr } = await runMailproc(folder, ...args);
      assert.notEqual(status, 0, stderr);
      assert.match(stderr, /sec:\*\*\*@10\.0\.0\.1/, args.join(' '));
      assert.doesNotMatch(stdout + stderr, /p4s|w@rd/);
    }
  }));

/** The one mail without the end of its last packet. */
function cutCapture(folder: string, name = 'cut.pcapng'): void {
  const whole = readFileSync(oneMail);
  writeFileSync(join(folder, name), whole.subarray(0, whole.length - 7));
}

test('mailproc --log json says on standard error what was done, one object a line', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stdout, stderr } = await runMailproc(folder, sampleDay, '20220128', '--log', 'json');
    assert.deepEqual([status, stdout], [0, '']);
    const [line, ...others] = jsonLines(stderr);
    assert.deepEqual(others, []);
    const { level, code, day, captures, added } = line ?? { level: '', code: '' };
    assert.deepEqual([level, code, day, captures, added], ['info', 'run.done', '2022-01-28', 5, 91]);
    assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.match(String(line?.['msg']), /5 captures read, 91 new mails/);
  }));

test('mailproc --log json --verbose names capture and frame of every anomaly', () =>
  inTemporaryFolder(async (folder) => {
    const gaps = join(projectRoot, 'fixtures/packets-missing/capture.pcapng');
    const damaged = join(projectRoot, 'fixtures/smtp-reset-in-data/capture.pcapng');
    for (const capture of [gaps, damaged]) {
      const { stderr } = await runMailproc(folder, capture, '20220128', '--log', 'json', '--verbose');
      const anomalies = jsonLines(stderr).filter(({ level }) => level === 'debug');
      assert.ok(anomalies.length > 0, stderr);
      for (const line of anomalies) {
        assert.equal(line['capture'], capture);
        assert.ok(Number(line['frame']) > 0, JSON.stringify(line));
      }
    }
  }));

test('mailproc --verbose names capture and frame of every anomaly for people', () =>
  inTemporaryFolder(async (folder) => {
    const damaged = join(projectRoot, 'fixtures/smtp-reset-in-data/capture.pcapng');
    const { stderr } = await runMailproc(folder, damaged, '20220128', '--verbose');
    const lines = stderr.trim().split('\n');
    assert.ok(lines.length > 0 && lines.every((line) => line.startsWith(`${damaged} frame `)), stderr);
  }));

test('mailproc --log json has errors as objects too, with their hint', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stderr } = await runMailproc(folder, 'nowhere', 'null', '--log', 'json', '--quiet');
    const [line, ...others] = jsonLines(stderr);
    assert.deepEqual([status, others], [1, []]);
    assert.deepEqual([line?.level, line?.code], ['error', 'capture.not-found']);
    assert.match(String(line?.['hint']), /name a folder/);
  }));

test('mailproc --log of an unknown form says which there are and exits with 2', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stderr } = await runMailproc(folder, 'x', 'null', '--log', 'xml');
    assert.equal(status, 2);
    assert.match(stderr, /text or json expected, found "xml"/);
  }));

test('mailproc --quiet says nothing on a day without captures and exits with 0', () =>
  inTemporaryFolder(async (folder) => {
    mkdirSync(join(folder, 'captures'));
    for (const log of ['text', 'json']) {
      const outcome = await runMailproc(folder, 'captures', 'null', '--quiet', '--log', log);
      assert.deepEqual(outcome, { status: 0, stdout: '', stderr: '' });
    }
  }));

test('mailproc --quiet says in one line why it exits with 3', () =>
  inTemporaryFolder(async (folder) => {
    cutCapture(folder);
    const text = await runMailproc(folder, 'cut.pcapng', '20220128', '--quiet');
    assert.deepEqual([text.status, text.stdout], [3, '']);
    assert.match(
      text.stderr,
      /^mailproc: 2022-01-28: damaged capture cut\.pcapng: byte \d+, behind frame \d+: .*\n$/,
    );
    cutCapture(folder, 'other.pcapng');
    const json = await runMailproc(folder, 'other.pcapng', '20220128', '--quiet', '--log', 'json');
    const [line, ...others] = jsonLines(json.stderr);
    assert.deepEqual([json.status, json.stdout, others], [3, '', []]);
    assert.deepEqual([line?.level, line?.code, line?.['capture']], ['error', 'run.damaged', 'other.pcapng']);
    assert.equal(typeof line?.['frame'], 'number');
  }));

const failures: readonly (readonly [
  what: string,
  prepare: (folder: string) => void,
  argv: readonly string[],
  status: number,
  said: RegExp,
])[] = [
  ['a server that is down', () => {}, ['--store', 'mysql://u@127.0.0.1:1'], 1, /127\.0\.0\.1:1/],
  ['a folder for the store that is not there', () => {}, ['--store', 'sqlite:no/x'], 1, /does not exist/],
  [
    'a store that is none',
    (folder) => copyFileSync(oneMail, join(folder, 'mailproc.sqlite')),
    [],
    1,
    /it is no SQLite database/,
  ],
  [
    'a configuration with an unknown key',
    (folder) => writeFileSync(join(folder, 'c.yaml'), 'stroe: x\n'),
    ['--config', 'c.yaml'],
    2,
    /unknown key "stroe"/,
  ],
  [
    'a store of which another program has the lock',
    (folder) => {
      writeFileSync(join(folder, 'x.ndjson'), '');
      chmodSync(join(folder, 'x.ndjson'), 0o600);
      writeFileSync(join(folder, 'x.ndjson.lock'), `${process.pid} ${hostname()} 0\n`);
    },
    ['--store', 'ndjson:x.ndjson'],
    75,
    /x\.ndjson/,
  ],
];
for (const [what, prepare, argv, expected, said] of failures) {
  test(`mailproc --quiet with ${what} says so, and what to do, and exits with ${expected}`, () =>
    inTemporaryFolder(async (folder) => {
      prepare(folder);
      const { status, stdout, stderr } = await runMailproc(folder, oneMail, '20220128', '--quiet', ...argv);
      assert.deepEqual([status, stdout], [expected, ''], stderr);
      assert.match(stderr, said);
      assert.match(stderr, /^mailproc: [^\n]*\n(?: {2}[^\n]*\n)?$/, 'one line and a hint');
    }));
}

test('mailproc --quiet at captures that another run is at says so in one line and exits with 75', () =>
  inTemporaryFolder(async (folder) => {
    const sink = new SqliteSink(join(folder, 'mailproc.sqlite'));
    await sink.open();
    const lease = await sink.ledger.lease([oneMail]);
    const text = await runMailproc(folder, oneMail, '20220128', '--quiet');
    assert.deepEqual([text.status, text.stdout], [75, '']);
    assert.equal(text.stderr, 'mailproc: 2022-01-28: 1 capture left to another run that is at them now\n');
    await lease?.release();
    await sink.close();
    const free = await runMailproc(folder, oneMail, '20220128', '--quiet');
    assert.deepEqual(free, { status: 0, stdout: '', stderr: '' });
  }));

test('mailproc --quiet on a full disk says so, exits with 1, and the next run goes on', () =>
  inTemporaryFolder(async (folder) => {
    // A limit for the size of files stands in for the disk.
    const command = [
      '-c',
      'ulimit -f 100; exec "$@"',
      'bash',
      process.execPath,
      mailproc,
      sampleDay,
      '20220128',
    ];
    const { status, stdout, stderr } = spawnSync('bash', [...command, '--quiet'], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout], [1, ''], stderr);
    assert.match(stderr, /^mailproc: [^\n]+\n {2}[^\n]+\n$/);
    const { stderr: none } = await runMailproc(folder, sampleDay, '20220128', '--quiet');
    assert.equal(none, '');
    const verify = await runMailproc(folder, 'verify');
    assert.match(verify.stdout, /ledger and tables agree \(91 rows/);
  }));
