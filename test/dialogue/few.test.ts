import assert from 'node:assert/strict';
import { test } from 'node:test';
import { added, none, withoutFirst } from '../../src/dialogue/few.ts';

test('added and withoutFirst are a queue, and leave the shared empty array as it is', () => {
  let few: number[] = none;
  for (const item of [1, 2, 3]) few = added(few, item);
  assert.deepEqual(few, [1, 2, 3]);
  few = withoutFirst(few);
  assert.deepEqual(few, [2, 3]);
  few = withoutFirst(withoutFirst(few));
  assert.equal(few, none);
  assert.deepEqual(added(few, 4), [4]);
  assert.deepEqual(withoutFirst(none), []);
  assert.deepEqual(none, []);
});
