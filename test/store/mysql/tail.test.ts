import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mysqlLimits } from '../../../src/core/limits.ts';
import { Tail } from '../../../src/store/mysql/tail.ts';

const { tailMs, tailBytesMax } = mysqlLimits;

function tail(hasStandBy = true) {
  const host = { hasStandBy, epoch: 0 };
  const clock = { ms: 0 };
  const kept = new Tail(host, () => clock.ms);
  return {
    host,
    keep(mails: number, ms: number, octets = 1) {
      clock.ms = ms;
      kept.keep({ mails, octets, again: async () => {} });
    },
    lost: () => kept.lost().map(({ mails }) => mails),
  };
}

test('Tail forgets what was acknowledged ten seconds before, and what is more than it holds', () => {
  const { host, keep, lost } = tail();
  keep(1, 0);
  keep(2, 1);
  keep(3, tailMs);
  assert.deepEqual(lost(), []);
  host.epoch = 1;
  assert.deepEqual(lost(), [2, 3]);
  assert.deepEqual(lost(), []);
  keep(4, tailMs, tailBytesMax - 2);
  host.epoch = 2;
  assert.deepEqual(lost(), [2, 3, 4]);
  keep(5, tailMs, 1);
  host.epoch = 3;
  assert.deepEqual(lost(), [3, 4, 5]);
});

test('Tail keeps what the old master had, however long the next one took', () => {
  const { host, keep, lost } = tail();
  keep(1, 0);
  host.epoch = 1;
  // The write that waited for the next master.
  keep(2, 6 * tailMs);
  assert.deepEqual(lost(), [1, 2]);
  keep(3, 6 * tailMs + 1);
  host.epoch = 2;
  assert.deepEqual(lost(), [2, 3]);
});

test('Tail keeps nothing where nobody can take over', () => {
  const { host, keep, lost } = tail(false);
  keep(1, 0);
  host.epoch = 1;
  assert.deepEqual(lost(), []);
});
