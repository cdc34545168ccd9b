import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tlsLimits } from '../../../src/core/limits.ts';
import { KeyLog } from '../../../src/dialogue/tls/key-log.ts';

const random = Buffer.alloc(32, 0xa1);
const master = Buffer.alloc(48, 0xb2);
const line = `CLIENT_RANDOM ${random.toString('hex')} ${master.toString('hex')}`;

function keyLogOf(text: string | Buffer): KeyLog {
  const keyLog = new KeyLog();
  keyLog.add(text);
  return keyLog;
}

describe('KeyLog', () => {
  const readable: readonly (readonly [string, string | Buffer])[] = [
    ['one line without its end', line],
    ['LF', `${line}\n`],
    ['CRLF', `${line}\r\n`],
    ['a Buffer', Buffer.from(`${line}\n`)],
    ['upper case hexadecimal', line.replace(/[0-9a-f]{64,}/g, (hex) => hex.toUpperCase())],
    ['blanks around and tabs between', `  ${line.replaceAll(' ', '\t ')}  \n`],
    ['comments, junk and other labels before', `# log\n\n\0\xff junk\nRSA ${'0'.repeat(16)} 00\n${line}\n`],
    ['lines after', `${line}\nEXPORTER_SECRET ${'0'.repeat(64)} ${'1'.repeat(64)}\ntail`],
    ['a long line before', `${'x'.repeat(100_000)}\n${line}`],
  ];
  for (const [name, text] of readable) {
    it(`KeyLog.secret finds the secret in ${name}`, () => {
      const keyLog = keyLogOf(text);
      assert.deepEqual(keyLog.secret('CLIENT_RANDOM', random), master);
      assert.equal(keyLog.sessionCount, 1);
      assert.equal(keyLog.isEmpty, false);
    });
  }

  const ignored: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a label that is not used', line.replace('CLIENT_RANDOM', 'EXPORTER_SECRET')],
    ['a random that is too short', line.replace('a1', '')],
    ['a random that is too long', line.replace('a1', 'a1a1')],
    ['a master secret that is too short', line.slice(0, -2)],
    ['a master secret that is too long', `${line}00`],
    ['a traffic secret of 40 octets', line.replace('CLIENT_RANDOM', 'CLIENT_TRAFFIC_SECRET_0').slice(0, -16)],
    ['an odd number of digits', line.slice(0, -1)],
    ['a digit that is none', `${line.slice(0, -1)}g`],
    ['a line of the limit and one octet', line.padEnd(tlsLimits.keyLogLineBytesMax + 1)],
  ];
  for (const [name, text] of ignored) {
    it(`KeyLog.add ignores ${name}`, () => {
      assert.equal(keyLogOf(text).isEmpty, true);
    });
  }

  it('KeyLog.add reads a line at the limit', () => {
    assert.equal(keyLogOf(line.padEnd(tlsLimits.keyLogLineBytesMax)).sessionCount, 1);
  });

  it('KeyLog.add may be called again with the same and with other lines', () => {
    const keyLog = keyLogOf(`${line}\n`);
    keyLog.add(`${line}\n${line.replace('CLIENT_RANDOM', 'CLIENT_TRAFFIC_SECRET_0')}\n`);
    assert.equal(keyLog.sessionCount, 1);
    assert.deepEqual(keyLog.secret('CLIENT_RANDOM', random), master);
    assert.deepEqual(keyLog.secret('CLIENT_TRAFFIC_SECRET_0', random), master);
    assert.equal(keyLog.secret('SERVER_TRAFFIC_SECRET_0', random), undefined);
    assert.equal(keyLog.secret('CLIENT_RANDOM', Buffer.alloc(32)), undefined);
  });

  it('KeyLog.add never throws on random text', () => {
    const words = fc.constantFrom(
      'CLIENT_RANDOM',
      ' ',
      '\n',
      '\r',
      'a1'.repeat(32),
      '00'.repeat(48),
      'x',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), fc.uint8Array(), (chosen, bytes) => {
        const keyLog = keyLogOf(chosen.join(''));
        keyLog.add(Buffer.from(bytes));
        assert.ok(keyLog.sessionCount <= chosen.length);
      }),
    );
  });
});
