import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordLimits } from '../../src/core/limits.ts';
import { lastComponent, safeName } from '../../src/record/safe-name.ts';

const names: readonly (readonly [name: string, safe: string])[] = [
  ['photo.jpg', 'photo.jpg'],
  ['20220128 eth0 (1)#2.pcapng', '20220128 eth0 (1)#2.pcapng'],
  ['图片 – 副本', '图片 – 副本'],
  ['😀 party', '😀 party'],
  ['e\u0301te\u0301', '\u00e9t\u00e9'],
  ['', 'fallback'],
  ['.', 'fallback'],
  ['..', 'fallback'],
  [' . . ', 'fallback'],
  ['\u200b\u200e', 'fallback'],
  ['.bashrc', 'bashrc'],
  ['-rf', 'rf'],
  ['~root', 'root'],
  ['name. . ', 'name'],
  ['../../etc/passwd', '_.._etc_passwd'],
  ['a/b\\c', 'a_b_c'],
  ['a\u2044b\u2215c\uff0fd\uff3ce\u29f8f\u2216g\u00a5h', 'a_b_c_d_e_f_g_h'],
  ['\uff0e\uff0e\uff0fx', '___x'],
  ['a\u2025b\u2026c', 'a_b_c'],
  ['a:b*c?d"e<f>g|h', 'a_b_c_d_e_f_g_h'],
  ['a\uff1ab', 'a_b'],
  ['（一）', '（一）'],
  ['a\0b\x1f\x7f\x9fc\nd', 'abcd'],
  ['photo\u202egpj.exe', 'photogpj.exe'],
  ['a\u2066b\ufeffc\u00add', 'abcd'],
  ['a\u00a0\u3000\u2028b', 'a b'],
  ['\ud800x', '\ufffdx'],
  ['CON', '_CON'],
  ['nul.txt', '_nul.txt'],
  ['Com1 .png', '_Com1 .png'],
  ['LPT\u00b9', '_LPT\u00b9'],
  ['conin$', '_conin$'],
  ['console', 'console'],
  ['com10', 'com10'],
  ['-con', '_con'],
];

for (const [name, safe] of names) {
  test(`safeName makes ${JSON.stringify(safe)} of ${JSON.stringify(name)}`, () => {
    assert.equal(safeName(name, 'fallback'), safe);
  });
}

test('safeName is cut at its limit and not before', () => {
  const max = recordLimits.fileNameBytesMax;
  for (const length of [max - 1, max, max + 1, 300, 1_000_000]) {
    assert.equal(safeName('a'.repeat(length), 'fallback'), 'a'.repeat(Math.min(length, max)));
  }
});

test('safeName is cut between characters, never inside one', () => {
  assert.equal(safeName('猫'.repeat(4), 'fallback', 11), '猫猫猫');
  assert.equal(safeName('😀😀', 'fallback', 7), '😀');
  assert.equal(safeName('ab👍🏽', 'fallback', 7), 'ab');
  assert.equal(safeName('abc .d', 'fallback', 5), 'abc', 'no blank or dot is left at the new end');
});

test('safeName never escapes, is never empty, keeps its limit and is its own safe name', () => {
  const awkward = fc.constantFrom(
    ...'/\\.:*?"<>| -~_\0\r\n\u202e\u200b\uff0f\uff0e\u2215\ud83d\ude00',
    'con',
    'nul',
    'a',
    '猫',
    '😀',
  );
  const name = fc.oneof(
    fc.array(awkward, { maxLength: 200 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({ unit: 'grapheme', maxLength: 400 }),
  );
  fc.assert(
    fc.property(name, fc.integer({ min: 8, max: 200 }), (any, bytesMax) => {
      const safe = safeName(any, 'fallback', bytesMax);
      assert.ok(safe.length > 0 && Buffer.byteLength(safe) <= bytesMax);
      assert.doesNotMatch(safe, /[<>:"/\\|?*\x00-\x1f\x7f-\x9f]|\p{Cf}|\p{Surrogate}/u);
      assert.doesNotMatch(safe, /^[ .\-~]|[ .]$/);
      assert.doesNotMatch(safe, /^(?:con|prn|aux|nul|com\d|lpt\d) *(?:\.|$)/i);
      assert.doesNotMatch(safe.normalize('NFKC'), /[/\\]|^\.\.?$/);
      assert.equal(safe, safe.normalize('NFC'));
      assert.equal(safeName(any, 'fallback', bytesMax), safe);
      assert.equal(safeName(safe, 'fallback', bytesMax), safe);
    }),
    { numRuns: 1000 },
  );
});

for (const [path, component] of [
  ['photo.jpg', 'photo.jpg'],
  ['C:\\Users\\me\\photo.jpg', 'photo.jpg'],
  ['/home/me/photo.jpg', 'photo.jpg'],
  ['folder/', 'folder'],
  ['///', ''],
  ['', ''],
] as const) {
  test(`lastComponent of ${JSON.stringify(path)} is ${JSON.stringify(component)}`, () => {
    assert.equal(lastComponent(path), component);
  });
}

// Quadratic time would be minutes: the cap is far from both.
test('lastComponent survives a megabyte of slashes in front of a name', { timeout: 20_000 }, () => {
  assert.equal(lastComponent(`${'/'.repeat(1 << 20)}photo.jpg`), 'photo.jpg');
});
