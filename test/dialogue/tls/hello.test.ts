import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tlsLimits } from '../../../src/core/limits.ts';
import { HandshakeReader } from '../../../src/dialogue/tls/handshake-reader.ts';
import { parseClientHello, parseServerHello } from '../../../src/dialogue/tls/hello.ts';

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255, body.length >> 8, body.length & 255]), body]);
}

function serverName(name: string): Buffer {
  const bytes = Buffer.from(name, 'latin1');
  const size = (length: number) => Buffer.from([length >> 8, length & 255]);
  const entry = Buffer.concat([Buffer.from([0]), size(bytes.length), bytes]);
  return extension(0, Buffer.concat([size(entry.length), entry]));
}

function clientHello(...extensions: readonly Buffer[]): Buffer {
  const body = Buffer.concat(extensions);
  const front = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0]),
  ]);
  return extensions.length === 0
    ? front
    : Buffer.concat([front, Buffer.from([body.length >> 8, body.length & 255]), body]);
}

describe('parseClientHello', () => {
  const names: readonly (readonly [string, Buffer, string | null])[] = [
    ['the name that the client asks for', clientHello(serverName('mail.example.org')), 'mail.example.org'],
    ['null without extensions', clientHello(), null],
    ['null for a name that cannot be one', clientHello(serverName('a\x1b[31m')), null],
    ['null for an empty name', clientHello(serverName('')), null],
    ['a name of 255 octets', clientHello(serverName('a'.repeat(255))), 'a'.repeat(255)],
    ['null for a name of 256 octets', clientHello(serverName('a'.repeat(256))), null],
    ['null for a name cut short', clientHello(extension(0, Buffer.from([0, 9, 0, 0, 6, 97]))), null],
    ['the first of two names', clientHello(serverName('one'), serverName('two')), 'one'],
  ];
  for (const [name, body, expected] of names) {
    it(`parseClientHello gives ${name}`, () => {
      assert.equal(parseClientHello(body)?.serverName, expected);
    });
  }

  it('parseClientHello and parseServerHello refuse or read every shortened hello', () => {
    const whole = clientHello(serverName('mail.example.org'), extension(42, Buffer.alloc(0)));
    for (let length = 0; length < whole.length; length++) {
      const short = parseClientHello(whole.subarray(0, length));
      // What is in front of the extensions must be whole; behind it a cut costs the extensions.
      assert.equal(short !== undefined, length >= 41, `${length} octets`);
      parseServerHello(whole.subarray(0, length));
    }
    assert.equal(parseClientHello(whole)?.offersEarlyData, true);
  });

  it('parseClientHello and parseServerHello never throw on random octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const body of [Buffer.from(bytes), Buffer.concat([Buffer.alloc(34), Buffer.from(bytes)])]) {
          parseClientHello(body);
          parseServerHello(body);
        }
      }),
    );
  });
});

function message(type: number, length: number): Buffer {
  const header = Buffer.from([type, length >> 16, (length >> 8) & 255, length & 255]);
  return Buffer.concat([header, Buffer.alloc(length, type)]);
}

function readIn(fragments: readonly Buffer[]): [number, number][] {
  const reader = new HandshakeReader();
  return fragments.flatMap((fragment) =>
    [...reader.receive(fragment)].map(({ type, body }): [number, number] => [type, body.length]),
  );
}

describe('HandshakeReader', () => {
  const flight = Buffer.concat([
    message(2, 70),
    message(11, 5000),
    message(8, 3),
    message(20, 12),
    message(1, 0),
  ]);
  const wanted = [
    [2, 70],
    [8, 3],
    [1, 0],
  ];

  it('HandshakeReader.receive gives the messages that matter, whatever the cuts', () => {
    for (const size of [1, 2, 3, 5, 100, 4096, flight.length]) {
      const fragments: Buffer[] = [];
      for (let at = 0; at < flight.length; at += size) fragments.push(flight.subarray(at, at + size));
      assert.deepEqual(readIn(fragments), wanted, `${size} octets at a time`);
    }
  });

  it('HandshakeReader.receive skips a hello above the limit and reads one at it', () => {
    const most = tlsLimits.helloBytesMax - 4;
    assert.deepEqual(readIn([message(1, most), message(2, 1)]), [
      [1, most],
      [2, 1],
    ]);
    assert.deepEqual(readIn([message(1, most + 1), message(2, 1)]), [[2, 1]]);
  });
});
