import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonText, printable } from '../../src/cli/printable.ts';

/** What steers a terminal, hides text or turns its order round. */
const unsafe = [
  ...[
    '\0',
    '\t',
    '\n',
    '\r',
    '\x1b',
    '\x7f',
    '\x80',
    '\x9b',
    '\x9f',
    '\xad',
    '\u061c',
    '\u180e',
    '\u200b',
    '\u200f',
  ],
  ...['\u2028', '\u202e', '\u2066', '\u2069', '\ufeff', '\ud800', '\udc00'],
];

for (const character of unsafe) {
  const code = character.charCodeAt(0).toString(16).padStart(4, '0');
  test(`printable and jsonText show U+${code} as an escape`, () => {
    assert.equal(printable(`a${character}b`), `a\\u${code}b`);
    const json = jsonText({ [`k${character}`]: [`a${character}b`] });
    assert(!json.includes(character));
    assert.deepEqual(JSON.parse(json), { [`k${character}`]: [`a${character}b`] });
  });
}

test('printable and jsonText leave text as it is', () => {
  const text = 'Grüße, 你好 😀 “quoted” <a@b>';
  assert.equal(printable(text), text);
  assert.equal(jsonText({ text }), JSON.stringify({ text }));
});

test('jsonText writes big integers as text and keeps its own line ends', () => {
  assert.equal(jsonText({ frame: 12n }, 2), '{\n  "frame": "12"\n}');
});
