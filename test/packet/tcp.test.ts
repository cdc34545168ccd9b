import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { TcpFlag } from '../../src/packet/types.ts';
import { client, server } from '../support/conversation.ts';
import { asPacket, ipv4, linkTypes, tcp, toPackets, toSegments } from '../support/packets.ts';
import { decodeOne, packetOf, seen } from './support.ts';

const raw = linkTypes.rawIp;

test('PacketDecoder reads a TCP header of known octets', () => {
  const ip = '45000037 1c464000 ef060000 0a000001 0a000002';
  const header = 'c35001bb fffffffe 80000000 80180200 00000000 0101080a 00000001 00000002';
  const packet = Buffer.from(`${ip} ${header} 686921`.replaceAll(' ', ''), 'hex');
  assert.deepEqual(decodeOne(packetOf(raw, packet)).segment, {
    source: '0a000001',
    target: '0a000002',
    sourcePort: 50_000,
    targetPort: 443,
    sequence: 0xfffffffe,
    acknowledgment: 0x80000000,
    flags: TcpFlag.ack | TcpFlag.psh,
    payload: 'hi!',
    missingLength: 0,
    ipLength: 55,
    ttl: 239,
  });
});

test('PacketDecoder hands out segments without payload for their numbers', () => {
  const { segment } = decodeOne(packetOf(raw, ipv4({}, tcp({ flags: TcpFlag.ack, acknowledgment: 77 }))));
  assert.deepEqual([segment?.acknowledgment, segment?.payload], [77, '']);
});

test('PacketDecoder keeps urgent data in line', () => {
  const segment = tcp({ flags: TcpFlag.ack | TcpFlag.urg }, 'a!b');
  segment.writeUInt16BE(2, 18);
  assert.equal(decodeOne(packetOf(raw, ipv4({}, segment))).segment?.payload, 'a!b');
});

test('PacketDecoder counts a data offset below 5 words or beyond the packet as malformed', () => {
  for (const words of [0, 4, 7]) {
    const segment = tcp({}, 'hello');
    segment[12] = words << 4;
    assert.equal(decodeOne(packetOf(raw, ipv4({}, segment))).outcome, 'malformed', `${words} words`);
  }
  const segment = tcp({}, '12345678');
  segment[12] = 7 << 4;
  assert.equal(decodeOne(packetOf(raw, ipv4({}, segment))).segment?.payload, '');
});

test('PacketDecoder knows what is missing where the snap length cut the TCP header behind its flags', () => {
  const packet = ipv4({}, tcp({ sequence: 5, options: Buffer.alloc(12, 1) }, 'hello'));
  for (const captured of [20 + 14, 20 + 20, 20 + 31, 20 + 32]) {
    const { segment } = decodeOne(packetOf(raw, packet.subarray(0, captured), packet.length));
    assert.deepEqual(
      [segment?.sequence, segment?.payload, segment?.missingLength],
      [5, '', 5],
      `${captured}`,
    );
  }
  assert.equal(decodeOne(packetOf(raw, packet.subarray(0, 33), packet.length)).outcome, 'truncated');
});

test('PacketDecoder tells of built packets what their builder says', () => {
  const turns = [server('220 hi\r\n'), client('QUIT\r\n')];
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    const options = {
      client: { address, port: 1025 },
      server: { address, port: 25 },
      segmentBytes: 3,
      clientSequence: 0xfffffffd,
    };
    const decoder = new PacketDecoder();
    const told = toPackets(turns, options).map((packet, index) => {
      const segment = decoder.decode(asPacket(packet, index + 1));
      return segment && { ...seen(segment), frame: segment.frame, nanoseconds: segment.nanoseconds };
    });
    const expected = toSegments(turns, options).map((segment) => {
      return { ...seen(segment), frame: segment.frame, nanoseconds: segment.nanoseconds };
    });
    assert.deepEqual(told, expected);
  }
});
