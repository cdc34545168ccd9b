import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { dialogueLimits } from '../../src/core/limits.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import type { StreamEvent } from '../../src/stream/types.ts';
import {
  client,
  conversation,
  defaultClient,
  lost,
  server,
  type Turn,
  uncut,
} from '../support/conversation.ts';
import { elsewhere, overhear, overhearAll } from '../support/overhear.ts';
import { generateSession } from './tls/generated-sessions.ts';

const mailText = 'Subject: hello\r\n\r\nIt is me.\r\n';

const smtp = conversation(`
  S: 220 mx.example.com ready
  C: EHLO laptop
  S: 250 mx
  C: MAIL FROM:<a@example.com>
  S: 250 ok
  C: RCPT TO:<b@example.com>
  S: 250 ok
  C: DATA
  S: 354 go on
  C: Subject: hello
  C: 
  C: It is me.
  C: .
  S: 250 done
  C: QUIT
  S: 221 bye
`);

const pop3 = conversation(`
  S: +OK Server ready
  C: USER joe
  S: +OK
  C: PASS secret
  S: +OK
  C: RETR 1
  S: +OK
  S: Subject: hello
  S: 
  S: It is me.
  S: .
  C: QUIT
  S: +OK bye
`);

const imap = conversation(`
  S: * OK ready
  C: a1 LOGIN joe secret
  S: a1 OK in
  C: a2 FETCH 1 BODY[]
  S: * 1 FETCH (BODY[] {${mailText.length}}
  S: Subject: hello
  S: 
  S: It is me.
  S: )
  S: a2 OK fetched
  C: a3 LOGOUT
  S: * BYE
  S: a3 OK
`);

const protocols = { smtp, pop3, imap } as const;

for (const [name, turns] of Object.entries(protocols)) {
  test(`Conversation tells ${name} at any port, cut in any way`, () => {
    overhearAll(turns, { server: elsewhere }, ({ summary, mails }, cut) => {
      assert.equal(summary.kind, name, cut);
      assert.deepEqual(
        mails.map(({ octets }) => octets.read().toString()),
        [mailText],
        cut,
      );
      assert.equal(summary.octets.other, 0);
    });
  });

  test(`Conversation turns the roles of ${name} round where the handshake is missing`, () => {
    const reversed = turns.map(
      (turn): Turn => ({ ...turn, sender: turn.sender === 'client' ? 'server' : 'client' }),
    );
    const options = { client: elsewhere, server: defaultClient, handshakeSeen: false };
    overhearAll(reversed, options, ({ summary, mails }, cut) => {
      assert.deepEqual([summary.kind, summary.reversed], [name, true], cut);
      assert.deepEqual(summary.connection.server, elsewhere, cut);
      assert.deepEqual(
        mails.map(({ connection, octets }) => [connection.server, octets.read().toString()]),
        [[elsewhere, mailText]],
      );
    });
  });

  test(`Conversation finds ${name} on its port although the greeting is missing`, () => {
    const [greeting, ...rest] = turns;
    assert(greeting);
    const port = { smtp: 25, pop3: 110, imap: 143 }[name] ?? 0;
    for (const at of [port, elsewhere.port]) {
      const options = { server: { ...elsewhere, port: at } };
      overhearAll([lost(greeting), ...rest], options, ({ summary, mails }, cut) => {
        assert.deepEqual([summary.kind, mails.length], [name, 1], `${cut}, port ${at}`);
      });
    }
  });

  test(`Conversation takes ${name} through a tunnel, and holds to the port behind it`, () => {
    const tunnel = [
      client('CONNECT mx.test.org:25 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n'),
      server('HTTP/1.1 200 OK\r\n\r\n'),
    ];
    overhearAll([...tunnel, ...turns], { server: elsewhere }, ({ summary, mails, traces }, cut) => {
      assert.deepEqual([summary.kind, mails.length], [name, 1], cut);
      assert.deepEqual(summary.layers, [{ name: 'http-connect', detail: 'to mx.test.org:25' }]);
      assert.doesNotMatch(JSON.stringify(traces.map(({ text }) => text)), /c2VjcmV0/);
    });
  });
}

test('Conversation finds the mail where the other side was not captured', () => {
  const only = (turns: readonly Turn[], sender: Turn['sender']) =>
    turns.filter((turn) => turn.sender === sender);
  const cases = [
    [only(smtp, 'client'), 'smtp'],
    [only(pop3, 'server'), 'pop3'],
    [only(imap, 'server'), 'imap'],
  ] as const;
  for (const [turns, kind] of cases) {
    overhearAll(turns, { server: elsewhere }, ({ summary, mails }, cut) => {
      assert.deepEqual([summary.kind, mails.length], [kind, 1], `${kind} ${cut}`);
    });
  }
});

test('Conversation peels a PROXY header and SOCKS off each other', () => {
  const turns = [
    client('PROXY TCP4 192.0.2.7 198.51.100.25 56324 25\r\n'),
    client(Buffer.from('050100', 'hex')),
    server(Buffer.from('0500', 'hex')),
    client(Buffer.from('050100017f0000010019', 'hex')),
    server(Buffer.from('050000017f0000011234', 'hex')),
    ...smtp,
  ];
  overhearAll(turns, { server: elsewhere }, ({ summary, mails }, cut) => {
    assert.deepEqual(
      summary.layers.map((layer) => layer.name),
      ['proxy-header', 'socks'],
      cut,
    );
    assert.equal(mails.length, 1, cut);
  });
});

test('Conversation ends with the layers that it allows', () => {
  const header = client('PROXY UNKNOWN\r\n');
  const nested = (depth: number) => [...Array.from({ length: depth }, () => header), ...smtp];
  overhearAll(nested(dialogueLimits.layersMax), { server: elsewhere }, ({ mails }) =>
    assert.equal(mails.length, 1),
  );
  overhearAll(nested(dialogueLimits.layersMax + 1), { server: elsewhere }, ({ summary, mails }) => {
    assert.equal(mails.length, 0);
    assert.match(summary.noMail ?? '', /layers/);
  });
});

test('Conversation does not follow STARTTLS into plain text without end where both sides came at once', () => {
  const starts = [client('STARTTLS\r\n'.repeat(5000)), server('220 go\r\n'.repeat(5000))];
  const { anomalies } = overhear(uncut([...smtp.slice(0, 3), ...starts]));
  assert.deepEqual(anomalies, ['dialogue.layer-limit']);
});

test('Conversation reads again what the server said before STARTTLS up to rereadBytesMax', () => {
  const asks = Array.from({ length: 5000 }, () => client('STARTTLS\r\n'));
  const { anomalies } = overhear(
    uncut([...smtp.slice(0, 3), server('220 go\r\n'.repeat(5000)), ...asks.slice(0, 1)]),
  );
  assert.deepEqual(anomalies, []);
  const { anomalies: ofMany } = overhear(
    uncut([...smtp.slice(0, 3), server('220 go\r\n'.repeat(5000)), ...asks]),
  );
  assert.deepEqual(ofMany, ['dialogue.layer-limit']);
});

test('Conversation goes on where STARTTLS was refused, and where a proxy had taken TLS off', () => {
  for (const [answer, layers] of [
    ['454 not now', []],
    ['220 go', [{ name: 'starttls', detail: 'plain text goes on: taken off before the capture' }]],
  ] as const) {
    const turns = [...smtp.slice(0, 3), client('STARTTLS\r\n'), server(`${answer}\r\n`), ...smtp.slice(1)];
    overhearAll(turns, {}, ({ summary, mails }, cut) => {
      assert.deepEqual(summary.layers, layers, `${answer} ${cut}`);
      assert.equal(mails.length, 1, `${answer} ${cut}`);
    });
  }
});

test('Conversation counts TLS without secrets as encrypted, its handshake too, and what was before it not', () => {
  const hello = Buffer.from('160301000a01000006030300000000', 'hex');
  const turns = [
    ...smtp.slice(0, 3),
    client('STARTTLS\r\n'),
    server('220 go\r\n'),
    client(hello),
    server(hello),
  ];
  overhearAll(turns, {}, ({ summary }, cut) => {
    assert.equal(summary.kind, 'encrypted', cut);
    assert.equal(summary.octets.encrypted, hello.length * 2, cut);
  });
});

const noise: readonly (readonly [string, Turn])[] = [
  ['HTTP', client('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['TLS', client(Buffer.from('1603010200010001fc0303', 'hex'))],
  ['SSH', server('SSH-2.0-OpenSSH_9.6\r\n')],
  ['Redis', client('*1\r\n$4\r\nPING\r\n')],
  ['FTP', server('220 ProFTPD Server ready\r\n')],
  ['unknown binary protocol', client(Buffer.from('0000001c0001', 'hex'))],
];

for (const [what, first] of noise) {
  test(`Conversation has no interest in ${what} after its first packet, nor in a mail sent in it`, () => {
    const { summary, lostInterestAfter } = overhear(uncut([first, ...smtp], { server: elsewhere }));
    assert.equal(lostInterestAfter, first.bytes.length);
    assert.deepEqual([summary.kind, summary.noMail], ['other', what]);
  });
}

test('Conversation has no interest in TLS elsewhere whose secrets are not in the key log', async () => {
  const session = await generateSession({ clientSays: [Buffer.from('GET / HTTP/1.1\r\n')] });
  const others = await generateSession();
  const keyLog = new KeyLog();
  keyLog.add(others.keyLog);
  const { summary, lostInterestAfter } = overhear([opened(elsewhere), ...session.events], keyLog);
  assert.deepEqual([summary.kind, summary.noMail], ['other', 'TLS']);
  assert.notEqual(lostInterestAfter, undefined);
});

test('Conversation reads IMAP in DEFLATE in TLS at any port, also with the roles reversed', async () => {
  const { keyLog, events: spoken } = await compressedImapInTls();
  const secrets = new KeyLog();
  secrets.add(keyLog);
  const reversed = spoken.map(
    (event) => ({ ...event, sender: event.sender === 'client' ? 'server' : 'client' }) as const,
  );
  const end: StreamEvent = { kind: 'close', side: 'both', reason: 'end' };
  for (const [what, played] of [
    ['as captured', [opened(elsewhere), ...spoken, end]],
    ['reversed', [opened(defaultClient, elsewhere, false), ...reversed, end]],
  ] as const) {
    const { summary, mails } = overhear(played, secrets);
    assert.deepEqual(
      mails.map(({ octets, layer }) => [octets.read().toString(), layer]),
      [[mailText, 'compress']],
      what,
    );
    assert.deepEqual(
      summary.layers.map(({ name }) => name),
      ['tls', 'compress'],
      what,
    );
    assert.deepEqual(summary.connection.server, elsewhere, what);
    assert.match(summary.layers[0]?.detail ?? '', /decrypted$/);
  }
});

test('Conversation holds little while it is undecided, whatever is said', () => {
  const line = server('text that says nothing at all to anybody\r\n');
  const turns = Array.from({ length: 400 }, () => line);
  const { lostInterestAfter } = overhear(uncut(turns, { server: elsewhere, handshakeSeen: false }));
  assert(
    lostInterestAfter !== undefined &&
      lostInterestAfter <= 2 * dialogueLimits.sniffBytesMax + line.bytes.length,
  );
  const holes = Array.from({ length: 5000 }, () => lost(client('x')));
  const { lostInterestAfter: afterHoles } = overhear(uncut(holes, { server: elsewhere }));
  assert.equal(afterHoles, 0);
});

test('Conversation never throws and its octets add up, whatever the octets are', () => {
  const start = fc.constantFrom(...Object.values(protocols).flat(), ...noise.map(([, turn]) => turn));
  const turn = fc.record({
    sender: fc.constantFrom('client' as const, 'server' as const),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }).map((octets) => Buffer.from(octets)),
    lost: fc.boolean(),
  });
  const turns = fc.array(fc.oneof(start, turn), { maxLength: 30 });
  fc.assert(
    fc.property(turns, fc.boolean(), fc.boolean(), (said, handshakeSeen, atMailPort) => {
      const options = { handshakeSeen, ...(atMailPort ? {} : { server: elsewhere }) };
      overhear(uncut(said, options));
    }),
  );
});

function opened(to = elsewhere, from = defaultClient, handshakeSeen = true): StreamEvent {
  return { kind: 'open', connection: { id: 1, client: from, server: to, handshakeSeen } };
}

/** What each side says in its turn, in TLS: the last turn is compressed. */
async function compressedImapInTls(): Promise<Awaited<ReturnType<typeof generateSession>>> {
  const deflated = (text: string) => zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
  const fetched = `* 1 FETCH (BODY[] {${mailText.length}}\r\n${mailText})\r\na2 OK fetched\r\n`;
  return generateSession({
    clientSays: [Buffer.from('a1 COMPRESS DEFLATE\r\n'), deflated('a2 FETCH 1 BODY[]\r\n')],
    serverSays: [Buffer.from('* PREAUTH ready\r\na1 OK go\r\n'), deflated(fetched)],
  });
}
