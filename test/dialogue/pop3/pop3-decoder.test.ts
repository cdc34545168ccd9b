import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { client, conversation, cuts, lost, server, type Turn, uncut } from '../../support/conversation.ts';
import {
  connection,
  contentOf,
  decode,
  everyWay,
  type Heard,
  hear,
  pop3,
  tallies,
  upgrades,
} from '../../support/dialogue.ts';

const told = ({ messages }: Heard): string[] =>
  messages.map((mail) => {
    const { method, complete, missing } = mail;
    const holes = missing.map(({ offset, length }) => `${offset}+${length ?? '?'}`).join();
    return `${method} ${JSON.stringify(contentOf(mail))}${complete ? '' : ` ${holes}`}`;
  });

const login = `
  S: +OK ready <1@mx>
  C: USER user
  S: +OK
  C: PASS secret
  S: +OK
`;

const dialogues: readonly [name: string, turns: readonly Turn[], mails: readonly string[]][] = [
  [
    'RETR undoes the dots',
    conversation(`${login}
      C: RETR 1
      S: +OK 20 octets
      S: Subject: x
      S: 
      S: ..
      S: ..x
      S: .
      C: QUIT
      S: +OK bye`),
    ['RETR "Subject: x\\r\\n\\r\\n.\\r\\n.x\\r\\n"'],
  ],
  [
    'pipelined commands',
    conversation(`
      S: +OK
      C: USER user
      C: PASS secret
      C: STAT
      C: UIDL
      C: UIDL 1
      C: LIST 1
      C: CAPA
      C: RETR 1
      C: DELE 1
      C: RETR 9
      C: RETR 2
      C: QUIT
      S: +OK
      S: +OK
      S: +OK 2 20
      S: +OK
      S: 1 aaa
      S: .
      S: +OK 1 aaa
      S: +OK 1 10
      S: +OK
      S: TOP
      S: .
      S: +OK
      S: one
      S: .
      S: +OK
      S: -ERR no such message
      S: +OK
      S: two
      S: .
      S: +OK bye`),
    ['RETR "one\\r\\n"', 'RETR "two\\r\\n"'],
  ],
  [
    'TOP with more lines than the body has is the mail',
    conversation(`${login}
      C: TOP 1 3
      S: +OK
      S: A: b
      S: 
      S: one
      S: two
      S: .
      C: TOP 2 99999999
      S: +OK
      S: A: c
      S: 
      S: .`),
    ['TOP "A: b\\r\\n\\r\\none\\r\\ntwo\\r\\n"', 'TOP "A: c\\r\\n\\r\\n"'],
  ],
  [
    'TOP with as many lines is none, unless it has the listed size',
    conversation(`${login}
      C: LIST
      S: +OK
      S: 1 99
      S: 2 13
      S: .
      C: TOP 1 1
      S: +OK
      S: A: b
      S: 
      S: one
      S: .
      C: TOP 2 1
      S: +OK
      S: A: b
      S: 
      S: one
      S: .`),
    ['TOP "A: b\\r\\n\\r\\none\\r\\n"'],
  ],
  [
    'UTF8 and LANG: one line, or the list of languages (RFC 6856 §2, §3.2)',
    conversation(`
      S: +OK
      C: UTF8
      C: USER пример
      C: PASS secret
      C: LANG
      C: LANG de
      C: LANG xx
      C: LANG *
      C: RETR 1
      S: +OK UTF8 enabled
      S: +OK
      S: +OK
      S: +OK Language listing follows:
      S: en English
      S: de Deutsch
      S: .
      S: +OK de Sprache geändert
      S: -ERR [UTF8] no such language
      S: +OK i-default
      S: +OK
      S: text
      S: .`),
    ['RETR "text\\r\\n"'],
  ],
  [
    'UTF8 refused in the middle of a session',
    conversation(`${login}
      C: UTF8
      S: -ERR no
      C: RETR 1
      S: +OK
      S: text
      S: .`),
    ['RETR "text\\r\\n"'],
  ],
  [
    'XTND with a listing and without, RFC 1082',
    conversation(`${login}
      C: XTND BBOARDS
      S: +OK
      S: general 12 34
      S: .
      C: XTND ARCHIVE general
      S: +OK
      C: XTND WHATEVER
      S: -ERR what
      C: RETR 1
      S: +OK
      S: text
      S: .`),
    ['RETR "text\\r\\n"'],
  ],
  [
    'XTND XMIT: the text is no commands and no mail that was retrieved',
    conversation(`${login}
      C: XTND XMIT
      S: -ERR not now
      C: RETR 1
      S: +OK
      S: one
      S: .
      C: XTND XMIT
      S: +OK start sending
      C: RETR 2
      C: QUIT
      C: .
      S: +OK sent
      C: RETR 3
      S: +OK
      S: three
      S: .`),
    ['RETR "one\\r\\n"', 'RETR "three\\r\\n"'],
  ],
  [
    'a refused RETR is followed by answers',
    conversation(`${login}
      C: RETR 1
      S: -ERR no
      C: RETR 2
      S: +OK
      S: text
      S: .`),
    ['RETR "text\\r\\n"'],
  ],
  [
    'a listing without end ends with the next answer',
    conversation(`
      S: +OK ready
      C: LIST
      S: GARBAGE
      S: +OK 2 messages
      S: 1 120
      C: RETR 1
      S: +OK
      S: text
      S: .
      C: QUIT
      S: +OK`),
    ['RETR "text\\r\\n"'],
  ],
  [
    'bare LF',
    [server('+OK\n'), client('RETR 1\n'), server('+OK\nA: b\n\n..\n.\n'), client('QUIT\n'), server('+OK\n')],
    ['RETR "A: b\\n\\n.\\n"'],
  ],
  [
    'a mail of no octets',
    conversation(`${login}
      C: RETR 1
      S: +OK
      S: .`),
    ['RETR ""'],
  ],
  [
    'the mail breaks off',
    conversation(`${login}
      C: RETR 1
      S: +OK
      S: half`),
    ['RETR "half\\r\\n" 6+?'],
  ],
];

for (const [name, turns, mails] of dialogues) {
  test(`Pop3Decoder, ${name}`, () => {
    everyWay(pop3, turns, (heard, way) => assert.deepEqual(told(heard), mails, way));
  });
}

test('Pop3Decoder counts header listings and stores none', () => {
  const turns = conversation(`${login}
    C: TOP 1 0
    S: +OK
    S: Subject: x
    S: 
    S: .`);
  everyWay(pop3, turns, (heard, way) => {
    assert.deepEqual(heard.messages, [], way);
    assert.deepEqual(tallies(heard), ['header-listing'], way);
  });
});

test('Pop3Decoder tells mails from listings where the client is not captured', () => {
  const turns = conversation(`${login}
    C: CAPA
    S: +OK
    S: TOP
    S: UIDL
    S: .
    C: LIST
    S: +OK 1 messages
    S: 1 20
    S: .
    C: TOP 1 0
    S: +OK
    S: Subject: x
    S: 
    S: .
    C: RETR 1
    S: +OK
    S: Subject: x
    S: 
    S: text
    S: .
    C: DELE 1
    S: +OK
    C: QUIT
    S: +OK`).filter(({ sender }) => sender === 'server');
  everyWay(pop3, turns, (heard, way) => {
    assert.deepEqual(told(heard), ['RETR "Subject: x\\r\\n\\r\\ntext\\r\\n"'], way);
    assert.deepEqual(tallies(heard), ['header-listing'], way);
  });
});

const logins: readonly [name: string, screenplay: string, user: string | null][] = [
  ['USER and PASS', 'C: USER user\nS: +OK\nC: PASS secret\nS: +OK', 'user'],
  ['refused', 'C: USER user\nS: +OK\nC: PASS secret\nS: -ERR', null],
  ['APOP', 'C: APOP user c4c9334bac560ecc979e58001b3e22fb\nS: +OK', 'user'],
  ['AUTH PLAIN', 'C: AUTH PLAIN\nS: + \nC: AHVzZXIAc2VjcmV0\nS: +OK', 'user'],
  [
    'AUTH with a response that looks like a command',
    'C: AUTH X\nS: + x\nC: QUIT\nS: + y\nC: *\nS: -ERR',
    null,
  ],
  [
    'AUTH without argument',
    'C: AUTH\nS: +OK\nS: PLAIN\nS: .\nC: USER user\nS: +OK\nC: PASS x\nS: +OK',
    'user',
  ],
];

for (const [name, screenplay, user] of logins) {
  test(`Pop3Decoder.user, ${name}`, () => {
    const turns = conversation(`
      S: +OK
      ${screenplay}
      C: RETR 1
      S: +OK
      S: text
      S: .`);
    everyWay(pop3, turns, ({ messages }, way) => {
      assert.deepEqual(
        messages.map((message) => message.user),
        [user],
        way,
      );
    });
  });
}

test('Pop3Decoder traces without secrets', () => {
  const turns = conversation(`
    S: +OK
    C: USER user
    S: +OK
    C: PASS secret
    S: -ERR
    C: APOP user c4c9334bac560ecc979e58001b3e22fb
    S: -ERR
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: -ERR`);
  const { events } = decode(pop3, uncut(turns), { trace: true });
  const lines = events.flatMap((event) => (event.kind === 'trace' ? [event.text] : []));
  assert.ok(
    lines.includes('PASS ***') && lines.includes('APOP user ***') && lines.includes('AUTH PLAIN ***'),
  );
  assert.doesNotMatch(lines.join('\n'), /secret|c4c9|AHVz/);
});

test('Pop3Decoder hands over after an accepted STLS only', () => {
  const turns = conversation(`
    S: +OK
    C: STLS
    S: -ERR not now
    C: STLS
    S: +OK`);
  everyWay(pop3, [...turns, client('\x16\x03\x01')], (heard, way) => {
    assert.equal(upgrades(heard).length, 1, way);
  });
});

const mailOf = (name: string): string => `
  C: RETR ${name}
  S: +OK
  S: Subject: ${name}
  S: 
  S: text of ${name}
  S: .
`;

test('Pop3Decoder loses at most the mail that a lost packet belongs to', () => {
  const turns = conversation(`${login}${mailOf('1')}${mailOf('2')}${mailOf('3')}\nC: QUIT\nS: +OK bye`);
  for (let index = 0; index < turns.length; index++) {
    const damaged = turns.map((turn, at) => (at === index ? lost(turn) : turn));
    everyWay(pop3, damaged, (heard, way) => {
      const whole = heard.messages.filter(({ complete }) => complete).length;
      const name = `${way}, lost: ${turns[index]?.bytes.toString('latin1')}`;
      assert.ok(whole >= 2, name);
      assert.ok(heard.messages.length <= 3, name);
    });
  }
});

test('Pop3Decoder names octets lost in a mail, and what is left of one whose end was lost', () => {
  const turns = [
    ...conversation(`${login}\nC: RETR 1\nS: +OK`),
    server('one\r\n'),
    lost(server('two\r\n')),
    server('three\r\n.\r\n'),
    ...conversation('C: RETR 2\nS: +OK'),
    server('four\r\n'),
    lost(server('five\r\n.\r\n')),
    ...conversation(mailOf('3')),
  ];
  everyWay(pop3, turns, (heard, way) => {
    const expected = [
      'RETR "one\\r\\nthree\\r\\n" 5+5',
      'RETR "four\\r\\n" 6+?',
      'RETR "Subject: 3\\r\\n\\r\\ntext of 3\\r\\n"',
    ];
    assert.deepEqual(told(heard), expected, way);
  });
});

test('Pop3Decoder keeps the end of a mail whose beginning is not captured, and of no listing', () => {
  const tail = server('a\r\nline of text\r\nand more.\r\nmore, too\r\nthe end\r\n.\r\n');
  const listing = server('7 800\r\n8 900\r\n9 1000\r\n10 1\r\n11 1\r\n12 3\r\n.\r\n');
  for (const [first, mails] of [
    [tail, 2],
    [listing, 1],
  ] as const) {
    everyWay(
      pop3,
      [first, ...conversation(mailOf('1'))],
      ({ messages }, way) => assert.equal(messages.length, mails, way),
      {
        handshakeSeen: false,
      },
    );
  }
});

const speech = fc.oneof(
  fc
    .constantFrom(
      ...['RETR 1', 'TOP 1 0', 'TOP 1 9', 'LIST', 'UIDL 1', 'AUTH PLAIN', 'STLS', 'USER x', 'PASS y', 'QUIT'],
      ...['+OK', '-ERR', '+ ', '+OK 1 2', '.', '..', 'A: b', '', 'text', '1 20'],
    )
    .map((line) => Buffer.from(`${line}\r\n`)),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
);
const turnList = fc.array(
  fc.record({
    sender: fc.constantFrom('client' as const, 'server' as const),
    bytes: speech,
    lost: fc.boolean(),
  }),
  { maxLength: 40 },
);

test('Pop3Decoder never throws and hands out nothing after the end, whatever is said and lost', () => {
  fc.assert(
    fc.property(turnList, fc.boolean(), fc.boolean(), (turns, handshakeSeen, lossy) => {
      const spoken = turns.map((turn) => ({ ...turn, lost: lossy && turn.lost && turn.bytes.length > 0 }));
      for (const [, events] of cuts(spoken, { handshakeSeen })) {
        const decoder = pop3(connection, { trace: true });
        for (const message of hear(decoder, events).messages) {
          assert.ok(!message.complete || message.missing.length === 0);
        }
        assert.deepEqual(hear(decoder, [{ kind: 'close', side: 'both', reason: 'end' }]).messages, []);
      }
    }),
    { numRuns: 300 },
  );
});

test('Pop3Decoder gives the same mails whichever side is heard first', () => {
  fc.assert(
    fc.property(turnList, (turns) => {
      const said = turns.map((turn) => ({ ...turn, lost: false }));
      const whole = uncut(said);
      const isUpgraded = upgrades(decode(pop3, whole)).length > 0;
      for (const [way, events] of isUpgraded ? [] : cuts(said)) {
        assert.deepEqual(told(decode(pop3, events)), told(decode(pop3, whole)), way);
      }
    }),
    { numRuns: 300 },
  );
});

test('Pop3Decoder calls the answer to a lost command no whole mail, which it may be or not, without its size', () => {
  const turns = (answer: string) => [
    ...conversation(login),
    lost(client('TOP 1 1\r\n')),
    ...conversation(`S: ${answer}\nS: A: b\nS:\nS: one\nS: .\nC: QUIT\nS: +OK`),
  ];
  assert.deepEqual(told(decode(pop3, uncut(turns('+OK')))), ['RETR "A: b\\r\\n\\r\\none\\r\\n" 13+?']);
  assert.deepEqual(told(decode(pop3, uncut(turns('+OK 13 octets')))), ['RETR "A: b\\r\\n\\r\\none\\r\\n"']);
});

test('Pop3Decoder calls no answer whole that a lost answer gave to the wrong command of a pipeline', () => {
  const commands = 'UIDL 1\r\nTOP 1 0\r\nRETR 1\r\nTOP 2 0\r\nRETR 2\r\nQUIT\r\n';
  const excerpt = '+OK\r\nSubject: x\r\n\r\n.\r\n';
  const whole = '+OK\r\nSubject: x\r\n\r\nall of it\r\n.\r\n';
  const answers = ['+OK 1 uid\r\n', excerpt, whole, excerpt, whole, '+OK bye\r\n'];
  const start = conversation(login);
  for (let index = 0; index < answers.length; index++) {
    const said = answers.map((answer, at) => (at === index ? lost(server(answer)) : server(answer)));
    everyWay(pop3, [...start, client(commands), ...said], (heard, way) => {
      for (const mail of heard.messages) {
        const text = contentOf(mail);
        const isTrue = text === 'Subject: x\r\n\r\nall of it\r\n';
        assert(isTrue || !mail.complete, `${way}, without answer ${index + 1}: ${text}`);
      }
    });
  }
});
