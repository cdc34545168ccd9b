/** Mails as octets: their decoding, and the record made of them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ZoneClock } from '../../src/core/clock.ts';
import { messageLimits, recordLimits } from '../../src/core/limits.ts';
import { heapOctets } from '../../src/dialogue/octets.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { decodeMessage } from '../../src/message/decode-message.ts';
import { buildRecord } from '../../src/record/build-record.ts';
import { defaultClient, defaultServer } from '../support/conversation.ts';
import { pictures } from '../support/mail.ts';
import { conversations } from './corpus.ts';
import type { Input } from './input.ts';
import type { Target } from './target.ts';

const words = (
  'Content-Type: multipart/mixed; boundary="b"\r\n|Content-Type: message/rfc822\r\n|--b\r\n|--b--\r\n|\r\n\r\n|boundary=|' +
  'Content-Transfer-Encoding: base64\r\n|Content-Transfer-Encoding: quoted-printable\r\n|Content-Transfer-Encoding: x-uuencode\r\n|' +
  'Content-Disposition: attachment; filename="x"\r\n|filename*=utf-8\'\'%e4%bd%a0|filename*0*=|name*1=|=?utf-8?B?5L2g?=|=?gb2312?Q?=C4=E3?=|' +
  '=?|?=|charset=gb2312|charset=utf-7|charset=hz-gb-2312|charset=iso-2022-jp|charset=utf-16|begin 644 a.png\r\n|end\r\n|' +
  '=ybegin line=128 size=5 name=a\r\n|=yend size=5\r\n|data:image/png;base64,|<img src="|&amp;|&#x|<!--|-->|<style>|</style>|<script|' +
  'From: a <b@c>, d: e@f;\r\n|Subject: |Received: from a (b [1.2.3.4]) by c;\r\n|Date: Fri, 28 Jan 2022 10:00:00 +0800\r\n|' +
  '+AGE-|\x1b$B|\x1b(B|~{|~}|Content-Type: application/ms-tnef\r\n|\x78\x9f\x3e\x22|Content-Type: text/html; charset=utf-8\r\n|' +
  'format=flowed; delsp=yes|Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n|Content-Type: multipart/appledouble\r\n|{\\rtf1 '
)
  .split('|')
  .map((word) => Buffer.from(word, 'latin1'));

/** Piece 0 is the mail. */
export const messageTarget: Target = {
  kinds: [0],
  words,
  seeds: mails,
  run: decode,
  runOtherwise: (input, random) => decode(input, random.integer(64)),
};

export const recordTarget: Target = {
  kinds: [0, 1, 2, 3],
  words: [
    ...words,
    ...['../', '\\', 'con.png', '\u202egnp.x', '\0', 'a'.repeat(300), '.', ' '].map((each) =>
      Buffer.from(each),
    ),
  ],
  seeds: async () =>
    (await mails()).map((mail) => [
      ...mail,
      { kind: 1, bytes: Buffer.from('helo.example') },
      { kind: 2, bytes: pictures.png },
    ]),
  run: record,
};

let known: Input[] | undefined;

async function mails(): Promise<Input[]> {
  if (known) return known;
  const heard = await conversations(1 << 18, 1 << 20);
  const unique = new Map<string, Buffer>();
  for (const { messages } of heard) {
    for (const { octets } of messages) {
      const bytes = octets.read();
      if (bytes.length < 12_000) unique.set(createHash('sha256').update(bytes).digest('hex'), bytes);
    }
  }
  known = [...unique.values()].map((bytes) => [{ kind: 0, bytes }]);
  return known;
}

function octetsOf(input: Input): Buffer {
  return Buffer.concat(input.flatMap(({ kind, bytes }) => (kind % 4 === 0 ? [bytes] : [])));
}

/** `offset` moves the mail in its buffer, among octets that are none of its own. */
function decode(input: Input, offset = 0): string {
  const bytes = octetsOf(input);
  const around = Buffer.alloc(bytes.length + 2 * offset, 0x2d);
  bytes.copy(around, offset);
  const message = decodeMessage(around.subarray(offset, offset + bytes.length));
  assert(message.text.length <= messageLimits.textLengthMax, 'the text keeps its limit');
  assert(message.attachments.length <= messageLimits.partsMax, 'attachments keep their limit');
  assert(isUnicode(message.text) && isUnicode(message.subject ?? ''), 'text is Unicode');
  const decoded = message.attachments.reduce((sum, each) => sum + each.bytes.length, 0);
  assert(decoded <= 16 * bytes.length + (1 << 20), 'no mail decodes to much more than its size');
  const attachments = message.attachments.map(({ bytes: content, ...rest }) => {
    return { ...rest, sha256: createHash('sha256').update(content).digest('hex') };
  });
  return JSON.stringify({ ...message, attachments });
}

async function record(input: Input): Promise<string> {
  const bytes = octetsOf(input);
  const text = (kind: number): string =>
    Buffer.concat(input.flatMap((piece) => (piece.kind % 4 === kind ? [piece.bytes] : []))).toString(
      'latin1',
    );
  const raw = rawMessage(bytes, text(1), text(3));
  const message = decodeMessage(bytes);
  // A second copy of an image with a name of its own: names must not collide.
  const named = message.attachments.map((each, index) => (index === 0 ? { ...each, name: text(2) } : each));
  const built = await buildRecord(
    raw,
    { ...message, attachments: named },
    {
      day: '2022-01-28',
      clock: new ZoneClock('Asia/Shanghai'),
      captures: ['captures/a.pcapng'],
      imageFolder: 'image',
    },
  );
  checkPaths(built.images.map(({ path }) => path));
  const { columns, detail } = built.record;
  for (const value of Object.values(columns)) {
    if (typeof value === 'string')
      assert(isUnicode(value) && !value.includes('\0'), 'text that any store takes');
  }
  for (const each of ['host_name', 'mail_from', 'mail_to', 'x_mail', 'mail_subject', 'message_id'] as const) {
    assert(!/[\r\n]/.test(columns[each] ?? ''), 'one line');
  }
  assert.match(detail.mail_key, /^[0-9a-f]{32}$/);
  assert(built.images.length <= recordLimits.imagesMax);
  return JSON.stringify([built.record, built.images.map(({ path }) => path), built.anomalies]);
}

function checkPaths(paths: readonly string[]): void {
  assert.equal(
    new Set(paths.map((path) => path.toLowerCase())).size,
    paths.length,
    'no two images have one name',
  );
  for (const path of paths) {
    const parts = path.split('/');
    assert.equal(parts.length, 2, 'a folder and a name');
    for (const part of parts) {
      assert(part !== '' && !part.startsWith('.') && !/[\\:*?"<>|\p{Cc}\p{Cf}]/u.test(part), 'a safe name');
      assert(Buffer.byteLength(part) <= 255, 'a name that file systems take');
    }
  }
}

function rawMessage(bytes: Buffer, helo: string, user: string): RawMessage {
  const seen = { capture: 0, frame: 4, timestampNs: 1_643_362_200_000_000_000n, ipLength: 1500, ttl: 64 };
  return {
    kind: 'message',
    protocol: 'smtp',
    connection: { id: 1, client: defaultClient, server: defaultServer, handshakeSeen: true },
    direction: 'submitted',
    method: 'DATA',
    layer: 'plain',
    octets: heapOctets(bytes),
    exact: true,
    complete: true,
    missing: [],
    accepted: true,
    envelope: { from: helo, to: [user, helo] },
    helo,
    user,
    mailbox: user,
    uid: null,
    first: seen,
    firstSequence: 1001,
    last: seen,
    wireBytes: bytes.length,
    anomalies: [],
  };
}

/** Without lone surrogates. */
function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
