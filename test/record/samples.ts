/** A raw message and a decoded one, with changes. */
import { heapOctets } from '../../src/dialogue/octets.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import type { Attachment, Message } from '../../src/message/types.ts';
import { type BuiltRecord, buildRecord, type RecordContext } from '../../src/record/build-record.ts';
import type { Sighting } from '../../src/stream/types.ts';

export const first: Sighting = {
  capture: 0,
  frame: 7,
  timestampNs: 1_643_362_200_123_456_789n,
  ipLength: 1420,
  ttl: 57,
};
export const last: Sighting = {
  capture: 1,
  frame: 3,
  timestampNs: 1_643_362_201_000_000_000n,
  ipLength: 99,
  ttl: 1,
};

export function rawMessage(changes: Partial<RawMessage> = {}): RawMessage {
  return {
    kind: 'message',
    protocol: 'smtp',
    connection: {
      id: 1,
      client: { address: '192.0.2.7', port: 49152 },
      server: { address: '2001:db8::25', port: 25 },
      handshakeSeen: true,
    },
    direction: 'submitted',
    method: 'DATA',
    layer: 'plain',
    octets: heapOctets(Buffer.from('Subject: x\r\n\r\nbody\r\n')),
    exact: true,
    complete: true,
    missing: [],
    accepted: true,
    envelope: { from: 'bounce@example.org', to: ['bob@example.org'] },
    helo: 'client.example',
    user: null,
    mailbox: null,
    uid: null,
    first,
    firstSequence: 4_000_000_000,
    last,
    wireBytes: 25,
    anomalies: [],
    ...changes,
  };
}

export function message(changes: Partial<Message> = {}): Message {
  return {
    subject: 'Hello',
    from: [{ name: 'Alice', address: 'alice@example.org' }],
    to: [{ name: 'Bob', address: 'bob@example.org' }],
    cc: [],
    replyTo: [],
    date: '2022-01-28T17:30:00+08:00',
    messageId: '1@example.org',
    mailer: 'Foxmail 7',
    priority: 3,
    receivedHost: 'desk.example',
    text: 'body\n',
    attachments: [],
    falseImages: 0,
    encrypted: undefined,
    anomalies: [],
    whole: true,
    ...changes,
  };
}

export function attachment(changes: Partial<Attachment> = {}): Attachment {
  return {
    name: 'photo.png',
    declaredType: 'image/png',
    disposition: 'attachment',
    contentId: undefined,
    bytes: Buffer.alloc(0),
    imageFormat: undefined,
    origin: 'part',
    ...changes,
  };
}

export const context: RecordContext = {
  day: '2022-01-28',
  clock: { dateTime: (timestampNs) => `time of ${timestampNs}` },
  captures: ['captures/a/one.pcapng', 'captures/a/two.pcapng'],
  imageFolder: 'image',
};

export function build(
  raw: Partial<RawMessage> = {},
  decoded: Partial<Message> = {},
  changes: Partial<RecordContext> = {},
): Promise<BuiltRecord> {
  return Promise.resolve(buildRecord(rawMessage(raw), message(decoded), { ...context, ...changes }));
}
