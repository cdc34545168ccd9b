import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Segment } from '../../src/packet/types.ts';
import { Reassembler } from '../../src/stream/reassembler.ts';
import type { Sender } from '../../src/stream/types.ts';
import {
  Audience,
  assertBalanced,
  handshake,
  type Line,
  limited,
  mailPorts,
  play,
  segment,
} from './screenplay.ts';

interface Turn {
  readonly from: Sender;
  readonly data: string;
}

const numberNearWrap = fc.oneof(
  fc.integer({ min: -400, max: 400 }).map((offset) => offset >>> 0),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constant(0x7fff_ff00),
);

const turns: fc.Arbitrary<readonly Turn[]> = fc.array(
  fc.record({
    from: fc.constantFrom<Sender>('client', 'server'),
    data: fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcdefghij') }),
  }),
  { minLength: 1, maxLength: 30 },
);

/** The turns as segments of one or more octets with acknowledgments, handshake before and FINs behind. */
function speak(
  conversation: readonly Turn[],
  cut: number,
  isn: Pick<Line, 'clientIsn' | 'serverIsn'>,
): Line[] {
  const at = { client: 1, server: 1 };
  const lines: Line[] = handshake.map((line) => ({ ...line, ...isn }));
  for (const { from, data } of conversation) {
    const ack = from === 'client' ? at.server : at.client;
    for (let start = 0; start < data.length; start += cut) {
      const piece = data.slice(start, start + cut);
      lines.push({ from, flags: 'PA', at: at[from], ack, data: piece, ...isn });
      at[from] += piece.length;
    }
  }
  for (const from of ['client', 'server'] as const) {
    const ack = from === 'client' ? at.server : at.client + 1;
    lines.push({ from, flags: 'FA', at: at[from], ack, ...isn });
  }
  return lines;
}

function said(conversation: readonly Turn[], sender: Sender): string {
  return conversation
    .filter(({ from }) => from === sender)
    .map(({ data }) => data)
    .join('');
}

/** Shuffles inside windows of 24 as the numbers say. */
function shuffle(lines: readonly Line[], numbers: readonly number[], window = 24): Line[] {
  const key = (index: number): number =>
    Math.floor(index / window) * 1e9 + (numbers[index % numbers.length] ?? 0);
  return lines
    .map((line, index) => ({ line, key: key(index) }))
    .sort((left, right) => left.key - right.key)
    .map(({ line }) => line);
}

const shuffling = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 24, maxLength: 60 });

describe('Reassembler, whatever the order of the capture,', () => {
  test('gives the octets of a conversation shuffled, doubled and overlapped, without gaps', () => {
    fc.assert(
      fc.property(
        turns,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 7 }),
        numberNearWrap,
        numberNearWrap,
        shuffling,
        (conversation, cut, otherCut, clientIsn, serverIsn, numbers) => {
          const isn = { clientIsn, serverIsn };
          const once = speak(conversation, cut, isn);
          const again = speak(conversation, otherCut, isn);
          const both = once.flatMap((line, index) => [line, again[index % again.length] ?? line]);
          const { audience } = play(shuffle(both, numbers));
          const [heard, ...others] = audience.heard;
          assert.equal(others.length, 0);
          assert.equal(heard?.text.client, said(conversation, 'client'));
          assert.equal(heard?.text.server, said(conversation, 'server'));
          assert.equal(heard?.closeReason, 'fin');
          assert.deepEqual(audience.anomalies, []);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('gives the octets without handshake and FIN', () => {
    fc.assert(
      fc.property(
        turns,
        fc.integer({ min: 1, max: 20 }),
        numberNearWrap,
        shuffling,
        (conversation, cut, isn, numbers) => {
          const lines = speak(conversation, cut, { clientIsn: isn, serverIsn: isn }).slice(3, -2);
          const { audience, reassembler } = play(shuffle(lines, numbers));
          assert.equal(audience.heard.length, 1);
          assert.equal(audience.heard[0]?.text.client, said(conversation, 'client'));
          assert.equal(audience.heard[0]?.text.server, said(conversation, 'server'));
          assert.equal(reassembler.counts.midstreamStarts, 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('gives what was captured, and what was not as gaps of its length', () => {
    fc.assert(
      fc.property(
        turns,
        fc.integer({ min: 1, max: 9 }),
        numberNearWrap,
        fc.array(fc.boolean(), { minLength: 10, maxLength: 40 }),
        shuffling,
        (conversation, cut, clientIsn, lost, numbers) => {
          const lines = speak(conversation, cut, { clientIsn });
          const isLost = (index: number): boolean =>
            index > 2 && index < lines.length - 2 && lost[index % lost.length] === true;
          const captured = lines.filter((_, index) => !isLost(index));
          const { audience } = play(shuffle(captured, numbers));
          for (const sender of ['client', 'server'] as const) {
            const expected = withGaps(lines, isLost, sender);
            assert.equal(audience.heard[0]?.text[sender] ?? '', expected);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Neighbouring lost octets are one gap. */
function withGaps(lines: readonly Line[], isLost: (index: number) => boolean, sender: Sender): string {
  let text = '';
  let missing = 0;
  for (const [index, { from, data }] of lines.entries()) {
    if (from !== sender || data === undefined) continue;
    if (isLost(index)) {
      missing += data.length;
      continue;
    }
    text += (missing > 0 ? `[${missing}]` : '') + data;
    missing = 0;
  }
  return text + (missing > 0 ? `[${missing}]` : '');
}

describe('Reassembler, whatever comes,', () => {
  const limits = limited({
    connectionsMax: 4,
    unopenedConnectionsMax: 3,
    closedConnectionsMax: 2,
    ignoredConnectionSlots: 4,
    startSegmentsMax: 4,
    heldBytesPerDirectionMax: 64,
    heldBytesMax: 3000,
    heldSegmentsMax: 6,
    gapSegments: 5,
    closeSegments: 7,
    clockSegments: 3,
    idleSeconds: 100,
    equalHashesMax: 1,
  });
  const anySegment: fc.Arbitrary<Line> = fc.record({
    from: fc.constantFrom<Sender>('client', 'server'),
    flags: fc.constantFrom('S', 'SA', 'A', 'A', 'A', 'PA', 'PA', 'FA', 'F', 'R', 'RA', 'SFRA', 'UA', ''),
    at: fc.oneof(
      fc.integer({ min: -3, max: 60 }),
      fc.integer({ min: -3, max: 60 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.constant(20_000_000),
    ),
    ack: fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    data: fc.oneof(fc.constant(''), fc.string({ maxLength: 30, unit: fc.constantFrom('a', 'b', '\0') })),
    missing: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 })),
    seconds: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: -1e9, max: 4e9 })),
    clientPort: fc.integer({ min: 20, max: 28 }),
    serverPort: fc.constantFrom(25, 25, 25, 2525),
    clientIsn: fc.constantFrom(1000, 1000, 1000, 0xffff_fff0, 5),
  });

  test('keeps every promise: well-formed events, octets that add up, nothing held beyond the limits', () => {
    fc.assert(
      fc.property(
        fc.array(anySegment, { maxLength: 200 }),
        fc.array(fc.integer({ min: 0, max: 19 }), { minLength: 5, maxLength: 5 }),
        (lines, patience) => {
          let events = 0;
          const audience = new Audience(() => {
            events += 1;
            return patience[events % patience.length] !== 0;
          });
          const reassembler = new Reassembler(audience, { mailPorts, limits });
          for (const [index, line] of lines.entries()) {
            reassembler.receive(segment(line, index + 1), 0);
            assert.ok(reassembler.counts.heldOctets <= limits.heldBytesMax);
            assertBalanced(reassembler);
          }
          reassembler.end();
          const { counts } = reassembler;
          assert.equal(counts.heldOctets, 0);
          assert.equal(counts.opened, audience.heard.length);
          const closed = Object.values(counts.closed).reduce((sum, count) => sum + count, 0);
          assert.equal(closed, counts.opened, 'every opened connection is closed for one reason');
        },
      ),
      { numRuns: 600 },
    );
  });

  test('gives the same events for the same segments in any number of shares', () => {
    fc.assert(
      fc.property(fc.array(anySegment, { maxLength: 100 }), (lines) => {
        const whole = play(lines).audience.plays;
        const shared = [0, 1].flatMap((index) => play(lines, { share: { index, of: 2 } }).audience.plays);
        assert.deepEqual(shared.sort(), whole.sort());
      }),
      { numRuns: 100 },
    );
  });

  test('takes random numbers in every field', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    const anything = fc.record({
      sequence: word,
      acknowledgment: word,
      flags: octet,
      missingLength: fc.nat(70_000),
      v6: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 60 }), (fields) => {
        const reassembler = new Reassembler(new Audience(), { mailPorts, limits });
        for (const [index, { v6, ...field }] of fields.entries()) {
          const plain = segment({ from: 'client', data: 'abc' }, index + 1);
          const sourceAddress = v6 ? Buffer.alloc(16, 1) : plain.sourceAddress;
          const targetAddress = v6 ? Buffer.alloc(16, 2) : plain.targetAddress;
          const packet: Segment = { ...plain, ...field, sourceAddress, targetAddress };
          reassembler.receive(packet, 0);
        }
        reassembler.end();
        assertBalanced(reassembler);
      }),
      { numRuns: 200 },
    );
  });
});
