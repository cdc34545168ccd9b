import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DotLine, DotLineScanner, DotUnstuffer } from '../../src/dialogue/dot-stuffing.ts';
import type { Run } from '../../src/dialogue/half-stream.ts';
import { sighting } from '../support/stream-events.ts';

const seen = sighting(1);

/** Feeds the octets in pieces of these sizes, in turn. */
function unstuff(stuffed: string, lineEnds: 'crlf' | 'any', sizes: readonly number[]) {
  const unstuffer = new DotUnstuffer(lineEnds);
  const bytes = Buffer.from(stuffed, 'latin1');
  const out: Run[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const piece = bytes.subarray(at, at + (sizes[index % sizes.length] ?? 1));
    const { text, taken, endBytes } = unstuffer.push({ bytes: piece, start: { sequence: at, seen } });
    out.push(...text);
    at += taken;
    if (endBytes > 0) return { out, text: join(out), rest: bytes.toString('latin1', at), endBytes };
  }
  return { out, text: join(out), rest: undefined, endBytes: 0 };
}

const join = (runs: readonly Run[]): string =>
  Buffer.concat(runs.map(({ bytes }) => bytes)).toString('latin1');

const cases: readonly [
  stuffed: string,
  strict: [string, string | undefined],
  lax: [string, string | undefined],
][] = [
  ['a\r\n.\r\nrest', ['a\r\n', 'rest'], ['a\r\n', 'rest']],
  ['.\r\nrest', ['', 'rest'], ['', 'rest']],
  ['..\r\n...x\r\n.\r\n', ['.\r\n..x\r\n', ''], ['.\r\n..x\r\n', '']],
  ['.a\r\n.\rb\r\n.\r\n', ['a\r\n\rb\r\n', ''], ['a\r\n\rb\r\n', '']],
  ['a\n.\nb\n..c\r\n.\r\n', ['a\n.\nb\n..c\r\n', ''], ['a\n', 'b\n..c\r\n.\r\n']],
  ['a\n.\r\nb\r\n.\r\n', ['a\n.\r\nb\r\n', ''], ['a\n', 'b\r\n.\r\n']],
  ['a\r\n.\nb\r\n.\r\n', ['a\r\n\nb\r\n', ''], ['a\r\n', 'b\r\n.\r\n']],
  ['a\n..b\r\n.\r\n', ['a\n..b\r\n', ''], ['a\n.b\r\n', '']],
  ['a\r.\r\n\r\r\n.\r\n', ['a\r.\r\n\r\r\n', ''], ['a\r.\r\n\r\r\n', '']],
  ['a.\r\n.', ['a.\r\n', undefined], ['a.\r\n', undefined]],
  ['.\r\r\n.\r\n', ['\r\r\n', ''], ['\r\r\n', '']],
];

for (const [stuffed, strict, lax] of cases) {
  test(`DotUnstuffer of ${JSON.stringify(stuffed)}`, () => {
    for (let size = 1; size <= stuffed.length; size++) {
      const { text, rest } = unstuff(stuffed, 'crlf', [size]);
      assert.deepEqual([text, rest], strict, `CRLF, pieces of ${size}`);
      const any = unstuff(stuffed, 'any', [size]);
      assert.deepEqual([any.text, any.rest], lax, `any, pieces of ${size}`);
    }
  });
}

test('DotUnstuffer tells the place of every octet', () => {
  const { out } = unstuff('.ab\r\n.\rc\r\n..\r\n.\r\n', 'crlf', [1, 2, 3]);
  const stuffed = Buffer.from('.ab\r\n.\rc\r\n..\r\n.\r\n');
  for (const { bytes, start } of out) {
    assert.ok(stuffed.subarray(start.sequence, start.sequence + bytes.length).equals(bytes));
  }
});

const text = fc.string({ unit: fc.constantFrom('a', '.', '\r', '\n'), maxLength: 40 });
const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 });

test('DotUnstuffer undoes what a sender does, at any cut', () => {
  fc.assert(
    fc.property(text, sizes, (body, cuts) => {
      const whole = `${body}\r\n`;
      const stuffed = `${whole.replace(/(^|\r\n)\./g, '$1..')}.\r\nrest`;
      const { text: undone, rest } = unstuff(stuffed, 'crlf', cuts);
      assert.deepEqual([undone, rest], [whole, 'rest']);
    }),
    { numRuns: 1000 },
  );
});

test('DotUnstuffer gives the same at any cut, for any octets', () => {
  fc.assert(
    fc.property(text, sizes, fc.constantFrom('crlf' as const, 'any' as const), (octets, cuts, lineEnds) => {
      const { text: undone, rest, endBytes } = unstuff(octets, lineEnds, cuts);
      const whole = unstuff(octets, lineEnds, [100]);
      assert.deepEqual([undone, rest, endBytes], [whole.text, whole.rest, whole.endBytes]);
    }),
    { numRuns: 1000 },
  );
});

test('DotUnstuffer takes no dot behind a lost octet for an end', () => {
  const unstuffer = new DotUnstuffer('crlf');
  unstuffer.push({ bytes: Buffer.from('a\r\n'), start: { sequence: 0, seen } });
  unstuffer.skipGap();
  const { text: kept, endBytes } = unstuffer.push({
    bytes: Buffer.from('.\r\nb'),
    start: { sequence: 9, seen },
  });
  assert.deepEqual([join(kept), endBytes], ['.\r\nb', 0]);
});

function* scan(scanner: DotLineScanner, bytes: Buffer): Generator<DotLine> {
  scanner.scan(bytes);
  for (let line = scanner.next(); line; line = scanner.next()) yield line;
}

test('DotLineScanner goes on behind an end at which its caller stopped', () => {
  const bytes = Buffer.from('one\n.\n.\r\ntwo\r\n..x\r\n.\r\n');
  const whole = [...scan(new DotLineScanner(), bytes)];
  const scanner = new DotLineScanner();
  const found: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const base = scanner.scanned;
    let taken = bytes.length - at;
    for (const line of scan(scanner, bytes.subarray(at))) {
      found.push(line);
      if (line.kind !== 'end') continue;
      taken = line.after - base;
      break;
    }
    at += taken;
  }
  assert.equal(whole.length, 4);
  assert.deepEqual(found, whole);
});
