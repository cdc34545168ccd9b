import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { type KnownMail, MailIndex } from '../../src/store/mail-index.ts';
import { protocols } from '../../src/store/row.ts';
import { SeededRandom } from '../support/random.ts';

function keyOf(number: number): string {
  return hash('sha256', `${number}`).slice(0, 32);
}

function mailOf(random: SeededRandom, id: number): KnownMail {
  return {
    id,
    // As large as ranks are: those of whole mails are above 2^52.
    rank: 2 ** 52 + random.integer(1000),
    protocol: protocols[random.integer(protocols.length)] ?? 'smtp',
    day: `2022-01-${10 + random.integer(20)}`,
    offset: 2 ** 40 + random.integer(2 ** 30),
  };
}

test('MailIndex tells of each key what a map of objects tells, over many blocks and deletions', () => {
  const random = new SeededRandom(5);
  const index = new MailIndex();
  const expected = new Map<string, KnownMail>();
  for (let step = 0; step < 150_000; step++) {
    const key = keyOf(random.integer(60_000));
    if (random.integer(10) === 0) {
      index.delete(key);
      expected.delete(key);
    } else {
      const mail = mailOf(random, 2 ** 31 - 1 - step);
      index.set(key, mail);
      expected.set(key, mail);
    }
  }
  for (let number = 0; number < 70_000; number++) {
    const key = keyOf(number);
    assert.deepEqual(index.get(key), expected.get(key));
  }
  assert(expected.size > 40_000);
});

test('MailIndex tells keys apart that begin alike, and takes those that are no hashes', () => {
  const random = new SeededRandom(6);
  const index = new MailIndex();
  const start = keyOf(1).slice(0, 24);
  const keys = Array.from({ length: 3000 }, (_, number) => start + number.toString(16).padStart(8, '0'));
  keys.push('', 'a key', 'another key', `${start}0000000x`, `${start}00000000 `, 'é'.repeat(32));
  const mails = keys.map((_, id) => mailOf(random, id + 1));
  for (const [number, key] of keys.entries()) index.set(key, mails[number] as KnownMail);
  assert.deepEqual(
    keys.map((key) => index.get(key)),
    mails,
  );
  assert.equal(index.get(`${start}0000000y`), undefined);
});

test('MailIndex holds a mail in fewer than 60 octets', () => {
  const index = new MailIndex();
  const random = new SeededRandom(7);
  const before = process.memoryUsage().arrayBuffers;
  for (let number = 0; number < 190_000; number++) index.set(keyOf(number), mailOf(random, number + 1));
  const octets = (process.memoryUsage().arrayBuffers - before) / 190_000;
  assert(octets < 60 && index.get(keyOf(1)) !== undefined, `${octets} octets`);
});
