/** The command as a user runs it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Report } from '../../src/pipeline/report.ts';
import { projectRoot } from '../support/project.ts';
import { inTemporaryFolder, runMailproc, runMailprocOn, sampleDay } from '../support/run-mailproc.ts';

const oneMail = join(projectRoot, 'fixtures/smtp-slow-segments/capture.pcapng');

const wrongUsage: readonly (readonly [what: string, argv: readonly string[], ...said: readonly RegExp[]])[] =
  [
    ['no arguments', [], /missing required argument 'dir'/, /mailproc <dir> null \| mailproc <dir> 20220128/],
    ['no date', ['somewhere'], /missing required argument 'date'/],
    ['a date in another form', ['x', '2022-01-28'], /read date "2022-01-28"/, /null for today/, /yyyyMMdd/],
    ['a date that is none', ['x', '20220230'], /read date "20220230": not a date/],
    ['a year that is none', ['x', '00000101'], /read date "00000101": not a date/],
    ['an unknown option', ['x', 'null', '--stor', 'y'], /unknown option '--stor'/],
    ['a misspelt option', ['x', 'null', '--stroe', 'y'], /'--stroe' \(Did you mean --store\?\)$/m],
    [
      'a folder for mails in progress that is not there',
      ['.', 'null', '--spill', 'no'],
      /use no for .*: there is no such/,
    ],
    ['an unknown store', ['x', 'null', '--store', 'postgres:x'], /postgres/, /sqlite:FILE/, /ndjson:FILE/],
    ['an unknown zone', ['x', 'null', '--timezone', 'Mars/Base'], /Mars\/Base/],
    ['a port that is none', ['x', 'null', '--ports', 'smtp=70000'], /70000/, /smtp=25,587/],
    ['a number of threads that is none', ['x', 'null', '--jobs', '0'], /a number of threads from 1 to 64/],
    ['a size that is none', ['x', 'null', '--mail-max', '64X'], /--mail-max: a size from 64K/, /example 64M/],
    ['a size that is too small', ['x', 'null', '--mail-max', '63K'], /a size from 64K to 1G/],
    ['an unknown protocol', ['x', 'null', '--ports', 'http=80'], /unknown protocol "http"/],
    ['two outputs on stdout', ['x', 'null', '--json', '--store', 'ndjson:-'], /both write to stdout/],
    [
      'a configuration file that is not there',
      ['x', 'null', '--config', 'none.yaml'],
      /none\.yaml: there is no/,
    ],
  ];

for (const [what, argv, ...said] of wrongUsage) {
  test(`mailproc with ${what} says what to do and exits with 2`, () =>
    inTemporaryFolder(async (folder) => {
      const { status, stdout, stderr } = await runMailproc(folder, ...argv);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      for (const text of said) assert.match(stderr, text);
      assert.doesNotMatch(stderr, /^\s+at /m, 'no stack trace for a user');
      assert.deepEqual(readdirSync(folder), [], 'nothing was made');
    }));
}

test('mailproc --config names an unknown key and the nearest known one', () =>
  inTemporaryFolder(async (folder) => {
    writeFileSync(join(folder, 'c.yaml'), 'stroe: sqlite:x\n');
    const { status, stderr } = await runMailproc(folder, oneMail, 'null', '--config', 'c.yaml');
    assert.equal(status, 2);
    assert.match(stderr, /c\.yaml: unknown key "stroe"/);
    assert.match(stderr, /did you mean "store"\?/);
  }));

test('mailproc takes settings from the configuration file, and the command line wins', () =>
  inTemporaryFolder(async (folder) => {
    writeFileSync(
      join(folder, 'c.yaml'),
      'store: ndjson:file.ndjson\nimages: pictures\njson: true\nports:\n  smtp: [2525]\n',
    );
    const argv = [oneMail, '20220128', '--config', 'c.yaml', '--images', 'other'];
    const { status, stdout } = await runMailproc(folder, ...argv);
    assert.equal(status, 0);
    const report = JSON.parse(stdout) as { store: string; imageFolder: string };
    assert.equal(report.store, 'ndjson:file.ndjson');
    assert.equal(report.imageFolder, 'other');
  }));

test('mailproc reads the sample day into SQLite, shows a report, and a second run adds nothing', () =>
  inTemporaryFolder(async (folder) => {
    const first = await runMailproc(folder, sampleDay, '20220128');
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /captures +5 read/);
    assert.match(first.stdout, /smtp_2022_01_28 +\d+ rows/);
    const again = await runMailproc(folder, sampleDay, '20220128', '--json');
    const { captures, mails, tables } = JSON.parse(again.stdout) as Report;
    assert.deepEqual([captures.read, captures.unchanged], [0, 5]);
    for (const counts of Object.values(mails)) assert.equal(counts.seen, 0);
    for (const { name, rows } of tables) assert.match(first.stdout, new RegExp(`${name} +${rows} rows`));
    const list = await runMailproc(folder, 'list', '20220128', '--limit', '2');
    assert.equal(list.status, 0);
    assert.match(list.stdout, /2022-01-28: the first 2 of \d+ rows/);
  }));

test('mailproc keeps what it writes from other users', () =>
  inTemporaryFolder(async (folder) => {
    await runMailproc(folder, sampleDay, '20220128');
    assert.equal(statSync(join(folder, 'mailproc.sqlite')).mode & 0o777, 0o600);
    const images = join(folder, 'image');
    assert.equal(statSync(images).mode & 0o777, 0o700);
    for (const capture of readdirSync(images)) {
      assert.equal(statSync(join(images, capture)).mode & 0o777, 0o700);
      for (const file of readdirSync(join(images, capture))) {
        assert.equal(statSync(join(images, capture, file)).mode & 0o777, 0o600);
      }
    }
  }));

test('mailproc list of a store that is not there says so and makes none', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stderr } = await runMailproc(folder, 'list', '20220128');
    assert.equal(status, 1);
    assert.match(stderr, /mailproc\.sqlite/);
    assert.deepEqual(readdirSync(folder), []);
  }));

test('mailproc --store ndjson:- writes rows to stdout and the report to stderr', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stdout, stderr } = await runMailproc(folder, oneMail, '20220128', '--store', 'ndjson:-');
    assert.equal(status, 0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { insert_time: string; parse_sign: number });
    assert.deepEqual(
      rows.map((row) => [row.insert_time, row.parse_sign]),
      [['2022-01-28', 1]],
    );
    assert.match(stderr, /mails +1/);
    assert.match(stderr, /octets +[\d,]+: [\d,]+ of mails, [\d,]+ of their protocols/);
    const explained = await runMailproc(folder, 'explain', oneMail);
    assert.equal(/^octets .*$/m.exec(explained.stdout)?.[0], /^octets .*$/m.exec(stderr)?.[0]);
  }));

test('mailproc - reads a capture from standard input into the day that is given, packed too', () =>
  inTemporaryFolder(async (folder) => {
    const bytes = readFileSync(oneMail);
    for (const [input, added] of [
      [bytes, 'new'],
      [gzipSync(bytes), 'stored before'],
    ] as const) {
      const outcome = await runMailprocOn(input, folder, '-', '20220128');
      assert.equal(outcome.status, 0, outcome.stderr);
      assert.match(outcome.stdout, new RegExp(`mails +\\d+ \\((?:0 new, )?\\d+ ${added}`));
    }
    const listed = await runMailproc(folder, 'verify', '20220128');
    assert.match(listed.stdout, /agree/);
    assert.equal(listed.status, 0);
  }));

test('mailproc --quiet prints nothing when all is well', () =>
  inTemporaryFolder(async (folder) => {
    const outcome = await runMailproc(folder, oneMail, '20220128', '--quiet');
    assert.deepEqual(outcome, { status: 0, stdout: '', stderr: '' });
  }));

test('mailproc of a directory that is not there says so and exits with 1', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stderr } = await runMailproc(folder, 'nowhere', '20220128');
    assert.equal(status, 1);
    assert.match(stderr, /nowhere/);
  }));

test(
  'mailproc of a capture that may not be read names it, reads the others and exits with 3',
  {
    skip: process.platform !== 'linux',
  },
  () =>
    inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, 'captures'));
      symlinkSync(oneMail, join(folder, 'captures/20220128-good.pcapng'));
      // A regular file whose first octet nobody can read, whoever it is.
      symlinkSync('/proc/self/mem', join(folder, 'captures/20220128-bad.pcapng'));
      symlinkSync('nowhere', join(folder, 'captures/20220128-gone.pcapng'));
      // As a name in GBK is.
      writeFileSync(Buffer.from(`${folder}/captures/20220128-\xd6\xd0.pcapng`, 'latin1'), 'no capture');
      const json = await runMailproc(folder, 'captures', '20220128', '--json');
      const { captures } = JSON.parse(json.stdout) as Report;
      assert.deepEqual([json.status, captures.read, captures.ignored.unreadable], [3, 1, 3]);
      assert.deepEqual(
        captures.damaged.map(({ path, code, detail }) => [path, code, detail]),
        [
          ['captures/20220128-bad.pcapng', 'capture.unreadable', 'the disk cannot read or write it'],
          ['captures/20220128-\ufffd\ufffd.pcapng', 'capture.unreadable', 'its name is not UTF-8: rename it'],
        ],
      );
      const quiet = await runMailproc(folder, 'captures', '20220128', '--quiet');
      assert.equal(quiet.status, 3);
      assert.match(
        quiet.stderr,
        /^mailproc: 2022-01-28: cannot read captures\/20220128-bad\.pcapng: .*, and 1 more\n$/,
      );
    }),
);

test(
  'mailproc with output for which there is no room says so, and with a log that nobody reads does its work',
  {
    skip: !existsSync('/dev/full'),
  },
  () =>
    inTemporaryFolder(async (folder) => {
      const argv = [join(projectRoot, 'bin/mailproc.js'), oneMail, '20220128', '--json'];
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, argv, { cwd: folder, stdio: ['ignore', full, 'pipe'] });
      let said = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      assert.deepEqual(await once(child, 'close'), [1, null]);
      assert.equal(said, 'mailproc: write standard output: no space is left\n');
      const logged = [...argv.slice(0, -1), '--log', 'json', '--reprocess'];
      const deaf = spawn(process.execPath, logged, { cwd: folder, stdio: ['ignore', 'ignore', full] });
      assert.deepEqual(await once(deaf, 'close'), [0, null]);
      closeSync(full);
    }),
);

test('mailproc in a time zone that TZ names and nobody knows says so; in one without a name it is UTC', () =>
  inTemporaryFolder(async (folder) => {
    const argv = [join(projectRoot, 'bin/mailproc.js'), '.', 'null'];
    const run = (TZ: string) =>
      spawnSync(process.execPath, argv, { cwd: folder, env: { ...process.env, TZ }, encoding: 'utf8' });
    const unknown = run('Mars/Base');
    assert.equal(unknown.status, 2);
    assert.match(unknown.stderr, /TZ is "Mars\/Base", and there is no such zone\n.*--timezone/);
    assert.match(run('').stdout, /^mailproc \d{4}-\d\d-\d\d \(UTC\)/);
  }));

test('mailproc reads a damaged capture up to the damage, names it and exits with 3', () =>
  inTemporaryFolder(async (folder) => {
    const whole = readFileSync(oneMail);
    writeFileSync(join(folder, 'cut.pcapng'), whole.subarray(0, whole.length - 7));
    const { status, stdout } = await runMailproc(folder, 'cut.pcapng', '20220128');
    assert.equal(status, 3);
    assert.match(stdout, /cut\.pcapng/);
  }));

test('mailproc survives a reader of its output that goes away', () =>
  inTemporaryFolder(async (folder) => {
    const argv = [join(projectRoot, 'bin/mailproc.js'), sampleDay, '20220128', '--store', 'ndjson:-'];
    const child = spawn(process.execPath, argv, { cwd: folder });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [status] = (await once(child, 'close')) as [number];
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /EPIPE/);
  }));

test('mailproc explain shows a capture to a person, and as JSON', () =>
  inTemporaryFolder(async (folder) => {
    const shown = await runMailproc(folder, 'explain', oneMail, '--timezone', 'UTC');
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /pcapng, [\d,]+ octets, \d+ packets, ETHERNET \(1\)/);
    assert.match(shown.stdout, /SMTP, told by the server's first words/);
    assert.match(shown.stdout, /= mail #1: DATA, [\d,]+ octets to frame \d+; whole; accepted/);
    const json = await runMailproc(folder, 'explain', oneMail, '--json');
    const told = JSON.parse(json.stdout) as {
      files: unknown[];
      connections: { kind: string }[];
      totals: object;
    };
    assert.deepEqual([told.files.length, told.connections.map(({ kind }) => kind)], [1, ['smtp']]);
    assert.deepEqual(readdirSync(folder), [], 'nothing was made');
  }));

test('mailproc explain of a capture without mail is still valid JSON', () =>
  inTemporaryFolder(async (folder) => {
    writeFileSync(join(folder, 'no.pcap'), 'no capture');
    const { status, stdout } = await runMailproc(folder, 'explain', 'no.pcap', '--json');
    assert.equal(status, 3);
    const told = JSON.parse(stdout) as { connections: unknown[] };
    assert.deepEqual(told.connections, []);
  }));

test('mailproc explain of a directory says what to name instead', () =>
  inTemporaryFolder(async (folder) => {
    const { status, stderr } = await runMailproc(folder, 'explain', '.');
    assert.equal(status, 2);
    assert.match(stderr, /it is a directory/);
  }));

test('mailproc --help and --version answer and exit with 0', async () => {
  const help = await runMailproc('.', '--help');
  assert.equal(help.status, 0);
  for (const option of ['--store', '--images', '--keylog', '--timezone', '--ports', '--config', '--json']) {
    assert(help.stdout.includes(option), option);
  }
  const other = await runMailproc('.', 'help', 'watch');
  assert.equal(other.status, 0);
  for (const option of ['--poll', '--store', '--timezone']) assert(other.stdout.includes(option), option);
  const version = await runMailproc('.', '--version');
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
