import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressText, endpointText } from '../../src/stream/address.ts';

const cases: readonly (readonly [string, string])[] = [
  ['00000000', '0.0.0.0'],
  ['c0000201', '192.0.2.1'],
  ['ffffffff', '255.255.255.255'],
  ['00000000000000000000000000000000', '::'],
  ['00000000000000000000000000000001', '::1'],
  ['20010db8000000000000000000000000', '2001:db8::'],
  ['20010DB8000000000000000000000001', '2001:db8::1'],
  // RFC 5952 §4.2.2: one group of zeros stays; §4.2.3: the longest run, the first of equal ones.
  ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
  ['20010000000000010000000000000001', '2001:0:0:1::1'],
  ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['00000000000100000000000000000000', '0:0:1::'],
  ['00010000000000000000000000000000', '1::'],
  ['00000001000200030004000500060007', '0:1:2:3:4:5:6:7'],
  ['00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
  ['0123456789abcdef0123456789abcdef', '123:4567:89ab:cdef:123:4567:89ab:cdef'],
  ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1'],
  ['0000000000000000ffff0000c0000201', '::ffff:0:c000:201'],
  ['000000000000000000000000c0000201', '::c000:201'],
];

for (const [octets, text] of cases) {
  test(`addressText writes ${octets} as ${text}`, () => {
    assert.equal(addressText(Buffer.from(octets, 'hex')), text);
  });
}

test('addressText writes any IPv6 address as the URL standard does, mapped ones aside', () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      fc.pre(!(groups.slice(0, 5).every((one) => one === 0) && groups[5] === 0xffff));
      const address = Buffer.alloc(16);
      for (const [index, one] of groups.entries()) address.writeUInt16BE(one, index * 2);
      const plain = groups.map((one) => one.toString(16)).join(':');
      assert.equal(`[${addressText(address)}]`, new URL(`http://[${plain}]/`).hostname);
    }),
  );
});

test('endpointText brackets IPv6', () => {
  assert.equal(endpointText({ address: '192.0.2.1', port: 25 }), '192.0.2.1:25');
  assert.equal(endpointText({ address: '::1', port: 25 }), '[::1]:25');
});
