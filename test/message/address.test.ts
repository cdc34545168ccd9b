import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { messageLimits } from '../../src/core/limits.ts';
import { parseAddresses, parseAnyAddresses } from '../../src/message/address.ts';
import { parseUsualAddresses } from '../../src/message/usual-addresses.ts';

const context = { mailCharset: undefined, defaultCharset: 'gb18030' };

/** Field value, then name and address of each mailbox. */
const rows: readonly (readonly [raw: string, ...expected: readonly (readonly [string, string])[]])[] = [
  ['', ...[]],
  ['a@b.cn', ['', 'a@b.cn']],
  ['<a@b.cn>', ['', 'a@b.cn']],
  ['Ann <a@b.cn>', ['Ann', 'a@b.cn']],
  ['"Ann, Li" <a@b.cn>', ['Ann, Li', 'a@b.cn']],
  ['"Ann \\"x\\" Li" <a@b.cn>', ['Ann "x" Li', 'a@b.cn']],
  ['a@b.cn (Ann Li)', ['Ann Li', 'a@b.cn']],
  ['a@b.cn (Ann (the second) Li)', ['Ann (the second) Li', 'a@b.cn']],
  ['Ann (x) <a@b.cn>', ['Ann', 'a@b.cn']],
  ['a@b.cn, c@d.cn', ['', 'a@b.cn'], ['', 'c@d.cn']],
  ['a@b.cn; c@d.cn', ['', 'a@b.cn'], ['', 'c@d.cn']],
  ['a@b.cn,, ,c@d.cn,', ['', 'a@b.cn'], ['', 'c@d.cn']],
  ['Team: a@b.cn, Bo <c@d.cn>; e@f.cn', ['', 'a@b.cn'], ['Bo', 'c@d.cn'], ['', 'e@f.cn']],
  ['undisclosed-recipients:;', ...[]],
  ['<@relay.cn,@other.cn:a@b.cn>', ['', 'a@b.cn']],
  ['"a b"@c.cn', ['', '"a b"@c.cn']],
  ['a @ b . cn', ['', 'a@b.cn']],
  ['mailto:a@b.cn', ['', 'a@b.cn']],
  ['<mailto:a@b.cn>', ['', 'a@b.cn']],
  ['Ann a@b.cn', ['Ann', 'a@b.cn']],
  ['Ann <a@b.cn', ['Ann', 'a@b.cn']],
  ['Ann <a@b.cn, Bo <c@d.cn>', ['Ann', 'a@b.cn'], ['Bo', 'c@d.cn']],
  ['root', ['', 'root']],
  ['Ann Li', ['Ann Li', '']],
  ['<>', ...[]],
  ['=?gb2312?B?1cXOsA==?= <a@b.cn>', ['张伟', 'a@b.cn']],
  ['"=?gb2312?B?1cXOsA==?=" <a@b.cn>', ['张伟', 'a@b.cn']],
  ['=?utf-8?Q?Li=2C_Ann?= <a@b.cn>', ['Li, Ann', 'a@b.cn']],
  ['=?utf-8?Q?Ann_<a@b.cn>?=', ['Ann', 'a@b.cn']],
  ['\xd5\xc5\xce\xb0 <a@b.cn>', ['张伟', 'a@b.cn']],
  ['\xe5\xbc\xa0\xe4\xbc\x9f@b.cn', ['', '张伟@b.cn']],
  ['a=?b@c.cn', ['', 'a=?b@c.cn']],
  ['a@[192.0.2.1]', ['', 'a@[192.0.2.1]']],
  ['a@[IPv6:2001:db8::1]', ['', 'a@[IPv6:2001:db8::1]']],
  ['Ann\r\n <a@b.cn>,\r\n\tc@d.cn', ['Ann', 'a@b.cn'], ['', 'c@d.cn']],
  ['"never closed <a@b.cn>', ['never closed', 'a@b.cn']],
  ['(never closed a@b.cn', ['never closed', 'a@b.cn']],
];

for (const [raw, ...expected] of rows) {
  it(`parseAddresses reads ${JSON.stringify(raw)}`, () => {
    const { addresses, overLimit } = parseAddresses(raw, context);
    assert.deepEqual(
      addresses.map(({ name, address }) => [name, address]),
      expected,
    );
    assert.equal(overLimit, false);
  });
}

for (const count of [
  messageLimits.addressesMax - 1,
  messageLimits.addressesMax,
  messageLimits.addressesMax + 1,
]) {
  it(`parseAddresses reads no more than addressesMax: ${count}`, () => {
    const { addresses, overLimit } = parseAddresses('a@b,'.repeat(count), context);
    assert.equal(addresses.length, Math.min(count, messageLimits.addressesMax));
    assert.equal(overLimit, count > messageLimits.addressesMax);
  });
}

/** Pieces that address lists are made of, and what makes them unusual. */
const pieces = [
  ...[
    'a@b.cn',
    'Ann',
    'Li',
    ' ',
    ', ',
    ',',
    '<',
    '>',
    '<a@b.cn>',
    '"',
    '"Li, Ann"',
    '""',
    '(',
    ')',
    ';',
    ':',
    '\\',
    '@',
  ],
  ...[
    '\r\n\t',
    '\t',
    '\n',
    '=?utf-8?Q?Li,_Ann?=',
    '=?utf-8?B?5byg5Lyf?=',
    '=?utf-8?Q?=0D"x"?=',
    '=?',
    '?=',
    '=',
  ],
  ...['\x1b', '\x8f', '\xe5\xbc\xa0', 'mailto:', ' . ', '  ', 'root', '<>', '<@r.cn:a@b.cn>', '\0', '\x7f'],
];

it('parseUsualAddresses reads a list as parseAnyAddresses does, or leaves it to that', () => {
  let read = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (list) => {
      const raw = list.join('').trim();
      const usual = parseUsualAddresses(raw, context);
      if (usual === undefined) return;
      read++;
      assert.deepEqual(usual, parseAnyAddresses(raw, context).addresses);
    }),
    { numRuns: 20_000, seed: 7 },
  );
  assert.ok(read > 1000, `${read} lists were read`);
});

it('parseAddresses reads usual lists the short way', () => {
  for (const raw of [
    'a@b.cn',
    'Ann <a@b.cn>',
    '"Li, Ann" <a@b.cn>,\r\n\tb@c.cn',
    '=?utf-8?Q?Li,_Ann?= <a@b.cn>',
  ]) {
    assert.ok((parseUsualAddresses(raw, context)?.length ?? 0) > 0, raw);
  }
});
