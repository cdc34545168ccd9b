import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunksOf, heapMemory, heapOctets, joinOctets } from '../../src/dialogue/octets.ts';

const alphabet = Buffer.from('abcdefghijklmnopqrstuvwxyz');

test('joinOctets reads parts of other octets in a row, at any offsets', () => {
  const log = heapMemory.begin();
  for (const octet of alphabet) log.append(Buffer.of(octet));
  const joined = joinOctets([
    { of: log, from: 2, to: 5 },
    { of: heapOctets(Buffer.from('0123')), from: 0, to: 4 },
    { of: log, from: 25, to: 26 },
  ]);
  const expected = 'cde0123z';
  assert.equal(joined.length, expected.length);
  for (let from = 0; from <= expected.length; from++) {
    for (let to = from; to <= expected.length; to++)
      assert.equal(joined.read(from, to).toString(), expected.slice(from, to));
  }
});

test('joinOctets releases what it is made of', () => {
  const whole = heapOctets(alphabet);
  joinOctets([{ of: whole, from: 1, to: 2 }]).release();
  assert.equal(whole.read().length, 0);
});

test('a log of heapMemory copies: what was appended may change', () => {
  const log = heapMemory.begin();
  const bytes = Buffer.from('ab');
  assert.equal(log.append(bytes), 2);
  bytes.fill(0);
  assert.equal(log.read().toString(), 'ab');
});

test('chunksOf gives all octets in order', () => {
  const bytes = Buffer.alloc(150_000, alphabet);
  assert.equal(chunksOf(heapOctets(Buffer.alloc(0))).next().done, true);
  let at = 0;
  for (const chunk of chunksOf(heapOctets(bytes))) {
    assert.ok(chunk.equals(bytes.subarray(at, at + chunk.length)));
    at += chunk.length;
  }
  assert.equal(at, bytes.length);
});
