/** Every fixture through the whole pipeline, compared with what is expected of it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { expectedFile, fixtureNames, fixturesFolder, runFixture } from './support/fixture.ts';

for (const name of fixtureNames()) {
  test(`fixture ${name} gives the expected rows and report`, async () => {
    assert(existsSync(join(fixturesFolder, name, 'README.md')), 'a fixture says what it is for');
    const expected: unknown = JSON.parse(readFileSync(expectedFile(name), 'utf8'));
    assert.deepEqual(await runFixture(name), expected);
  });
}
