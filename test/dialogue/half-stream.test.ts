import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HalfStream, type Line } from '../../src/dialogue/half-stream.ts';
import type { Sighting, StreamData, StreamGap } from '../../src/stream/types.ts';
import { sighting, streamData, streamGap } from '../support/stream-events.ts';

const data = (text: string, sequence = 1, frame = 1): StreamData => streamData(text, { sequence, frame });

function halfOf(...events: (StreamData | StreamGap)[]): HalfStream {
  const half = new HalfStream();
  for (const event of events) half.push(event);
  return half;
}

const shown = (line: Line | undefined): string | undefined =>
  line && `${line.bytes.toString('latin1')}|${line.end}`;

test('HalfStream.takeLine joins a line over pieces and tells its places', () => {
  const half = halfOf(data('xx', 10, 1), data('yy\r', 12, 2), data('\nrest', 15, 3));
  const line = half.takeLine();
  assert.equal(shown(line), 'xxyy|crlf');
  assert.deepEqual(
    [line?.start.sequence, line?.start.seen.frame, line?.last.frame, line?.wireBytes],
    [10, 1, 3, 6],
  );
  assert.equal(half.takeLine(), undefined);
  assert.deepEqual(half.place?.sequence, 16);
});

test('HalfStream.push copies: the view of an event may change afterwards', () => {
  const event = data('text\n');
  const half = halfOf(event);
  event.bytes.fill(0x78);
  assert.equal(shown(half.takeLine()), 'text|lf');
});

test('HalfStream.settle copies what is unread of an event that was lent, and nothing of another', () => {
  const half = new HalfStream();
  const first = data('one\ntw', 1, 1);
  half.lend(first);
  assert.equal(shown(half.takeLine()), 'one|lf');
  assert.equal(half.takeLine(), undefined);
  half.settle();
  first.bytes.fill(0x78);
  const second = data('o\nthree\nrest', 7, 2);
  half.lend(second);
  const line = half.takeLine();
  assert.equal(shown(line), 'two|lf');
  assert.deepEqual([line?.start.sequence, line?.start.seen.frame, line?.last.frame], [5, 1, 2]);
  const run = half.takeRun(100);
  assert.equal(run?.bytes.toString(), 'three\nrest');
  if (run) half.putBack([{ bytes: run.bytes.subarray(2), start: { ...run.start, sequence: 11 } }]);
  half.settle();
  second.bytes.fill(0x78);
  assert.equal(shown(half.takeLine()), 'ree|lf');
  assert.equal(half.place?.sequence, 15);
  assert.equal(shown(half.takeFragment()), 'rest|cut');
  assert.equal(half.heldBytes, 0);
});

test('HalfStream keeps a gap in its place and cuts the line before it', () => {
  const half = halfOf(data('cut'), streamGap(5, { frame: 9 }), data('next\n'));
  assert.equal(half.takeGap(), undefined);
  assert.equal(half.takeLine(), undefined);
  assert.equal(half.lineIsCutByGap, true);
  assert.equal(shown(half.takeFragment()), 'cut|cut');
  assert.equal(half.place, undefined);
  assert.equal(half.nextPlace?.seen.frame, 9);
  assert.equal(half.takeGap()?.length, 5);
  assert.equal(shown(half.takeLine()), 'next|lf');
  assert.equal(half.isEmpty, true);
});

for (const [over, expected] of [
  [-1, ['aaaaaaa|lf', 'b|lf']],
  [0, ['aaaaaaaa|lf', 'b|lf']],
  [1, ['aaaaaaaa|cut', 'b|lf']],
] as const) {
  test(`HalfStream shortens a line only above the limit (${over})`, () => {
    // The line end is not counted.
    for (const step of [1, 3, 100]) {
      const half = new HalfStream(8);
      const lines: (string | undefined)[] = [];
      const text = `${'a'.repeat(8 + over)}\nb\n`;
      for (let at = 0; at < text.length; at += step) {
        half.push(data(text.slice(at, at + step)));
        for (let line = half.takeLine(); line; line = half.takeLine()) lines.push(shown(line));
      }
      assert.deepEqual(lines, expected, `${step} octets at a time`);
    }
  });
}

test('HalfStream.putBack returns runs and gaps in order, in front of what is unread', () => {
  const half = halfOf(data('one', 1), streamGap(4), data('two\n', 8), data('three\n', 12));
  const first = half.takeRun(100);
  const hole = half.takeGap();
  const second = half.takeRun(2);
  assert.ok(first && hole && second);
  half.putBack([first, hole, second]);
  assert.equal(half.unreadBytes, 13);
  assert.equal(half.takeRun(100)?.bytes.toString(), 'one');
  assert.equal(half.takeGap()?.length, 4);
  assert.equal(shown(half.takeLine()), 'two|lf');
  assert.equal(shown(half.takeLine()), 'three|lf');
});

test('HalfStream.putBack of the rest of a run costs nothing that grows with what waits', () => {
  const half = new HalfStream();
  for (let index = 0; index < 1000; index++) half.push(data('ab', 1 + index * 2, index));
  for (let index = 0; index < 1000; index++) {
    const run = half.takeRun(100);
    assert.ok(run);
    half.putBack([
      { bytes: run.bytes.subarray(1), start: { ...run.start, sequence: run.start.sequence + 1 } },
    ]);
    assert.equal(half.place?.sequence, 2 + index * 2);
    half.takeRun(100);
  }
  assert.equal(half.isEmpty, true);
});

test('HalfStream.takeEvents hands over everything with its places', () => {
  const half = halfOf(data('one\ntwo', 1), streamGap(4), data('three', 12));
  half.takeLine();
  const events = half
    .takeEvents('client')
    .map((event) => (event.kind === 'gap' ? event.length : `${event.sequence}${event.bytes}`));
  assert.deepEqual(events, ['5two', 4, '12three']);
  assert.equal(half.unreadBytes, 0);
});

test('HalfStream.heldBytes counts tiny pieces for more than their octets', () => {
  const half = halfOf(data('a'), data('b'));
  assert.ok(half.heldBytes > 100);
});

test('HalfStream loses no octet, whatever is taken and put back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', '\r', '\n'), maxLength: 6 }), { maxLength: 30 }),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 60 }),
      (texts, actions) => {
        const half = halfOf(...texts.map((text) => data(text)));
        let taken = '';
        for (const action of actions) {
          const run = half.takeRun(1 + action);
          if (run === undefined) break;
          const kept = Math.min(run.bytes.length, action);
          taken += run.bytes.toString('latin1', 0, kept);
          const sequence = run.start.sequence + kept;
          half.putBack([{ bytes: run.bytes.subarray(kept), start: { ...run.start, sequence } }]);
        }
        assert.equal(taken + half.peek(1000).toString('latin1'), texts.join(''));
        assert.equal(half.unreadBytes, texts.join('').length - taken.length);
      },
    ),
  );
});

test('HalfStream holds tiny packets that wait in little more than their places', () => {
  const half = new HalfStream();
  const sent = Array.from({ length: 40_000 }, (_, index) => String.fromCharCode(97 + (index % 26)));
  for (const [index, octet] of sent.entries()) {
    if (index === 20_000) half.push(streamGap(7));
    half.push(data(octet, index, index));
    if (index === 100) assert.equal(half.takeRun(50)?.bytes.toString(), 'a');
  }
  assert.ok(half.heldBytes < 40_000 * 32, `${half.heldBytes} octets are held`);
  for (let index = 1; index < sent.length; index++) {
    if (index === 20_000) assert.equal(half.takeGap()?.length, 7);
    const run = half.takeRun(10_000);
    const { sequence, seen: where } = run?.start ?? {};
    assert.deepEqual([run?.bytes.toString(), sequence, where?.frame], [sent[index], index, index]);
  }
  assert.ok(half.isEmpty && half.unreadBytes === 0);
  assert.equal(half.heldBytes, 0);
});

test('HalfStream tells all of a place, whether packets share a piece or cannot', () => {
  const large = {
    capture: 0xffff,
    frame: 0xffff_ffff,
    timestampNs: 2n ** 63n - 1n,
    ipLength: 65_575,
    ttl: 255,
  };
  const sightings: readonly Sighting[] = [
    sighting(1),
    large,
    { ...large, timestampNs: -(2n ** 63n) },
    { ...large, timestampNs: 2n ** 63n },
    { ...large, capture: 0x1_0000 },
    { ...large, frame: 2 ** 32 },
    sighting(2),
  ];
  const half = halfOf(...sightings.map((each, index) => ({ ...data('x', 0xffff_fffe + index), seen: each })));
  const found = sightings.map(() => half.takeRun(10)?.start.seen);
  assert.deepEqual(found, sightings);
});

interface Octet {
  readonly text: string;
  readonly sequence: number;
  readonly frame: number;
}

test('HalfStream knows the packet of each octet, whatever is read when and put back', () => {
  const packet = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 1, maxLength: 5 }),
    },
    { weight: 1, arbitrary: fc.constant('x'.repeat(257)) },
    { weight: 1, arbitrary: fc.constant('y'.repeat(200)) },
  );
  const action = fc.oneof(
    { weight: 6, arbitrary: packet },
    { weight: 1, arbitrary: fc.constant('line' as const) },
    { weight: 2, arbitrary: fc.tuple(fc.nat(6), fc.nat(6)) },
  );
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 200 }), (actions) => {
      const half = new HalfStream();
      const unread: Octet[] = [];
      let sequence = 4_294_967_000;
      for (const [frame, each] of actions.entries()) {
        if (each === 'line') {
          const line = half.takeLine();
          const end = unread.findIndex(({ text }) => text === '\n');
          assert.equal(line?.wireBytes, end < 0 ? undefined : end + 1);
          const octets = unread.splice(0, end + 1);
          if (line === undefined) continue;
          assert.equal(`${line.bytes}\n`, octets.map(({ text }) => text).join(''));
          assert.equal(line.start.sequence, octets[0]?.sequence);
          assert.deepEqual(
            [line.start.seen.frame, line.last.frame],
            [octets[0]?.frame, octets.at(-1)?.frame],
          );
        } else if (typeof each === 'string') {
          half.push(data(each, sequence, frame));
          for (const text of each) {
            unread.push({ text, sequence, frame });
            sequence = (sequence + 1) >>> 0;
          }
        } else {
          const [first, second] = [half.takeRun(1 + each[0]), half.takeRun(each[1])];
          const { sequence: begin = 0, seen: where } = first?.start ?? {};
          for (const [index, octet] of [...(first?.bytes ?? [])].entries()) {
            const found = { text: String.fromCharCode(octet), sequence: begin + index, frame: where?.frame };
            assert.deepEqual({ ...found, sequence: found.sequence >>> 0 }, unread[index]);
          }
          unread.splice(0, first?.bytes.length ?? 0);
          if (second !== undefined) half.putBack([second]);
        }
        assert.equal(half.unreadBytes, unread.length);
        assert.equal(half.place?.seen.frame, unread[0]?.frame);
      }
    }),
  );
});

test('HalfStream finds lines in merged pieces, searched before or not', () => {
  const text = `${'a'.repeat(9000)}\n${'b'.repeat(9000)}\n`;
  for (const isSearched of [true, false]) {
    const half = new HalfStream();
    const lines: (string | undefined)[] = [];
    for (const [index, octet] of [...text].entries()) {
      half.push(data(octet, index, index));
      if (isSearched) lines.push(shown(half.takeLine()));
    }
    for (let line = half.takeLine(); line; line = half.takeLine()) lines.push(shown(line));
    const found = lines.filter((line) => line !== undefined);
    assert.deepEqual(found, [`${'a'.repeat(9000)}|lf`, `${'b'.repeat(9000)}|lf`]);
  }
});

test('HalfStream.settle keeps what is unread of a lent packet, put back or not, behind whatever waits', () => {
  const half = new HalfStream();
  half.push(data('old', 1, 1));
  half.push(streamGap(5));
  const lent = data('one two three', 9, 2);
  half.lend(lent);
  const [first, lost, second] = [half.takeRun(99), half.takeGap(), half.takeRun(4)];
  assert.ok(first && lost && second);
  half.putBack([first, lost, second]);
  half.settle();
  lent.bytes.fill(0xaa);
  assert.equal(half.takeRun(99)?.bytes.toString(), 'old');
  assert.equal(half.takeGap()?.length, 5);
  assert.equal(`${half.takeRun(99)?.bytes}${half.takeRun(99)?.bytes}`, 'one two three');
});
