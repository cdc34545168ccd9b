import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ByteSource } from '../../src/capture/byte-source.ts';
import { ReadAheadSource } from '../../src/capture/read-ahead.ts';

/** Gives the octets 0, 1, 2 … in steps of at most three, and then what `end` says. */
function countingSource(octets: number, end: () => Promise<number>): ByteSource & { isClosed: boolean } {
  let next = 0;
  return {
    damage: undefined,
    isClosed: false,
    get storedBytes() {
      return next;
    },
    async read(target, offset) {
      if (next === octets) return end();
      const length = Math.min(3, octets - next, target.length - offset);
      for (let index = 0; index < length; index++) target[offset + index] = next++;
      return length;
    },
    async close() {
      this.isClosed = true;
    },
  };
}

async function readAll(source: ByteSource, room: number): Promise<number[]> {
  const all: number[] = [];
  for (;;) {
    const target = Buffer.alloc(room + 1);
    const read = await source.read(target, 1);
    if (read === 0) return all;
    all.push(...target.subarray(1, 1 + read));
    assert.equal(source.storedBytes, all.length);
  }
}

test('ReadAheadSource hands out every octet once and in order, whatever the room and the steps', async () => {
  const wanted = Array.from({ length: 20 }, (_, index) => index);
  for (const room of [1, 2, 3, 4, 50]) {
    for (const buffer of [1, 2, 3, 64]) {
      const source = new ReadAheadSource(
        countingSource(20, async () => 0),
        buffer,
      );
      assert.deepEqual(await readAll(source, room), wanted);
      await source.close();
    }
  }
});

test('ReadAheadSource tells a refusal of the system to who reads there, and not before', async () => {
  const refusing = countingSource(3, async () => {
    throw new Error('EIO');
  });
  const source = new ReadAheadSource(refusing, 64);
  assert.equal(await source.read(Buffer.alloc(64), 0), 3);
  await new Promise(setImmediate);
  await assert.rejects(source.read(Buffer.alloc(64), 0), /EIO/);
  await source.close();
});

test('ReadAheadSource closes the file once what is under way has come', async () => {
  let arrive: (octets: number) => void = () => undefined;
  const slow = countingSource(
    3,
    () =>
      new Promise((resolve) => {
        arrive = resolve;
      }),
  );
  const source = new ReadAheadSource(slow, 64);
  await source.read(Buffer.alloc(64), 0);
  const closing = source.close();
  await new Promise(setImmediate);
  assert.equal(slow.isClosed, false);
  arrive(0);
  await closing;
  assert.equal(slow.isClosed, true);
});
