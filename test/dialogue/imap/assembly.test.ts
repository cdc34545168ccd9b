import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImapDecoder } from '../../../src/dialogue/imap/imap-decoder.ts';
import { Pieces } from '../../../src/dialogue/imap/pieces.ts';
import { heapMemory, heapOctets, type OctetLog } from '../../../src/dialogue/octets.ts';
import { client, conversation, lost, server, type Turn, uncut } from '../../support/conversation.ts';
import { decode, mails, messagesOf } from './overheard.ts';

const mail = 'From: a@b.example\r\nSubject: greeting\r\n\r\nIf it lies there, let it lie.\r\n';
const start = conversation('S: * OK ready\nC: a1 LOGIN t x\nS: a1 OK\nC: a2 SELECT INBOX\nS: a2 OK');

let count = 0;
function ask(items: string, answer: string, uid = 7): Turn[] {
  const tag = `t${count++}`;
  const response = `* 3 FETCH (UID ${uid} ${answer})\r\n${tag} OK\r\n`;
  return [client(`${tag} UID FETCH ${uid} (${items})\r\n`), server(response)];
}

function piece(section: string, origin: number, length: number, text: string, uid = 7): Turn[] {
  const part = text.slice(origin, origin + length);
  const answer = `BODY[${section}]<${origin}> {${part.length}}\r\n${part}`;
  return ask(`BODY.PEEK[${section}]<${origin}.${length}>`, answer, uid);
}

function section(name: string, text: string): string {
  return `BODY[${name}] {${Buffer.byteLength(text)}}\r\n${text}`;
}

function rfc822(name: string, content: string): string {
  return `RFC822.${name} {${content.length}}\r\n${content}`;
}

const header = mail.slice(0, mail.indexOf('\r\n\r\n') + 4);
const text = mail.slice(header.length);

test('ImapDecoder puts pieces of any order and overlap together', () => {
  const found = mails([
    ...start,
    ...piece('', 40, 100, mail),
    ...piece('', 10, 20, mail),
    ...piece('', 0, 15, mail),
    ...piece('', 0, 15, mail),
    ...piece('', 25, 20, mail),
  ]);
  assert.deepEqual(
    found.map(({ method, octets, complete, exact, uid }) => [
      method,
      octets.read().toString(),
      complete,
      exact,
      uid,
    ]),
    [['FETCH BODY[]<partial>', mail, true, true, 7]],
  );
});

test('ImapDecoder knows by RFC822.SIZE that the last piece was the last', () => {
  const [found] = mails([
    ...start,
    ...ask('RFC822.SIZE', `RFC822.SIZE ${mail.length}`),
    ...piece('', 0, 30, mail),
    ...piece('', 30, mail.length - 30, mail),
  ]);
  assert.deepEqual([found?.octets.read().toString(), found?.complete], [mail, true]);
});

test('ImapDecoder knows by RFC822.SIZE that pieces which overlap are all', () => {
  const size = ask('RFC822.SIZE', `RFC822.SIZE ${mail.length}`);
  const first = piece('', 0, 20, mail);
  const last = piece('', 40, mail.length - 40, mail);
  const found = mails([...start, ...size, ...last, ...first, ...piece('', 15, 30, mail)]);
  assert.deepEqual(
    found.map(({ octets, complete }) => [octets.read().toString(), complete]),
    [[mail, true]],
  );
  const [torn] = mails([...start, ...size, ...first, ...last]);
  assert.deepEqual(torn?.missing, [{ offset: 20, length: 20 }]);
});

test('ImapDecoder flags pieces that do not make a whole mail', () => {
  const [found] = mails([...start, ...piece('', 0, 10, mail), ...piece('', 20, 10, mail)]);
  assert.deepEqual(
    [found?.octets.read().toString(), found?.complete, found?.missing],
    [
      mail.slice(0, 10) + mail.slice(20, 30),
      false,
      [
        { offset: 10, length: 10 },
        { offset: 30, length: undefined },
      ],
    ],
  );
});

test('ImapDecoder keeps pieces of two mails apart', () => {
  const found = mails([
    ...start,
    ...piece('', 0, 30, mail, 1),
    ...piece('', 0, 30, 'Short: x\r\n\r\n', 2),
    ...piece('', 30, 100, mail, 1),
  ]);
  assert.deepEqual(
    found.map(({ uid, complete }) => [uid, complete]),
    [
      [2, true],
      [1, true],
    ],
  );
});

test('ImapDecoder names the holes of a piece by their place in the mail', () => {
  const second = mail.slice(20, 60);
  const [found] = mails([
    ...start,
    ...piece('', 0, 20, mail),
    client('x1 UID FETCH 7 BODY.PEEK[]<20.40>\r\n'),
    server(`* 3 FETCH (UID 7 BODY[]<20> {40}\r\n${second.slice(0, 5)}`),
    lost(server(second.slice(5, 9))),
    server(`${second.slice(9)})\r\nx1 OK\r\n`),
    ...piece('', 60, 1000, mail),
  ]);
  assert.deepEqual(
    [found?.octets.read().toString(), found?.missing],
    [mail.slice(0, 25) + mail.slice(29), [{ offset: 25, length: 4 }]],
  );
});

test('ImapDecoder makes no second row of a preview whose mail is also fetched whole', () => {
  const found = mails([...start, ...piece('', 0, 10, mail), ...ask('BODY[]', section('', mail))]);
  assert.deepEqual(
    found.map(({ method }) => method),
    ['FETCH BODY[]'],
  );
});

for (const [name, first, second] of [
  ['HEADER then TEXT', section('HEADER', header), section('TEXT', text)],
  ['TEXT then HEADER', section('TEXT', text), section('HEADER', header)],
  ['RFC822.HEADER then RFC822.TEXT', rfc822('HEADER', header), rfc822('TEXT', text)],
] as const) {
  test(`ImapDecoder joins ${name}`, () => {
    const found = mails([...start, ...ask('x', first), ...ask('y', second)]);
    assert.deepEqual(
      found.map(({ method, octets, complete, exact }) => [method, octets.read().toString(), complete, exact]),
      [['FETCH sections', mail, true, false]],
    );
  });
}

const mixed =
  'BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "8BIT" 5 1)("IMAGE" "PNG" ("NAME" "a.png") "<i@x>" NIL "BASE64" 4 NIL ("ATTACHMENT" ("FILENAME" "a.png"))) "MIXED" ("BOUNDARY" "b"))';
const envelope =
  'ENVELOPE ("Fri, 28 Jan 2022 09:30:00 +0800" "=?utf-8?B?5Y+w?=" (("Ann, B" NIL "a" "b.example")) NIL NIL (("=?utf-8?Q?x?=" NIL "c" "d.example")(NIL NIL "e" "f.example")) NIL NIL NIL "<m@b.example>")';

test('ImapDecoder makes a message of ENVELOPE, BODYSTRUCTURE and all leaf parts', () => {
  const [found, ...rest] = mails([
    ...start,
    ...ask('x', `${envelope} ${mixed}`),
    ...ask('BODY[1]', section('1', 'hello')),
    ...piece('2', 0, 4, 'iVBO'),
  ]);
  assert.deepEqual(rest, []);
  assert.equal(found?.complete, true);
  const boundary = /boundary="([^"]+)"/.exec(found.octets.read().toString())?.[1];
  assert.equal(
    found.octets
      .read()
      .toString()
      .replaceAll(boundary ?? '?', 'B'),
    [
      'Date: Fri, 28 Jan 2022 09:30:00 +0800',
      'Subject: =?utf-8?B?5Y+w?=',
      'From: "Ann, B" <a@b.example>',
      'To: =?utf-8?Q?x?= <c@d.example>, e@f.example',
      'Message-ID: <m@b.example>',
      'Content-Type: multipart/mixed;',
      ' boundary="B"',
      '',
      '--B',
      'Content-Type: text/plain;',
      ' CHARSET="utf-8"',
      'Content-Transfer-Encoding: 8BIT',
      '',
      'hello',
      '--B',
      'Content-Type: image/png;',
      ' NAME="a.png"',
      'Content-Transfer-Encoding: BASE64',
      'Content-ID: <i@x>',
      'Content-Disposition: ATTACHMENT;',
      ' FILENAME="a.png"',
      '',
      'iVBO',
      '--B--',
      '',
    ].join('\r\n'),
  );
});

test('ImapDecoder flags a message of which only some parts were fetched', () => {
  const [found] = mails([...start, ...ask('x', `${envelope} ${mixed}`), ...ask('y', section('1', 'hello'))]);
  assert.equal(found?.complete, false);
  assert.match(found.octets.read().toString(), /\r\n\r\nhello\r\n--/);
});

test('ImapDecoder reads a single part with the header of HEADER.FIELDS', () => {
  const fields = 'Subject: s\r\n\r\n';
  const [found] = mails([
    ...start,
    ...ask(
      'x',
      `BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "BASE64" 4 1) ${section('HEADER.FIELDS (SUBJECT)', fields)}`,
    ),
    ...ask('y', section('1', 'aGk=')),
  ]);
  assert.equal(
    found?.octets.read().toString(),
    'Subject: s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\naGk=',
  );
  assert.equal(found.complete, true);
});

test('ImapDecoder tells by its first delimiter that a text is a multipart', () => {
  const parts = '--xy\r\nContent-Type: text/plain\r\n\r\nhi\r\n--xy--\r\n';
  const [found] = mails([...start, ...ask('x', `${envelope} ${section('TEXT', parts)}`)]);
  assert.match(
    found?.octets.read().toString() ?? '',
    /Content-Type: multipart\/mixed;\r\n boundary="xy"\r\n\r\n--xy/,
  );
});

test('ImapDecoder writes no field that a value of ENVELOPE smuggles in', () => {
  const subject = 'x\r\nBcc: evil@example.org';
  const sneaky = `ENVELOPE (NIL {${subject.length}}\r\n${subject} NIL NIL NIL NIL NIL NIL NIL NIL)`;
  const [found] = mails([...start, ...ask('x', `${sneaky} ${section('TEXT', 'hi')}`)]);
  assert.match(found?.octets.read().toString() ?? '', /^Subject: x Bcc: evil@example.org\r\n/);
});

test('ImapDecoder makes no row of sections whose mail was fetched whole', () => {
  const found = mails([
    ...start,
    ...ask('x', mixed),
    ...ask('x', section('1', 'hello')),
    ...ask('x', section('', mail)),
    ...ask('x', section('HEADER', header)),
  ]);
  assert.deepEqual(
    found.map(({ method }) => method),
    ['FETCH BODY[]'],
  );
});

test('ImapDecoder joins sections of one mail that were fetched by number and by UID', () => {
  const found = mails([
    ...start,
    client('x1 FETCH 3 RFC822.HEADER\r\n'),
    server(`* 3 FETCH (RFC822.HEADER {${header.length}}\r\n${header})\r\nx1 OK\r\n`),
    ...ask('UID', 'FLAGS ()'),
    ...ask('BODY[TEXT]', section('TEXT', text)),
  ]);
  assert.deepEqual(
    found.map(({ octets, uid }) => [octets.read().toString(), uid]),
    [[mail, 7]],
  );
});

test('ImapDecoder hands out sections known by number alone when another mailbox is selected', () => {
  const found = mails([
    ...start,
    client('x1 FETCH 3 BODY[TEXT]\r\n'),
    server(`* 3 FETCH (BODY[TEXT] {2}\r\nhi)\r\nx1 OK\r\n`),
    client('x2 SELECT Other\r\n'),
    server('x2 OK\r\n'),
    client('x3 FETCH 3 BODY[TEXT]\r\n'),
    server(`* 3 FETCH (BODY[TEXT] {2}\r\nho)\r\nx3 OK\r\n`),
  ]);
  assert.deepEqual(
    found.map(({ mailbox, complete, octets }) => [mailbox, complete, octets.read().toString().trim()]),
    [
      ['INBOX', false, 'hi'],
      ['Other', false, 'ho'],
    ],
  );
});

test('ImapDecoder takes no short piece for the last because an answer to a longer request was lost', () => {
  const long = mail.repeat(3);
  const turns = [
    ...start,
    client('b1 UID FETCH 7 (BODY.PEEK[]<0.100>)\r\n'),
    server(`* 3 FETCH (UID 7 BODY[]<0> {100}\r\n${long.slice(0, 100)})\r\n`),
    lost(server('b1 OK\r\n')),
    client('b2 UID FETCH 8 (BODY.PEEK[]<0.40>)\r\n'),
    server(`* 4 FETCH (UID 8 BODY[]<0> {40}\r\n${long.slice(0, 40)})\r\nb2 OK\r\n`),
    client('b3 UID FETCH 8 (BODY.PEEK[]<40.40>)\r\n'),
    server(`* 4 FETCH (UID 8 BODY[]<40> {20}\r\n${long.slice(40, 60)})\r\nb3 OK\r\n`),
  ];
  const found = messagesOf(decode(uncut(turns))).filter(({ uid }) => uid === 8);
  assert.deepEqual(
    found.map(({ octets, complete }) => [octets.read().toString(), complete]),
    [[long.slice(0, 60), true]],
  );
});

for (const room of [mail.length, 50]) {
  test(`ImapDecoder keeps a mail of sections where mails are kept: room for ${room} octets`, () => {
    const logs: OctetLog[] = [];
    const begin = (): OctetLog => {
      const log = heapMemory.begin();
      const append = log.append.bind(log);
      log.append = (bytes) => append(bytes.subarray(0, room - log.length));
      logs.push(log);
      return log;
    };
    const turns = [...start, ...ask('x', section('HEADER', header)), ...ask('y', section('TEXT', text))];
    const events = uncut(turns);
    assert.ok(events[0]?.kind === 'open');
    const decoder = new ImapDecoder(events[0].connection, {
      trace: false,
      memory: { ...heapMemory, begin },
    });
    const [found] = messagesOf(events.flatMap((event) => decoder.receive(event)));
    assert.ok(found !== undefined && logs.some((log) => log === found.octets));
    assert.equal(found.octets.read().toString(), mail.slice(0, room));
    assert.deepEqual(found.missing, room < mail.length ? [{ offset: room, length: undefined }] : []);
  });
}

test('Pieces keeps no more than it may, also where a longer piece comes again', () => {
  const pieces = new Pieces();
  const add = (origin: number, length: number): void => {
    const octets = heapOctets(Buffer.alloc(length));
    pieces.add({ origin, length, octets, missing: [] }, undefined, 1000);
  };
  add(0, 600);
  add(0, 1100);
  assert.equal(pieces.keptBytes, 600);
  add(600, 900);
  assert.equal(pieces.keptBytes, 600);
  add(600, 400);
  assert.equal(pieces.keptBytes, 1000);
});

test('ImapDecoder keeps no more of the sections of one mail, all together, than of one mail', () => {
  const parts = ['1', '2', '3'].map((name) => section(name, '~'.repeat(900)));
  const structure = `BODYSTRUCTURE (${'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 900 1)'.repeat(3)} "MIXED")`;
  const turns = [...start, ...[structure, ...parts].flatMap((each) => ask('BODY', each))];
  const [open, ...events] = uncut(turns);
  assert.ok(open?.kind === 'open');
  for (const [mailBytesMax, complete] of [
    [8000, true],
    [2000, false],
  ] as const) {
    const decoder = new ImapDecoder(open.connection, {
      trace: false,
      memory: { ...heapMemory, mailBytesMax },
    });
    const [found, ...others] = messagesOf(events.flatMap((event) => [...decoder.receive(event)]));
    assert.deepEqual(others, []);
    assert.equal(found?.complete, complete);
    assert.equal(found.octets.read().toString().match(/~/g)?.length, complete ? 2700 : 1800);
  }
});
