import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { storeLimits } from '../../src/core/limits.ts';
import { SafeFolder } from '../../src/store/safe-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';

const bytes = Buffer.from('image');

test('SafeFolder writes files for their owner alone and creates what it needs', async (context) => {
  const root = join(temporaryFolder(context), 'deep', 'image');
  const files = [
    { path: '1.pcapng/猫 😀.png', bytes },
    { path: '2.pcapng/b.png', bytes: Buffer.alloc(0) },
  ];
  assert.deepEqual(await new SafeFolder(root).write(files), { written: 2, present: 0 });
  for (const file of files) {
    assert.deepEqual(readFileSync(join(root, file.path)), file.bytes);
    assert.equal(statSync(join(root, file.path)).mode & 0o777, 0o600);
  }
  for (const folder of [root, join(root, '1.pcapng')]) assert.equal(statSync(folder).mode & 0o777, 0o700);
});

test('SafeFolder creates nothing without a file', async (context) => {
  const root = join(temporaryFolder(context), 'image');
  assert.deepEqual(await new SafeFolder(root).write([]), { written: 0, present: 0 });
  assert.equal(existsSync(root), false);
});

test('SafeFolder leaves a file alone that is there, and mends one that differs', async (context) => {
  const root = temporaryFolder(context);
  const files = [{ path: 'a/1.png', bytes }];
  await new SafeFolder(root).write(files);
  utimesSync(join(root, 'a/1.png'), 1, 1);
  assert.deepEqual(await new SafeFolder(root).write(files), { written: 0, present: 1 });
  assert.equal(statSync(join(root, 'a/1.png')).mtimeMs, 1000);
  writeFileSync(join(root, 'a/1.png'), 'IMAGE');
  assert.deepEqual(await new SafeFolder(root).write(files), { written: 1, present: 0 });
  assert.deepEqual(readFileSync(join(root, 'a/1.png')), bytes);
  assert.deepEqual(readdirSync(join(root, 'a')), ['1.png']);
});

test('SafeFolder writes more files than it has open at once', async (context) => {
  const root = temporaryFolder(context);
  const count = 3 * storeLimits.fileWritesMax + 1;
  const files = Array.from({ length: count }, (_, index) => ({
    path: `f/${index}`,
    bytes: Buffer.from(`${index}`),
  }));
  assert.deepEqual(await new SafeFolder(root).write(files), { written: count, present: 0 });
  for (const file of files) assert.deepEqual(readFileSync(join(root, file.path)), file.bytes);
});

test('SafeFolder takes the same files from several writers at once', async (context) => {
  const root = temporaryFolder(context);
  const files = Array.from({ length: 20 }, (_, index) => ({ path: `f/${index}`, bytes }));
  await Promise.all([1, 2, 3].map(() => new SafeFolder(root).write(files)));
  assert.equal(readdirSync(join(root, 'f')).length, 20);
});

for (const path of [
  'a.png',
  'a/b/c.png',
  '../a.png',
  'a/..',
  './a.png',
  '/a.png',
  'a/',
  'a/b\\c',
  '..\\a/b',
  'C:/b',
  'a/b:stream',
  'a/b\0c',
]) {
  test(`SafeFolder asserts that ${JSON.stringify(path)} is not written`, async (context) => {
    const parent = temporaryFolder(context);
    await assert.rejects(new SafeFolder(join(parent, 'image')).write([{ path, bytes }]), {
      name: 'AssertionError',
    });
    assert.deepEqual(readdirSync(parent), []);
  });
}

test('SafeFolder makes folders while others make the one above them', async (context) => {
  for (let round = 0; round < 60; round++) {
    const folder = new SafeFolder(join(temporaryFolder(context), 'image'));
    const paths = Array.from({ length: 9 }, (_, index) => `${index}.pcapng/1.png`);
    const stored = await Promise.all(paths.map((path) => folder.write([{ path, bytes }])));
    assert.equal(stored.filter(({ written }) => written === 1).length, paths.length);
  }
});

test('SafeFolder follows no symbolic link below its root', async (context) => {
  const parent = temporaryFolder(context);
  const [root, outside] = [join(parent, 'image'), join(parent, 'outside')];
  for (const folder of [root, outside, join(root, 'b')]) mkdirSync(folder);
  writeFileSync(join(outside, 'victim'), 'untouched');
  symlinkSync(outside, join(root, 'a'));
  symlinkSync(join(outside, 'victim'), join(root, 'b', '1.png'));

  const images = new SafeFolder(root);
  await assert.rejects(images.write([{ path: 'a/1.png', bytes }]), {
    name: 'MailprocError',
    code: 'store.unsafe-path',
  });
  assert.deepEqual(await images.write([{ path: 'b/1.png', bytes }]), { written: 1, present: 0 });
  assert.deepEqual(readdirSync(outside), ['victim']);
  assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'untouched');
  assert.equal(readlinkSync(join(root, 'a')), outside);
});

test('SafeFolder may itself be a symbolic link', async (context) => {
  const parent = temporaryFolder(context);
  mkdirSync(join(parent, 'disk'));
  symlinkSync('disk', join(parent, 'image'));
  await new SafeFolder(join(parent, 'image')).write([{ path: 'a/1.png', bytes }]);
  assert.deepEqual(readFileSync(join(parent, 'disk', 'a', '1.png')), bytes);
});

test('SafeFolder reports a file in the place of a folder and a folder in the place of a file', async (context) => {
  const root = temporaryFolder(context);
  writeFileSync(join(root, 'a'), '');
  mkdirSync(join(root, 'b', '1.png'), { recursive: true });
  const images = new SafeFolder(root);
  await assert.rejects(images.write([{ path: 'a/1.png', bytes }]), { name: 'MailprocError' });
  await assert.rejects(images.write([{ path: 'b/1.png', bytes }]), { name: 'MailprocError' });
  assert.deepEqual(readdirSync(join(root, 'b')), ['1.png'], 'nothing temporary stays');
});

test('SafeFolder ends where the system makes no folder in one that is there', {
  skip: process.platform !== 'linux',
  timeout: 10_000,
}, async () => {
  const folder = new SafeFolder('/proc/none/of-these');
  await assert.rejects(folder.write([{ path: 'a/1.png', bytes }]), { code: 'store.not-writable' });
});

test('SafeFolder removes what killed runs have left and nothing else', async (context) => {
  const root = temporaryFolder(context);
  const folder = join(root, 'a');
  mkdirSync(folder);
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const names = {
    dead: `.${dead}-0123456789abcdef.part`,
    alive: `.${process.pid}-0123456789abcdef.part`,
    old: `.${process.pid}-fedcba9876543210.part`,
    other: '.hidden.part',
  };
  for (const name of Object.values(names)) writeFileSync(join(folder, name), '');
  utimesSync(join(folder, names.old), 1, 1);
  await new SafeFolder(root).write([{ path: 'a/1.png', bytes }]);
  assert.deepEqual(readdirSync(folder).sort(), [names.alive, names.other, '1.png'].sort());
});
