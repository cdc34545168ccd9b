import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapMemory } from '../../src/dialogue/octets.ts';
import { Opening } from '../../src/dialogue/opening.ts';
import type { StreamEvent } from '../../src/stream/types.ts';
import { client, uncut } from '../support/conversation.ts';

test('Opening is final where more than memory grants is held, and takes back what it told', () => {
  let held = 0;
  let unreadBytesMax = 2000;
  const memory = {
    ...heapMemory,
    get unreadBytesMax() {
      return unreadBytesMax;
    },
    hold: (octets: number) => {
      held += octets;
    },
  };
  const octet = uncut([client('x')], { close: 'none' }).find(({ kind }) => kind === 'data') as StreamEvent;
  const opening = new Opening(memory);
  let events = 0;
  while (!opening.final) {
    opening.hold(octet);
    events++;
  }
  assert.ok(held > 2000 && events < 100, `${held} octets in ${events} events`);
  unreadBytesMax = held;
  assert.equal(opening.final, false);
  unreadBytesMax = held - 1;
  assert.equal(opening.final, true);
  opening.release();
  assert.equal(held, 0);
});
