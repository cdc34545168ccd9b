import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, conversation, lost, server, type Turn } from '../../support/conversation.ts';
import { mails, overhear } from './overheard.ts';

const mail = 'From: a@b.example\r\n\r\na9 NOOP\r\n{3}\r\n';
const other = 'Subject: second\r\n\r\nx\r\n';

const login = conversation(`
  S: * OK ready
  C: a1 LOGIN "tina" {6+}
  C: secret
  S: a1 OK logged in
`);

const size = mail.length;
const otherSize = other.length;

const forms: [string, Turn[], (readonly [string, boolean | null, string | null])[]][] = [
  [
    'a synchronising literal',
    [
      client(`a2 APPEND Sent (\\Seen) "28-Jan-2022 09:30:00 +0800" {${size}}\r\n`),
      server('+ go on\r\n'),
      client(`${mail}\r\n`),
      server('a2 OK [APPENDUID 1 2]\r\n'),
    ],
    [[mail, true, 'Sent']],
  ],
  [
    'LITERAL+',
    [client(`a2 APPEND Sent {${size}+}\r\n${mail}\r\n`), server('a2 OK\r\n')],
    [[mail, true, 'Sent']],
  ],
  [
    'literal8 and UTF8',
    [client(`a2 APPEND Sent UTF8 (~{${size}+}\r\n${mail})\r\n`), server('a2 OK\r\n')],
    [[mail, true, 'Sent']],
  ],
  [
    'the mailbox as a literal',
    [
      client('a2 APPEND {4}\r\n'),
      server('+\r\n'),
      client(`Sent {${size}}\r\n`),
      server('+ \r\n'),
      client(`${mail}\r\n`),
      server('a2 OK\r\n'),
    ],
    [[mail, true, 'Sent']],
  ],
  [
    'MULTIAPPEND',
    [
      client(`a2 APPEND "&U,BTFw-" {${size}+}\r\n${mail} (\\Draft) {${otherSize}}\r\n`),
      server('+\r\n'),
      client(`${other}\r\n`),
      server('a2 OK\r\n'),
    ],
    [
      [mail, true, '台北'],
      [other, true, '台北'],
    ],
  ],
  [
    'a refusal after the text',
    [client(`a2 APPEND Sent {${size}+}\r\n${mail}\r\n`), server('a2 NO [TRYCREATE]\r\n')],
    [[mail, false, 'Sent']],
  ],
  ['no answer', [client(`a2 APPEND Sent {${size}+}\r\n${mail}\r\n`)], [[mail, null, 'Sent']]],
  [
    'an empty literal that takes it back',
    [client('a2 APPEND Sent {0+}\r\n\r\n'), server('a2 NO aborted\r\n')],
    [],
  ],
  [
    'CATENATE of texts alone',
    [
      client(`a2 APPEND Sent CATENATE (TEXT {${size}+}\r\n${mail} TEXT {${otherSize}+}\r\n${other})\r\n`),
      server('a2 OK\r\n'),
    ],
    [[mail + other, true, 'Sent']],
  ],
  [
    'pipelined commands around it',
    [
      client(
        `a2 NOOP\r\na3 APPEND Sent {${size}+}\r\n${mail}\r\na4 APPEND Sent {${otherSize}+}\r\n${other}\r\na5 NOOP\r\n`,
      ),
      server('a2 OK\r\na3 OK\r\na4 NO\r\na5 OK\r\n'),
    ],
    [
      [mail, true, 'Sent'],
      [other, false, 'Sent'],
    ],
  ],
];

for (const [name, turns, expected] of forms) {
  test(`ImapDecoder reads an APPEND with ${name}`, () => {
    const found = mails([...login, ...turns]);
    assert.deepEqual(
      found.map(({ octets, accepted, mailbox }) => [octets.read().toString(), accepted, mailbox]),
      expected,
    );
    for (const each of found) {
      assert.deepEqual([each.direction, each.complete, each.user], ['appended', true, 'tina']);
    }
  });
}

test('ImapDecoder counts an APPEND that was refused before its text', () => {
  const events = overhear([
    ...login,
    client(`a2 APPEND Nowhere {${size}}\r\n`),
    server('a2 NO [TRYCREATE] no such mailbox\r\n'),
    client(`a3 APPEND Sent {${size}+}\r\n${mail}\r\n`),
    server('a3 OK\r\n'),
  ]);
  assert.deepEqual(
    events.map((event) => (event.kind === 'message' ? event.octets.read().toString() : event)),
    [{ kind: 'tally', what: 'refused' }, mail],
  );
});

test('ImapDecoder marks a CATENATE with URLs as incomplete', () => {
  const [found] = mails([
    ...login,
    client(`a2 APPEND Sent CATENATE (URL "/INBOX/;UID=1" TEXT {${size}+}\r\n${mail})\r\n`),
    server('a2 OK\r\n'),
  ]);
  assert.deepEqual([found?.octets.read().toString(), found?.complete, found?.exact], [mail, false, false]);
});

test('ImapDecoder hands out an APPEND broken off in its literal', () => {
  const [found] = mails([...login, client('a2 APPEND Sent {500}\r\n'), server('+\r\n'), client(mail)]);
  assert.deepEqual(
    [found?.octets.read().toString(), found?.complete, found?.accepted, found?.missing],
    [mail, false, null, [{ offset: size, length: 500 - size }]],
  );
});

test('ImapDecoder takes the announced octets where the consent was lost', () => {
  const [found] = mails([
    ...login,
    client(`a2 APPEND Sent {${size}}\r\n`),
    lost(server('+ go on\r\n')),
    client(`${mail}\r\n`),
    server('a2 OK\r\n'),
  ]);
  assert.deepEqual([found?.octets.read().toString(), found?.accepted], [mail, true]);
});

for (const plus of ['', '+']) {
  test(`ImapDecoder reads {n${plus}} where only the client was captured`, () => {
    const found = mails([
      client('a1 LOGIN tina secret\r\n'),
      client(`a2 APPEND Sent {${size}${plus}}\r\n${mail}\r\na3 APPEND Nowhere {77}\r\na4 LOGOUT\r\n`),
    ]);
    assert.deepEqual(
      found.map(({ octets, accepted, user }) => [octets.read().toString(), accepted, user]),
      [[mail, null, 'tina']],
    );
  });
}

test('ImapDecoder believes a login where only the client was captured', () => {
  const found = mails([client(`a1 LOGIN tina secret\r\na2 APPEND Sent {${size}+}\r\n${mail}\r\n`)]);
  assert.deepEqual(
    found.map(({ user, accepted }) => [user, accepted]),
    [['tina', null]],
  );
});

test('ImapDecoder flags an APPEND whose command was lost, and no login literal', () => {
  const body = 'Subject: x\r\n\r\nfirst\r\nsecond\r\n';
  const found = mails([
    ...login,
    lost(client('a2 APPEND Sent {50+}\r\nFrom: ')),
    client(`${body}\r\na3 NOOP\r\n`),
    server('a2 OK\r\na3 OK\r\n'),
    lost(client('a4 LOGIN {4+}\r\n')),
    client('tina {6+}\r\nsecret\r\na5 NOOP\r\n'),
    server('a4 OK\r\na5 OK\r\n'),
  ]);
  assert.deepEqual(
    found.map(({ octets, complete, direction }) => [octets.read().toString(), complete, direction]),
    [[body, false, 'appended']],
  );
});

test('ImapDecoder notes a hole inside an APPEND literal', () => {
  const [found] = mails([
    ...login,
    client(`a2 APPEND Sent {${size}+}\r\n${mail.slice(0, 5)}`),
    lost(client(mail.slice(5, 9))),
    client(`${mail.slice(9)}\r\n`),
    server('a2 OK\r\n'),
  ]);
  assert.deepEqual([found?.missing, found?.accepted], [[{ offset: 5, length: 4 }], true]);
});
