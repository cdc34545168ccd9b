/** Several runs on one directory, as processes of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixturesFolder } from '../support/fixture.ts';
import { capturesIn, storedMails, writeInSteps, writtenAt } from '../support/growing-captures.ts';
import { SeededRandom } from '../support/random.ts';
import { inTemporaryFolder, runMailproc } from '../support/run-mailproc.ts';

const rotated = capturesIn(join(fixturesFolder, 'rotated-series/captures'));

/** The same traffic in two folders is two series. */
async function writeSeries(folder: string, ...names: readonly string[]): Promise<void> {
  mkdirSync(join(folder, 'captures'));
  for (const name of names) {
    await writeInSteps(join(folder, 'captures', name), rotated, 1, new SeededRandom(1), async (file) =>
      writtenAt(file, 1_643_333_400_000),
    );
  }
}

test('mailproc started several times at once stores each mail once, and steps aside with 75', () =>
  inTemporaryFolder(async (folder) => {
    await writeSeries(folder, 'one', 'two', 'three');
    const runs = await Promise.all(
      ['a', 'b', 'c'].map(() => runMailproc(folder, 'captures', '20220128', '--timezone', 'Asia/Shanghai')),
    );
    for (const { status, stderr } of runs) assert(status === 0 || status === 75, stderr);
    const last = await runMailproc(folder, 'captures', '20220128', '--timezone', 'Asia/Shanghai');
    assert.equal(last.status, 0);
    assert.equal(storedMails(join(folder, 'mailproc.sqlite')).length, 13);
    assert.equal((await runMailproc(folder, 'verify')).status, 0);
  }));

test('mailproc leaves a series to the process that is at it, and takes it over when that was killed', () =>
  inTemporaryFolder(async (folder) => {
    await writeSeries(folder, 'one', 'two');
    const names = readdirSync(join(folder, 'captures/one')).map((name) => `captures/one/${name}`);
    const holder = holdLease(join(folder, 'mailproc.sqlite'), names);
    try {
      await once(holder, 'message');
      const busy = await runMailproc(folder, 'captures', '20220128', '--json');
      assert.equal(busy.status, 75);
      const { captures } = JSON.parse(busy.stdout) as { captures: Record<string, number> };
      assert.deepEqual([captures['busy'], captures['read']], [rotated.length, rotated.length]);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    const free = await runMailproc(folder, 'captures', '20220128', '--json');
    assert.equal(free.status, 0);
    const { captures } = JSON.parse(free.stdout) as { captures: Record<string, number> };
    assert.deepEqual([captures['busy'], captures['read']], [0, rotated.length]);
  }));

/** A process that takes the lease of `captures`, says so, and does no more. */
function holdLease(store: string, captures: readonly string[]): ChildProcess {
  const module = new URL('../../src/store/sqlite/sqlite-sink.js', import.meta.url).href;
  const source = `
    const { SqliteSink } = await import(${JSON.stringify(module)});
    const sink = new SqliteSink(${JSON.stringify(store)});
    await sink.open();
    await sink.ledger.lease(${JSON.stringify(captures)});
    process.send('held');
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
