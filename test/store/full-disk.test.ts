/** A limit for the size of files stands in for a full disk: the write fails where it has begun. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { platform } from 'node:process';
import { test } from 'node:test';
import { openStore } from '../../src/store/open-store.ts';
import { day, sampleRecord } from './samples.ts';
import { temporaryFolder } from './temporary-folder.ts';

const storeModule = new URL('../../src/store/open-store.js', import.meta.url).href;
const folderModule = new URL('../../src/store/safe-folder.js', import.meta.url).href;
const samplesModule = new URL('./samples.js', import.meta.url).href;

/** Runs `source` in a process whose files end at 200 KiB; what it prints is JSON. */
function runLimited(source: string): unknown {
  const command = ['-c', 'ulimit -f 200; exec "$0" --input-type=module -e "$1"', process.execPath, source];
  const child = spawnSync('bash', command, { encoding: 'utf8' });
  assert.equal(child.stderr, '');
  return JSON.parse(child.stdout);
}

const options = { skip: platform === 'win32' };

for (const scheme of ['ndjson', 'sqlite'] as const) {
  test(
    `a full disk under ${scheme}: no half batch stays, and the next run goes on`,
    options,
    async (context) => {
      const url = `${scheme}:${join(temporaryFolder(context), 'mail')}`;
      const record = `(number) => sampleRecord(number, { columns: { mail_content: 'x'.repeat(9000) } })`;
      const result = runLimited(`
      const { openStore } = await import(${JSON.stringify(storeModule)});
      const { sampleRecord } = await import(${JSON.stringify(samplesModule)});
      const sink = await openStore(${JSON.stringify(url)});
      await sink.open();
      let stored = 0;
      try {
        for (let number = 1; ; number += 3) {
          stored += (await sink.write([number, number + 1, number + 2].map(${record}))).added;
        }
      } catch ({ name, code }) {
        console.log(JSON.stringify({ name, code, stored }));
      }
      await sink.close();`) as { name: string; code: string; stored: number };
      assert.equal(result.name, 'MailprocError');
      assert.match(result.code, /^store\.(?:full|failed)$/);
      assert.ok(result.stored > 0 && result.stored % 3 === 0);

      const sink = await openStore(url);
      await sink.open();
      assert.deepEqual(await sink.tables(day), [{ name: 'smtp_2022_01_28', rows: result.stored }]);
      const batch = [result.stored, result.stored + 1].map((number) => sampleRecord(number));
      assert.deepEqual(await sink.write(batch), { added: 1, replaced: 0, known: 1 });
      await sink.close();
    },
  );
}

test('a full disk under SafeFolder: no half image stays', options, async (context) => {
  const root = temporaryFolder(context);
  const result = runLimited(`
    import { readdirSync } from 'node:fs';
    const { SafeFolder } = await import(${JSON.stringify(folderModule)});
    const files = [['a/1', 1000], ['a/2', 300_000]].map(([path, size]) => ({ path, bytes: Buffer.alloc(size) }));
    await new SafeFolder(${JSON.stringify(root)}).write(files).catch(({ name, code }) => {
      console.log(JSON.stringify({ name, code, left: readdirSync(${JSON.stringify(join(root, 'a'))}) }));
    });`);
  assert.deepEqual(result, { name: 'MailprocError', code: 'store.full', left: ['1'] });
  assert.equal(statSync(join(root, 'a/1')).size, 1000);
  assert.deepEqual(readFileSync(join(root, 'a/1')), Buffer.alloc(1000));
});
