import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressText } from '../../src/stream/address.ts';
import { AddressBook } from '../../src/stream/address-book.ts';

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((octets) => Buffer.from(octets));

test('AddressBook.keep tells addresses apart by every octet, and their text', () => {
  fc.assert(
    fc.property(address, fc.nat(15), (octets, at) => {
      const kept = new AddressBook().keep(octets);
      assert.equal(kept.text, addressText(octets));
      assert.equal(kept.equals(octets), true);
      const other = Buffer.from(octets);
      other[at % other.length] = (other[at % other.length] ?? 0) ^ 1;
      assert.equal(kept.equals(other), false);
    }),
  );
});

test('KeptAddress.equals knows ::192.0.2.1 from 192.0.2.1', () => {
  const book = new AddressBook();
  const short = Buffer.from([192, 0, 2, 1]);
  const long = Buffer.concat([short, Buffer.alloc(12)]);
  assert.equal(book.keep(short).equals(long), false);
  assert.equal(book.keep(long).equals(short), false);
});

test('AddressBook.keep keeps an address once, and stays right where another takes its place', () => {
  const book = new AddressBook();
  const octets = Buffer.from([10, 0, 0, 1]);
  assert.equal(book.keep(octets), book.keep(Buffer.from(octets)));
  for (let host = 0; host < 100_000; host++) {
    const other = Buffer.from([10, host >> 16, host >> 8, host]);
    assert.equal(book.keep(other).equals(other), true);
  }
  assert.equal(book.keep(octets).text, '10.0.0.1');
});
