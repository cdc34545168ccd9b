/** What the octets that are left cannot prove to be a whole mail is not called one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, lost, server, type Turn } from '../../support/conversation.ts';
import { mails } from './overheard.ts';

const selected: readonly Turn[] = [
  server('* OK ready\r\n'),
  client('a1 SELECT INBOX\r\n'),
  server('* 9 EXISTS\r\na1 OK\r\n'),
];

function shown(turns: readonly Turn[]): string[] {
  return mails([...selected, ...turns]).map(({ octets, complete }) => {
    return `${JSON.stringify(octets.read().toString('latin1'))} ${complete ? 'whole' : 'in part'}`;
  });
}

const envelope = '("Mon" "A subject" NIL NIL NIL NIL NIL NIL NIL "<i@x>")';
const structure = '("TEXT" "PLAIN" NIL NIL NIL "7BIT" 4 1)';

/** ENVELOPE, a header and the only part, each asked for and answered alone. */
const sections: readonly Turn[] = [
  client('b1 FETCH 1 (UID BODYSTRUCTURE ENVELOPE)\r\n'),
  server(`* 1 FETCH (UID 7 BODYSTRUCTURE ${structure} ENVELOPE ${envelope})\r\nb1 OK\r\n`),
  client('b2 FETCH 1 (UID BODY[HEADER])\r\n'),
  server('* 1 FETCH (UID 7 BODY[HEADER] {14}\r\nSubject: s\r\n\r\n)\r\nb2 OK\r\n'),
  client('b3 FETCH 1 (UID BODY[1])\r\n'),
  server('* 1 FETCH (UID 7 BODY[1] {4}\r\nhey\n)\r\nb3 OK\r\n'),
];
const last: readonly Turn[] = [client('z LOGOUT\r\n'), server('* BYE\r\nz OK\r\n')];

test('ImapDecoder calls a mail of sections whole without its header only where nothing was lost', () => {
  assert.deepEqual(shown([...sections, ...last]), ['"Subject: s\\r\\n\\r\\nhey\\n" whole']);
  const withoutHeader = sections.map((turn, index) => (index === 3 ? lost(turn) : turn));
  const [only, ...others] = shown([...withoutHeader, ...last]);
  assert.match(only ?? '', /A subject.*hey\\n" in part$/);
  assert.deepEqual(others, []);
  const withoutStructure = sections.map((turn, index) => (index === 1 ? lost(turn) : turn));
  assert.deepEqual(shown([...withoutStructure, ...last]), ['"Subject: s\\r\\n\\r\\nhey\\n" whole']);
});

test('ImapDecoder uses no value that a gap has cut', () => {
  const answer = `* 1 FETCH (UID 7 BODYSTRUCTURE ${structure} ENVELOPE ("Mon" "A sub`;
  const cut = [
    ...sections.slice(0, 1),
    server(answer),
    lost(server('ject" NIL NIL NIL NIL NIL NIL NIL "<i@x>"))\r\nb1 OK\r\n')),
    ...sections.slice(4),
    ...last,
  ];
  const [only] = shown(cut);
  assert.match(only ?? '', /hey\\n" in part$/);
  assert.doesNotMatch(only ?? '', /A sub/);
});

test('ImapDecoder flags a quoted mail that a gap has cut', () => {
  const turns = [
    client('b1 UID FETCH 7 BODY[]\r\n'),
    server('* 1 FETCH (UID 7 BODY[] "Subject: s'),
    lost(server(' t")\r\nb1 OK\r\n')),
    ...last,
  ];
  assert.deepEqual(shown(turns), ['"Subject: s" in part']);
});

test('ImapDecoder takes no piece for the last because of what was asked of another mail', () => {
  const turns = [
    client('b1 UID FETCH 5 BODY[]<0.1000>\r\n'),
    lost(server('* 1 FETCH (UID 5 BODY[]<0> {3}\r\nabc)\r\nb1 OK\r\n')),
    client('b2 UID FETCH 7 BODY[]<0.3>\r\n'),
    server('* 2 FETCH (UID 7 BODY[]<0> {3}\r\nabc)\r\nb2 OK\r\n'),
    ...last,
  ];
  assert.deepEqual(shown(turns), ['"abc" in part']);
});

test('ImapDecoder believes the size of a mail more than the lengths of its pieces', () => {
  const turns = [
    client('b1 UID FETCH 7 RFC822.SIZE\r\n'),
    server('* 2 FETCH (UID 7 RFC822.SIZE 9)\r\nb1 OK\r\n'),
    client('b2 UID FETCH 7 BODY[]<0.4>\r\n'),
    server('* 2 FETCH (UID 7 BODY[]<0> {4}\r\nabcd)\r\nb2 OK\r\n'),
    lost(client('b3 UID FETCH 7 BODY[]<4.3>\r\n')),
    server('* 2 FETCH (UID 7 BODY[]<4> {3}\r\nefg)\r\nb3 OK\r\n'),
    ...last,
  ];
  assert.deepEqual(shown(turns), ['"abcdefg" in part']);
});

test('ImapDecoder joins no sections by numbers that an EXPUNGE may have given anew', () => {
  const header = server('* 1 FETCH (RFC822.HEADER {14}\r\nSubject: s\r\n\r\n)\r\nb1 OK\r\n');
  const text = server('* 1 FETCH (RFC822.TEXT {4}\r\nhey\n)\r\nb3 OK\r\n');
  const between = (answer: Turn): Turn[] => [
    client('b1 FETCH 1 RFC822.HEADER\r\n'),
    header,
    client('b2 EXPUNGE\r\n'),
    answer,
    client('b3 FETCH 1 RFC822.TEXT\r\n'),
    text,
    ...last,
  ];
  const nothing = server('b2 OK\r\n');
  assert.deepEqual(shown(between(nothing)), ['"Subject: s\\r\\n\\r\\nhey\\n" whole']);
  assert.deepEqual(shown(between(lost(nothing))), ['"\\r\\nhey\\n" in part']);
});

/** The answer to FETCH in which octets `from` … `to` are lost. */
function answerWithHole(items: string, from: number, to: number): readonly Turn[] {
  const mail = 'Subject: s\r\nFrom: a@b\r\n\r\nline one\r\nline two\r\n';
  const answer = `* 3 FETCH (UID 7 ${items} {${mail.length}}\r\n${mail})\r\nb1 OK\r\n`;
  return [
    client('b1 UID FETCH 7 BODY[]\r\n'),
    server(answer.slice(0, from)),
    lost(server(answer.slice(from, to))),
    server(answer.slice(to)),
    ...last,
  ];
}

test('ImapDecoder names the mail whose announced length a gap has cut', () => {
  const announcement = '* 3 FETCH (UID 7 BODY[] {45}\r'.length;
  for (let from = '* 3 FETCH (UID 7 BODY[] '.length; from <= announcement; from++) {
    const found = mails([...selected, ...answerWithHole('BODY[]', from, 70)]);
    assert.equal(found.length, 1, `cut at ${from}`);
    const [mail] = found;
    assert.equal(mail?.uid, 7);
    assert.equal(mail?.method, 'FETCH BODY[]');
    assert.equal(mail?.complete, false);
    assert.equal(mail?.octets.read().toString('latin1'), 'two\r\n');
  }
});

test('ImapDecoder adds a section whose announced length a gap has cut to its mail', () => {
  const cut = '* 3 FETCH (UID 7 RFC822.TEXT {4'.length;
  const found = mails([
    ...selected,
    client('b0 UID FETCH 7 RFC822.HEADER\r\n'),
    server('* 3 FETCH (UID 7 RFC822.HEADER {14}\r\nSubject: t\r\n\r\n)\r\nb0 OK\r\n'),
    ...answerWithHole('RFC822.TEXT', cut, 70),
  ]);
  assert.equal(found.length, 1);
  assert.equal(found[0]?.complete, false);
  assert.match(found[0]?.octets.read().toString('latin1') ?? '', /^Subject: t\r\n\r\n.*line two\r\n$/s);
});

test('ImapDecoder puts a piece whose announced length a gap has cut into its place', () => {
  const cut = '* 3 FETCH (UID 7 BODY[]<45> {4'.length;
  const [, answer = server(''), hole = server(''), rest = server('')] = answerWithHole('BODY[]<45>', cut, 70);
  const ask = client('b1 UID FETCH 7 BODY[]<45.45>\r\n');
  const piece = (isAsked: boolean): readonly Turn[] => [isAsked ? ask : lost(ask), answer, hole, rest];
  const first: readonly Turn[] = [
    client('b2 UID FETCH 7 BODY[]<0.45>\r\n'),
    server(`* 3 FETCH (UID 7 BODY[]<0> {45}\r\n${'Subject: x\r\n\r\n'.padEnd(45, '.')})\r\nb2 OK\r\n`),
  ];
  const third: readonly Turn[] = [
    client('b3 UID FETCH 7 BODY[]<90.50>\r\n'),
    server('* 3 FETCH (UID 7 BODY[]<90> {9}\r\nlast line)\r\nb3 OK\r\n'),
  ];
  const whole = mails([...selected, ...first, ...third, ...piece(true), ...last]);
  assert.deepEqual(
    whole.map(({ complete, missing }) => ({ complete, missing })),
    [{ complete: false, missing: [{ offset: 45, length: 36 }] }],
  );
  assert.match(
    whole[0]?.octets.read().toString('latin1') ?? '',
    /^Subject: x\r\n\r\n\.{31}ine two\r\nlast line$/,
  );
  const unasked = mails([...selected, ...first, ...third, ...piece(false), ...last]);
  assert.deepEqual(
    unasked.map(({ complete, missing }) => ({ complete, missing: missing[0] })),
    [{ complete: false, missing: { offset: 45, length: undefined } }],
  );
  const again = lost(server('\r\n+'));
  const twice = mails([
    ...selected,
    ...first,
    lost(ask),
    answer,
    hole,
    server('one'),
    again,
    rest,
    ...third,
    ...last,
  ]);
  assert.deepEqual(twice[0]?.missing, [
    { offset: 45, length: undefined },
    { offset: 48, length: 3 },
    // `rest` holds 9 octets of the piece.
    { offset: 60, length: 30 },
  ]);
  const unfinished = mails([...selected, ...first, ...piece(true), ...last]);
  assert.deepEqual(
    unfinished.map(({ complete, missing }) => ({ complete, missing: missing[0] })),
    [{ complete: false, missing: { offset: 45, length: undefined } }],
  );
});

test('ImapDecoder calls no mail whole that has a piece with a length that lies', () => {
  const found = mails([
    ...selected,
    client('b1 UID FETCH 7 (BODY[]<0.4>)\r\n'),
    server('* 3 FETCH (UID 7 BODY[]<0> {3}\r\nabcd)\r\nb1 OK\r\n'),
    ...last,
  ]);
  assert.deepEqual(
    found.map(({ complete }) => complete),
    [false],
  );
});

test('ImapDecoder makes no mail of a header or a size whose value a gap has cut', () => {
  for (const items of ['BODY[HEADER]', 'BODY[1.MIME]', 'BODY[HEADER.FIELDS (SUBJECT)]']) {
    const cut = `* 3 FETCH (UID 7 ${items} {4`.length;
    assert.deepEqual(shown(answerWithHole(items, cut, cut + 30)), [], items);
  }
  const size: readonly Turn[] = [
    client('b1 UID FETCH 7 (RFC822.SIZE FLAGS)\r\n'),
    server('* 3 FETCH (UID 7 RFC822'),
    lost(server('.SIZE 12')),
    server('3 FLAGS (x))\r\nb1 OK\r\n'),
    ...last,
  ];
  assert.deepEqual(shown(size), []);
});

test('ImapDecoder keeps what was captured of a mail with a cut announcement up to the end of the capture', () => {
  const turns = [
    client('b1 UID FETCH 7 BODY[]\r\n'),
    server('* 3 FETCH (UID 7 BODY[] {4'),
    lost(server('71}\r\nSubject: s\r\n')),
    server('From: a@b\r\nTo: '),
  ];
  assert.deepEqual(shown(turns), ['"From: a@b\\r\\nTo: " in part']);
  assert.deepEqual(shown(turns.slice(0, 3)), []);
});
