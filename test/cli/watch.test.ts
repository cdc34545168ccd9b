/** `mailproc watch` as a process: captures that come and grow, signals, a store that fails. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Libsql from 'libsql';
import type { Report } from '../../src/pipeline/report.ts';
import { temporaryFolder } from '../store/temporary-folder.ts';
import { mariadbServer, testUser, whyNoMariadb } from '../support/mariadb.ts';
import { projectRoot } from '../support/project.ts';
import { runMailproc } from '../support/run-mailproc.ts';

const zone = ['--timezone', 'UTC'];
/** Two of them at midnight: the captures are named by the first, which is yesterday to the other. */
const today = new Date().toISOString().slice(0, 10).replaceAll('-', '');
const fixture = (name: string): string => join(projectRoot, 'fixtures', name, 'capture.pcapng');
const capture = (number: number): string => `captures/cap_0000${number}_${today}0000${number}0.pcapng`;

class Watching {
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  stdout = '';
  stderr = '';

  constructor(context: TestContext, folder: string, ...argv: readonly string[]) {
    const command = [join(projectRoot, 'bin/mailproc.js'), 'watch', 'captures', ...zone, ...argv];
    this.child = spawn(process.execPath, command, { cwd: folder });
    this.#ended = once(this.child, 'close');
    context.after(() => this.child.kill('SIGKILL'));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Until `pattern` is said `times` times. */
  async says(pattern: RegExp, times = 1): Promise<void> {
    const all = new RegExp(pattern.source, 'g');
    for (let rounds = 0; (this.stderr.match(all)?.length ?? 0) < times; rounds++) {
      assert.ok(rounds < 1200 && this.child.exitCode === null, `never ${pattern}: ${this.stderr}`);
      await sleep(50);
    }
  }

  /** Until so many captures are done in the SQLite file `store`. */
  async stores(store: string, captures = 1): Promise<void> {
    for (let rounds = 0; doneIn(store) < captures; rounds++) {
      assert.ok(rounds < 1200 && this.child.exitCode === null, `never stored: ${this.stderr}`);
      await sleep(50);
    }
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    await this.#ended;
    return this.child.exitCode;
  }

  async status(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }
}

function doneIn(store: string): number {
  try {
    const database = new Libsql(store, { readonly: true } as object);
    try {
      const row = database.prepare('SELECT count(*) AS done FROM mailproc_ledger').get();
      return (row as { done: number }).done;
    } finally {
      database.close();
    }
  } catch {
    return 0;
  }
}

function newFolder(context: TestContext): string {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, 'captures'));
  return folder;
}

async function rows(folder: string, ...store: readonly string[]): Promise<number> {
  const { stdout, stderr, status } = await runMailproc(folder, 'verify', '--json', ...store);
  assert.equal(status, 0, stdout + stderr);
  return (JSON.parse(stdout) as { rows: number }).rows;
}

for (const [how, ...argv] of [['told by the system'], ['polling', '--poll', '0.2']] as const) {
  test(`mailproc watch, ${how}, stores what grows, what is rotated and what is in new folders`, async (context) => {
    const folder = newFolder(context);
    const whole = readFileSync(fixture('smtp-auth'));
    const watching = new Watching(context, folder, '--json', ...argv);
    await watching.says(/watching captures/);
    // Cut between two packets: a writer that has just flushed.
    writeFileSync(join(folder, capture(1)), whole.subarray(0, 18_636));
    await watching.says(/1 capture read, \d+ new mails/);
    appendFileSync(join(folder, capture(1)), whole.subarray(18_636));
    await watching.says(/capture read/, 2);
    copyFileSync(fixture('smtp-bdat'), join(folder, capture(2)));
    await watching.says(/captures? read/, 3);
    mkdirSync(join(folder, 'captures/below/deep'), { recursive: true });
    writeFileSync(join(folder, 'captures/below/deep/part'), readFileSync(fixture('pop3-operations')));
    renameSync(
      join(folder, 'captures/below/deep/part'),
      join(folder, `captures/below/deep/other-${today}.pcapng`),
    );
    await watching.says(/captures? read/, 4);
    assert.equal(await watching.end('SIGTERM'), 0, watching.stderr);
    assert.match(watching.stderr, /watching has ended\n$/);
    const reports = watching.stdout.trim().split('\n');
    const added = reports.flatMap((line) => {
      const { mails } = JSON.parse(line) as Report;
      return Object.values(mails).map((counts) => counts.added);
    });
    const sum = added.reduce((total, count) => total + count, 0);
    assert.equal(await rows(folder), sum);
    const again = await runMailproc(folder, 'captures', today, ...zone, '--json');
    const { captures, tables } = JSON.parse(again.stdout) as Report;
    assert.deepEqual([captures.read, captures.unchanged], [0, 3], 'a run has nothing left to do');
    assert.equal(
      tables.reduce((total, table) => total + table.rows, 0),
      sum,
    );
  });
}

test('mailproc watch leaves alone what is no capture, and captures of days long past', async (context) => {
  const folder = newFolder(context);
  const watching = new Watching(context, folder, '--poll', '0.2');
  await watching.says(/watching captures/);
  writeFileSync(join(folder, `captures/notes-${today}.txt`), 'no capture');
  copyFileSync(fixture('smtp-bdat'), join(folder, 'captures/old_20220128.pcapng'));
  copyFileSync(fixture('smtp-auth'), join(folder, capture(1)));
  await watching.says(/new mails/);
  assert.equal(await watching.end('SIGINT'), 0);
  assert.equal(watching.stderr.match(/captures? read/g)?.length, 1, watching.stderr);
  assert.match(watching.stderr, /1 capture read/);
});

test('mailproc watch on SIGHUP takes new settings, names those that cannot change, and keeps all that are wrong', async (context) => {
  const folder = newFolder(context);
  const config = join(folder, 'c.yaml');
  writeFileSync(config, 'store: sqlite:one.sqlite\n');
  copyFileSync(fixture('smtp-auth'), join(folder, capture(1)));
  const watching = new Watching(context, folder, '--config', 'c.yaml');
  await watching.says(/1 capture read/);
  writeFileSync(config, 'stroe: x\n');
  watching.child.kill('SIGHUP');
  await watching.says(/unknown key "stroe"; the settings stay as they were/);
  writeFileSync(config, 'store: ndjson:x\n');
  watching.child.kill('SIGHUP');
  await watching.says(/lines have no ledger of what was read; the settings stay/);
  writeFileSync(config, 'store: sqlite:two.sqlite\nlog: json\n');
  watching.child.kill('SIGHUP');
  await watching.says(/settings read again: changed: store\n/);
  await watching.says(/warning: log cannot change while it runs/);
  await watching.says(/1 capture read/, 2);
  assert.equal(await watching.end('SIGTERM'), 0);
  assert.equal(
    await rows(folder, '--store', 'sqlite:two.sqlite'),
    await rows(folder, '--store', 'sqlite:one.sqlite'),
  );
});

test('mailproc watch names a store that fails, tries again, and loses nothing', async (context) => {
  const folder = newFolder(context);
  copyFileSync(fixture('smtp-bdat'), join(folder, capture(1)));
  const watching = new Watching(context, folder, '--quiet');
  const store = join(folder, 'mailproc.sqlite');
  await watching.stores(store);
  renameSync(store, join(folder, 'aside'));
  mkdirSync(store);
  copyFileSync(fixture('smtp-auth'), join(folder, capture(2)));
  await watching.says(/mailproc\.sqlite: it is no regular file; trying again in 2 s/);
  rmSync(store, { recursive: true });
  renameSync(join(folder, 'aside'), store);
  await watching.stores(store, 2);
  assert.equal(await watching.end('SIGTERM'), 0);
  const lines = watching.stderr.split('\n').filter((line) => line !== '');
  assert.ok(
    lines.every((line) => line.includes('trying again')),
    watching.stderr,
  );
  assert.ok((await rows(folder)) > 6);
});

test('mailproc watch with a store that is down at the start says so and exits with 1', async (context) => {
  const folder = newFolder(context);
  const watching = new Watching(context, folder, '--store', 'mysql://nobody@127.0.0.1:1');
  assert.equal(await watching.status(), 1);
  assert.match(watching.stderr, /127\.0\.0\.1:1/);
  assert.match(watching.stderr, /\n {2}\S/, 'a hint');
});

for (const [what, argv, said] of [
  ['lines as its store', ['--store', 'ndjson:x'], /lines have no ledger/],
  ['--reprocess', ['--reprocess'], /would delete and read all/],
  ['a pause that is none', ['--poll', 'often'], /seconds from 0\.1 to 3600/],
] as const) {
  test(`mailproc watch with ${what} says what is wrong and exits with 2`, async (context) => {
    const watching = new Watching(context, newFolder(context), ...argv);
    assert.equal(await watching.status(), 2);
    assert.match(watching.stderr, said);
  });
}

test('mailproc watch of what is no directory says so and exits with 2', async (context) => {
  const folder = newFolder(context);
  rmSync(join(folder, 'captures'), { recursive: true });
  writeFileSync(join(folder, 'captures'), '');
  const watching = new Watching(context, folder);
  assert.equal(await watching.status(), 2);
  assert.match(watching.stderr, /it is no directory/);
});

const skip = whyNoMariadb() ?? false;

test('mailproc watch goes on when a server is back, and ends although one is silent', {
  skip,
}, async (context) => {
  const server = await mariadbServer(context);
  process.env['MAILPROC_MYSQL_PASSWORD'] = testUser.password;
  const store = ['--store', `mysql://${testUser.user}@127.0.0.1:${server.port}`];
  const folder = newFolder(context);
  copyFileSync(fixture('smtp-bdat'), join(folder, capture(1)));
  const watching = new Watching(context, folder, ...store);
  await watching.says(/1 capture read/);
  await server.kill();
  copyFileSync(fixture('smtp-auth'), join(folder, capture(2)));
  await watching.says(/127\.0\.0\.1:\d+.*; trying again in 1 s/);
  await server.start();
  await watching.says(/captures? read/, 2);
  assert.ok((await rows(folder, ...store)) > 6);
  server.pause();
  copyFileSync(fixture('pop3-operations'), join(folder, capture(3)));
  // Its run has begun, or begins while it shall end already: it must end in both cases.
  await sleep(1500);
  assert.equal(await watching.end('SIGTERM'), 0);
  server.resume();
  const again = await runMailproc(folder, 'captures', today, ...zone, ...store, '--quiet');
  assert.ok(again.status === 0 || again.status === 75, again.stderr);
});
