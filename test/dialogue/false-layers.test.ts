import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialogueLimits } from '../../src/core/limits.ts';
import { Conversation } from '../../src/dialogue/conversation.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import type { DialogueEvent } from '../../src/dialogue/types.ts';
import type { StreamEvent } from '../../src/stream/types.ts';
import { client, conversation, cuts, type Turn, uncut } from '../support/conversation.ts';

const mail = `
  S: 220 mx.example ESMTP
  C: EHLO laptop
  S: 250 mx.example
  C: MAIL FROM:<a@b.example>
  S: 250 ok
  C: RCPT TO:<c@d.example>
  S: 250 ok
  C: DATA
  S: 354 go on
  C: Subject: x
  C: .
  S: 250 ok
`;

function hear(events: readonly StreamEvent[]): { events: DialogueEvent[]; heard: Conversation } {
  const open = events[0];
  assert(open?.kind === 'open');
  const keyLog = new KeyLog();
  const heard = new Conversation(open.connection, { trace: false, ports: wellKnownPorts, keyLog });
  return { events: events.flatMap((event) => [...heard.receive(event)]), heard };
}

function mailsOf(turns: readonly Turn[], port = 25, handshakeSeen = true): number[] {
  const server = { address: '198.51.100.25', port };
  return cuts(turns, { server, handshakeSeen }).map(([, events]) => {
    return hear(events).events.filter(({ kind }) => kind === 'message').length;
  });
}

test('Conversation takes octets that only look like TLS for what they are', () => {
  for (const opening of ['\x16\x03', '\x16\x03\x01', '\x16\x03\x01\xff\xff', '\x16\x03W\r\n']) {
    const bytes = Buffer.from(opening, 'latin1');
    assert.deepEqual(mailsOf([client(bytes)]), [0, 0, 0, 0, 0]);
    assert.deepEqual(mailsOf([client(bytes)], 2525), [0, 0, 0, 0, 0]);
  }
});

test('Conversation finds the mail behind octets that only look like TLS unless they are its beginning', () => {
  for (const opening of ['\x16\x03W\r\n', '\x17\x03\r\n']) {
    const turns = [client(Buffer.from(opening, 'latin1')), ...conversation(mail)];
    assert.deepEqual([mailsOf(turns, 25, false)[0], mailsOf(turns)[0]], [1, 0], JSON.stringify(opening));
  }
});

test('Conversation finds the mail behind ten thousand STARTTLS that nothing comes of', () => {
  const offer = conversation('C: STARTTLS\nS: 220 go ahead\nC: EHLO laptop\nS: 250 mx.example');
  const turns = [
    ...conversation('S: 220 mx.example ESMTP\nC: EHLO laptop\nS: 250 mx.example'),
    ...Array.from({ length: 10_000 }, () => offer).flat(),
    ...conversation(mail).slice(1),
  ];
  assert.equal(hear(uncut(turns)).events.filter(({ kind }) => kind === 'message').length, 1);
});

test('Conversation follows a chain of proxies up to layersMax and no further', () => {
  const connect = conversation('C: CONNECT a.example:25 HTTP/1.1\nC:\nS: HTTP/1.1 200 ok\nS:');
  const through = (proxies: number) => [
    ...Array.from({ length: proxies }, () => connect).flat(),
    ...conversation(mail),
  ];
  assert.equal(mailsOf(through(1), 8080)[0], 1);
  assert.equal(mailsOf(through(dialogueLimits.layersMax), 8080)[0], 1);
  assert.equal(mailsOf(through(dialogueLimits.layersMax + 1), 8080)[0], 0);
  assert.equal(mailsOf(through(20_000), 8080)[0], 0);
});

test("Conversation knows TLS by the server's hello where that was captured first", () => {
  const hello = (sender: 'client' | 'server') => {
    const bytes = Buffer.from(sender === 'client' ? '160303002f0100002b' : '160303002f0200002b', 'hex');
    return { sender, bytes, lost: false };
  };
  const events = uncut([hello('server'), hello('client')], {
    server: { address: '198.51.100.25', port: 993 },
  });
  const { heard } = hear(events);
  assert.equal(heard.kind, 'encrypted');
});

test('Conversation takes AUTH LOGIN that was captured before the greeting for no IMAP', () => {
  const [greeting, ...rest] = conversation('S: +OK ready\nC: AUTH LOGIN\nS: +\nC: QUIT\nS: +OK');
  assert(greeting !== undefined);
  const events = cuts([...rest.slice(0, 1), greeting, ...rest.slice(1)], {
    server: { address: '198.51.100.25', port: 110 },
  });
  assert.deepEqual(
    events.map(([, each]) => hear(each).heard.kind),
    ['pop3', 'pop3', 'pop3', 'pop3', 'pop3'],
  );
});
