import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LowestFirst } from '../../../src/dialogue/imap/lowest-first.ts';

test('LowestFirst has the lowest number at hand, whatever was added and taken before', () => {
  const step = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const found = new LowestFirst();
      let expected: number[] = [];
      for (const each of steps) {
        if (each === 'take') {
          found.takeLowest();
          expected = expected.slice(1);
        } else {
          found.add(each);
          expected = [...expected, each].sort((a, b) => a - b);
        }
        assert.equal(found.lowest, expected[0]);
      }
    }),
  );
});
