import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProxyLayer } from '../../src/dialogue/proxy-layer.ts';
import type { Sender, StreamData } from '../../src/stream/types.ts';
import { streamData, streamGap } from '../support/stream-events.ts';
import { END, feed, recut, WAYS } from './tls/feeding.ts';

type Kind = ConstructorParameters<typeof ProxyLayer>[0];

const octets = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const text = (line: string): Buffer => Buffer.from(line, 'latin1');

/** One event each; `C` the client, `S` the server. */
function said(...turns: readonly (readonly ['C' | 'S', Buffer])[]): StreamData[] {
  const next = { client: 4_294_967_290, server: 100 };
  return turns.map(([who, bytes], index) => {
    const sender: Sender = who === 'C' ? 'client' : 'server';
    const sequence = next[sender];
    next[sender] += bytes.length;
    return streamData(bytes, { sender, sequence, frame: index + 1 });
  });
}

const name = Buffer.concat([octets('0b'), text('mx.test.org'), octets('0019')]);
const signature = octets('0d0a0d0a000d0a515549540a');

interface Case {
  readonly name: string;
  readonly kind: Kind;
  readonly turns: readonly (readonly ['C' | 'S', Buffer])[];
  readonly target: { readonly host: string; readonly port: number } | null;
}

const socks5Reply = octets('05 00 00 01 7f000001 1234');
const okay = text('HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n');

const negotiations: readonly Case[] = [
  {
    name: 'SOCKS 4',
    kind: 'socks',
    turns: [
      ['C', octets('04 01 0019 c6336419 626f6200')],
      ['S', octets('00 5a 0000 00000000')],
    ],
    target: { host: '198.51.100.25', port: 25 },
  },
  {
    name: 'SOCKS 4a with a host name',
    kind: 'socks',
    turns: [
      ['C', Buffer.concat([octets('04 01 0019 00000001 00'), text('mx.test.org\0')])],
      ['S', octets('00 5a 0000 00000000')],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'SOCKS 5',
    kind: 'socks',
    turns: [
      ['C', octets('05 02 00 02')],
      ['S', octets('05 00')],
      ['C', Buffer.concat([octets('05 01 00 03'), name])],
      ['S', socks5Reply],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'SOCKS 5 with user and password, IPv6',
    kind: 'socks',
    turns: [
      ['C', octets('05 01 02')],
      ['S', octets('05 02')],
      ['C', Buffer.concat([octets('01 03'), text('bob'), octets('05'), text('05secr'.slice(0, 5))])],
      ['S', octets('01 00')],
      ['C', octets('05 01 00 04 20010db8000000000000000000000025 0019')],
      ['S', octets('05 00 00 04 20010db8000000000000000000000001 1234')],
    ],
    target: { host: '2001:0db8:0000:0000:0000:0000:0000:0025', port: 25 },
  },
  {
    name: 'SOCKS 5 all in one flight, the reply with a name',
    kind: 'socks',
    turns: [
      ['C', Buffer.concat([octets('05 01 00 05 01 00 03'), name])],
      ['S', Buffer.concat([octets('05 00 05 00 00 03'), name])],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'HTTP CONNECT',
    kind: 'http-connect',
    turns: [
      ['C', text('CONNECT mx.test.org:25 HTTP/1.1\r\nHost: mx.test.org:25\r\n\r\n')],
      ['S', okay],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'HTTP CONNECT with bare line feeds and an interim answer',
    kind: 'http-connect',
    turns: [
      ['C', text('CONNECT mx.test.org:25 HTTP/1.0\n\n')],
      ['S', text('HTTP/1.1 100 Continue\n\nHTTP/1.0 200 OK\n\n')],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'HTTP CONNECT that has to log in first',
    kind: 'http-connect',
    turns: [
      ['C', text('CONNECT mx.test.org:25 HTTP/1.1\r\n\r\n')],
      ['S', text('HTTP/1.1 407 Who are you\r\nContent-Length: 9\r\n\r\nHTTP/1.1 ')],
      ['C', text('CONNECT mx.test.org:25 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n')],
      ['S', okay],
    ],
    target: { host: 'mx.test.org', port: 25 },
  },
  {
    name: 'a PROXY line',
    kind: 'proxy-header',
    turns: [['C', text('PROXY TCP4 192.0.2.7 198.51.100.25 56324 25\r\n')]],
    target: null,
  },
  {
    name: 'a PROXY header of version 2 with addresses and a TLV',
    kind: 'proxy-header',
    turns: [['C', Buffer.concat([signature, octets('21 11 0010 c0000207 c6336419 dc04 0019 04 0001 00')])]],
    target: null,
  },
  {
    name: 'a PROXY header of version 2 without addresses',
    kind: 'proxy-header',
    turns: [['C', Buffer.concat([signature, octets('20 00 0000')])]],
    target: null,
  },
];

const greeting = text('220 mx ESMTP\r\n');
const hello = text('EHLO laptop\r\n');

for (const { name: what, kind, turns, target } of negotiations) {
  test(`ProxyLayer drops ${what} and passes what follows, cut in any way`, () => {
    const events = said(...turns, ['S', greeting], ['C', hello]);
    for (const way of WAYS) {
      const layer = new ProxyLayer(kind);
      const outcome = feed(layer, recut(events, way));
      assert.equal(outcome.client.toString('latin1'), hello.toString('latin1'), way);
      assert.equal(outcome.server.toString('latin1'), greeting.toString('latin1'), way);
      assert.deepEqual([outcome.notes, outcome.closes], [[], [END]], way);
      assert.deepEqual(layer.target, target, way);
      const first = outcome.data.find(({ sender }) => sender === 'client');
      assert.equal(first?.sequence, events.at(-1)?.sequence, 'octets keep their place in the stream');
    }
  });
}

const refusals: readonly (readonly [string, Kind, ...(readonly ['C' | 'S', Buffer])[]])[] = [
  [
    'SOCKS 4 that is refused',
    'socks',
    ['C', octets('04 01 0019 c6336419 00')],
    ['S', octets('00 5b 0000 00000000')],
  ],
  ['SOCKS 5 without an acceptable method', 'socks', ['C', octets('05 01 00')], ['S', octets('05 ff')]],
  ['SOCKS 5 with GSSAPI', 'socks', ['C', octets('05 01 01')], ['S', octets('05 01')]],
  ['SOCKS 5 with a wrong password', 'socks', ['C', octets('05 01 02')], ['S', octets('05 02 01 01')]],
  ['SOCKS 5 to an unreachable host', 'socks', ['C', octets('05 01 00')], ['S', octets('05 00 05 04')]],
  ['SOCKS 5 BIND', 'socks', ['C', octets('05 01 00 05 02 00 01')]],
  ['a server that is no SOCKS proxy', 'socks', ['C', octets('05 01 00')], ['S', text('220 x')]],
  ['an address of no type', 'socks', ['C', octets('05 01 00 05 01 00 09 00')]],
  ['HTTP CONNECT that is forbidden', 'http-connect', ['S', text('HTTP/1.1 403 No\r\n\r\n')]],
  ['HTTP CONNECT answered in another protocol', 'http-connect', ['S', text('SSH-2.0-x\r\n')]],
  ['an endless HTTP header', 'http-connect', ['C', text(`CONNECT a:1 HTTP/1.1\r\nX: ${'x'.repeat(4096)}`)]],
  ['a PROXY line of 108 octets', 'proxy-header', ['C', text(`PROXY TCP4 ${'x'.repeat(95)}\r\n`)]],
  ['a PROXY header of version 3', 'proxy-header', ['C', Buffer.concat([signature, octets('31 11 0000')])]],
];

for (const [what, kind, ...turns] of refusals) {
  test(`ProxyLayer says that nothing comes of ${what}`, () => {
    const events = said(...turns, ['C', hello], ['S', greeting]);
    for (const way of ['as captured', 'per octet'] as const) {
      const outcome = feed(new ProxyLayer(kind), recut(events, way));
      assert.deepEqual(
        outcome.notes.map((note) => note.what),
        ['absent'],
        way,
      );
      assert.deepEqual(outcome.closes, [END]);
    }
  });
}

test('ProxyLayer takes a PROXY line of 107 octets', () => {
  const line = text(`PROXY TCP4 ${'x'.repeat(94)}\r\n`);
  assert.equal(line.length, 107);
  const outcome = feed(new ProxyLayer('proxy-header'), said(['C', line], ['C', hello]));
  assert.deepEqual(outcome.client, hello);
});

test('ProxyLayer passes what stands behind a hole in the negotiation, and the hole', () => {
  const [request, next] = said(['C', octets('05 01 00')], ['C', hello]);
  assert(request && next);
  const gap = streamGap(10, { sequence: request.sequence + 3, frame: 2 });
  const outcome = feed(new ProxyLayer('socks'), [request, gap, next, END]);
  assert.deepEqual(outcome.client, hello);
  assert.deepEqual(outcome.gaps, [gap]);
});

test('ProxyLayer never throws and holds little, whatever the octets are', () => {
  const kind = fc.constantFrom<Kind>('socks', 'http-connect', 'proxy-header');
  const turn = fc.tuple(fc.constantFrom<'C' | 'S'>('C', 'S'), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(kind, fc.array(turn, { maxLength: 20 }), (which, turns) => {
      const events = said(...turns.map(([who, bytes]) => [who, Buffer.from(bytes)] as const));
      const { closes } = feed(new ProxyLayer(which), [...events, END]);
      assert.deepEqual(closes, [END]);
    }),
  );
});
