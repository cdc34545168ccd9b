import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packetLimits } from '../../src/core/limits.ts';
import { TcpFlag } from '../../src/packet/types.ts';
import { ethernet, fragmentHeader, ipv4, ipv6, tcp } from '../support/packets.ts';
import { decodeOne, packetOf } from './support.ts';

const hello = tcp({}, 'hello');

/** Decodes an IP packet in Ethernet, by default without anything cut. */
function decodeIp(packet: Buffer, trailer = 0, cut = 0): ReturnType<typeof decodeOne> {
  const etherType = (packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800;
  const frame = Buffer.concat([ethernet(etherType, packet), Buffer.alloc(trailer, 0xaa)]);
  return decodeOne(packetOf(1, frame.subarray(0, frame.length - cut), frame.length));
}

test('PacketDecoder skips IPv4 options', () => {
  const { segment } = decodeIp(ipv4({ options: Buffer.from('9404000001010100', 'hex') }, hello));
  assert.deepEqual([segment?.payload, segment?.ipLength], ['hello', 53]);
});

test('PacketDecoder cuts Ethernet padding and check sequence by the IP length', () => {
  assert.equal(decodeIp(ipv4({}, tcp({ flags: TcpFlag.ack })), 6).segment?.payload, '');
  assert.equal(decodeIp(ipv4({}, hello), 4).segment?.payload, 'hello');
  assert.equal(decodeIp(ipv6({}, hello), 4).segment?.payload, 'hello');
});

test('PacketDecoder takes the whole frame where the length is left to the network card', () => {
  const four = decodeIp(ipv4({ claimedLength: 0 }, hello)).segment;
  assert.deepEqual([four?.payload, four?.ipLength, four?.missingLength], ['hello', 45, 0]);
  const six = decodeIp(ipv6({ claimedLength: 0 }, hello)).segment;
  assert.deepEqual([six?.payload, six?.ipLength, six?.missingLength], ['hello', 65, 0]);
});

test('PacketDecoder reads a jumbogram', () => {
  const jumbo = Buffer.concat([Buffer.from('0600c20400011184', 'hex'), tcp({}, Buffer.alloc(70_000, 0x61))]);
  const { segment } = decodeIp(ipv6({ protocol: 0, claimedLength: 0 }, jumbo));
  assert.deepEqual([segment?.payload.length, segment?.ipLength], [70_000, 70_068]);
});

test('PacketDecoder does not mind wrong checksums', () => {
  const packet = ipv4({}, hello);
  packet.writeUInt16BE(0xbad0, 10);
  packet.writeUInt16BE(0xbad1, 36);
  assert.equal(decodeIp(packet).segment?.payload, 'hello');
});

const contradictions: readonly [string, Buffer][] = [
  ['a header of 16 octets', Buffer.from(`44${ipv4({}, hello).toString('hex').slice(2)}`, 'hex')],
  ['a version of 5', Buffer.from(`55${ipv4({}, hello).toString('hex').slice(2)}`, 'hex')],
  ['a total length of 19', ipv4({ claimedLength: 19 }, hello)],
  ['a total length that ends in the TCP header', ipv4({ claimedLength: 39 }, hello)],
];

for (const [name, packet] of contradictions) {
  test(`PacketDecoder counts an IPv4 packet with ${name} as malformed`, () => {
    assert.equal(decodeIp(packet).outcome, 'malformed');
  });
}

test('PacketDecoder tells what the snap length cut off', () => {
  const { segment } = decodeIp(ipv4({}, hello), 0, 2);
  assert.deepEqual([segment?.payload, segment?.missingLength, segment?.ipLength], ['hel', 2, 45]);
});

test('PacketDecoder believes the outermost IP length where the tool lost the original length', () => {
  const frame = ethernet(0x0800, ipv4({}, hello));
  const { segment } = decodeOne(packetOf(1, frame.subarray(0, -2)));
  assert.deepEqual([segment?.payload, segment?.missingLength], ['hel', 2]);
});

test('PacketDecoder does not believe an inner length beyond the outer one', () => {
  const { segment } = decodeIp(ipv4({ protocol: 4 }, ipv4({ claimedLength: 60 }, hello)), 15);
  assert.deepEqual([segment?.payload, segment?.missingLength, segment?.ipLength], ['hello', 0, 60]);
});

const extensions: readonly [name: string, first: number, hex: string][] = [
  ['hop-by-hop options', 0, '0600050200000100'],
  ['a routing header', 43, `0602000100000000${'20'.repeat(16)}`],
  ['destination options', 60, '0600010400000000'],
  ['an authentication header', 51, `06040000${'11'.repeat(20)}`],
  ['a mobility header', 135, '0600000000000000'],
  [
    'four headers',
    0,
    '3c00010400000000 2b00010400000000 3300000000000000 06040000'.replaceAll(' ', '') + '11'.repeat(20),
  ],
];

for (const [name, protocol, hex] of extensions) {
  test(`PacketDecoder skips ${name} of IPv6`, () => {
    const { segment } = decodeIp(ipv6({ protocol }, Buffer.concat([Buffer.from(hex, 'hex'), hello])));
    assert.equal(segment?.payload, 'hello');
  });
}

test('PacketDecoder reads as many extension headers as packetLimits allows and not one more', () => {
  const chain = (count: number): Buffer => {
    const headers = Array.from({ length: count }, (_, index) =>
      Buffer.from(`${index === count - 1 ? '06' : '3c'}00010400000000`, 'hex'),
    );
    return ipv6({ protocol: 60 }, Buffer.concat([...headers, hello]));
  };
  assert.equal(decodeIp(chain(packetLimits.extensionHeadersMax - 1)).outcome, 'segment');
  assert.equal(decodeIp(chain(packetLimits.extensionHeadersMax)).outcome, 'segment');
  assert.equal(decodeIp(chain(packetLimits.extensionHeadersMax + 1)).outcome, 'nesting-limit');
});

test('PacketDecoder takes an atomic fragment as a whole datagram', () => {
  const { segment, outcome } = decodeIp(ipv6({ protocol: 44 }, fragmentHeader(6, 0, false, 99, hello)));
  assert.deepEqual([segment?.payload, outcome], ['hello', 'segment']);
});

test('PacketDecoder takes an atomic fragment for one whatever its reserved bits are', () => {
  const fragment = fragmentHeader(6, 0, false, 99, hello);
  fragment[3] = 0x06;
  assert.equal(decodeIp(ipv6({ protocol: 44 }, fragment)).segment?.payload, 'hello');
});

test('PacketDecoder ends an 802.3 frame by its length', () => {
  const packet = ipv4({ claimedLength: 0 }, hello);
  const content = Buffer.concat([Buffer.from('aaaa030000000800', 'hex'), packet]);
  const frame = Buffer.concat([ethernet(content.length, content), Buffer.alloc(9, 0xaa)]);
  assert.equal(decodeOne(packetOf(1, frame)).segment?.payload, 'hello');
});

test('PacketDecoder does not read extension headers in IPv4', () => {
  const extension = Buffer.from('0600010400000000', 'hex');
  assert.equal(decodeIp(ipv4({ protocol: 60 }, Buffer.concat([extension, hello]))).outcome, 'not-tcp');
});
