import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkInHand } from '../../../src/pipeline/making/work-in-hand.ts';

/** Work that ends when it is told to. */
function openWork() {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { work: () => done, end: () => end() };
}

const limits = [
  ['work by number', 2, 100, [1, 1], 1],
  ['work by octets', 9, 100, [50, 50], 1],
  ['work larger than the limit while there is other', 9, 100, [1], 101],
] as const;

for (const [what, countMax, octetsMax, sizes, next] of limits) {
  test(`WorkInHand bounds ${what}`, async () => {
    const inHand = new WorkInHand(countMax, octetsMax);
    const open = sizes.map((octets) => ({ octets, ...openWork() }));
    for (const { octets, work } of open) {
      await inHand.roomFor(octets);
      inHand.add(octets, work());
    }
    let hasRoom = false;
    const waiting = inHand.roomFor(next)?.then(() => {
      hasRoom = true;
    });
    await new Promise(setImmediate);
    assert.equal(hasRoom, false);
    open[0]?.end();
    await waiting;
    assert.equal(hasRoom, true);
    for (const { end } of open) end();
    await inHand.done();
  });
}

test('WorkInHand has room again after work that failed, and hands its reason on', async () => {
  const inHand = new WorkInHand(1, 1);
  assert.equal(inHand.roomFor(1), undefined);
  const failed = inHand.add(1, Promise.reject(new Error('no')));
  await inHand.roomFor(5);
  const next = inHand.add(5, Promise.resolve('next'));
  await assert.rejects(failed, /no/);
  assert.equal(await next, 'next');
});
