import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { mayBeAlive, type Run, thisRun } from '../../src/store/process.ts';

const linuxOnly = { skip: process.platform !== 'linux' };

for (const [what, changes, expected] of [
  ['this process', {}, true],
  ['a process of another host', { host: 'elsewhere', processId: 2_147_483_647 }, true],
  ['a process that is gone', { processId: 2_147_483_647 }, false],
  ['a process whose start is not known', { startTime: '' }, true],
] as const) {
  test(`mayBeAlive is ${expected} for ${what}`, () => {
    assert.equal(mayBeAlive({ ...thisRun(), ...changes }), expected);
  });
}

test('mayBeAlive tells a process from an earlier one with its id', linuxOnly, () => {
  const run = thisRun();
  assert.match(run.startTime, /^\d+$/);
  assert.equal(mayBeAlive({ ...run, startTime: `${run.startTime}0` }), false);
});

test('mayBeAlive knows a process by any name', linuxOnly, async () => {
  const module = new URL('../../src/store/process.js', import.meta.url).href;
  const source = `
    const { thisRun } = await import(${JSON.stringify(module)});
    process.title = 'a) Z 1 (2';
    console.log(JSON.stringify(thisRun()));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const run = JSON.parse(line.toString()) as Run;
    assert.equal(run.host, thisRun().host);
    assert.equal(mayBeAlive(run), true);
    child.kill('SIGKILL');
    await ended;
    assert.equal(mayBeAlive(run), false);
  } finally {
    child.kill('SIGKILL');
  }
});

test('mayBeAlive is false for a process that has ended and waits for its parent', linuxOnly, async () => {
  // What replaces the shell knows nothing of the shell's child, and never waits for it.
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const run = { ...thisRun(), processId: Number(line.toString()), startTime: '' };
    for (let round = 0; round < 1000 && mayBeAlive(run); round++) await delay(10);
    assert.equal(mayBeAlive(run), false);
  } finally {
    parent.kill('SIGKILL');
  }
});
