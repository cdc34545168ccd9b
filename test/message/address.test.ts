import assert from 'node:assert/strict';
import { it } from 'node:test';
import { messageLimits } from '../../src/core/limits.ts';
import { parseAddresses } from '../../src/message/address.ts';

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
