import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dialogueLimits } from '../../../src/core/limits.ts';
import type { RawMessage } from '../../../src/dialogue/types.ts';
import type { StreamEvent } from '../../../src/stream/types.ts';
import { client, conversation, cuts, server, type Turn, uncut } from '../../support/conversation.ts';
import {
  anomalyCodes,
  connection,
  contentOf,
  decode,
  everyWay,
  hear,
  smtp,
  tallies,
  upgrades,
} from '../../support/dialogue.ts';

/** One line for each mail: method, text, envelope and what became of it. */
function told(mail: RawMessage): string {
  const { method, envelope, accepted, complete } = mail;
  const to = envelope === null ? 'unknown' : `${envelope.from}>${envelope.to.join(',')}`;
  const answer = accepted === null ? 'unanswered' : accepted ? 'accepted' : 'refused';
  const rest = complete ? '' : ' incomplete';
  return `${method} ${JSON.stringify(contentOf(mail))} ${to} ${answer}${rest}`;
}

const greeting = `
  S: 220 mx.example.com ESMTP
  C: EHLO laptop.example
  S: 250-mx.example.com
  S: 250 PIPELINING
`;
const envelope = `
  C: MAIL FROM:<a@example.com>
  S: 250 ok
  C: RCPT TO:<b@example.net>
  S: 250 ok
`;
const quit = `
  C: QUIT
  S: 221 bye
`;

const dialogues: readonly [name: string, turns: readonly Turn[], mails: readonly string[]][] = [
  [
    'one mail',
    conversation(`${greeting}${envelope}
      C: DATA
      S: 354 go on
      C: Subject: x
      C: 
      C: ..stuffed
      C: ...twice
      C: .
      S: 250 queued
      ${quit}`),
    ['DATA "Subject: x\\r\\n\\r\\n.stuffed\\r\\n..twice\\r\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'two mails, the end of the first shares a segment with the next commands',
    conversation(`${greeting}
      C: MAIL FROM:<a@example.com>
      C: RCPT TO:<b@example.net>
      C: RCPT TO:<nobody@example.net>
      C: DATA
      S: 250 ok
      S: 250 ok
      S: 550 no such user
      S: 354 go on
      C: one
      C: .
      C: MAIL FROM:<c@example.com>
      C: RCPT TO:<d@example.net>
      C: DATA
      S: 250 queued
      S: 250 ok
      S: 250 ok
      S: 354 go on
      C: two
      C: .
      C: QUIT
      S: 550 no thanks
      S: 221 bye`),
    [
      'DATA "one\\r\\n" a@example.com>b@example.net accepted',
      'DATA "two\\r\\n" c@example.com>d@example.net refused',
    ],
  ],
  [
    'a mail of no octets',
    conversation(`${greeting}${envelope}
      C: DATA
      S: 354 go on
      C: .
      S: 250 queued`),
    ['DATA "" a@example.com>b@example.net accepted'],
  ],
  [
    'text behind a refused DATA is commands',
    conversation(`${greeting}${envelope}
      C: DATA
      S: 554 no valid recipients
      C: Subject: not a mail
      S: 500 what?
      C: .
      S: 500 what?
      ${quit}`),
    [],
  ],
  [
    'RSET forgets the envelope, a refused EHLO does not',
    conversation(`${greeting}
      C: MAIL FROM:<old@example.com>
      S: 250 ok
      C: RSET
      S: 250 ok
      ${envelope}
      C: EHLO other
      S: 503 no
      C: DATA
      S: 354 go on
      C: text
      C: .
      S: 250 queued`),
    ['DATA "text\\r\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'BDAT in chunks that hold commands and dots',
    [
      ...conversation(`${greeting}${envelope}`),
      client('BDAT 8\r\nQUIT\r\n.\r'),
      server('250 ok\r\n'),
      client('BDAT 0\r\nBDAT 4 LAST\r\n\n..\nQUIT\r\n'),
      server('250 ok\r\n250 queued\r\n221 bye\r\n'),
    ],
    ['BDAT "QUIT\\r\\n.\\r\\n..\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'a refused chunk is skipped and the mail with it',
    [
      ...conversation(`${greeting}${envelope}`),
      client('BDAT 6\r\nDATA\r\nBDAT 6 LAST\r\nQUIT\r\n'),
      server('552 too big\r\n503 no transaction\r\n'),
      ...conversation(`
        C: RSET
        S: 250 ok
        ${quit}`),
    ],
    [],
  ],
  [
    'BDAT refused at its end is a mail that was refused',
    [...conversation(`${greeting}${envelope}`), client('BDAT 2 LAST\r\nhi'), server('554 virus\r\n')],
    ['BDAT "hi" a@example.com>b@example.net refused'],
  ],
  [
    'BDAT 0 LAST alone is a mail of no octets',
    [...conversation(`${greeting}${envelope}`), client('BDAT 0 LAST\r\n'), server('250 queued\r\n')],
    ['BDAT "" a@example.com>b@example.net accepted'],
  ],
  [
    'PIPECONNECT: the client talks before the greeting',
    [
      client(
        'EHLO early\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nBDAT 2 LAST\r\nhiQUIT\r\n',
      ),
      server('220 mx\r\n250-mx\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 queued\r\n221 bye\r\n'),
    ],
    ['BDAT "hi" a@example.com>b@example.net accepted'],
  ],
  [
    'a greeting without line end',
    [
      server('220 mx'),
      ...conversation(`
        C: HELO x
        S: 250 mx
        ${envelope}
        C: DATA
        S: 354 go on
        C: text
        C: .
        S: 250 queued`),
    ],
    ['DATA "text\\r\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'LMTP answers for each recipient',
    conversation(`
      S: 220 lmtp
      C: LHLO x
      S: 250 ok
      C: MAIL FROM:<>
      C: RCPT TO:<one@example.net>
      C: RCPT TO:<two@example.net>
      C: DATA
      S: 250 ok
      S: 250 ok
      S: 250 ok
      S: 354 go on
      C: text
      C: .
      S: 452 full
      S: 250 stored
      ${envelope}
      C: DATA
      S: 354 go on
      C: next
      C: .
      S: 550 no`),
    [
      'DATA "text\\r\\n" >one@example.net,two@example.net accepted',
      'DATA "next\\r\\n" a@example.com>b@example.net refused',
    ],
  ],
  [
    'LMTP answers for each recipient behind the last chunk',
    conversation(`
      S: 220 lmtp
      C: LHLO x
      S: 250 CHUNKING
      C: MAIL FROM:<>
      C: RCPT TO:<one@example.net>
      C: RCPT TO:<two@example.net>
      S: 250 ok
      S: 250 ok
      S: 250 ok
      C: BDAT 6
      C: text
      S: 250 ok
      C: BDAT 0 LAST
      S: 452 full
      S: 250 stored
      ${envelope}
      C: BDAT 6 LAST
      C: next
      S: 550 no`),
    [
      'BDAT "text\\r\\n" >one@example.net,two@example.net accepted',
      'BDAT "next\\r\\n" a@example.com>b@example.net refused',
    ],
  ],
  [
    'a dialogue of bare LF',
    [
      server('220 mx\n'),
      client('HELO x\n'),
      server('250 ok\n'),
      client('MAIL FROM:<a@example.com>\n'),
      server('250 ok\n'),
      client('RCPT TO:<b@example.net>\n'),
      server('250 ok\n'),
      client('DATA\n'),
      server('354 go on\n'),
      client('text\n..\n.\n'),
      server('250 queued\n'),
      client('QUIT\n'),
      server('221 bye\n'),
    ],
    ['DATA "text\\n.\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'smuggling: the server took LF.CRLF for the end and the rest for commands',
    [
      ...conversation(`${greeting}${envelope}
        C: DATA
        S: 354 go on`),
      client(
        'outer\r\n\n.\r\nMAIL FROM:<x@evil>\r\nRCPT TO:<b@example.net>\r\nDATA\r\ninner\r\n.\r\nQUIT\r\n',
      ),
      server('250 queued\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 queued\r\n221 bye\r\n'),
    ],
    [
      'DATA "outer\\r\\n\\n" a@example.com>b@example.net accepted',
      'DATA "inner\\r\\n" x@evil>b@example.net accepted',
    ],
  ],
  [
    'smuggling that failed: the server saw one mail',
    [
      ...conversation(`${greeting}${envelope}
        C: DATA
        S: 354 go on`),
      client('outer\n.\r\nMAIL FROM:<x@evil>\r\nRCPT TO:<b@example.net>\r\nDATA\r\ninner\r\n.\r\nQUIT\r\n'),
      server('250 queued\r\n221 bye\r\n'),
    ],
    [
      'DATA "outer\\n.\\r\\nMAIL FROM:<x@evil>\\r\\nRCPT TO:<b@example.net>\\r\\nDATA\\r\\ninner\\r\\n" a@example.com>b@example.net accepted',
    ],
  ],
  [
    'a line of one dot behind a bare LF is text if the server waits for CRLF',
    [
      ...conversation(`${greeting}${envelope}
        C: DATA
        S: 354 go on`),
      client('first\n.\nlast\r\n.\r\n'),
      server('250 queued\r\n'),
      ...conversation(quit),
    ],
    ['DATA "first\\n.\\nlast\\r\\n" a@example.com>b@example.net accepted'],
  ],
  [
    'the text breaks off',
    conversation(`${greeting}${envelope}
      C: DATA
      S: 354 go on
      C: half`),
    ['DATA "half\\r\\n" a@example.com>b@example.net unanswered incomplete'],
  ],
  [
    'a chunk breaks off',
    [...conversation(`${greeting}${envelope}`), client('BDAT 10 LAST\r\nhalf')],
    ['BDAT "half" a@example.com>b@example.net unanswered incomplete'],
  ],
  [
    'the last chunk is missing',
    [...conversation(`${greeting}${envelope}`), client('BDAT 4\r\nhalf'), server('250 ok\r\n')],
    ['BDAT "half" a@example.com>b@example.net unanswered incomplete'],
  ],
  [
    'paths as they are sent',
    conversation(`${greeting}
      C: mail from: <@relay,@other:a@example.com> SIZE=10 BODY=8BITMIME
      S: 250 ok
      C: RCPT TO:"quoted > name"@example.net NOTIFY=NEVER
      S: 250 ok
      C: Rcpt To : <"a b"@example.net>
      S: 251 will forward
      C: RCPT TO:bare@example.net
      S: 252 perhaps
      C: RCPT TO:<пример@example.рф>
      S: 250 ok
      C: data
      S: 354 go on
      C: text
      C: .
      S: 250 queued`),
    [
      'DATA "text\\r\\n" a@example.com>"quoted > name"@example.net,"a b"@example.net,bare@example.net,пример@example.рф accepted',
    ],
  ],
];

for (const [name, turns, mails] of dialogues) {
  test(`SmtpDecoder, ${name}`, () => {
    everyWay(smtp, turns, (heard, way) => assert.deepEqual(heard.messages.map(told), mails, way));
  });
}

test('SmtpDecoder follows the client alone where the server is not captured', () => {
  const turns = conversation(`${greeting}${envelope}
    C: DATA
    S: 354 go on
    C: one
    C: .
    S: 250 queued
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: dXNlcg==
    S: 334 UGFzc3dvcmQ6
    C: c2VjcmV0
    S: 235 ok
    ${envelope}
    C: DATA
    S: 354 go on
    C: two
    C: .
    S: 250 queued
    ${quit}`).filter(({ sender }) => sender === 'client');
  everyWay(smtp, turns, ({ messages }, way) => {
    assert.deepEqual(
      messages.map(told),
      [
        'DATA "one\\r\\n" a@example.com>b@example.net unanswered',
        'DATA "two\\r\\n" a@example.com>b@example.net unanswered',
      ],
      way,
    );
    assert.equal(messages[1]?.user, 'user', way);
  });
});

test('SmtpDecoder counts DATA that was refused', () => {
  const turns = conversation(`${greeting}
    C: DATA
    S: 503 no
    ${quit}`);
  everyWay(smtp, turns, (heard, way) => assert.deepEqual(tallies(heard), ['refused'], way));
});

const logins: readonly [name: string, screenplay: string, user: string | null][] = [
  ['PLAIN with initial response', 'C: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 ok', 'user'],
  ['PLAIN without', 'C: AUTH plain\nS: 334 \nC: AHVzZXIAc2VjcmV0\nS: 235 ok', 'user'],
  [
    'LOGIN',
    'C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok',
    'user',
  ],
  [
    'LOGIN with initial response',
    'C: AUTH LOGIN dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok',
    'user',
  ],
  ['CRAM-MD5', 'C: AUTH CRAM-MD5\nS: 334 PDFAeD4=\nC: dXNlciAwMTIzNDU2Nzg5YWJjZGVm\nS: 235 ok', 'user'],
  ['XOAUTH2', 'C: AUTH XOAUTH2 dXNlcj11c2VyAWF1dGg9QmVhcmVyIHgBAQ==\nS: 235 ok', 'user'],
  ['refused', 'C: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 535 no', null],
  ['cancelled', 'C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: *\nS: 501 cancelled', null],
  [
    'a response that looks like a command',
    'C: AUTH LOGIN\nS: 334 x\nC: RSET\nS: 334 y\nC: QUIT\nS: 535 no',
    null,
  ],
];

for (const [name, screenplay, user] of logins) {
  test(`SmtpDecoder.user after AUTH, ${name}`, () => {
    const turns = conversation(`${greeting}${envelope}
      ${screenplay}
      C: DATA
      S: 354 go on
      C: text
      C: .
      S: 250 queued`);
    everyWay(smtp, turns, ({ messages }, way) => {
      assert.equal(messages.length, 1, way);
      assert.equal(messages[0]?.user, user, way);
      assert.equal(messages[0]?.direction, user === null ? 'relayed' : 'submitted', way);
    });
  });
}

test('SmtpDecoder traces commands and replies without secrets', () => {
  const turns = conversation(`${greeting}
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 535 no
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: dXNlcg==
    S: 334 UGFzc3dvcmQ6
    C: c2VjcmV0
    S: 235 ok`);
  for (const [way, events] of cuts(turns)) {
    const { events: heard } = decode(smtp, events, { trace: true });
    const lines = heard.flatMap((event) => (event.kind === 'trace' ? [event.text] : []));
    assert.ok(lines.includes('AUTH PLAIN ***') && lines.includes('***') && lines.includes('235 ok'), way);
    assert.doesNotMatch(lines.join('\n'), /c2VjcmV0|AHVzZXIA|dXNlcg/, way);
  }
});

test('SmtpDecoder traces all lines of a reply', () => {
  const turns = conversation(
    'S: 220-mx\nS: 220 no spam\nC: EHLO x\nS: 250-mx\nS: 250-PIPELINING\nS: 250 SIZE 9',
  );
  for (const [way, events] of cuts(turns)) {
    const { events: heard } = decode(smtp, events, { trace: true });
    const lines = heard.flatMap((event) => (event.kind === 'trace' ? [event.text] : []));
    assert.deepEqual(lines.sort(), ['220 mx / no spam', '250 mx / PIPELINING / SIZE 9', 'EHLO x'], way);
  }
});

test('SmtpDecoder hands the octets behind an accepted STARTTLS to the next layer', () => {
  const turns = [
    ...conversation(`${greeting}
      C: STARTTLS
      S: 220 go ahead`),
    client('\x16\x03\x01client'),
    server('\x16\x03\x03server'),
  ];
  for (const [way, events] of cuts(turns)) {
    const heard = decode(smtp, events);
    const [upgrade] = upgrades(heard);
    assert.equal(upgrade?.layer, 'tls', way);
    const sent = { client: '', server: '' };
    const behind = events.slice(events.findIndex((event) => hasUpgraded(events, event)) + 1);
    for (const event of [...(upgrade?.rest ?? []), ...behind]) {
      if (event.kind === 'data') sent[event.sender] += event.bytes.toString('latin1');
    }
    assert.deepEqual(sent, { client: '\x16\x03\x01client', server: '\x16\x03\x03server' }, way);
  }
});

/** The event that completed the upgrade. */
function hasUpgraded(events: readonly StreamEvent[], event: StreamEvent): boolean {
  return upgrades(decode(smtp, events.slice(0, events.indexOf(event) + 1))).length > 0;
}

test('SmtpDecoder goes on in the layer it is told, after STARTTLS and without', () => {
  const decoder = smtp(connection);
  const mail = conversation(`
    C: EHLO again
    S: 250 ok
    ${envelope}
    C: DATA
    S: 354 go on
    C: text
    C: .
    S: 250 queued`);
  const before = uncut(conversation(`${greeting}\nC: STARTTLS\nS: 220 go`), { close: 'none' });
  assert.equal(upgrades(hear(decoder, before)).length, 1);
  decoder.layerChanged('starttls');
  const { messages } = hear(decoder, uncut(mail).slice(1));
  assert.deepEqual(
    messages.map(({ layer, helo }) => [layer, helo]),
    [['starttls', 'again']],
  );
});

test('SmtpDecoder goes on in plain text where STARTTLS was refused', () => {
  const turns = conversation(`${greeting}
    C: STARTTLS
    S: 454 not now
    ${envelope}
    C: DATA
    S: 354 go on
    C: text
    C: .
    S: 250 queued`);
  everyWay(smtp, turns, (heard, way) => {
    assert.equal(upgrades(heard).length, 0, way);
    assert.equal(heard.messages[0]?.layer, 'plain', way);
  });
});

test('SmtpDecoder tells where the octets of a mail were', () => {
  const head = conversation(`${greeting}${envelope}
    C: DATA
    S: 354 go on`);
  const turns = [
    ...head,
    client('first\r\n'),
    server('x'),
    client('..last\r\n.\r\n'),
    server('\r\n250 queued\r\n'),
  ];
  const sentBefore = head
    .filter(({ sender }) => sender === 'client')
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
  everyWay(smtp, turns, ({ messages }, way) => {
    const [mail] = messages;
    assert.equal(mail?.firstSequence, 1001 + sentBefore, way);
    assert.equal(mail?.first.frame, 4 + head.length, way);
    assert.equal(mail?.last.frame, 4 + head.length + 2, way);
    assert.equal(mail?.wireBytes, 'first\r\n..last\r\n'.length, way);
    assert.equal(mail?.helo, 'laptop.example', way);
  });
});

test('SmtpDecoder gives the same mails for any cut into segments', () => {
  const turns = dialogues.flatMap(([, each]) => each).slice(0, 60);
  const whole = uncut(turns);
  const expected = decode(smtp, whole).messages.map(told);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      const events = whole.flatMap((event) => recut(event, sizes));
      assert.deepEqual(decode(smtp, events).messages.map(told), expected);
    }),
    { numRuns: 50 },
  );
});

function recut(event: StreamEvent, sizes: readonly number[]): StreamEvent[] {
  if (event.kind !== 'data') return [event];
  const pieces: StreamEvent[] = [];
  for (let at = 0, index = 0; at < event.bytes.length; index++) {
    const bytes = event.bytes.subarray(at, at + (sizes[index % sizes.length] ?? 1));
    pieces.push({ ...event, bytes, sequence: event.sequence + at });
    at += bytes.length;
  }
  return pieces;
}

/** Octets that mean something to the decoder, and others. */
const speech = fc.oneof(
  fc
    .constantFrom(
      ...[
        'EHLO x',
        'MAIL FROM:<a@b>',
        'RCPT TO:<c@d>',
        'DATA',
        'BDAT 7 LAST',
        'BDAT 99999',
        'AUTH LOGIN',
        'STARTTLS',
      ],
      ...[
        'RSET',
        'QUIT',
        '.',
        '..',
        'text',
        '220 x',
        '250-x',
        '250 x',
        '354 x',
        '334 x',
        '235 x',
        '221 x',
        '550 x',
      ],
    )
    .map((line) => Buffer.from(`${line}\r\n`)),
  fc.constantFrom('\n.\n', '\n.\r\n', '\r\n.\n', '\r', '\n', '.').map((text) => Buffer.from(text)),
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

test('SmtpDecoder never throws and hands out nothing after the end, whatever is said and lost', () => {
  fc.assert(
    fc.property(turnList, fc.boolean(), fc.boolean(), (turns, handshakeSeen, lossy) => {
      const spoken = turns.map((turn) => ({ ...turn, lost: lossy && turn.lost && turn.bytes.length > 0 }));
      for (const [, events] of cuts(spoken, { handshakeSeen })) {
        const decoder = smtp(connection, { trace: true });
        for (const message of hear(decoder, events).messages) {
          assert.ok(!message.complete || message.missing.length === 0);
        }
        assert.deepEqual(hear(decoder, [{ kind: 'close', side: 'both', reason: 'end' }]).messages, []);
      }
    }),
    { numRuns: 300 },
  );
});

test('SmtpDecoder gives the same mails whichever side is heard first', () => {
  fc.assert(
    fc.property(turnList, (turns) => {
      const said = turns.map((turn) => ({ ...turn, lost: false }));
      const whole = uncut(said);
      const isUpgraded = upgrades(decode(smtp, whole)).length > 0;
      const expected = decode(smtp, whole).messages.map(told);
      for (const [way, events] of isUpgraded ? [] : cuts(said)) {
        assert.deepEqual(decode(smtp, events).messages.map(told), expected, way);
      }
    }),
    { numRuns: 300 },
  );
});

test('SmtpDecoder answers more pipelined commands than its queue holds', () => {
  const many = [client('NOOP\r\n'.repeat(5000)), server(`220 mx\r\n${'250 ok\r\n'.repeat(5000)}`)];
  for (const [way, events] of cuts(many)) {
    if (way !== 'per byte') assert.deepEqual(anomalyCodes(decode(smtp, events)), [], way);
  }
});

test('SmtpDecoder goes on without replies when too many octets wait for them', () => {
  const decoder = smtp(connection);
  const start = uncut(
    [server('220 mx\r\n'), client('MAIL FROM:<a@b>\r\nDATA\r\nx\r\n.\r\nRSET\r\nDATA\r\n')],
    { close: 'none' },
  );
  assert.deepEqual(hear(decoder, start).events, []);
  const bytes = Buffer.alloc(1 << 20, 'text\r\n');
  const more: StreamEvent = { ...(start[2] as Extract<StreamEvent, { kind: 'data' }>), bytes };
  const below = hear(
    decoder,
    Array.from({ length: (dialogueLimits.unreadBytesMax >> 20) - 1 }, () => more),
  );
  assert.deepEqual(below.events, []);
  const above = hear(decoder, [more, more]);
  assert.deepEqual(above.messages.map(told), ['DATA "x\\r\\n" a@b> unanswered']);
  assert.deepEqual(anomalyCodes(above), ['dialogue.queue-limit']);
});

/** One client, whose server is not captured, as packets with a time of their own. */
function oneSided(octets: string, frame: number, seconds: number): StreamEvent {
  const timestampNs = 1_643_362_200_000_000_000n + BigInt(seconds) * 1_000_000_000n;
  const seen = { capture: 0, frame, timestampNs, ipLength: 40, ttl: 64 };
  return { kind: 'data', sender: 'client', bytes: Buffer.from(octets), sequence: frame, seen };
}
const unansweredMail = 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n';

for (const [seconds, mails] of [
  [60, 0],
  [61, 2],
] as const) {
  test(`SmtpDecoder follows a client that goes on after ${seconds} seconds without a server`, () => {
    const decoder = smtp(connection);
    const first = hear(decoder, [oneSided(`EHLO x\r\n${unansweredMail}`, 1, 0)]);
    assert.deepEqual(first.events, []);
    const { messages } = hear(decoder, [oneSided(`${unansweredMail}`, 2, seconds)]);
    assert.equal(messages.length, mails);
    for (const { octets, accepted, complete } of messages)
      assert.deepEqual([octets.read().toString(), accepted, complete], ['x\r\n', null, true]);
  });
}

test('SmtpDecoder holds little of a client whose server is not captured', () => {
  const decoder = smtp(connection);
  const text = `text ${'x'.repeat(65_000)}\r\n`;
  let held = 0;
  for (let index = 0; index < 100; index++) {
    held += 1 - hear(decoder, [oneSided(unansweredMail.replace('x\r\n', text), index, 0)]).messages.length;
    assert.ok(held * text.length < 2 << 20, `${held} mails are held`);
  }
  const { messages } = hear(decoder, [{ kind: 'close', side: 'both', reason: 'fin' }]);
  assert.equal(messages.length, held);
});

test('SmtpDecoder keeps no more of an endless command than it looks at', () => {
  const turns = conversation(`${greeting}
    C: MAIL FROM:<${'a'.repeat(40_000)}>
    S: 250 ok
    C: RCPT TO:<b@example.net>
    S: 250 ok
    C: DATA
    S: 354 go on
    C: text
    C: .
    S: 250 queued`);
  everyWay(smtp, turns, ({ messages }, way) => {
    assert.equal(messages[0]?.envelope?.from.length, 16_384 - 'MAIL FROM:<'.length, way);
    assert.deepEqual(messages[0]?.envelope?.to, ['b@example.net'], way);
  });
});
