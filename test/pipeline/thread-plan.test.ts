import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planThreads } from '../../src/pipeline/thread-plan.ts';

test('planThreads gives every share a thread that makes its mails, and uses all threads', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 7, 8].map(planThreads), [
    [0],
    [1],
    [2],
    [1, 1],
    [2, 1],
    [2, 1, 1],
    [1, 1, 1, 1],
  ]);
  for (let jobs = 2; jobs <= 64; jobs++) {
    const makers = planThreads(jobs);
    assert.equal(makers.reduce((sum, each) => sum + each, 0) + makers.length, jobs);
    assert(makers.every((each) => each > 0));
  }
});
