import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageCollector } from '../../src/dialogue/message-collector.ts';
import { heapMemory } from '../../src/dialogue/octets.ts';
import { sighting } from '../support/stream-events.ts';

const place = (frame: number, sequence = 1) => ({ sequence, seen: sighting(frame) });

test('MessageCollector joins octets and knows the first and the last', () => {
  const collector = new MessageCollector(heapMemory);
  collector.add(Buffer.from('one'), place(3, 100));
  collector.add(Buffer.alloc(0), place(4));
  collector.add(Buffer.from('two'), place(5), sighting(6));
  const message = collector.finish(place(1));
  assert.equal(message.octets.read().toString(), 'onetwo');
  assert.deepEqual([message.first.sequence, message.first.seen.frame, message.last.frame], [100, 3, 6]);
  assert.deepEqual(message.missing, []);
});

test('MessageCollector.finish falls back to where an empty message would have begun', () => {
  const message = new MessageCollector(heapMemory).finish(place(7, 70));
  assert.deepEqual([message.octets.length, message.first.sequence, message.last.frame], [0, 70, 7]);
});

test('MessageCollector joins holes that touch and ends with one of unknown length', () => {
  const collector = new MessageCollector(heapMemory);
  collector.add(Buffer.from('ab'), place(1));
  collector.addMissing(3);
  collector.addMissing(2);
  collector.add(Buffer.from('c'), place(2));
  collector.addMissing(undefined);
  assert.deepEqual(collector.finish(place(1)).missing, [
    { offset: 2, length: 5 },
    { offset: 8, length: undefined },
  ]);
});

for (const [bytes, kept, cut] of [
  [9, 9, false],
  [10, 10, false],
  [11, 10, true],
] as const) {
  test(`MessageCollector keeps ${kept} of ${bytes} octets at a limit of 10`, () => {
    const collector = new MessageCollector(heapMemory, 10);
    collector.add(Buffer.alloc(5), place(1));
    collector.add(Buffer.alloc(bytes - 5), place(2));
    const message = collector.finish(place(1));
    assert.deepEqual([message.octets.length, message.cut], [kept, cut]);
    assert.deepEqual(message.missing, cut ? [{ offset: 10, length: bytes - 10 }] : []);
  });
}

test('MessageCollector keeps the order of very many tiny parts', () => {
  const collector = new MessageCollector(heapMemory);
  const expected = Buffer.alloc(20_000);
  for (let index = 0; index < expected.length; index++) {
    expected[index] = index % 251;
    collector.add(expected.subarray(index, index + 1), place(1));
  }
  assert.ok(collector.finish(place(1)).octets.read().equals(expected));
});
