import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamEvent } from '../../../src/stream/types.ts';
import { client, conversation, cuts, lost, server, type Turn } from '../../support/conversation.ts';
import {
  connection,
  contentOf,
  decode,
  everyWay,
  type Heard,
  hear,
  smtp,
  upgrades,
} from '../../support/dialogue.ts';

const told = ({ messages }: Heard): string[] =>
  messages.map((message) => {
    const { accepted, complete, envelope, missing } = message;
    const holes = missing.map(({ offset, length }) => `${offset}+${length ?? '?'}`).join();
    const to = envelope?.to.join() ?? 'unknown';
    return [JSON.stringify(contentOf(message)), to, accepted, complete ? 'whole' : holes].join(' ');
  });

/** What there is of each mail, and whether that is called all of it. */
const contents = ({ messages }: Heard): (string | boolean)[][] =>
  messages.map((message) => [contentOf(message), message.complete]);

const start = `
  S: 220 mx
  C: EHLO x
  S: 250 ok
`;
/** A mail whose text, or chunks, are told by each test. */
const envelope = `${start}
  C: MAIL FROM:<a@example.com>
  S: 250 ok
  C: RCPT TO:<b@example.net>
  S: 250 ok
`;
const asked = `${envelope}
  C: DATA
  S: 354 go on
`;
const mail = (name: string): string => `
  C: MAIL FROM:<a@example.com>
  S: 250 ok
  C: RCPT TO:<${name}@example.net>
  S: 250 ok
  C: DATA
  S: 354 go on
  C: text of ${name}
  C: .
  S: 250 queued
`;

test('SmtpDecoder loses at most the mail that a lost packet belongs to', () => {
  const turns = conversation(`${start}${mail('one')}${mail('two')}${mail('three')}\nC: QUIT\nS: 221 bye`);
  for (let index = 0; index < turns.length; index++) {
    const damaged = turns.map((turn, at) => (at === index ? lost(turn) : turn));
    everyWay(smtp, damaged, ({ messages }, way) => {
      const texts = messages.map(contentOf);
      const whole = ['one', 'two', 'three'].filter((name) => texts.includes(`text of ${name}\r\n`));
      const name = `${way}, lost: ${turns[index]?.bytes.toString('latin1')}`;
      assert.ok(whole.length >= 2, name);
      assert.ok(
        texts.every((text) => /^(?:text of \w+\r\n)?$/.test(text)),
        name,
      );
    });
  }
});

test('SmtpDecoder keeps the envelope of a mail whose replies were lost, and leaves the answer open', () => {
  const turns = conversation(`${start}
    C: MAIL FROM:<a@example.com>
    S: 250 ok
    C: RCPT TO:<b@example.net>
    S! 250 ok
    C: DATA
    S: 354 go on
    C: text
    C: .
    S! 250 queued
    C: QUIT
    S: 221 bye`);
  everyWay(smtp, turns, (heard, way) => {
    assert.deepEqual(told(heard), ['"text\\r\\n" b@example.net  whole'], way);
    assert.equal(heard.messages[0]?.accepted, null, way);
  });
});

test('SmtpDecoder names octets lost in the middle of the text', () => {
  const turns = [
    ...conversation(asked),
    client('one\r\n'),
    lost(client('two\r\n')),
    client('three\r\n.\r\n'),
    server('250 queued\r\n'),
  ];
  everyWay(smtp, turns, (heard, way) =>
    assert.deepEqual(told(heard), ['"one\\r\\nthree\\r\\n" b@example.net true 5+5'], way),
  );
});

test('SmtpDecoder does not run two mails together where the end of the first was lost', () => {
  const turns = [
    ...conversation(`${asked}
      C: one
      C! .
      S: 250 queued`),
    ...conversation(mail('two')),
  ];
  everyWay(smtp, turns, (heard, way) =>
    assert.deepEqual(
      told(heard),
      ['"one\\r\\n" b@example.net true 5+?', '"text of two\\r\\n" two@example.net true whole'],
      way,
    ),
  );
});

test('SmtpDecoder separates pipelined mails where the whole text of the first was lost', () => {
  const next = (name: string): string =>
    `MAIL FROM:<a@example.com>\r\nRCPT TO:<${name}@example.net>\r\nDATA\r\n`;
  const turns = [
    ...conversation(start),
    client(next('one')),
    server('250 ok\r\n250 ok\r\n354 go on\r\n'),
    lost(client('lost\r\n.\r\n')),
    client(next('two')),
    server('250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n'),
    client(`two\r\n.\r\n${next('three')}`),
    server('250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n'),
    client('three\r\n.\r\nQUIT\r\n'),
    server('250 queued\r\n221 bye\r\n'),
  ];
  everyWay(smtp, turns, (heard, way) => {
    const expected = ['"two\\r\\n" two@example.net true whole', '"three\\r\\n" three@example.net true whole'];
    assert.deepEqual(told(heard), expected, way);
  });
});

test('SmtpDecoder does not run pipelined mails together where a hole ends within a command', () => {
  const next = 'MAIL FROM:<a@example.com>\r\nRCPT TO:<two@example.net>\r\nDATA\r\n';
  for (const torn of [12, next.indexOf('RCPT'), next.indexOf('RCPT') + 9]) {
    const turns = [
      ...conversation(asked),
      client('one\r\n'),
      lost(client(`more\r\n.\r\n${next.slice(0, torn)}`)),
      client(next.slice(torn)),
      server('250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n'),
      client('Subject: two\r\n\r\ntwo\r\n.\r\n'),
      server('250 queued\r\n'),
      ...conversation('C: QUIT\nS: 221 bye'),
    ];
    everyWay(smtp, turns, (heard, way) =>
      assert.deepEqual(
        contents(heard),
        [
          ['one\r\n', false],
          ['Subject: two\r\n\r\ntwo\r\n', true],
        ],
        `${way}, torn at ${torn}`,
      ),
    );
  }
});

test('SmtpDecoder knows a last dot behind a hole', () => {
  const turns = [
    ...conversation(asked),
    client('one\r\n'),
    lost(client('two\r\n')),
    client('.\r\n'),
    server('250 queued\r\n'),
    ...conversation(mail('two')),
  ];
  everyWay(smtp, turns, (heard, way) =>
    assert.deepEqual(
      told(heard),
      ['"one\\r\\n" b@example.net true 5+5', '"text of two\\r\\n" two@example.net true whole'],
      way,
    ),
  );
});

test('SmtpDecoder names octets lost in a chunk and finds the command behind it', () => {
  const turns = [
    ...conversation(envelope),
    client('BDAT 9 LAST\r\none'),
    lost(client('two')),
    client('end'),
    server('250 queued\r\n'),
    ...conversation(mail('two')),
  ];
  everyWay(smtp, turns, (heard, way) =>
    assert.deepEqual(
      told(heard),
      ['"oneend" b@example.net true 3+3', '"text of two\\r\\n" two@example.net true whole'],
      way,
    ),
  );
});

test('SmtpDecoder takes no mail for whole when a chunk was lost with its command', () => {
  for (const chunks of [
    [client('BDAT 5\r\nA: b\r'), lost(client('BDAT 5\r\n\nlost')), client('BDAT 3 LAST\r\nend')],
    [lost(client('BDAT 5\r\nlost\n')), client('BDAT 5\r\nmore\n'), client('BDAT 3 LAST\r\nend')],
  ]) {
    const turns = [...conversation(envelope), ...chunks.flatMap((chunk) => [chunk, server('250 ok\r\n')])];
    everyWay(smtp, turns, ({ messages }, way) =>
      assert.deepEqual(
        messages.map(({ complete }) => complete),
        [false],
        way,
      ),
    );
  }
});

/** Commands, a first chunk and the last one, each with its answer. */
type Chunked = readonly [Turn, Turn, Turn, Turn, Turn, Turn];
const chunked = (name: string, begin: string, end: string): Chunked => [
  client(`MAIL FROM:<a@example.com>\r\nRCPT TO:<${name}@example.net>\r\n`),
  server('250 ok\r\n250 ok\r\n'),
  client(`BDAT ${begin.length}\r\n${begin}`),
  server('250 ok\r\n'),
  client(`BDAT ${end.length} LAST\r\n${end}`),
  server('250 queued\r\n'),
];

test('SmtpDecoder takes no last chunk for the mail where a hole took its beginning', () => {
  const one = chunked('one', 'A: one\r\n', 'end\r\n');
  const [, , , , last, queued] = one;
  const [commands, , first, , second] = chunked('two', 'A: two\r\n', '\r\ntwo\r\n');
  const cut = last.bytes.length - 3;
  const hole = Buffer.concat([last.bytes.subarray(cut), commands.bytes, first.bytes]);
  const turns = [
    ...conversation(start),
    ...one.slice(0, 4),
    client(last.bytes.subarray(0, cut)),
    lost(client(hole)),
    client(second.bytes),
    { ...queued, bytes: Buffer.from('250 queued\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 queued\r\n') },
  ];
  everyWay(smtp, turns, ({ messages }, way) => {
    const completes = messages.map(({ complete }) => complete);
    assert.deepEqual(completes, [false, false], way);
  });
});

test('SmtpDecoder hands out chunks whose end was lost', () => {
  const turns = [
    ...conversation(start),
    ...chunked('one', 'A: one\r\n', 'end\r\n').slice(0, 2),
    client('BDAT 8\r\nA: one'),
    lost(client('\r\nBDAT 99 LAST\r\nend')),
    client(' of it\r\n'),
    server('250 ok\r\n250 queued\r\n'),
    ...chunked('two', 'A: two\r\n', '\r\ntwo\r\n'),
  ];
  everyWay(smtp, turns, (heard, way) =>
    assert.deepEqual(
      told(heard),
      ['"A: one" one@example.net  6+2,8+?', '"A: two\\r\\n\\r\\ntwo\\r\\n" two@example.net true whole'],
      way,
    ),
  );
});

const midstream: readonly [name: string, turns: readonly Turn[], mails: readonly string[]][] = [
  [
    'at a command',
    conversation(`
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      S: 354 go on
      C: text
      C: .
      S: 250 queued`),
    ['"text\\r\\n" b@example.net true whole'],
  ],
  [
    'at a reply to something',
    conversation(`
      S: 250 ok
      ${mail('one')}`),
    ['"text of one\\r\\n" one@example.net true whole'],
  ],
  [
    'between 354 and the text',
    [server('354 go on\r\n'), client('Subject: x\r\n\r\ntext\r\n.\r\n'), server('250 queued\r\n')],
    ['"Subject: x\\r\\n\\r\\ntext\\r\\n" unknown true whole'],
  ],
  [
    'in the text',
    [client('end of a line\r\nlast line\r\n.\r\n'), server('250 queued\r\n'), ...conversation(mail('two'))],
    [
      '"end of a line\\r\\nlast line\\r\\n" unknown true 0+?',
      '"text of two\\r\\n" two@example.net true whole',
    ],
  ],
  [
    'in the text of a mail that breaks off',
    [client('a line\r\nof text\r\nand more\r\nand more\r\n'), server('421 time out\r\n')],
    ['"a line\\r\\nof text\\r\\nand more\\r\\nand more\\r\\n" unknown  0+?,37+?'],
  ],
  ['in something that may be no SMTP', [client('a\r\nb\r\nc\r\nd\r\ne\r\n.\r\n')], []],
  [
    'in a command',
    [
      client(':<b@example.net>\r\n'),
      server('250 ok\r\n'),
      ...conversation('C: RSET\nS: 250 ok'),
      ...conversation(mail('two')),
    ],
    ['"text of two\\r\\n" two@example.net true whole'],
  ],
  [
    'in a SASL exchange',
    [client('c2VjcmV0\r\n'), server('235 ok\r\n'), ...conversation(mail('two'))],
    ['"text of two\\r\\n" two@example.net true whole'],
  ],
];

for (const [name, turns, mails] of midstream) {
  test(`SmtpDecoder of a connection whose beginning is not captured, ${name}`, () => {
    everyWay(smtp, turns, (heard, way) => assert.deepEqual(told(heard), mails, way), {
      handshakeSeen: false,
    });
  });
}

/** What the decoder hands to the layer that begins, with what is said after that; undefined where none begins. */
function handedOn(events: readonly StreamEvent[]): Record<'client' | 'server', string> | undefined {
  const decoder = smtp(connection);
  for (const [index, event] of events.entries()) {
    const [upgrade] = upgrades(hear(decoder, [event]));
    if (upgrade === undefined) continue;
    const sent = { client: '', server: '' };
    for (const each of [...upgrade.rest, ...events.slice(index + 1)])
      if (each.kind === 'data') sent[each.sender] += each.bytes.toString('latin1');
    return sent;
  }
  return undefined;
}

test('SmtpDecoder leaves to TLS all that the server says behind a lost answer to STARTTLS, read or not', () => {
  const answers = ['334\n\n', '250 ok\r\n250 ok\r\n.\r\n', 'no reply\r\n', '\x16\x03\x03\0\x02\n\n\x16'];
  for (const answer of answers) {
    const turns = [client('STARTTLS\n\x16'), lost(server('220 go\r\n')), server(answer)];
    for (const [way, events] of cuts(turns).filter(([each]) => each !== 'server first'))
      assert.deepEqual(handedOn(events), { client: '\x16', server: answer }, `${way}: ${answer}`);
  }
});

test('SmtpDecoder lets TLS begin behind a lost answer to STARTTLS with what the client says next', () => {
  const turns = [
    client('STARTTLS\r\n'),
    lost(server('220 go\r\n')),
    client('\x16\x03\x01'),
    server('\x16\x03\x03\n\n'),
  ];
  for (const [way, events] of cuts(turns, { close: 'none' }).filter(([each]) => each !== 'server first'))
    assert.deepEqual(handedOn(events), { client: '\x16\x03\x01', server: '\x16\x03\x03\n\n' }, way);
});

test('SmtpDecoder bears any number of holes in a row', () => {
  const holes = Array.from({ length: 50_000 }, () => lost(server('250\r\n')));
  const turns = [...conversation(start), client('NOOP\r\n'), ...holes, ...conversation(mail('one'))];
  for (const [way, events] of cuts(turns).filter(([each]) => each !== 'per byte'))
    assert.deepEqual(told(decode(smtp, events)), ['"text of one\\r\\n" one@example.net true whole'], way);
});

test('SmtpDecoder reads ahead of STARTTLS no more than it gives back', () => {
  const text = 'DATA\r\nx\n.\r\n.\r\nSTARTTLS\r\n\x16';
  const turns = [client(text), server('354 \n250 \n220 \n250 x\r\n220 y\r\n')];
  for (const [way, events] of cuts(turns).filter(([each]) => each !== 'server first'))
    assert.deepEqual(handedOn(events), { client: '\x16', server: '250 x\r\n220 y\r\n' }, way);
});

test('SmtpDecoder keeps what is left of a chunk whose BDAT was lost', () => {
  const commands = 'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n';
  const turns = [
    ...conversation(start),
    client(commands),
    lost(client('BDAT 40 LAST\r\nSubject: one\r\n')),
    client('\r\nfirst\r\nsecond\r\nthird\r\n'),
    client(`${commands}BDAT 5 LAST\r\ntwo\r\nQUIT\r\n`),
    server('250 ok\r\n250 ok\r\n250 queued\r\n250 ok\r\n250 ok\r\n250 queued\r\n221 bye\r\n'),
  ];
  everyWay(smtp, turns, ({ messages }, way) => {
    const shown = messages.map((message) => [contentOf(message), message.complete, message.envelope?.to]);
    const rest = '\r\nfirst\r\nsecond\r\nthird\r\n';
    assert.deepEqual(
      shown,
      [
        [rest, false, ['b@example.net']],
        ['two\r\n', true, ['b@example.net']],
      ],
      way,
    );
  });
});

test('SmtpDecoder takes a dialogue that stands in a torn mail for none where the server asked for no text', () => {
  const quoted =
    'MAIL FROM:<evil@example.com>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\ninvented\r\n.\r\nQUIT\r\n';
  const turns = [
    ...conversation(envelope),
    lost(client(`BDAT ${quoted.length} LAST\r\n`)),
    client(quoted),
    server('250 queued\r\n'),
    ...conversation('C: QUIT\nS: 221 bye'),
  ];
  everyWay(smtp, turns, (heard, way) => {
    assert.deepEqual(contents(heard), [['invented\r\n', false]], way);
  });
});

test('SmtpDecoder calls a text whole behind a hole where the 354 was captured late', () => {
  const turns = [
    ...conversation(start),
    lost(client('NOOP\r\n')),
    server('250 ok\r\n'),
    ...conversation(`
      C: MAIL FROM:<a@example.com>
      S: 250 ok
      C: RCPT TO:<b@example.net>
      S: 250 ok
      C: DATA
      C: late
      C: .
      S: 354 go on
      S: 250 queued`),
  ];
  everyWay(smtp, turns, (heard, way) => {
    assert.deepEqual(contents(heard), [['late\r\n', true]], way);
  });
});
