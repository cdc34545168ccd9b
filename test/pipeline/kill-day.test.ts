import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixturesFolder } from '../support/fixture.ts';
import { capturesIn } from '../support/growing-captures.ts';
import { killDay } from '../support/kill-day.ts';
import { SeededRandom } from '../support/random.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

// The long version, also on MariaDB: `npm run test:chaos`.
test('mailproc that is killed again and again while captures are written stores what one run stores', () =>
  inTemporaryFolder(async (folder) => {
    const { killed, imagesLost, expected, found } = await killDay({
      folder,
      captures: capturesIn(join(fixturesFolder, 'rotated-series/captures')),
      day: '2022-01-28',
      kills: 6,
      random: new SeededRandom(7),
      killed: `sqlite:${join(folder, 'killed.sqlite')}`,
      undisturbed: `sqlite:${join(folder, 'undisturbed.sqlite')}`,
      environment: {},
    });
    assert(killed > 0 && expected.length === 13);
    assert.deepEqual(imagesLost, []);
    assert.deepEqual(found, expected);
  }));
