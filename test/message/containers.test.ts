import assert from 'node:assert/strict';
import { it } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { readSignedData } from '../../src/message/cms.ts';
import { extractYenc } from '../../src/message/yenc.ts';
import { hex } from '../support/mail.ts';

function yenc(bytes: Buffer, lineLength = 128): string {
  let line = '';
  let text = '';
  for (const octet of bytes) {
    const value = (octet + 42) & 0xff;
    const critical = [0, 0x0a, 0x0d, 0x3d].includes(value);
    line += critical ? `=${String.fromCharCode((value + 64) & 0xff)}` : String.fromCharCode(value);
    if (line.length < lineLength) continue;
    text += `${line}\r\n`;
    line = '';
  }
  return line === '' ? text : `${text}${line}\r\n`;
}

const yencFile = (bytes: Buffer, end: string): Buffer =>
  Buffer.from(
    `before\r\n=ybegin line=128 size=${bytes.length} name=a b.bin \r\n${yenc(bytes)}${end}after\r\n`,
    'latin1',
  );

it('extractYenc gives back whatever octets were encoded, and takes them out of the text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (given) => {
      const bytes = Buffer.from(given);
      const end = `=yend size=${bytes.length} crc32=${crc32(bytes).toString(16).padStart(8, '0')}\r\n`;
      const found = extractYenc(yencFile(bytes, end));
      assert.deepEqual(found?.files, [{ name: 'a b.bin', bytes, damaged: false }]);
      assert.equal(String(found?.rest), 'before\r\nafter\r\n');
    }),
  );
});

const content = Buffer.from('some octets of a file');
for (const [what, end, damaged] of [
  ['the right size and no checksum', `=yend size=${content.length}\r\n`, false],
  [
    'the right part checksum',
    `=yend size=${content.length} pcrc32=${crc32(content).toString(16)}\r\n`,
    false,
  ],
  ['another size', '=yend size=7\r\n', true],
  ['another checksum', `=yend size=${content.length} crc32=00000001\r\n`, true],
  ['no end', '', true],
] as const) {
  it(`extractYenc calls a file with ${what} ${damaged ? 'damaged' : 'whole'}`, () => {
    assert.equal(extractYenc(yencFile(content, end))?.files[0]?.damaged, damaged);
  });
}

it('extractYenc finds nothing where the words stand inside a line', () => {
  assert.equal(extractYenc(Buffer.from('so =ybegin line=1 size=1 name=a\r\nx\r\n')), undefined);
});

/** DER with a length of one or two octets. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const object = { data: hex('06092a864886f70d010701'), signed: hex('06092a864886f70d010702') };
const enveloped = hex('06092a864886f70d010703');
const version = hex('020101');
const algorithms = der(0x31);
const signed = (string: Buffer): Buffer =>
  der(
    0x30,
    object.signed,
    der(0xa0, der(0x30, version, algorithms, der(0x30, object.data, der(0xa0, string)))),
  );
const text = Buffer.from('Subject: x\r\n\r\ntext');

it('readSignedData unwraps an octet string, whole or in pieces', () => {
  assert.deepEqual(readSignedData(signed(der(0x04, text))), { kind: 'signed', content: text });
  const pieces = der(0x24, der(0x04, text.subarray(0, 5)), der(0x24, der(0x04, text.subarray(5))));
  assert.deepEqual(readSignedData(signed(pieces)), { kind: 'signed', content: text });
});

it('readSignedData tells a detached signature, enveloped data and anything else', () => {
  const detached = der(
    0x30,
    object.signed,
    der(0xa0, der(0x30, version, algorithms, der(0x30, object.data))),
  );
  assert.deepEqual(readSignedData(detached), { kind: 'signed', content: undefined });
  assert.deepEqual(readSignedData(der(0x30, enveloped, der(0xa0, der(0x30)))), { kind: 'enveloped' });
  for (const other of [Buffer.alloc(0), text, der(0x30), der(0x30, object.data)])
    assert.deepEqual(readSignedData(other), { kind: 'other' });
});

it('readSignedData opens octet strings in octet strings to a bound, and takes any octets', () => {
  let nested = der(0x04, text);
  for (let depth = 0; depth < 1000; depth++) nested = der(0x24, nested);
  assert.equal(readSignedData(signed(nested)).kind, 'signed');
  const whole = signed(der(0x04, text));
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, octet) => {
      const changed = Buffer.from(whole);
      changed[at] = octet;
      const found = readSignedData(changed);
      assert.ok(found.kind !== 'signed' || (found.content?.length ?? 0) <= changed.length);
    }),
  );
});
