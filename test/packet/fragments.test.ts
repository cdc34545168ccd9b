import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { packetLimits } from '../../src/core/limits.ts';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { defaultStartNs } from '../support/conversation.ts';
import { asPacket, ethernet, fragmentHeader, ipv4, ipv6, type TestPacket, tcp } from '../support/packets.ts';
import { assertCountsAddUp, packetOf, type SeenSegment, seen } from './support.ts';

const payload = Array.from({ length: 100 }, (_, index) => String.fromCharCode(33 + (index % 90))).join('');
/** 120 octets: fragments of 40 begin at 0, 40, 80. */
const datagram = tcp({}, payload);

interface FragmentFields {
  readonly identification?: number;
  readonly source?: string;
  readonly protocol?: number;
  readonly ttl?: number;
  readonly seconds?: number;
  readonly cut?: number;
  readonly ipv6?: boolean;
}

/** The octets `from` … `to` of a datagram as a packet. */
function fragment(from: number, to: number, fields: FragmentFields = {}, whole = datagram): TestPacket {
  const moreFragments = to < whole.length;
  const piece = whole.subarray(from, to);
  const { identification = 7 } = fields;
  const inIpv6 = fragmentHeader(6, from, moreFragments, identification, piece);
  const frame = fields.ipv6
    ? ethernet(0x86dd, ipv6({ ...fields, protocol: 44 }, inIpv6))
    : ethernet(0x0800, ipv4({ ...fields, identification, fragmentOffset: from, moreFragments }, piece));
  const packet = packetOf(1, frame.subarray(0, frame.length - (fields.cut ?? 0)), frame.length);
  return { ...packet, timestampNs: defaultStartNs + BigInt(fields.seconds ?? 0) * 1_000_000_000n };
}

function decode(decoder: PacketDecoder, packets: readonly TestPacket[]): (SeenSegment | undefined)[] {
  return packets.map((packet, index) => {
    const segment = decoder.decode(asPacket(packet, index + 1));
    assertCountsAddUp(decoder);
    return segment && seen(segment);
  });
}

function payloadsOf(packets: readonly TestPacket[]): (string | undefined)[] {
  return decode(new PacketDecoder(), packets).map((segment) => segment?.payload);
}

const permutations = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

for (const ipVersion of [4, 6]) {
  test(`Reassembler joins IPv${ipVersion} fragments in every order`, () => {
    for (const order of permutations) {
      const options = { ipv6: ipVersion === 6 };
      const pieces = [fragment(0, 40, options), fragment(40, 80, options), fragment(80, 120, options)];
      const ordered = order.flatMap((index) => pieces[index] ?? []);
      assert.deepEqual(payloadsOf(ordered), [undefined, undefined, payload], order.join());
    }
  });
}

test('Reassembler keeps the octets that came first where fragments overlap', () => {
  const forged = Buffer.from(datagram);
  forged.fill('X', 40);
  const packets = [fragment(0, 48), fragment(40, 80, {}, forged), fragment(80, 120)];
  const expected = payload.slice(0, 28) + 'X'.repeat(32) + payload.slice(60);
  assert.deepEqual(payloadsOf(packets), [undefined, undefined, expected]);
});

test('Reassembler fills the holes that a longer fragment covers', () => {
  const packets = [fragment(16, 24), fragment(40, 48), fragment(88, 120), fragment(0, 104)];
  assert.equal(payloadsOf(packets).at(-1), payload);
});

test('Reassembler drops copies before and after the datagram is complete', () => {
  const decoder = new PacketDecoder();
  const [one, two] = [fragment(0, 64), fragment(64, 120)];
  const told = decode(decoder, [one, one, two, two, one]);
  assert.deepEqual(
    told.map((segment) => segment?.payload),
    [undefined, undefined, payload, undefined, undefined],
  );
  assert.equal(decoder.counts.fragmentCopies, 3);
  assert.equal(decoder.counts.classes['fragment-waiting'].packets, 0);
  assert.equal(decoder.counts.classes.segment.packets, 2);
});

test('Reassembler takes the same identification for a new datagram when the octets are others', () => {
  const next = tcp({ sequence: 9000 }, payload.toUpperCase());
  const packets = [
    fragment(0, 64),
    fragment(64, 120),
    fragment(0, 64, {}, next),
    fragment(64, 120, {}, next),
  ];
  assert.equal(payloadsOf(packets).at(-1), payload.toUpperCase());
});

test('Reassembler tells datagrams apart by addresses, identification and protocol', () => {
  const others: FragmentFields[] = [{ identification: 8 }, { source: '192.0.2.99' }, { protocol: 17 }];
  for (const other of others) {
    assert.deepEqual(payloadsOf([fragment(0, 64), fragment(64, 120, other)]), [undefined, undefined]);
  }
});

test('Reassembler joins fragments whatever their tags', () => {
  const tagged = fragment(64, 120);
  const bytes = Buffer.concat([
    tagged.bytes.subarray(0, 12),
    Buffer.from('8100002a', 'hex'),
    tagged.bytes.subarray(12),
  ]);
  assert.equal(payloadsOf([fragment(0, 64), packetOf(1, bytes)]).at(-1), payload);
});

test('Reassembler tells length and TTL of the packet with the first octets', () => {
  const told = decode(new PacketDecoder(), [fragment(64, 120, { ttl: 9 }), fragment(0, 64, { ttl: 5 })]);
  assert.deepEqual([told[1]?.ipLength, told[1]?.ttl], [84, 5]);
});

test('Reassembler hands out what lies before the octets that the snap length cut', () => {
  const told = decode(new PacketDecoder(), [
    fragment(0, 40),
    fragment(40, 80, { cut: 10 }),
    fragment(80, 120),
  ]);
  const last = told.at(-1);
  assert.deepEqual([last?.payload, last?.missingLength], [payload.slice(0, 50), 50]);
});

test('Reassembler does not miss octets of a cut fragment that came whole before', () => {
  const told = decode(new PacketDecoder(), [
    fragment(0, 40),
    fragment(0, 80, { cut: 72 }),
    fragment(80, 120),
  ]);
  const last = told.at(-1);
  assert.deepEqual([last?.payload, last?.missingLength], [payload.slice(0, 20), 80]);
});

test('Reassembler joins a fragmented tunnel around a fragmented datagram', () => {
  const inner = [fragment(0, 64), fragment(64, 120)].map((packet) => packet.bytes.subarray(14));
  const packets = inner.flatMap((packet, index) => {
    const half = Math.floor(packet.length / 16) * 8;
    const outer = { source: '10.0.0.1', target: '10.0.0.2', protocol: 4, identification: index };
    const first = ipv4({ ...outer, moreFragments: true }, packet.subarray(0, half));
    return [first, ipv4({ ...outer, fragmentOffset: half }, packet.subarray(half))];
  });
  const decoder = new PacketDecoder();
  const told = decode(
    decoder,
    packets.map((packet) => packetOf(228, packet)),
  );
  assert.deepEqual(
    told.map((segment) => segment?.payload),
    [undefined, undefined, undefined, payload],
  );
  assert.deepEqual(decoder.counts.classes.segment.packets, 4);
});

const invalid: readonly [string, readonly TestPacket[]][] = [
  ['an inner fragment that does not end at eight octets', [fragment(0, 41)]],
  ['an empty fragment', [fragment(40, 40)]],
  ['a fragment beyond the end', [fragment(80, 120), fragment(120, 160, {}, Buffer.alloc(200))]],
  ['a second end', [fragment(80, 120), fragment(80, 112, {}, datagram.subarray(0, 112))]],
  ['an end before what is here', [fragment(80, 104), fragment(40, 64, {}, datagram.subarray(0, 64))]],
  ['a datagram of more than 65535 octets', [fragment(65_528, 65_536, {}, Buffer.alloc(65_536))]],
];

for (const [name, packets] of invalid) {
  test(`Reassembler counts ${name} as malformed`, () => {
    const decoder = new PacketDecoder();
    decode(decoder, packets);
    assert.deepEqual([...decoder.counts.malformedHeaders], [['fragment', 1]]);
    assert.equal(decoder.counts.classes['fragment-waiting'].packets, packets.length - 1);
    decoder.finish();
    assert.equal(decoder.counts.datagramsIncomplete, packets.length - 1);
  });
}

test('Reassembler waits packetLimits.fragmentTimeoutSeconds and no longer', () => {
  const { fragmentTimeoutSeconds } = packetLimits;
  for (const [late, complete] of [
    [0, true],
    [1, false],
  ] as const) {
    const decoder = new PacketDecoder();
    const told = decode(decoder, [
      fragment(0, 64),
      fragment(64, 120, { seconds: fragmentTimeoutSeconds + late }),
    ]);
    assert.equal(told[1]?.payload === payload, complete);
    assert.equal(decoder.counts.datagramsIncomplete, complete ? 0 : 1);
  }
});

test('Reassembler gives up a datagram whose fragments a clock that was set back keeps apart', () => {
  const decoder = new PacketDecoder();
  const told = decode(decoder, [fragment(0, 64, { seconds: 1000 }), fragment(64, 120, { seconds: 0 })]);
  assert.deepEqual(told, [undefined, undefined]);
  assert.equal(decoder.counts.datagramsIncomplete, 1);
});

test('Reassembler remembers packetLimits.completeDatagramsKept complete datagrams', () => {
  const { completeDatagramsKept } = packetLimits;
  for (const [others, copies] of [
    [completeDatagramsKept - 1, 1],
    [completeDatagramsKept, 0],
  ] as const) {
    const decoder = new PacketDecoder();
    for (let identification = 0; identification <= others; identification++) {
      decode(decoder, [fragment(0, 64, { identification }), fragment(64, 120, { identification })]);
    }
    decode(decoder, [fragment(64, 120, { identification: 0 })]);
    assert.equal(decoder.counts.fragmentCopies, copies);
  }
});

test('Reassembler gives up the oldest datagram above packetLimits.fragmentedDatagramsMax', () => {
  const { fragmentedDatagramsMax } = packetLimits;
  for (const [more, complete] of [
    [0, true],
    [1, false],
  ] as const) {
    const decoder = new PacketDecoder();
    const first = Array.from({ length: fragmentedDatagramsMax + more }, (_, identification) =>
      fragment(0, 64, { identification }),
    );
    const told = decode(decoder, [...first, fragment(64, 120, { identification: 0 })]);
    assert.equal(told.at(-1)?.payload === payload, complete);
    assert.equal(decoder.counts.datagramsOverLimit > 0, !complete);
  }
});

test('Reassembler holds no more octets than packetLimits.fragmentBytesMax', () => {
  const whole = Buffer.alloc(65_512);
  const decoder = new PacketDecoder();
  const count = 600;
  for (let identification = 0; identification < count; identification++) {
    decoder.decode(asPacket(fragment(65_504, 65_512, { identification }, whole)));
  }
  const octetsOfOne = 65_512 + 65_512 / 8;
  const kept = Math.floor(packetLimits.fragmentBytesMax / octetsOfOne);
  assert.equal(decoder.counts.classes['fragment-waiting'].packets, kept);
  assert.equal(decoder.counts.datagramsOverLimit, count - kept);
  assertCountsAddUp(decoder);
});

test('Reassembler gives up others, not the datagram that has just grown', () => {
  const whole = Buffer.alloc(65_512);
  const decoder = new PacketDecoder();
  const octetsOfOne = 65_512 + 65_512 / 8;
  const others = Math.floor(packetLimits.fragmentBytesMax / octetsOfOne);
  decoder.decode(asPacket(fragment(0, 64, { identification: 0 }, whole)));
  for (let identification = 1; identification <= others; identification++) {
    decoder.decode(asPacket(fragment(65_504, 65_512, { identification }, whole)));
  }
  assert.equal(decoder.counts.datagramsOverLimit, 0);
  decoder.decode(asPacket(fragment(65_504, 65_512, { identification: 0 }, whole)));
  assert.equal(decoder.counts.datagramsOverLimit, 1);
  decoder.decode(asPacket(fragment(0, 64, { identification: 0 }, whole)));
  assert.equal(decoder.counts.fragmentCopies, 1);
});

test('PacketDecoder.finish counts what still waits as dropped', () => {
  const decoder = new PacketDecoder();
  decode(decoder, [fragment(0, 64), fragment(64, 72)]);
  decoder.finish();
  assertCountsAddUp(decoder);
  assert.deepEqual({ ...decoder.counts.classes['fragment-dropped'] }, { packets: 2, octets: 98 + 42 });
  assert.equal(decoder.counts.datagramsIncomplete, 1);
});

test('Reassembler joins any set of fragments that covers a datagram', () => {
  const blocks = fc.tuple(fc.nat(14), fc.integer({ min: 1, max: 15 }));
  fc.assert(
    fc.property(fc.array(blocks, { maxLength: 12 }), fc.boolean(), (pieces, inIpv6) => {
      const options = { ipv6: inIpv6 };
      const some = pieces.map(([from, length]) =>
        fragment(from * 8, Math.min(120, (from + length) * 8), options),
      );
      const rest = Array.from({ length: 15 }, (_, index) => fragment(index * 8, index * 8 + 8, options));
      // A piece may be the whole datagram: then it is a packet of its own.
      const told = decode(new PacketDecoder(), [...some, ...rest]).filter((segment) => segment !== undefined);
      assert.ok(told.length > 0);
      for (const segment of told) assert.equal(segment.payload, payload);
    }),
    { numRuns: 200 },
  );
});
