import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, conversation, cuts, server, uncut } from '../../support/conversation.ts';
import { decode, mails, overhear } from './overheard.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const fetch = conversation(`
  C: z9 FETCH 1 BODY[]
  S: * 1 FETCH (BODY[] "A: b")
  S: z9 OK done
`);

const logins: [string, string, string | null][] = [
  ['LOGIN atoms', 'C: a1 LOGIN tina secret\nS: a1 OK in', 'tina'],
  ['LOGIN quoted', 'C: a1 login "ti\\"na" "secret"\nS: a1 OK in', 'ti"na'],
  ['a LOGIN that failed', 'C: a1 LOGIN tina wrong\nS: a1 NO sorry', null],
  [
    'LOGIN with synchronising literals',
    'C: a1 LOGIN {4}\nS: + ok\nC: tina {6}\nS: + ok\nC: secret\nS: a1 OK in',
    'tina',
  ],
  [
    'AUTHENTICATE PLAIN',
    `C: a1 AUTHENTICATE PLAIN\nS: + \nC: ${base64('\0tina\0secret')}\nS: a1 OK in`,
    'tina',
  ],
  ['an initial response', `C: a1 AUTHENTICATE PLAIN ${base64('\0tina\0secret')}\nS: a1 OK in`, 'tina'],
  [
    'AUTHENTICATE LOGIN',
    `C: a1 AUTHENTICATE LOGIN\nS: + VXNlcg==\nC: ${base64('tina')}\nS: + UGFzcw==\nC: ${base64('secret')}\nS: a1 OK in`,
    'tina',
  ],
  [
    'a refused and a successful mechanism',
    `C: a1 AUTHENTICATE NTLM\nS: a1 NO no\nC: a2 AUTHENTICATE PLAIN\nS: + \nC: ${base64('\0tina\0x')}\nS: a2 OK in`,
    'tina',
  ],
  [
    'a mechanism with an empty last response',
    'C: a0 LOGIN tina x\nS: a0 OK in\nC: a1 AUTHENTICATE X\nS: + a\nC: b\nS: + c\nC: \nS: a1 NO no',
    'tina',
  ],
];

for (const [name, screenplay, user] of logins) {
  test(`ImapDecoder knows the user after ${name}`, () => {
    const found = mails([...conversation('S: * OK ready'), ...conversation(screenplay), ...fetch]);
    assert.deepEqual(
      found.map((each) => each.user),
      [user],
    );
  });
}

test('ImapDecoder goes on after IDLE, whatever its tag', () => {
  const found = mails([
    ...conversation(`
      S: * PREAUTH hello
      C: IDLE IDLE
      S: + idling
      S: * 4 EXISTS
      C: DONE
      S: IDLE OK idled
      C: -_A SELECT x
      S: -_A OK
    `),
    ...fetch,
  ]);
  assert.deepEqual(
    found.map(({ mailbox }) => mailbox),
    ['x'],
  );
});

for (const [command, answer, layer] of [
  ['STARTTLS', 'OK begin', 'tls'],
  ['COMPRESS DEFLATE', 'OK active', 'deflate'],
] as const) {
  test(`ImapDecoder hands everything behind ${command} over to the layer`, () => {
    const turns = [
      server('* OK ready\r\n'),
      client(`a1 ${command}\r\nCLIENT OCTETS`),
      server(`a1 ${answer}\r\nSERVER OCTETS`),
    ];
    for (const [name, events] of cuts(turns, { close: 'none' })) {
      const found = decode(events).filter(({ kind }) => kind === 'upgrade');
      const [upgrade] = found;
      assert.ok(upgrade?.kind === 'upgrade' && upgrade.layer === layer, name);
      const rest = upgrade.rest.filter((event) => event.kind === 'data');
      // What comes later is the layer's; a decoder that is fed per octet hands over less.
      if (name === 'per byte' || name === 'per line') continue;
      assert.deepEqual(
        rest.map(({ sender, bytes }) => [sender, bytes.toString()]),
        [
          ['client', 'CLIENT OCTETS'],
          ['server', 'SERVER OCTETS'],
        ],
        name,
      );
    }
  });

  test(`ImapDecoder stays in the clear where ${command} is refused`, () => {
    const found = mails([...conversation(`S: * OK ready\nC: a1 ${command}\nS: a1 NO later`), ...fetch]);
    assert.equal(found.length, 1);
  });
}

test('ImapDecoder sees TLS begin where the STARTTLS was not captured', () => {
  const hello = Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5]);
  const events = decode(uncut([server('* OK ready\r\n'), client(hello)], { close: 'none' }));
  assert.deepEqual(
    events.map((event) => (event.kind === 'upgrade' ? event.layer : event.kind)),
    ['tls'],
  );
});

test('ImapDecoder traces commands and responses without secrets or literals', () => {
  const turns = [
    ...conversation(`
      S: * OK ready
      C: a1 LOGIN tina secret
      S: a1 NO wrong
      C: a2 LOGIN {4+}
      C: tina {6+}
      C: secret
      S: a2 NO wrong
      C: a3 AUTHENTICATE PLAIN c2VjcmV0
      S: a3 NO wrong
      C: a4 AUTHENTICATE PLAIN
      S: +
      C: c2VjcmV0
      S: a4 OK in
      C: secret noise
    `),
    ...fetch,
    client('a5 APPEND x {6+}\r\nsecret\r\n'),
  ];
  const events = decode(uncut(turns), true);
  const text = events.flatMap((event) => (event.kind === 'trace' ? [`${event.sender}: ${event.text}`] : []));
  assert.deepEqual(text, [
    'server: * OK ready',
    'client: a1 LOGIN ***',
    'server: a1 NO wrong',
    'client: a2 LOGIN ***',
    'server: a2 NO wrong',
    'client: a3 AUTHENTICATE PLAIN ***',
    'server: a3 NO wrong',
    'client: a4 AUTHENTICATE PLAIN',
    'server: +',
    'client: ***',
    'server: a4 OK in',
    'client: ***',
    'client: z9 FETCH 1 BODY[]',
    'server: * 1 FETCH (BODY[] "A: b")',
    'server: z9 OK done',
    'client: a5 APPEND x {6+}',
  ]);
});

test('ImapDecoder makes nothing of a conversation without mail', () => {
  assert.deepEqual(overhear(conversation('S: * OK ready\nC: a1 LOGOUT\nS: * BYE\nS: a1 OK bye')), []);
});

test('ImapDecoder turns into each layer once, whatever the conversation says', () => {
  const again = 'C: a1 STARTTLS\nS: a1 OK\nC: a2 STARTTLS\nS: a2 OK\nC: a3 COMPRESS DEFLATE\nS: a3 OK\n';
  const turns = [...conversation(`S: * OK ready\n${again}${again}`), ...fetch];
  const hello = client(Buffer.from([0x16, 0x03, 0x01, 0x0d, 0x0a]));
  const events = decode(uncut([...turns, hello]));
  assert.deepEqual(
    events.map((event) => (event.kind === 'upgrade' ? event.layer : event.kind)),
    ['tls', 'deflate', 'message'],
  );
});
