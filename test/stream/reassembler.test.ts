import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reassembler } from '../../src/stream/reassembler.ts';
import { Audience, handshake, type Line, limited, mailPorts, play, segment } from './screenplay.ts';

const client = (at: number, data: string, more: Partial<Line> = {}): Line => ({
  from: 'client',
  flags: 'PA',
  at,
  data,
  ...more,
});
const server = (at: number, data: string, more: Partial<Line> = {}): Line => ({
  from: 'server',
  flags: 'PA',
  at,
  data,
  ...more,
});
const finClient = (at: number, data = ''): Line => client(at, data, { flags: 'FA' });
const finServer = (at: number, data = ''): Line => server(at, data, { flags: 'FA' });
/** Acknowledgments that carry nothing, to let segments pass. */
const idleTalk = (count: number, ack: number): Line[] =>
  Array.from({ length: count }, () => ({ from: 'server', flags: 'A', at: 1, ack }));

interface Scene {
  readonly name: string;
  readonly lines: readonly Line[];
  readonly plays: readonly string[];
}

const [syn, synAck, ackOfSynAck] = handshake as readonly [Line, Line, Line];

const scenes: readonly Scene[] = [
  {
    name: 'a whole conversation in order',
    lines: [...handshake, server(1, '220'), client(1, 'QUIT'), server(4, '221'), finServer(7), finClient(5)],
    plays: ['open <220 >QUIT <221 close:server:fin close:client:fin close:both:fin'],
  },
  {
    name: 'a FIN that carries data',
    lines: [...handshake, client(1, 'ab'), finClient(3, 'c'), finServer(1)],
    plays: ['open >ab >c close:client:fin close:server:fin close:both:fin'],
  },
  {
    name: 'half-close: the other side goes on',
    lines: [...handshake, client(1, 'a'), finClient(2), server(1, 'b'), server(2, 'c'), finServer(3)],
    plays: ['open >a close:client:fin <b <c close:server:fin close:both:fin'],
  },
  {
    name: 'segments out of order',
    lines: [...handshake, client(3, 'c'), client(2, 'b'), client(1, 'a'), client(4, 'd')],
    plays: ['open >a >b >c >d close:both:end'],
  },
  {
    name: 'an exact retransmission',
    lines: [...handshake, client(1, 'ab'), client(1, 'ab'), client(3, 'c')],
    plays: ['open >ab >c close:both:end'],
  },
  {
    name: 'a retransmission that brings new octets',
    lines: [...handshake, client(1, 'ab'), client(1, 'abcd')],
    plays: ['open >ab >cd close:both:end'],
  },
  {
    name: 'overlaps: the octet captured first stays, delivered or held',
    lines: [...handshake, client(3, 'CD'), client(6, 'F'), client(1, 'abcdefg'), client(4, 'xxxxh')],
    plays: ['open >ab >CD >e >F >g >h close:both:end'],
  },
  {
    name: 'a held segment is never split by a later one that covers it',
    lines: [...handshake, client(4, 'DE'), client(2, 'bcdef'), client(1, 'a')],
    plays: ['open >a >bc >DE >f close:both:end'],
  },
  {
    name: 'both initial sequence numbers just before the wrap',
    lines: [...handshake, client(1, 'ab'), server(1, 'cd'), client(5, 'ef'), client(3, 'xy')].map((line) => ({
      ...line,
      clientIsn: 0xffff_fffd,
      serverIsn: 0xffff_ffff,
    })),
    plays: ['open >ab <cd >xy >ef close:both:end'],
  },
  {
    name: 'data and FIN before the SYN',
    lines: [client(1, 'a'), finClient(2), server(1, 'b'), synAck, syn, finServer(2)],
    plays: ['open >a close:client:fin <b close:server:fin close:both:fin'],
  },
  {
    name: 'the second segment, then SYN-ACK, first segment and SYN',
    lines: [client(2, 'b'), synAck, client(1, 'a'), syn, server(1, 'c')],
    plays: ['open >a >b <c close:both:end'],
  },
  {
    name: 'a start in the middle, out of order',
    lines: [server(50, 'b'), client(9, 'x'), server(49, 'a'), client(10, 'y')],
    plays: ['open? <a >x <b >y close:both:end'].map((text) => text.replace('<a >x <b', '>x <a <b')),
  },
  {
    name: 'no SYN but a SYN-ACK',
    lines: [synAck, client(1, 'a'), server(1, 'b')],
    plays: ['open >a <b close:both:end'],
  },
  {
    name: 'no SYN-ACK but a SYN',
    lines: [syn, server(1, 'b'), client(1, 'a')],
    plays: ['open <b >a close:both:end'],
  },
  {
    name: 'no SYN-ACK but a SYN, and a hole behind it that the client had waited for',
    lines: [syn, { from: 'client', at: 1, ack: 1 }, client(1, 'a', { ack: 5 }), server(5, 'b', { ack: 2 })],
    plays: ['open >a <[4] <b close:both:end'],
  },
  {
    name: 'data on the SYN (TCP Fast Open), acknowledged with it',
    lines: [client(0, 'early', { flags: 'S' }), { ...synAck, ack: 6 }, server(1, 'b'), client(6, 'late')],
    plays: ['open >early <b >late close:both:end'],
  },
  {
    name: 'data on the SYN, refused and sent again',
    lines: [client(0, 'early', { flags: 'S' }), synAck, client(1, 'early'), client(6, '!')],
    plays: ['open >early >! close:both:end'],
  },
  {
    name: 'data on the SYN, captured behind its answer',
    lines: [{ ...synAck, ack: 6 }, client(0, 'early', { flags: 'S' }), client(6, 'late')],
    plays: ['open >early >late close:both:end'],
  },
  {
    name: 'a simultaneous open: the first SYN is the client',
    lines: [syn, { from: 'server', flags: 'S' }, synAck, { ...syn, flags: 'SA', ack: 1 }, server(1, 'b')],
    plays: ['open <b close:both:end'],
  },
  {
    name: 'SYN and SYN-ACK sent again',
    lines: [syn, syn, synAck, synAck, client(1, 'a'), syn, synAck, server(1, 'b')],
    plays: ['open >a <b close:both:end'],
  },
  {
    name: 'a SYN-ACK sent again with another initial sequence number, data of the second',
    lines: [syn, { ...synAck, serverIsn: 7 }, synAck, server(1, 'b'), client(1, 'a')],
    plays: ['open <b >a close:both:end'],
  },
  {
    name: 'a SYN-ACK sent again with another initial sequence number, data of the first',
    lines: [syn, synAck, { ...synAck, serverIsn: 7 }, server(1, 'b'), server(2, 'c'), client(1, 'a')],
    plays: ['open <b <c >a close:both:end'],
  },
  {
    name: 'a keep-alive probe behind and before the real octet in the capture',
    lines: [
      ...handshake,
      client(1, 'ab'),
      client(2, '\0'),
      { from: 'server', at: 1, ack: 5 },
      client(4, '\0'),
      client(3, 'cd'),
    ],
    plays: ['open >ab >cd close:both:end'],
  },
  {
    name: 'a FIN far ahead is not believed',
    lines: [...handshake, client(1, 'a'), finClient(20_000_000), client(2, 'b'), finClient(3)],
    plays: ['open >a >b close:client:fin close:both:end'],
  },
  {
    name: 'a RST before what the receiver has acknowledged does nothing',
    lines: [
      ...[...handshake, client(1, 'abcdef'), { from: 'server', at: 1, ack: 7 } as const],
      { from: 'client', flags: 'R', at: 3 },
      client(7, 'g'),
    ],
    plays: ['open >abcdef >g close:both:end'],
  },
  {
    name: 'holes of both sides in the order of the capture',
    lines: [...handshake, server(3, 'z'), client(3, 'c')],
    plays: ['open <[2] <z >[2] >c close:both:end'],
  },
  {
    name: 'port reuse behind a close, without SYN, some octets further',
    lines: [...[...handshake, client(1, 'a'), finClient(2), finServer(1)], client(20_000_000, 'b')],
    plays: ['open >a close:client:fin close:server:fin close:both:fin', 'open? >b close:both:end'],
  },
  {
    name: 'a long hole that was acknowledged, with one segment behind it',
    lines: [...handshake, client(1, 'a'), client(0x2000_0000, 'x'), ...idleTalk(64, 0x2000_0001)],
    plays: [`open >a >[${0x2000_0000 - 2}] >x close:both:end`],
  },
  {
    name: 'a SYN-ACK with another initial sequence number behind data of the same client',
    lines: [...handshake, server(1, 'b'), { ...synAck, serverIsn: 7 }, server(2, 'c')],
    plays: ['open <b <c close:both:end'],
  },
  {
    name: 'port reuse where only the server had spoken',
    lines: [
      ...[...handshake, server(1, 'b')],
      ...[...handshake, server(1, 'c')].map((line) => ({ ...line, clientIsn: 9000, serverIsn: 77 })),
    ],
    plays: ['open <b close:both:reuse', 'open <c close:both:end'],
  },
  {
    name: 'a SYN far from the data that waits',
    lines: [client(1, 'a'), { ...syn, clientIsn: 0x5000_0000 }, client(1, 'b', { clientIsn: 0x5000_0000 })],
    plays: ['open? >a close:both:reuse', 'open >b close:both:end'],
  },
  {
    name: 'a SYN-ACK far behind the data that waits',
    lines: [client(-6_000_000, 'x'), synAck, client(1, 'a'), server(1, 'b')],
    plays: ['open >a <b close:both:end'],
  },
  {
    name: 'an acknowledgment far ahead proves nothing',
    lines: [...handshake, client(1, 'a'), { from: 'server', at: 1, ack: 30_000_000 }],
    plays: ['open >a close:both:end'],
  },
  {
    name: 'half-close before the first octet',
    lines: [...handshake, finClient(1), server(1, 'b')],
    plays: ['open close:client:fin <b close:both:end'],
  },
  {
    name: 'zero-window probes: an octet of its own, sent again with the rest',
    lines: [...handshake, client(1, 'ab'), client(3, 'c'), client(3, 'c'), client(3, 'cdef')],
    plays: ['open >ab >c >def close:both:end'],
  },
  {
    name: 'urgent octets stand where they were sent',
    lines: [...handshake, client(1, 'a'), client(2, 'U', { flags: 'UA' }), client(3, 'b')],
    plays: ['open >a >U >b close:both:end'],
  },
  {
    name: 'a RST that overtakes data of the other side',
    lines: [...handshake, client(1, 'a'), { from: 'server', flags: 'R', at: 1 }, client(2, 'b')],
    plays: ['open >a >b close:both:rst'],
  },
  {
    name: 'a RST that overtakes data',
    lines: [...handshake, client(1, 'a'), client(3, 'c', { flags: 'RA', data: '' }), client(2, 'b')],
    plays: ['open >a >b close:both:rst'],
  },
  {
    name: 'a RST behind a hole: what is held comes first',
    lines: [...handshake, client(1, 'a'), client(3, 'c'), { from: 'client', flags: 'R', at: 4 }],
    plays: ['open >a >[1] >c close:both:rst'],
  },
  {
    name: 'a RST out of the window does nothing',
    lines: [
      ...handshake,
      client(1, 'a'),
      { from: 'client', flags: 'R', at: 3_000_000 },
      { from: 'client', flags: 'R', at: -70_000 },
      client(2, 'b'),
    ],
    plays: ['open >a >b close:both:end'],
  },
  {
    name: 'a refused connection has no events',
    lines: [syn, { from: 'server', flags: 'RA', serverIsn: 0, ack: 1 }],
    plays: [],
  },
  {
    name: 'a handshake without data has no events',
    lines: [...handshake, finClient(1), finServer(1)],
    plays: [],
  },
  {
    name: 'port reuse behind a close',
    lines: [
      ...[...handshake, client(1, 'a'), finClient(2), finServer(1)],
      ...[...handshake, client(1, 'b')].map((line) => ({ ...line, clientIsn: 9000, serverIsn: 77 })),
    ],
    plays: ['open >a close:client:fin close:server:fin close:both:fin', 'open >b close:both:end'],
  },
  {
    name: 'port reuse without a close',
    lines: [
      ...[...handshake, client(1, 'a'), client(3, 'c')],
      ...[...handshake, client(1, 'b')].map((line) => ({ ...line, clientIsn: 9000, serverIsn: 77 })),
    ],
    plays: ['open >a >[1] >c close:both:reuse', 'open >b close:both:end'],
  },
  {
    name: 'port reuse behind a close, both SYNs lost',
    lines: [
      ...[...handshake, client(1, 'a'), finClient(2), finServer(1)],
      client(1, 'b', { clientIsn: 0x7000_0000 }),
    ],
    plays: ['open >a close:client:fin close:server:fin close:both:fin', 'open? >b close:both:end'],
  },
  {
    name: 'port reuse without close and SYN, once enough segments fit nowhere',
    lines: [
      ...[...handshake, client(1, 'a')],
      ...Array.from({ length: 10 }, (_, index) => client(1 + index, `${index}`, { clientIsn: 0x7000_0000 })),
    ],
    plays: ['open >a close:both:reuse', 'open? >8 >9 close:both:end'],
  },
  {
    name: 'stragglers of a closed connection open nothing',
    lines: [
      ...[...handshake, client(1, 'ab'), finClient(3), finServer(1)],
      ...[syn, synAck, ackOfSynAck, client(1, 'ab'), finClient(3), client(2, '\0')],
    ],
    plays: ['open >ab close:client:fin close:server:fin close:both:fin'],
  },
  {
    name: 'octets cut off by the snap length',
    lines: [...handshake, client(1, 'ab', { missing: 3 }), client(6, 'c', { missing: 1 }), finClient(8)],
    plays: ['open >ab >[3] >c >[1] close:client:fin close:both:end'],
  },
  {
    name: 'octets cut off by the snap length and sent again whole',
    lines: [...handshake, client(1, 'ab', { missing: 2 }), client(5, 'e'), client(1, 'abcd'), finClient(6)],
    plays: ['open >ab >cd >e close:client:fin close:both:end'],
  },
  {
    name: 'a segment of which nothing was captured but its header',
    lines: [...handshake, client(1, '', { missing: 4 }), client(5, 'e')],
    plays: ['open >[4] >e close:both:end'],
  },
  {
    name: 'lost octets before both FINs',
    lines: [...handshake, client(1, 'a'), client(4, 'd'), finClient(6), finServer(3)],
    plays: ['open >a >[2] >d >[1] <[2] close:client:fin close:server:fin close:both:fin'],
  },
  {
    name: 'a lost tail that was acknowledged',
    lines: [...handshake, client(1, 'a'), { from: 'server', at: 1, ack: 12 }],
    plays: ['open >a >[10] close:both:end'],
  },
  {
    name: 'a lost FIN that was acknowledged is no gap',
    lines: [...handshake, client(1, 'a'), { from: 'server', at: 1, ack: 3 }],
    plays: ['open >a close:both:end'],
  },
  {
    name: 'a side that speaks late, out of order, begins where it was expected',
    lines: [
      ...Array.from({ length: 40 }, (_, index) => client(1 + index, 'a', { ack: 7 })),
      server(8, 'c'),
      server(7, 'b'),
    ],
    plays: [`open? ${'>a '.repeat(40)}<b <c close:both:end`],
  },
  {
    name: 'one direction only: of the other nothing is lost',
    lines: [
      syn,
      { ...ackOfSynAck, ack: 1 },
      client(1, 'a', { ack: 90 }),
      client(2, 'b', { ack: 400 }),
      finClient(3),
    ],
    plays: ['open >a >b close:client:fin close:both:end'],
  },
  {
    name: 'sequence numbers that fit nowhere',
    lines: [...handshake, client(1, 'a'), client(0x4000_0003, 'x'), client(0xa000_0000, 'y'), client(2, 'b')],
    plays: ['open >a >b close:both:end'],
  },
  {
    name: 'one segment far ahead is not believed',
    lines: [...handshake, client(1, 'a'), client(0x3000_0000, 'x'), client(2, 'b'), finClient(3)],
    plays: ['open >a >b close:client:fin close:both:end'],
  },
  {
    name: 'many octets lost, with several segments behind them',
    lines: [...handshake, client(1, 'a'), client(0x3000_0000, 'x'), client(0x3000_0001, 'y')],
    plays: [`open >a >[${0x3000_0000 - 2}] >x >y close:both:end`],
  },
  {
    name: 'octets behind a FIN',
    lines: [...handshake, client(1, 'a'), finClient(3), client(2, 'bcd'), client(4, 'e')],
    plays: ['open >a >b close:client:fin close:both:end'],
  },
  {
    name: 'a FIN before octets already seen',
    lines: [...handshake, client(1, 'abc'), finClient(2), client(4, 'd')],
    plays: ['open >abc >d close:both:end'],
  },
];

describe('Reassembler puts in order', () => {
  for (const scene of scenes) {
    test(scene.name, () => assert.deepEqual(play(scene.lines).audience.plays, scene.plays));
  }
  for (const scene of scenes) {
    test(`${scene.name}, every segment twice`, () => {
      // A mirror port of two ports: the second copy has another TTL and nothing else.
      const { audience } = play(scene.lines.flatMap((line) => [line, line]));
      if (scene.name.includes('fit nowhere') || scene.name.includes('both SYNs lost')) return;
      assert.deepEqual(audience.plays, scene.plays);
    });
  }
});

describe('Reassembler tells the client', () => {
  const cases: readonly { name: string; lines: readonly Line[]; client: number; handshakeSeen: boolean }[] = [
    {
      name: 'by the SYN, even from a mail port',
      lines: [
        { ...syn, clientPort: 25, serverPort: 110 },
        client(1, 'a', { clientPort: 25, serverPort: 110 }),
      ],
      client: 25,
      handshakeSeen: true,
    },
    {
      name: 'by the SYN-ACK',
      lines: [
        { ...synAck, clientPort: 25, serverPort: 40_000 },
        client(1, 'a', { clientPort: 25, serverPort: 40_000 }),
      ],
      client: 25,
      handshakeSeen: true,
    },
    {
      name: 'by a SYN behind data',
      lines: [
        client(1, 'a', { clientPort: 25, serverPort: 40_000 }),
        { ...syn, clientPort: 25, serverPort: 40_000 },
      ],
      client: 25,
      handshakeSeen: true,
    },
    {
      name: 'by the mail port of the other',
      lines: [server(1, 'a', { clientPort: 1025, serverPort: 25 })],
      client: 1025,
      handshakeSeen: false,
    },
    {
      name: 'by the mail port of the other though it is the higher',
      lines: [server(1, 'a', { clientPort: 80, serverPort: 110 })],
      client: 80,
      handshakeSeen: false,
    },
    {
      name: 'by the higher port where both are mail ports',
      lines: [server(1, 'a', { clientPort: 143, serverPort: 25 })],
      client: 143,
      handshakeSeen: false,
    },
    {
      name: 'by the higher port where none is',
      lines: [server(1, 'a', { clientPort: 2526, serverPort: 2525 })],
      client: 2526,
      handshakeSeen: false,
    },
  ];
  for (const { name, lines, client: port, handshakeSeen } of cases) {
    test(name, () => {
      const { audience } = play(lines);
      assert.equal(audience.heard.length, 1);
      assert.equal(audience.heard[0]?.connection.client.port, port);
      assert.equal(audience.heard[0]?.connection.handshakeSeen, handshakeSeen);
    });
  }
});

describe('Reassembler gives up a hole', () => {
  const hole = [...handshake, client(1, 'a'), client(3, 'c')];

  test('gapSegments after it was acknowledged, whatever the clock says', () => {
    const limits = limited({ gapSegments: 64 });
    for (const seconds of [0, 5, -30]) {
      const talk = (count: number) =>
        [...hole, ...idleTalk(count, 4)].map((line, index) => ({ ...line, seconds: seconds * index }));
      assert.deepEqual(play(talk(63), { limits, end: false }).audience.plays, ['open >a']);
      assert.deepEqual(play(talk(64), { limits, end: false }).audience.plays, ['open >a >[1] >c']);
    }
  });

  test('not while it is not acknowledged', () => {
    assert.deepEqual(play([...hole, ...idleTalk(500, 2)], { end: false }).audience.plays, ['open >a']);
  });

  test('before a FIN alone', () => {
    const lines = [...handshake, client(1, 'a'), finClient(5), ...idleTalk(64, 6)];
    assert.deepEqual(play(lines, { end: false }).audience.plays, ['open >a >[3] close:client:fin']);
  });

  test('with heldBytesPerDirectionMax + 1 octets behind it and not with heldBytesPerDirectionMax', () => {
    const limits = limited({ heldBytesPerDirectionMax: 4 });
    const lines = [...handshake, client(1, 'a'), client(4, 'defg')];
    assert.deepEqual(play(lines, { limits, end: false }).audience.plays, ['open >a']);
    const over = play([...lines, client(8, 'h')], { limits, end: false });
    assert.deepEqual(over.audience.plays, ['open >a >[2] >defg >h']);
    assert.deepEqual(
      over.audience.anomalies.map(({ code }) => code),
      ['stream.gap', 'stream.buffer-limit'],
    );
  });

  test('with heldSegmentsMax + 1 segments behind it and not with heldSegmentsMax', () => {
    const limits = limited({ heldSegmentsMax: 2 });
    const lines = [...handshake, client(1, 'a'), client(3, 'c'), client(5, 'e')];
    assert.deepEqual(play(lines, { limits, end: false }).audience.plays, ['open >a']);
    const over = play([...lines, client(7, 'g')], { limits, end: false });
    assert.deepEqual(over.audience.plays, ['open >a >[1] >c']);
  });

  test('where all connections together hold more than heldBytesMax', () => {
    const limits = limited({ heldBytesMax: 4, heldSegmentBytes: 1 });
    const other = [...handshake, client(3, 'cd')].map((line) => ({ ...line, clientPort: 50_000 }));
    const { audience } = play([...handshake, client(3, 'c'), ...other], { limits, end: false });
    assert.deepEqual(audience.plays, ['open >[2] >cd']);
  });

  test('closeSegments after both FINs, counted over all connections', () => {
    const limits = limited({ closeSegments: 3 });
    const lines = [...handshake, client(1, 'a'), finClient(3), finServer(1)];
    const other: Line = { ...syn, clientPort: 50_000 };
    assert.deepEqual(play([...lines, other, other], { limits, end: false }).audience.plays, [
      'open >a close:server:fin',
    ]);
    assert.deepEqual(play([...lines, other, other, other], { limits, end: false }).audience.plays, [
      'open >a close:server:fin >[1] close:client:fin close:both:fin',
    ]);
  });

  test('closeSegments after the FIN of the only side that was captured', () => {
    const limits = limited({ closeSegments: 3, startSegmentsMax: 2 });
    const lines = [syn, client(1, 'a'), { ...ackOfSynAck, at: 2 }, { ...ackOfSynAck, at: 2 }, finClient(2)];
    const other: Line = { ...syn, clientPort: 50_000 };
    const { audience } = play([...lines, other, other, other], { limits, end: false });
    assert.deepEqual(audience.plays, ['open >a close:client:fin close:both:fin']);
  });

  test('but not after one FIN of two that waited for the start', () => {
    const limits = limited({ closeSegments: 3, startSegmentsMax: 2 });
    const lines = [syn, finClient(1, 'a'), server(1, 'b'), ...idleTalk(6, 3), server(2, 'c')];
    const { audience } = play(lines, { limits, end: false });
    assert.deepEqual(audience.plays, ['open >a close:client:fin <b <c']);
  });

  test('and says so with the endpoints, unless nobody is interested', () => {
    const { audience } = play(hole);
    assert.deepEqual(audience.anomalies, [
      {
        kind: 'anomaly',
        code: 'stream.gap',
        at: 'frame 5',
        detail: 'connection 192.0.2.1:40000 to 192.0.2.25:25: 1 octets of the client are not in the capture',
      },
    ]);
    const bored = new Audience((event) => event.kind !== 'gap');
    assert.deepEqual(play(hole, { audience: bored }).audience.anomalies, []);
  });
});

describe('Reassembler takes the start in the middle of a connection as it is', () => {
  const limits = limited({ startSegmentsMax: 4 });
  const acks = (count: number): Line[] =>
    Array.from({ length: count }, () => ({ from: 'server', at: 9, ack: 3 }));

  test('when startSegmentsMax segments have passed and not before', () => {
    const lines = [client(2, 'b'), ...acks(2), client(1, 'a')];
    assert.deepEqual(play(lines, { limits, end: false }).audience.plays, []);
    assert.deepEqual(play([...lines, ...acks(1)], { limits, end: false }).audience.plays, ['open? >a >b']);
    const late = [client(2, 'b'), ...acks(4), client(1, 'a'), client(3, 'c')];
    assert.deepEqual(play(late, { limits, end: false }).audience.plays, ['open? >b >c']);
  });

  test('when startSegmentsMax segments have passed since the other side was first heard', () => {
    const lines = [client(1, 'a'), ...acks(3), server(10, 'y'), ...acks(2), server(9, 'x')];
    assert.deepEqual(play(lines, { limits, end: false }).audience.plays, []);
    assert.deepEqual(play([...lines, ...acks(1)], { limits, end: false }).audience.plays, ['open? >a <x <y']);
  });
});

describe('Reassembler forgets', () => {
  test('a connection whose consumer returns false, until a new SYN', () => {
    const audience = new Audience(({ kind }) => kind !== 'data');
    const { reassembler } = play(
      [
        ...handshake,
        client(1, 'a'),
        client(2, 'b'),
        server(1, 'c'),
        finClient(3),
        syn,
        synAck,
        client(1, 'd'),
      ],
      { audience },
    );
    assert.deepEqual(audience.plays, ['open >a', 'open >d']);
    assert.equal(reassembler.counts.ignoredOctets, 2);
    assert.equal(reassembler.counts.closed.ignored, 2);
  });

  test('what a connection holds when its consumer returns false', () => {
    const audience = new Audience(({ kind }) => kind !== 'data');
    const { reassembler } = play([...handshake, client(3, 'c'), server(1, 'x'), client(1, 'ab')], {
      audience,
    });
    assert.deepEqual(audience.plays, ['open <x']);
    assert.equal(reassembler.counts.ignoredOctets, 3);
  });

  test('the longest idle of connectionsMax + 1 connections and none of connectionsMax', () => {
    const limits = limited({ connectionsMax: 2 });
    const talk = (clientPort: number, at: number) => client(at, 'a', { clientPort });
    const open = (clientPort: number) =>
      [...handshake, client(1, 'a')].map((line) => ({ ...line, clientPort }));
    const { audience } = play([...open(1), ...open(2), talk(1, 2), ...open(3), ...open(4)], {
      limits,
      end: false,
    });
    assert.deepEqual(audience.plays, ['open >a >a', 'open >a close:both:limit', 'open >a', 'open >a']);
    assert.deepEqual(
      audience.anomalies.map(({ code }) => code),
      ['stream.connection-limit'],
    );
  });

  test('the longest idle connection, one after the other, while the consumers hold too much', () => {
    const audience = new Audience();
    const isCrowded = () => {
      const openMax = audience.heard.length < 4 ? 2 : 1;
      return audience.heard.filter(({ closeReason }) => closeReason === undefined).length > openMax;
    };
    Object.assign(audience, { isCrowded });
    const open = (clientPort: number) =>
      [...handshake, client(1, 'a')].map((line) => ({ ...line, clientPort }));
    const talk = client(2, 'b', { clientPort: 1 });
    play([...open(1), ...open(2), talk, ...open(3), ...open(4)], { audience, end: false });
    assert.deepEqual(audience.plays, [
      'open >a >b close:both:limit',
      'open >a close:both:limit',
      'open >a close:both:limit',
      'open >a',
    ]);
    assert.deepEqual(
      audience.anomalies.map(({ code }) => code),
      ['stream.connection-limit', 'stream.connection-limit', 'stream.connection-limit'],
    );
  });

  test('closed connections beyond closedConnectionsMax', () => {
    const whole = (clientPort: number): Line[] =>
      [...handshake, client(1, 'a'), finClient(2), finServer(1)].map((line) => ({ ...line, clientPort }));
    const stragglers = [client(1, 'a', { clientPort: 1 }), client(1, 'a', { clientPort: 2 })];
    const limits = limited({ closedConnectionsMax: 1 });
    assert.equal(play([...whole(1), ...whole(2), ...stragglers], { limits }).audience.heard.length, 3);
  });

  test('handshakes beyond unopenedConnectionsMax, not the connection with data', () => {
    const limits = limited({ unopenedConnectionsMax: 4, connectionsMax: 1 });
    const flood = Array.from({ length: 100 }, (_, index): Line => ({ ...syn, clientPort: 1000 + index }));
    const { audience } = play([...handshake, client(1, 'a'), ...flood, client(2, 'b')], { limits });
    assert.deepEqual(audience.plays, ['open >a >b close:both:end']);
  });

  test('a connection idle for more than idleSeconds, on a clock that no single packet moves', () => {
    const limits = limited({ idleSeconds: 10, clockSegments: 4 });
    const one = [...handshake, client(1, 'a')].map((line) => ({ ...line, seconds: 100 }));
    const others = (...times: number[]) => times.map((seconds): Line => ({ ...syn, clientPort: 9, seconds }));
    const closed = (...times: number[]) =>
      play([...one, ...others(...times)], { limits, end: false }).audience.heard[0]?.closeReason;
    assert.equal(closed(110, 110, 110, 110), undefined);
    assert.equal(closed(111, 111, 111, 111), 'idle');
    assert.equal(closed(9e9, 100, 9e9, 9e9), undefined);
    assert.equal(closed(70, 70, 70, 70, 111, 111, 111, 111), 'idle');
    assert.equal(closed(70, 70, 70, 70, 80, 80, 80, 80), undefined);
    assert.equal(closed(70, 70, 70, 70, 81, 81, 81, 81), 'idle', 'a clock set back counts from there');
  });
});

test('Reassembler gives every octet the sighting of the packet that carried it', () => {
  const lines = [...handshake, client(3, 'CD'), client(1, 'abcdef', { missing: 1 }), server(1, 'x')];
  const { audience } = play(lines);
  const seen = audience.heard[0]?.data.map(({ bytes, sequence, seen }) => [
    bytes.toString(),
    sequence,
    seen.frame,
    seen.ttl,
  ]);
  assert.deepEqual(seen, [
    ['ab', 1001, 5, 64],
    ['CD', 1003, 4, 64],
    ['ef', 1005, 5, 64],
    ['x', 500_001, 6, 57],
  ]);
  const second = audience.heard[0]?.data[1]?.seen;
  assert.deepEqual(
    [second?.capture, second?.frame, second?.timestampNs, second?.ipLength, second?.ttl],
    [0, 4, 1_700_000_000_000_000_004n, 42, 64],
  );
});

test('Reassembler with a share follows each connection in exactly one of the shares', () => {
  const lines = Array.from({ length: 64 }, (_, index) =>
    [...handshake, client(1, 'a'), server(1, 'b')].map((line) => ({ ...line, clientPort: 2000 + index })),
  ).flat();
  const ports = [0, 1, 2].map((index) =>
    play(lines, { share: { index, of: 3 } }).audience.heard.map(({ connection, play: heard }) => {
      assert.equal(heard, 'open >a <b close:both:end');
      return connection.client.port;
    }),
  );
  assert.ok(
    ports.every((some) => some.length > 5),
    'no share is (nearly) empty',
  );
  assert.deepEqual(
    ports.flat().sort(),
    Array.from({ length: 64 }, (_, index) => 2000 + index),
  );
});

test('Reassembler takes 100,000 one-octet segments in reverse order without quadratic work', () => {
  const lines = Array.from({ length: 100_000 }, (_, index) => client(100_000 - index, 'x'));
  const { audience, reassembler } = play([...handshake, ...lines]);
  assert.equal(reassembler.counts.deliveredOctets, 8193);
  assert.equal(audience.heard[0]?.text.client.startsWith('['), true);
});

test('Reassembler takes segments that cover thousands of held pieces, again and again', () => {
  const pieces = Array.from({ length: 4000 }, (_, index) => client(10 + index * 2, 'x'));
  const cover = client(9, 'y'.repeat(8000));
  const round = (start: number): Line[] =>
    [...pieces, cover].map((line) => ({ ...line, at: (line.at ?? 0) + start }));
  const { audience, reassembler } = play([
    ...handshake,
    ...[0, 1, 2, 3].flatMap((turn) => round(turn * 9000)),
  ]);
  assert.equal(audience.heard[0]?.text.client.slice(0, 12), '[8]yxyxyxyxy');
  assert.equal(reassembler.counts.deliveredOctets, 4 * 8000);
});

test('Reassembler needs strangeSegmentsMax implausible segments in a row, ahead or behind, to see a new connection', () => {
  for (const clientIsn of [0x7000_0000, (1000 - 20_000_000) >>> 0]) {
    const strange = Array.from({ length: 8 }, (_, index) => client(1 + index, 'x', { clientIsn }));
    const lines = [...handshake, client(1, 'a'), ...strange, client(2, 'b'), ...strange, client(3, 'c')];
    const { audience, reassembler } = play(lines);
    assert.deepEqual(audience.plays, ['open >a >b >c close:both:end']);
    assert.equal(reassembler.counts.discarded['out-of-window'], 16);
    assert.equal(play([...lines.slice(0, 12), ...strange]).audience.heard.length, 2);
  }
});

test('Reassembler opens nothing for a RST of no connection', () => {
  const { audience, reassembler } = play([client(1, 'why', { flags: 'RA' })]);
  assert.deepEqual(audience.plays, []);
  assert.equal(reassembler.counts.discarded['with-rst'], 3);
});

test('Reassembler finds a connection over IPv6 whatever its direction', () => {
  const audience = new Audience();
  const reassembler = new Reassembler(audience, { mailPorts });
  const ipv6 = (text: string): Buffer => Buffer.from(text, 'hex');
  const here = ipv6('20010db8000000000000000000000001');
  const there = ipv6('20010db8000000000000000000000002');
  for (const [index, line] of [...handshake, client(1, 'a'), server(1, 'b')].entries()) {
    const plain = segment(line, index + 1);
    const [sourceAddress, targetAddress] = line.from === 'client' ? [here, there] : [there, here];
    reassembler.receive({ ...plain, sourceAddress, targetAddress }, 3);
  }
  assert.deepEqual(audience.plays, ['open >a <b']);
  assert.deepEqual(audience.heard[0]?.connection.server, { address: '2001:db8::2', port: 25 });
  assert.equal(audience.heard[0]?.data[1]?.seen.capture, 3);
});
