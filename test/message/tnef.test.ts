import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeMessage } from '../../src/message/decode-message.ts';
import type { Message } from '../../src/message/types.ts';
import { base64Lines, hex, octets, pictures } from '../support/mail.ts';

const signature = hex('789f3e22 0100');
const { png } = pictures;

function attribute(level: number, id: number, data: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head[0] = level;
  head.writeUInt32LE(id, 1);
  head.writeUInt32LE(data.length, 5);
  return Buffer.concat([head, data, Buffer.alloc(2)]);
}

const body = (text: string): Buffer => attribute(1, 0x0002800c, Buffer.from(`${text}\0`));
const rendering = attribute(2, 0x00069002, Buffer.alloc(14));
const title = (name: string): Buffer => attribute(2, 0x00018010, Buffer.from(`${name}\0`));
const data = (bytes: Buffer): Buffer => attribute(2, 0x0006800f, bytes);

function number(value: number): Buffer {
  const octetsOfValue = Buffer.alloc(4);
  octetsOfValue.writeUInt32LE(value);
  return octetsOfValue;
}

/** One property whose value carries its length: type, id, one value, padded to four octets. */
function property(type: number, id: number, value: Buffer): Buffer {
  const padding = Buffer.alloc((4 - (value.length % 4)) % 4);
  return Buffer.concat([number((id << 16) | type), number(1), number(value.length), value, padding]);
}

function properties(...list: readonly Buffer[]): Buffer {
  return attribute(2, 0x00069005, Buffer.concat([number(list.length), ...list]));
}

const object = 0x0d;
const binary = 0x102;
const text = 0x1e;
const interfaceId = hex('07030200 00000000 c0000000 00000046');

function read(winmail: Buffer, before = ''): Message {
  return decodeMessage(
    octets(
      `Content-Type: multipart/mixed; boundary=b\n\n${before}--b\nContent-Type: application/ms-tnef; name="winmail.dat"\n` +
        `Content-Transfer-Encoding: base64\n\n${base64Lines(winmail)}\n--b--\n`,
    ),
  );
}

const names = (message: Message): (string | undefined)[] => message.attachments.map(({ name }) => name);

describe('decodeMessage opens winmail.dat', () => {
  const whole = Buffer.concat([signature, body('text'), rendering, title('a.png'), data(png)]);

  it('decodeMessage lists the files inside instead of a winmail.dat that is whole', () => {
    const message = read(whole);
    assert.deepEqual(names(message), ['a.png']);
    assert.deepEqual([message.text, message.whole, message.anomalies.length], ['text', true, 0]);
  });

  it('decodeMessage lists a damaged winmail.dat beside what it could read, and has lost nothing', () => {
    const damaged = Buffer.concat([whole, Buffer.alloc(40), title('never.txt')]);
    const message = read(damaged);
    assert.deepEqual(names(message), ['a.png', 'winmail.dat']);
    assert.deepEqual(message.attachments[1]?.bytes, damaged);
    assert.equal(message.whole, true);
    assert.deepEqual(
      message.anomalies.map(({ code }) => code),
      ['message.tnef-damaged'],
    );
  });

  it('decodeMessage keeps the beginning of a file at which winmail.dat is cut off', () => {
    const message = read(whole.subarray(0, whole.length - 20));
    assert.deepEqual(names(message), ['a.png', 'winmail.dat']);
    assert.deepEqual(message.attachments[0]?.bytes, png.subarray(0, png.length - 18));
  });

  it('decodeMessage lists a winmail.dat that holds nothing, and one that is no TNEF', () => {
    assert.deepEqual(names(read(signature)), ['winmail.dat']);
    assert.equal(read(signature).anomalies.length, 0);
    const foreign = read(Buffer.from('PK\x03\x04'));
    assert.deepEqual(names(foreign), ['winmail.dat']);
    assert.equal(foreign.whole, true);
  });

  it('decodeMessage takes a file out of a MAPI property, an object without its interface id', () => {
    const name = property(text, 0x3707, Buffer.from('long name.bin\0'));
    const plain = read(
      Buffer.concat([signature, rendering, properties(name, property(binary, 0x3701, png))]),
    );
    const storage = property(object, 0x3701, Buffer.concat([interfaceId, png]));
    const wrapped = read(Buffer.concat([signature, rendering, properties(name, storage)]));
    for (const message of [plain, wrapped]) {
      assert.deepEqual(names(message), ['long name.bin']);
      assert.deepEqual(message.attachments[0]?.bytes, png);
    }
  });

  it('decodeMessage opens a mail attached inside winmail.dat, its text where there is no other', () => {
    const attached = Buffer.concat([interfaceId, whole]);
    const outer = Buffer.concat([signature, rendering, properties(property(object, 0x3701, attached))]);
    assert.deepEqual(names(read(outer)), ['a.png']);
    assert.equal(read(outer).text, 'text');
    assert.equal(read(outer, '--b\n\nouter\n').text, 'outer');
  });

  it('decodeMessage opens mails in mails in winmail.dat to a bound', () => {
    let nested = whole;
    for (let depth = 0; depth < 20; depth++) {
      const attached = Buffer.concat([interfaceId, nested]);
      nested = Buffer.concat([signature, rendering, properties(property(object, 0x3701, attached))]);
    }
    assert.deepEqual(names(read(nested)), ['winmail.dat']);
    assert.equal(read(nested).whole, true);
  });
});
