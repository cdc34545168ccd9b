import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordRank } from '../../src/store/row.ts';

const whole = { complete: true, raw_size: 100, raw_sha256: 'ab', accepted: null };
/** Put together from IMAP sections. */
const sections = { ...whole, raw_sha256: null };

for (const [what, more, less] of [
  ['a whole mail above a longer part', whole, { ...whole, complete: false, raw_size: 200 }],
  [
    'more octets of an incomplete mail',
    { ...whole, complete: false, raw_size: 101 },
    { ...whole, complete: false },
  ],
  ['an answered mail', { ...whole, accepted: false }, whole],
  ['sections with a header above those without', { ...sections, raw_size: 130 }, sections],
] as const) {
  test(`recordRank puts ${what} first`, () => {
    assert(recordRank(more) > recordRank(less));
  });
}

test('recordRank knows no difference between two whole mails, whatever their size', () => {
  assert.equal(recordRank(whole), recordRank({ ...whole, raw_size: 999 }));
});
