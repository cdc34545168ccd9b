import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packetLimits } from '../../src/core/limits.ts';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { addressBytes, asPacket, ethernet, ipv4, ipv6, tcp, udp } from '../support/packets.ts';
import { allSamples, innerIpv4, innerIpv6 } from './samples.ts';
import { decodeOne, packetOf, seen } from './support.ts';

for (const { name, linkType, bytes } of allSamples) {
  test(`PacketDecoder finds the segment in ${name}`, () => {
    const { segment } = decodeOne(packetOf(linkType, bytes));
    const isIpv6 = segment?.source.length === 32;
    assert.deepEqual(segment, {
      source: addressBytes(isIpv6 ? '2001:db8::10' : '192.0.2.10').toString('hex'),
      target: addressBytes(isIpv6 ? '2001:db8::25' : '198.51.100.25').toString('hex'),
      sourcePort: 40_000,
      targetPort: 25,
      sequence: 7,
      acknowledgment: 9,
      flags: 0x18,
      payload: 'hello',
      missingLength: 0,
      ipLength: isIpv6 ? 65 : 45,
      ttl: 61,
    });
  });
}

const wireless = (control: string): Buffer =>
  Buffer.concat([Buffer.from(`${control}0000${'02'.repeat(18)}1000aaaa030000000800`, 'hex'), innerIpv4]);
const overUdp = (port: number, hex: string): Buffer =>
  ethernet(
    0x0800,
    ipv4({ protocol: 17 }, udp(50_000, port, Buffer.concat([Buffer.from(hex, 'hex'), innerIpv4]))),
  );
const overGre = (hex: string): Buffer =>
  ethernet(0x0800, ipv4({ protocol: 47 }, Buffer.concat([Buffer.from(hex, 'hex'), innerIpv4])));

const elsewhere: readonly [name: string, linkType: number, bytes: Buffer, outcome: string][] = [
  ['an unknown link type', 147, innerIpv4, 'unknown-link-type'],
  ['ARP', 1, ethernet(0x0806, Buffer.alloc(46)), 'not-ip'],
  ['spanning tree', 1, ethernet(38, Buffer.from(`424203${'00'.repeat(43)}`, 'hex')), 'not-ip'],
  ['Novell raw 802.3', 1, ethernet(34, Buffer.from(`ffff${'00'.repeat(44)}`, 'hex')), 'not-ip'],
  [
    'SNAP of another organization',
    1,
    ethernet(40, Buffer.from(`aaaa0300000c2000${'00'.repeat(38)}`, 'hex')),
    'not-ip',
  ],
  ['an EtherType between length and 1536', 1, ethernet(1501, innerIpv4), 'not-ip'],
  ['an AF that is not IP', 0, Buffer.concat([Buffer.from('07000000', 'hex'), innerIpv4]), 'not-ip'],
  ['raw IP of version 5', 101, Buffer.from(`55${'00'.repeat(40)}`, 'hex'), 'malformed'],
  ['PPP link control', 9, Buffer.from('ff03c021010100080206', 'hex'), 'not-ip'],
  ['PPPoE discovery', 1, ethernet(0x8864, Buffer.from('110900000000', 'hex')), 'not-ip'],
  ['PPPoE of another version', 1, ethernet(0x8864, Buffer.from('210000010004c021', 'hex')), 'malformed'],
  [
    'an MPLS management channel',
    1,
    ethernet(0x8847, Buffer.from('000201401000000100000000', 'hex')),
    'not-ip',
  ],
  ['an MPLS stack without bottom', 1, ethernet(0x8847, Buffer.alloc(40)), 'malformed'],
  ['an NFLOG attribute of length 3', 239, Buffer.from('0200000003000900450000', 'hex'), 'malformed'],
  ['an 802.11 acknowledgment', 105, Buffer.from('d4000000020202020202', 'hex'), 'not-ip'],
  ['an encrypted 802.11 frame', 105, wireless('0841'), 'not-ip'],
  ['an empty 802.11 frame', 105, wireless('4801'), 'not-ip'],
  [
    'an aggregate of 802.11 frames',
    105,
    Buffer.concat([Buffer.from(`88010000${'02'.repeat(18)}10008000aaaa030000000800`, 'hex'), innerIpv4]),
    'not-ip',
  ],
  ['an ICMP error with a TCP header in it', 1, ethernet(0x0800, ipv4({ protocol: 1 }, innerIpv4)), 'not-tcp'],
  ['ESP', 1, ethernet(0x86dd, ipv6({ protocol: 50 }, innerIpv4)), 'not-tcp'],
  ['IPv6 without next header', 1, ethernet(0x86dd, ipv6({ protocol: 59 }, Buffer.alloc(0))), 'not-tcp'],
  ['DNS', 1, ethernet(0x0800, ipv4({ protocol: 17 }, udp(50_000, 53, innerIpv4))), 'not-tcp'],
  [
    'an answer from the VXLAN port',
    1,
    ethernet(0x0800, ipv4({ protocol: 17 }, udp(4789, 53, innerIpv4))),
    'not-tcp',
  ],
  ['VXLAN without its flag', 1, overUdp(4789, '0000000000002a00'), 'not-tcp'],
  ['VXLAN with a reserved octet', 1, overUdp(4789, '0800000000002a01'), 'not-tcp'],
  ['Geneve of another version', 1, overUdp(6081, '4000080000002a00'), 'not-tcp'],
  ['a GTP-U echo request', 1, overUdp(2152, '320100040000000000010000'), 'not-tcp'],
  [
    'GTP-U with an empty extension header',
    1,
    overUdp(2152, '34ff00310000000100000085'.concat('00')),
    'malformed',
  ],
  ['L2TP control', 1, overUdp(1701, 'c802000c00000000'), 'not-tcp'],
  ['Teredo of something else', 1, overUdp(3544, '4500'), 'not-tcp'],
  ['GRE version 2', 1, overGre('00020800'), 'not-tcp'],
  ['a PPTP acknowledgment', 1, overGre('2081880b0000000100000001'), 'not-tcp'],
  ['GRE keep-alive', 1, overGre('00000000'), 'not-tcp'],
];

for (const [name, linkType, bytes, outcome] of elsewhere) {
  test(`PacketDecoder counts ${name} as ${outcome}`, () => {
    assert.deepEqual(decodeOne(packetOf(linkType, bytes)), { segment: undefined, outcome });
  });
}

test('PacketDecoder counts unknown link types by number and damaged headers by name', () => {
  const decoder = new PacketDecoder();
  for (const linkType of [147, 147, 7]) decoder.decode(asPacket(packetOf(linkType, innerIpv4)));
  decoder.decode(asPacket(packetOf(228, innerIpv6)));
  decoder.decode(asPacket(packetOf(1, ethernet(0x0800, innerIpv4).subarray(0, 30), 59)));
  assert.deepEqual(
    [...decoder.counts.unknownLinkTypes],
    [
      [147, 2],
      [7, 1],
    ],
  );
  assert.deepEqual([...decoder.counts.malformedHeaders], [['ipv4', 1]]);
  assert.deepEqual([...decoder.counts.truncatedHeaders], [['ipv4', 1]]);
});

/** An Ethernet frame whose chain of headers has the given length. */
function nested(headers: number): Buffer {
  const tags = '8100002a'.repeat(headers - 3);
  return Buffer.concat([Buffer.from(`020000000002020000000001${tags}0800`, 'hex'), innerIpv4]);
}

test('PacketDecoder reads as many headers as packetLimits.nestingMax and not one more', () => {
  assert.equal(decodeOne(packetOf(1, nested(packetLimits.nestingMax - 1))).outcome, 'segment');
  assert.equal(decodeOne(packetOf(1, nested(packetLimits.nestingMax))).outcome, 'segment');
  assert.equal(decodeOne(packetOf(1, nested(packetLimits.nestingMax + 1))).outcome, 'nesting-limit');
});

test('PacketDecoder hands out one object whose views die at the next call', () => {
  const decoder = new PacketDecoder();
  const first = decoder.decode(asPacket(packetOf(228, innerIpv4)));
  assert.ok(first);
  const kept = first.sourceAddress;
  const before = seen(first);
  const second = decoder.decode(asPacket(packetOf(228, ipv4({ source: '203.0.113.1' }, tcp({}, 'x')))));
  assert.equal(second, first);
  assert.notDeepEqual(seen(first), before);
  assert.equal(kept.toString('hex'), 'cb007101');
  assert.equal(decoder.decode(asPacket(packetOf(229, innerIpv6)))?.sourceAddress.length, 16);
  assert.equal(decoder.decode(asPacket(packetOf(228, innerIpv4)))?.sourceAddress.length, 4);
});

test('PacketDecoder tells time and frame of the packet', () => {
  const segment = new PacketDecoder().decode({
    ...asPacket(packetOf(228, innerIpv4), 17),
    seconds: -2,
    nanoseconds: 5,
  });
  assert.deepEqual([segment?.seconds, segment?.nanoseconds, segment?.frame], [-2, 5, 17]);
});
