import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { asciiLines, utf8Lines } from '../../src/message/utf8-lines.ts';

const pieces = [
  'a',
  'report ',
  '\r\n',
  '\n',
  'é',
  '会议',
  '\u{1f600}',
  '\u{10ffff}',
  '\ufffd',
  '\u0080',
  '\uffff',
  '\0',
];

it('utf8Lines reads UTF-8 as the runtime does, with line feeds', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), (list) => {
      const text = list.join('');
      assert.equal(utf8Lines(Buffer.from(text)), text.replaceAll('\r\n', '\n'));
    }),
    { numRuns: 2000, seed: 7 },
  );
});

it('utf8Lines reads no other charset, no mark, and no CR by itself', () => {
  for (const octets of [
    '\xd5\xc5\xce\xb0',
    '\xef\xbb\xbf\xe4\xbc\x9a',
    '\xe4\xbc\x9a\r',
    'a\rb\xe4\xbc\x9a',
    '\xe4\xbc',
  ]) {
    assert.equal(utf8Lines(Buffer.from(octets, 'latin1')), undefined, octets);
  }
});

it('utf8Lines reads texts to its length, and leaves longer ones', () => {
  const text = '会'.repeat(21_845);
  assert.equal(utf8Lines(Buffer.from(`${text}a`)), `${text}a`);
  assert.equal(utf8Lines(Buffer.from(`${text}ab`)), undefined);
});

it('asciiLines reads no escape and no CR by itself', () => {
  assert.equal(asciiLines(Buffer.from('a\r\nb\n\r\n')), 'a\nb\n\n');
  for (const text of ['a\rb', 'a\r\r\nb', '\x1b$B', 'a\r'])
    assert.equal(asciiLines(Buffer.from(text)), undefined);
});
