import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { anomaly } from '../../src/core/anomaly.ts';
import { recordLimits } from '../../src/core/limits.ts';
import { heapOctets } from '../../src/dialogue/octets.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import type { Message } from '../../src/message/types.ts';
import { columnNames, type MailColumns, type MailDetail } from '../../src/record/types.ts';
import { build, last, rawMessage } from './samples.ts';

const to = (...addresses: string[]) => addresses.map((address) => ({ name: '', address }));
const gap = { offset: 10, length: 5 };

interface ColumnRule {
  readonly rule: string;
  readonly raw?: Partial<RawMessage>;
  readonly message?: Partial<Message>;
  readonly expected: Partial<MailColumns>;
}

const columnRules: readonly ColumnRule[] = [
  { rule: 'insert_time is the day being ingested', expected: { insert_time: '2022-01-28' } },
  {
    rule: 'timestamp is the capture time of the first byte, the own Date: never decides',
    message: { date: '1999-01-01T00:00:00Z' },
    expected: { timestamp: 'time of 1643362200123456789' },
  },
  {
    rule: 'sport, dport, source_ip and target_ip are client to server for a mail that is sent',
    expected: { sport: 49152, dport: 25, source_ip: '192.0.2.7', target_ip: '2001:db8::25' },
  },
  {
    rule: 'sport, dport, source_ip and target_ip are client to server for a mail that is retrieved',
    raw: { protocol: 'pop3', direction: 'retrieved', envelope: null, helo: null },
    expected: { sport: 49152, dport: 25, source_ip: '192.0.2.7', target_ip: '2001:db8::25' },
  },
  { rule: 'len and ttl are of the packet with the first byte', expected: { len: 1420, ttl: 57 } },
  { rule: 'file_path is the capture of the last byte', expected: { file_path: 'captures/a/two.pcapng' } },

  { rule: 'host_name on SMTP is the HELO argument', expected: { host_name: 'client.example' } },
  {
    rule: 'host_name on SMTP may be an address literal',
    raw: { helo: '[192.0.2.7]' },
    expected: { host_name: '[192.0.2.7]' },
  },
  {
    rule: 'host_name on SMTP without HELO is of Received',
    raw: { helo: null },
    expected: { host_name: 'desk.example' },
  },
  {
    rule: 'host_name on SMTP with an empty HELO is of Received',
    raw: { helo: ' ' },
    expected: { host_name: 'desk.example' },
  },
  {
    rule: 'host_name on POP3 is of Received',
    raw: { protocol: 'pop3', helo: null, envelope: null },
    expected: { host_name: 'desk.example' },
  },
  {
    rule: 'host_name on IMAP is of Received even if there were a HELO',
    raw: { protocol: 'imap', envelope: null },
    expected: { host_name: 'desk.example' },
  },
  {
    rule: 'host_name is NULL where nobody names one',
    raw: { helo: null },
    message: { receivedHost: undefined },
    expected: { host_name: null },
  },

  { rule: 'mail_from is the bare address of From:', expected: { mail_from: 'alice@example.org' } },
  {
    rule: 'mail_from is the first address that is one',
    message: { from: to('', 'second@example.org', 'third@example.org') },
    expected: { mail_from: 'second@example.org' },
  },
  {
    rule: 'mail_from is else of the envelope',
    message: { from: [] },
    expected: { mail_from: 'bounce@example.org' },
  },
  {
    rule: 'mail_from is NULL for the null reverse-path',
    raw: { envelope: { from: '', to: [] } },
    message: { from: [] },
    expected: { mail_from: null },
  },

  {
    rule: 'mail_to is To: in order, joined by commas',
    raw: { envelope: null },
    message: { to: to('b@x', 'a@x', 'b@x') },
    expected: { mail_to: 'b@x,a@x,b@x' },
  },
  {
    rule: 'mail_to has the envelope recipients that no header names behind',
    raw: { envelope: { from: '', to: ['bcc1@x', 'TO@X', 'cc@x', 'bcc2@x', 'BCC1@x', ''] } },
    message: { to: to('to@x'), cc: to('Cc@x') },
    expected: { mail_to: 'to@x,bcc1@x,bcc2@x' },
  },
  {
    rule: 'mail_to is the envelope where To: names nobody',
    message: { to: [{ name: 'undisclosed', address: '' }] },
    expected: { mail_to: 'bob@example.org' },
  },
  {
    rule: 'mail_to is NULL where nobody is named',
    raw: { envelope: null },
    message: { to: [] },
    expected: { mail_to: null },
  },

  { rule: 'x_mail is the mail client', expected: { x_mail: 'Foxmail 7' } },
  { rule: 'x_mail is NULL where none is named', message: { mailer: undefined }, expected: { x_mail: null } },
  { rule: 'x_mail is unfolded', message: { mailer: 'Foxmail\r\n\t7' }, expected: { x_mail: 'Foxmail 7' } },

  { rule: 'mail_subject is the subject', expected: { mail_subject: 'Hello' } },
  {
    rule: 'mail_subject is empty where it is empty',
    message: { subject: '' },
    expected: { mail_subject: '' },
  },
  {
    rule: 'mail_subject is NULL where there is none',
    message: { subject: undefined },
    expected: { mail_subject: null },
  },
  {
    rule: 'mail_subject has its control characters removed',
    message: { subject: 'a\0b\x1b[31mc\x7fd\x9be\r\nf\tg' },
    expected: { mail_subject: 'ab[31mcde f g' },
  },
  {
    rule: 'mail_subject keeps emoji and loses lone surrogates',
    message: { subject: '😀你好\uD83D!' },
    expected: { mail_subject: '😀你好\uFFFD!' },
  },
  { rule: 'mail_priority is that of the message', message: { priority: 1 }, expected: { mail_priority: 1 } },
  { rule: 'message_id is without brackets', expected: { message_id: '1@example.org' } },
  {
    rule: 'message_id is NULL where there is none',
    message: { messageId: undefined },
    expected: { message_id: null },
  },
  { rule: 'mail_content is the text', expected: { mail_content: 'body\n' } },
  {
    rule: 'mail_content keeps tabs and line ends and loses other control characters',
    message: { text: 'a\tb\r\nc\rd\0\x07\x1b\x85e\uDC00' },
    expected: { mail_content: 'a\tb\nc\nde\uFFFD' },
  },
  {
    rule: 'a mail of 0 octets is a row without a loss',
    raw: { octets: heapOctets(Buffer.alloc(0)), envelope: null },
    message: { subject: undefined, from: [], to: [], messageId: undefined, mailer: undefined, text: '' },
    expected: { mail_subject: null, mail_from: null, mail_content: '', parse_sign: 1 },
  },

  { rule: 'image_sign is 0 without an image', expected: { image_sign: 0 } },
  { rule: 'parse_sign is 1 for the whole message', expected: { parse_sign: 1 } },
  {
    rule: 'parse_sign is 1 for a mail the server refused',
    raw: { accepted: false },
    expected: { parse_sign: 1 },
  },
  {
    rule: 'parse_sign is 1 where the answer was not captured',
    raw: { accepted: null },
    expected: { parse_sign: 1 },
  },
  {
    rule: 'parse_sign is 0 for a transfer broken off',
    raw: { complete: false },
    expected: { parse_sign: 0 },
  },
  { rule: 'parse_sign is 0 with bytes missing', raw: { missing: [gap] }, expected: { parse_sign: 0 } },
  {
    rule: 'parse_sign is 0 for a structure that is not decodable',
    message: { whole: false },
    expected: { parse_sign: 0 },
  },
  {
    rule: 'parse_sign is 1 with anomalies that lost nothing',
    raw: { anomalies: [anomaly('dialogue.reply-missing', 'frame 1', 'none')] },
    message: { anomalies: [anomaly('message.charset-unknown', 'part 1', 'x-foo')] },
    expected: { parse_sign: 1 },
  },
];

for (const { rule, raw, message, expected } of columnRules) {
  test(`buildRecord: ${rule}`, async () => {
    const { columns } = (await build(raw, message)).record;
    for (const [name, value] of Object.entries(expected))
      assert.equal(columns[name as keyof MailColumns], value, name);
  });
}

interface DetailRule {
  readonly rule: string;
  readonly raw?: Partial<RawMessage>;
  readonly message?: Partial<Message>;
  readonly expected: Partial<MailDetail>;
}

const detailRules: readonly DetailRule[] = [
  {
    rule: 'names how the mail travelled',
    raw: {
      protocol: 'imap',
      direction: 'appended',
      method: 'APPEND',
      layer: 'compress',
      envelope: null,
      mailbox: 'Sent',
      uid: 9,
      user: 'alice',
    },
    expected: {
      protocol: 'imap',
      direction: 'appended',
      method: 'APPEND',
      layer: 'compress',
      envelope_from: null,
      envelope_to: null,
      mailbox: 'Sent',
      uid: 9,
      user: 'alice',
    },
  },
  {
    rule: 'has size and SHA-256 of the exact bytes',
    expected: {
      raw_size: 20,
      raw_sha256: createHash('sha256').update('Subject: x\r\n\r\nbody\r\n').digest('hex'),
    },
  },
  {
    rule: 'has no SHA-256 of a message put together from sections',
    raw: { exact: false },
    expected: { raw_size: 20, raw_sha256: null },
  },
  {
    rule: 'lists what is missing, with an unknown end',
    raw: { complete: false, missing: [gap, { offset: 20, length: 7 }, { offset: 30, length: undefined }] },
    expected: {
      complete: false,
      missing_bytes: 12,
      missing: [
        [10, 5],
        [20, 7],
        [30, null],
      ],
    },
  },
  { rule: 'has the final answer', raw: { accepted: false }, expected: { accepted: false } },
  {
    rule: 'has the envelope as it was, with the null reverse-path',
    raw: { envelope: { from: '', to: ['a@x', 'b@x'] } },
    expected: { envelope_from: '', envelope_to: ['a@x', 'b@x'] },
  },
  {
    rule: 'has the other addresses of the header and its date',
    message: { cc: to('c@x', ''), replyTo: to('r@x') },
    expected: { cc: ['c@x'], reply_to: ['r@x'], date: '2022-01-28T17:30:00+08:00' },
  },
  { rule: 'says where the mail was seen', expected: { first_frame: 7, last_frame: 3 } },
  { rule: 'says how the body is encrypted', message: { encrypted: 'pgp' }, expected: { encrypted: 'pgp' } },
  {
    rule: 'has the anomalies of the stages in order',
    raw: { anomalies: [anomaly('dialogue.reply-missing', 'frame 1', 'one')] },
    message: { anomalies: [anomaly('message.charset-unknown', 'part 1', 'two\n')], falseImages: 1 },
    expected: {
      anomalies: [
        { code: 'dialogue.reply-missing', detail: 'one' },
        { code: 'message.charset-unknown', detail: 'two ' },
        { code: 'record.image-invalid', detail: 'declared or named as an image but is none' },
      ],
    },
  },
];

for (const { rule, raw, message, expected } of detailRules) {
  test(`buildRecord: the detail ${rule}`, async () => {
    const { detail } = (await build(raw, message)).record;
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual(detail[name as keyof MailDetail], value, name);
    }
  });
}

test('buildRecord gives the columns in the documented order', async () => {
  const { columns } = (await build()).record;
  assert.deepEqual(['id', ...Object.keys(columns)], [...columnNames]);
});

test('buildRecord bounds the lists of the detail and counts on', async () => {
  const count = recordLimits.missingRangesMax + 1;
  const missing = Array.from({ length: count }, (_, offset) => ({ offset, length: 2 }));
  const anomalies = Array.from({ length: recordLimits.anomaliesMax + 1 }, () =>
    anomaly('stream.gap', '', ''),
  );
  const { detail } = (await build({ missing, anomalies })).record;
  assert.equal(detail.missing.length, recordLimits.missingRangesMax);
  assert.equal(detail.missing_bytes, 2 * count);
  assert.equal(detail.anomalies.length, recordLimits.anomaliesMax);
});

test('buildRecord counts each false image and does not repeat what other stages found', async () => {
  const { anomalies } = await build(
    {},
    { falseImages: 3, anomalies: [anomaly('message.depth-limit', '', '')] },
  );
  assert.deepEqual(
    anomalies.map(({ code, at }) => `${code} ${at}`),
    Array(3).fill('record.image-invalid captures/a/two.pcapng frame 7'),
  );
});

test('buildRecord makes any text safe for stores and terminals', async () => {
  const unit = fc
    .nat({ max: 0xffff })
    .map((code) => String.fromCharCode(code % 7 === 0 ? code % 0xa0 : code));
  const text = fc.array(unit).map((units) => units.join(''));
  const unsafe = /[\x00-\x08\x0b-\x1f\x7f-\x9f]|\p{Surrogate}/u;
  await fc.assert(
    fc.asyncProperty(text, async (any) => {
      const addresses = [{ name: any, address: any }];
      const { record } = await build(
        { helo: any, user: any, mailbox: any, method: any, envelope: { from: any, to: [any] } },
        {
          subject: any,
          mailer: any,
          messageId: any,
          text: any,
          from: addresses,
          to: addresses,
          cc: addresses,
        },
        { captures: ['x', `dir/${any.replaceAll('/', '')}`] },
      );
      const { mail_content, ...lines } = record.columns;
      assert.doesNotMatch(String(mail_content), unsafe);
      for (const value of [...Object.values(lines), ...Object.values(record.detail).flat()]) {
        if (typeof value !== 'string') continue;
        assert.doesNotMatch(value, unsafe);
        assert.doesNotMatch(value, /[\t\n]/);
      }
    }),
  );
});

test('mail_key is the same whatever the captures are called and what was lost of the content', async () => {
  const key = (await build()).record.detail.mail_key;
  assert.match(key, /^[0-9a-f]{32}$/);
  const other = await build(
    {
      octets: heapOctets(Buffer.from('x')),
      complete: false,
      last: { ...last, frame: 99 },
      accepted: null,
      helo: null,
    },
    { subject: 'other', text: '' },
    { captures: ['x', 'y'], day: '2022-01-29', imageFolder: '/z' },
  );
  assert.equal(other.record.detail.mail_key, key);
});

test('mail_key differs with protocol, addresses, ports, time and sequence number', async () => {
  const raw = rawMessage();
  const { client, server } = raw.connection;
  const variants: Partial<RawMessage>[] = [
    {},
    { protocol: 'imap' },
    { firstSequence: 4_000_000_001 },
    { first: { ...raw.first, timestampNs: raw.first.timestampNs + 1n } },
    { connection: { ...raw.connection, client: { ...client, address: '192.0.2.70' } } },
    { connection: { ...raw.connection, client: { ...client, port: 4915 } } },
    { connection: { ...raw.connection, server: { ...server, address: '2001:db8::2' } } },
    { connection: { ...raw.connection, server: { ...server, port: 525 } } },
    { connection: { ...raw.connection, client: server, server: client } },
  ];
  const keys = await Promise.all(
    variants.map(async (variant) => (await build(variant)).record.detail.mail_key),
  );
  assert.equal(new Set(keys).size, variants.length);
});

test('mail_key never changes from version to version', async () => {
  const text = 'smtp\n192.0.2.7\n49152\n2001:db8::25\n25\n1643362200123456789\n4000000000';
  const expected = createHash('sha256').update(text).digest('hex').slice(0, 32);
  assert.equal((await build()).record.detail.mail_key, expected);
});
