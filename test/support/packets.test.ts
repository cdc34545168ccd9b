import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCapture } from './capture-reader.ts';
import { client, conversation, cuts, lost, play, server, uncut } from './conversation.ts';
import { addressBytes, linkTypes, toPackets, toSegments, writePcap, writePcapng } from './packets.ts';

const screenplay = `
  # a greeting
  S: 220 mx
  C: EHLO x
  C: MAIL FROM:<a@b>
  S! 250 lost
  S: 250 ok
`;

test('conversation merges the lines of one speaker and keeps holes apart', () => {
  assert.deepEqual(conversation(screenplay), [
    server('220 mx\r\n'),
    client('EHLO x\r\nMAIL FROM:<a@b>\r\n'),
    lost(server('250 lost\r\n')),
    server('250 ok\r\n'),
  ]);
});

test('conversation refuses a line without speaker', () => {
  assert.throws(() => conversation('220 mx'), /begins with/);
});

test('cuts gives the same octets and sequence numbers however it cuts', () => {
  for (const [name, events] of cuts(conversation(screenplay))) {
    let octets = '';
    for (const event of events) {
      if (event.kind === 'data' && event.sender === 'client') octets += event.bytes.toString();
      if (event.kind === 'gap') assert.equal(event.length, 10, name);
    }
    assert.equal(octets, 'EHLO x\r\nMAIL FROM:<a@b>\r\n', name);
    const last = events.findLast((event) => event.kind === 'data' && event.sender === 'server');
    assert.ok(last?.kind === 'data');
    assert.equal(last.sequence + last.bytes.length, 1001 + 26, name);
    assert.equal(events.at(0)?.kind, 'open', name);
    assert.equal(events.at(-1)?.kind, 'close', name);
  }
});

test('play overwrites the bytes after each call', () => {
  const kept: Buffer[] = [];
  play(
    { receive: (event) => (event.kind === 'data' ? kept.push(event.bytes) > 0 : true) },
    uncut([client('secret')]),
  );
  assert.deepEqual(kept, [Buffer.alloc(6, 0xaa)]);
});

test('toSegments numbers SYN and FIN, wraps, and leaves out lost turns', () => {
  const turns = [server('ab'), lost(client('xyz')), client('q')];
  const segments = toSegments(turns, { clientSequence: 0xffffffff, segmentBytes: 1 });
  const told = segments.map(({ sequence, acknowledgment, payloadLength }) => [
    sequence,
    acknowledgment,
    payloadLength,
  ]);
  assert.deepEqual(told, [
    [0xffffffff, 0, 0],
    [5000, 0, 0],
    [0, 5001, 0],
    [5001, 0, 1],
    [5002, 0, 1],
    [3, 5003, 1],
    [4, 5003, 0],
    [5003, 5, 0],
    [5, 5004, 0],
  ]);
});

test('toPackets builds frames of known octets', () => {
  const [syn] = toPackets([], { end: 'none' });
  assert.equal(
    syn?.bytes.toString('hex'),
    '0200000000020200000000010800450000280001000040068e78c000020ac6336419' +
      'c0000019000003e80000000050' +
      '02ffff00000000',
  );
});

test('toPackets uses IPv6 where the addresses are', () => {
  const endpoints = { client: { address: '2001:db8::1', port: 4 }, server: { address: '::2', port: 5 } };
  const [syn] = toPackets([], { ...endpoints, linkType: linkTypes.rawIp, snapLength: 30 });
  assert.equal(syn?.bytes.length, 30);
  assert.equal(syn?.originalLength, 60);
  assert.equal(syn?.bytes.subarray(8, 24).toString('hex'), '20010db8000000000000000000000001');
});

test('addressBytes reads dotted and colon forms', () => {
  assert.equal(addressBytes('10.0.0.255').toString('hex'), '0a0000ff');
  assert.equal(addressBytes('::').toString('hex'), '0'.repeat(32));
  assert.equal(addressBytes('1:2:3:4:5:6:7:8').toString('hex'), '00010002000300040005000600070008');
});

test('writePcap and writePcapng write the magic numbers of both byte orders', () => {
  const packets = toPackets([client('hello')]);
  assert.equal(writePcap(packets).subarray(0, 4).toString('hex'), 'd4c3b2a1');
  assert.equal(writePcap(packets, { bigEndian: true, nanoseconds: true }).readUInt32BE(0), 0xa1b23c4d);
  assert.equal(writePcapng(packets).subarray(8, 12).toString('hex'), '4d3c2b1a');
  assert.equal(writePcapng(packets, { bigEndian: true }).subarray(8, 12).toString('hex'), '1a2b3c4d');
  assert.equal(writePcapng(packets).length % 4, 0);
});

test('readCapture reads back what writePcap and writePcapng write', () => {
  const packets = toPackets([client('hello'), server('world')], { snapLength: 57 });
  for (const bigEndian of [false, true]) {
    assert.deepEqual(readCapture(writePcap(packets, { bigEndian })), packets);
    assert.deepEqual(readCapture(writePcap(packets, { bigEndian, nanoseconds: true })), packets);
    assert.deepEqual(readCapture(writePcapng(packets, { bigEndian })), packets);
  }
});
