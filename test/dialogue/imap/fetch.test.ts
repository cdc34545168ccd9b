import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, conversation, lost, server, type Turn } from '../../support/conversation.ts';
import { mails, messagesOf, overhear } from './overheard.ts';

const mail = 'From: a@b.example\r\nSubject: greeting\r\n\r\nIf it lies there {5}\r\n)\r\n* 9 EXISTS\r\n';

const login = conversation(`
  S: * OK ready
  C: a1 LOGIN tina secret
  S: a1 OK logged in
  C: a2 SELECT "Entw&APw-rfe"
  S: * 3 EXISTS
  S: a2 OK [READ-WRITE] selected
`);

function fetched(command: string, response: string, tag = 'a3'): Turn[] {
  return [client(`${tag} ${command}\r\n`), server(`${response}\r\n${tag} OK done\r\n`)];
}

function literal(text: string): string {
  return `{${Buffer.byteLength(text)}}\r\n${text}`;
}

test('ImapDecoder hands out a fetched mail with its mailbox, user and UID', () => {
  const [found, ...rest] = mails([
    ...login,
    ...fetched('UID FETCH 17 BODY[]', `* 2 FETCH (UID 17 BODY[] ${literal(mail)})`),
  ]);
  assert.deepEqual(rest, []);
  assert.ok(found);
  assert.equal(found.octets.read().toString(), mail);
  const { method, direction, uid, mailbox, user, complete, exact, accepted, layer, wireBytes } = found;
  assert.deepEqual(
    { method, direction, uid, mailbox, user, complete, exact, accepted, layer, wireBytes },
    {
      method: 'FETCH BODY[]',
      direction: 'retrieved',
      uid: 17,
      mailbox: 'Entwürfe',
      user: 'tina',
      complete: true,
      exact: true,
      accepted: true,
      layer: 'plain',
      wireBytes: mail.length,
    },
  );
});

test('ImapDecoder tells where the first octet of a mail was seen, not the response', () => {
  const response = `* 2 FETCH (UID 17 BODY[] ${literal(mail)})`;
  const [found] = mails([...login, ...fetched('UID FETCH 17 BODY[]', response)]);
  const before = login
    .filter(({ sender }) => sender === 'server')
    .reduce((sum, turn) => sum + turn.bytes.length, 0);
  assert.equal(found?.firstSequence, 1001 + before + response.indexOf(mail));
});

const responses: [string, string, string][] = [
  ['UID behind the literal', `* 2 FETCH (BODY[] ${literal(mail)} UID 17)`, 'FETCH BODY[]'],
  ['items in lower case', `* 2 fetch (uid 17 body[] ${literal(mail)})`, 'FETCH BODY[]'],
  ['RFC822', `* 2 FETCH (RFC822 ${literal(mail)} UID 17)`, 'FETCH RFC822'],
  ['BINARY[] as literal8', `* 2 FETCH (UID 17 BINARY[] ~${literal(mail)})`, 'FETCH BINARY[]'],
  [
    'a parenthesis in a quoted string before it',
    `* 2 FETCH (X-A ") {3}" UID 17 BODY[] ${literal(mail)})`,
    'FETCH BODY[]',
  ],
  [
    'an ENVELOPE with literals before it',
    `* 2 FETCH (UID 17 ENVELOPE (NIL ${literal('a) "b"')} NIL) BODY[] ${literal(mail)})`,
    'FETCH BODY[]',
  ],
  [
    'an INTERNALDATE and unknown items',
    `* 2 FETCH (INTERNALDATE " 1-Jan-2022" X-GM-LABELS ("\\\\Inbox" foo) MODSEQ (12) UID 17 BODY[] ${literal(mail)} FLAGS (\\Seen))`,
    'FETCH BODY[]',
  ],
];

for (const [name, response, method] of responses) {
  test(`ImapDecoder finds the mail in a FETCH with ${name}`, () => {
    const found = mails([...login, ...fetched('FETCH 2 BODY[]', response)]);
    assert.deepEqual(
      found.map((each) => [each.method, each.uid, each.octets.read().toString(), each.complete]),
      [[method, 17, mail, true]],
    );
  });
}

test('ImapDecoder takes a mail that came as a quoted string', () => {
  const [found] = mails([...login, ...fetched('FETCH 1 BODY[]', '* 1 FETCH (BODY[] "A: \\"b\\" \\\\ c")')]);
  assert.equal(found?.octets.read().toString(), 'A: "b" \\ c');
});

test('ImapDecoder makes no mail of NIL', () => {
  assert.deepEqual(mails([...login, ...fetched('FETCH 1 BODY[]', '* 1 FETCH (BODY[] NIL)')]), []);
});

test('ImapDecoder counts BODY[] and RFC822 of one response as two mails', () => {
  const response = `* 1 FETCH (BODY[] ${literal(mail)} RFC822 ${literal(mail)})`;
  const found = mails([...login, ...fetched('FETCH 1 (BODY[] RFC822)', response)]);
  assert.deepEqual(
    found.map(({ method }) => method),
    ['FETCH BODY[]', 'FETCH RFC822'],
  );
});

test('ImapDecoder counts a header listing and makes no mail of it', () => {
  const fields = 'Subject: x\r\n\r\n';
  const events = overhear([
    ...login,
    ...fetched('FETCH 1 ALL', `* 1 FETCH (ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL))`),
    ...fetched('FETCH 1 F', `* 1 FETCH (BODY[HEADER.FIELDS ("SUBJECT" X)] ${literal(fields)})`, 'a4'),
    ...fetched('FETCH 1 FLAGS', '* 1 FETCH (FLAGS (\\Seen) RFC822.SIZE 5)', 'a5'),
  ]);
  assert.deepEqual(
    events.filter(({ kind }) => kind !== 'anomaly'),
    [
      { kind: 'tally', what: 'header-listing' },
      { kind: 'tally', what: 'header-listing' },
    ],
  );
});

test('ImapDecoder knows the UID of a sequence number, EXPUNGE and VANISHED considered', () => {
  const body = (sequence: number) => `* ${sequence} FETCH (BODY[] ${literal(mail)})\r\n`;
  const found = mails([
    ...login,
    client('a3 X\r\n'),
    server('* 1 FETCH (UID 11)\r\n* 2 FETCH (UID 12)\r\n* 3 FETCH (UID 13)\r\n* 4 FETCH (UID 14)\r\n'),
    server(
      `* 1 EXPUNGE\r\n${body(1)}* VANISHED 12\r\n${body(1)}* VANISHED (EARLIER) 13\r\n${body(2)}a3 OK\r\n`,
    ),
  ]);
  assert.deepEqual(
    found.map(({ uid }) => uid),
    [12, 13, 14],
  );
});

test('ImapDecoder follows the mailbox through SELECT, a failed SELECT and CLOSE', () => {
  const select = (tag: string, name: string, answer: string) => [
    client(`${tag} SELECT ${name}\r\n`),
    server(`${tag} ${answer}\r\n`),
  ];
  const one = (tag: string) => fetched('FETCH 1 BODY[]', `* 1 FETCH (BODY[] ${literal(mail)})`, tag);
  const found = mails([
    ...login,
    ...select('b1', 'inbox', 'OK'),
    ...one('b2'),
    ...select('b3', '{7+}\r\nArchive', 'OK'),
    ...one('b4'),
    ...select('b5', 'Nowhere', 'NO'),
    ...one('b6'),
  ]);
  assert.deepEqual(
    found.map(({ mailbox }) => mailbox),
    ['INBOX', 'Archive', null],
  );
});

test('ImapDecoder finds fetched mails where only the server was captured', () => {
  const turns = [...login, ...fetched('FETCH 1 BODY[]', `* 1 FETCH (BODY[] ${literal(mail)})`)];
  const found = mails(turns.filter(({ sender }) => sender === 'server'));
  assert.deepEqual(
    found.map(({ octets, complete, user }) => [octets.read().toString(), complete, user]),
    [[mail, true, null]],
  );
});

test('ImapDecoder notes a hole inside a literal and reads on behind it', () => {
  const announced = `* 1 FETCH (UID 5 BODY[] {${mail.length}}\r\n`;
  const found = mails([
    ...login,
    client('a3 FETCH 1:2 BODY[]\r\n'),
    server(announced + mail.slice(0, 20)),
    lost(server(mail.slice(20, 30))),
    server(`${mail.slice(30)})\r\n* 2 FETCH (UID 6 BODY[] ${literal(mail)})\r\na3 OK\r\n`),
  ]);
  assert.deepEqual(
    found.map(({ octets, complete, missing, uid }) => [octets.read().toString(), complete, missing, uid]),
    [
      [mail.slice(0, 20) + mail.slice(30), false, [{ offset: 20, length: 10 }], 5],
      [mail, true, [], 6],
    ],
  );
});

test('ImapDecoder goes on at the next sure response after a gap beyond a literal', () => {
  const found = mails([
    ...login,
    client('a3 FETCH 1:3 BODY[]\r\n'),
    server(`* 1 FETCH (UID 5 BODY[] {${mail.length}}\r\n${mail.slice(0, 20)}`),
    lost(server(`${mail.slice(20)})\r\n* 2 FETCH (UID 6 BODY[] `)),
    server(`${literal(mail)})\r\n* 3 FETCH (UID 7 BODY[] ${literal(mail)})\r\na3 OK\r\n`),
  ]);
  const third = found.find(({ uid }) => uid === 7);
  assert.equal(third?.octets.read().toString(), mail);
  const first = found.find(({ uid }) => uid === 5);
  assert.deepEqual([first?.complete, first?.missing], [false, [{ offset: 20, length: mail.length - 20 }]]);
});

test('ImapDecoder flags the rest of a mail whose announcement was lost', () => {
  const body = 'Content-Type: text/plain\r\n\r\nfirst line\r\nsecond line\r\n';
  const found = mails([
    ...login,
    client('a3 FETCH 1 BODY[]\r\n'),
    lost(server(`* 1 FETCH (BODY[] {${body.length + 6}}\r\nFrom: `)),
    server(`${body} UID 5 FLAGS (\\Seen))\r\na3 OK done\r\n`),
  ]);
  assert.deepEqual(
    found.map(({ octets, complete, missing }) => [octets.read().toString(), complete, missing]),
    [[body, false, [{ offset: 0, length: undefined }]]],
  );
});

for (const [name, text] of [
  ['a header listing', 'To: x\r\nSubject: a\r\nDate: b\r\n\r\n)\r\na3 OK\r\n'],
  ['a response line', 'plain" "us-ascii") NIL NIL "7bit" 5))\r\na3 OK\r\n'],
  ['a list', '\\HasNoChildren) "/" x)\r\n* LIST () "/" y\r\na3 OK\r\n'],
]) {
  test(`ImapDecoder makes no mail of the rest of ${name}`, () => {
    assert.deepEqual(
      mails([...login, client('a3 X\r\n'), lost(server('* 1 FETCH (')), server(text ?? '')]),
      [],
    );
  });
}

test('ImapDecoder hands out a mail broken off by the end of the connection', () => {
  const [found] = mails([
    ...login,
    client('a3 FETCH 1 BODY[]\r\n'),
    server(`* 1 FETCH (UID 5 BODY[] {500}\r\n${mail}`),
  ]);
  assert.deepEqual(found?.missing, [{ offset: mail.length, length: 500 - mail.length }]);
  assert.equal(found?.complete, false);
});

for (const [name, length] of [
  ['short', mail.length - 7],
  ['long', mail.length + 3],
] as const) {
  test(`ImapDecoder reads on after a literal whose length is too ${name}`, () => {
    const events = overhear([
      ...login,
      client('a3 FETCH 1:2 BODY[]\r\n'),
      server(
        `* 1 FETCH (BODY[] {${length}}\r\n${mail})\r\n* 5 EXISTS\r\n* 2 FETCH (UID 9 BODY[] ${literal(mail)})\r\na3 OK\r\n`,
      ),
    ]);
    const [first, second] = messagesOf(events);
    assert.deepEqual([first?.complete, first?.anomalies[0]?.code], [false, 'dialogue.literal-mismatch']);
    assert.deepEqual([second?.uid, second?.octets.read().toString(), second?.complete], [9, mail, true]);
  });
}

test('ImapDecoder reads a capture that begins in the middle of a session', () => {
  const turns = [
    client('DONE\r\n'),
    server('a8 OK idled\r\n'),
    ...fetched('FETCH 1 RFC822', `* 1 FETCH (RFC822 ${literal(mail)})`, 'a9'),
  ];
  const found = mails(turns, { handshakeSeen: false });
  assert.deepEqual(
    found.map(({ octets }) => octets.read().toString()),
    [mail],
  );
});

test('ImapDecoder matches answers that overtake each other', () => {
  const found = mails([
    ...login,
    client('p1 NOOP\r\np2 SELECT Other\r\np3 FETCH 1 BODY[]\r\n'),
    server(`p2 OK\r\n* 1 FETCH (BODY[] ${literal(mail)})\r\np3 OK\r\np1 OK\r\n`),
  ]);
  assert.deepEqual(
    found.map(({ mailbox }) => mailbox),
    ['Other'],
  );
});

test('ImapDecoder knows where a literal begins whose announcement lost only its line end', () => {
  const found = mails([
    ...login,
    client('a3 FETCH 1 BODY[]\r\n'),
    server(`* 1 FETCH (UID 5 BODY[] {${mail.length}}`),
    lost(server(`\r\n${mail.slice(0, 9)}`)),
    server(`${mail.slice(9)})\r\na3 OK\r\n`),
  ]);
  assert.deepEqual(
    found.map(({ octets, uid, missing }) => [octets.read().toString(), uid, missing]),
    [[mail.slice(9), 5, [{ offset: 0, length: 9 }]]],
  );
});

test('ImapDecoder reads no octets but its own of a field name that came as a literal', () => {
  const item = `BODY[HEADER.FIELDS (${literal('From')} "Subject")]`;
  const header = literal('From: a@b.example\r\nSubject: greeting\r\n\r\n');
  const found = mails([
    ...login,
    ...fetched(
      'FETCH 1 (BODY[HEADER.FIELDS ("From" "Subject")] BODY[TEXT])',
      `* 1 FETCH (${item} ${header} BODY[TEXT] ${literal('Hello')})`,
    ),
    client('a4 LOGOUT\r\n'),
    server('a4 OK\r\n'),
  ]);
  assert.deepEqual(
    found.map(({ octets }) => octets.read().toString()),
    ['From: a@b.example\r\nSubject: greeting\r\n\r\nHello'],
  );
});
