/** What is heard depends on what was said, not on how it was cut into packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { DeflateLayer } from '../../src/dialogue/deflate-layer.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import { tellTls } from '../../src/dialogue/tls/tls-detection.ts';
import { TlsLayer } from '../../src/dialogue/tls/tls-layer.ts';
import type { Sender, StreamEvent } from '../../src/stream/types.ts';
import { client, cuts, cutsInOrder, lost, server, type Turn } from '../support/conversation.ts';
import {
  type Begin,
  connection,
  contentOf,
  decode,
  imap,
  pop3,
  smtp,
  upgrades,
} from '../support/dialogue.ts';
import { elsewhere, overhearAll } from '../support/overhear.ts';
import { streamData } from '../support/stream-events.ts';
import { END, feed, recut, WAYS } from './tls/feeding.ts';
import { generateSession } from './tls/generated-sessions.ts';

/** Mails and anomalies of the turns, which are the same whole, by line and by octet. */
function heard(turns: readonly Turn[], begin: Begin, closesEarly?: Sender): string[] {
  const ways = cuts(turns).filter(([way]) => way !== 'server first');
  const [first, ...others] = ways.map(([, events]) => shown(begin, withEarlyClose(events, closesEarly)));
  for (const [index, other] of others.entries()) assert.deepEqual(other, first, ways[index + 1]?.[0]);
  return first ?? [];
}

/** `sender` closes its side when it has said all it says. */
function withEarlyClose(events: readonly StreamEvent[], sender: Sender | undefined): readonly StreamEvent[] {
  if (sender === undefined) return events;
  const last = events.findLastIndex((event) => event.kind === 'data' && event.sender === sender);
  const behind = Math.max(last, 0) + 1;
  return [
    ...events.slice(0, behind),
    { kind: 'close', side: sender, reason: 'fin' },
    ...events.slice(behind),
  ];
}

function shown(begin: Begin, events: readonly StreamEvent[]): string[] {
  return decode(begin, events).events.flatMap((event) => {
    if (event.kind === 'anomaly') return [event.code];
    if (event.kind !== 'message') return [];
    const { complete, missing, firstSequence, user } = event;
    const text = JSON.stringify(contentOf(event));
    return [`${text} ${complete} ${JSON.stringify(missing)} at ${firstSequence} of ${user}`];
  });
}

test('SmtpDecoder keeps a line of one dot in a text that ended behind it', () => {
  const turns = [client('DATA\n'), server('354 \n'), client('\n.\nM\n.\r\n')];
  assert.deepEqual(heard(turns, smtp), ['"\\n.\\nM\\n" true [] at 1006 of null']);
});

test('SmtpDecoder pairs the replies behind a hole with as many commands as there are', () => {
  const turns = [lost(server('2')), client('\nDATA\n'), server('250\n250\n'), client('QUIT\r\n')];
  assert.ok(heard(turns, smtp).length <= 2);
});

test('SmtpDecoder takes a hole for the end of a text only when no reply to come can speak against it', () => {
  const turns = [
    client('DATA\n'),
    lost(client('\n')),
    client('ehlo\r\n.\r\n\n'),
    server('354\n250\n250\n354\n'),
  ];
  assert.deepEqual(heard(turns, smtp), ['"ehlo\\r\\n" false [{"offset":0,"length":1}] at 1007 of null']);
});

test('SmtpDecoder reads on to the DATA that a 354 answers where the client has closed its side', () => {
  const turns = [client('a\n'), lost(client('Z')), client('RCPT TO:\ndata\n'), server('250\n354\n250\n')];
  assert.deepEqual(heard(turns, smtp, 'client'), ['dialogue.resynchronised', 'dialogue.reply-missing']);
});

test('SmtpDecoder leaves a 354 to the DATA that it can only answer', () => {
  const turns = [client('data\n'), client('\r\n.\r\n'), client('data\n'), server('354 \n354 \n')];
  assert.deepEqual(heard(turns, smtp), ['dialogue.reply-missing', '"\\r\\n" true [] at 1006 of null']);
});

test('SmtpDecoder doubts an end by what is known when it is found, not by replies to come', () => {
  const text = [client('DATA\n'), client('\n.\nMAIL FROM:\r\n.\r\n'), server('354 '), server('252\n250\n')];
  const turns = [client('\r\n.\r\n'), lost(server('\n')), ...text];
  for (const [way, events] of cuts(turns, { handshakeSeen: false })) {
    const last = shown(smtp, events).at(-1);
    assert.equal(last, '"\\n.\\nMAIL FROM:\\r\\n" false [{"offset":15}] at 1011 of null', way);
  }
});

test('SmtpDecoder does not leave a 354 to a DATA that came after it', () => {
  const turns = [server('354 x\r\n'), ...['EHLO x\r\n', 'DATA\r\n', 'EHLO x\r\n'].map(client)];
  for (const [way, events] of cuts(turns)) assert.deepEqual(shown(smtp, events), [], way);
});

test('SmtpDecoder judges an end in a hole by all that was said behind it', () => {
  const turns = [
    client('data\n'),
    lost(client('?')),
    lost(client('?')),
    ...['mail FROM:\n', '\n', 'data\n', ' '].map(client),
    lost(client('?')),
    client('p\n'),
    ...['354\n', '250\n', '354\n', '252\n', '250 \n', '354'].map(server),
  ];
  assert.ok(heard(turns, smtp).length > 0);
});

test('SmtpDecoder waits for the replies that tell how many commands stood in a hole behind an end', () => {
  const turns = [
    client('DATA\n'),
    server('354 \n'),
    client('one\r\n'),
    lost(client('.\r\nMAIL FROM:<a@example.com>\r\nRC')),
    client('PT TO:<b@example.net>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n'),
    server('250 \n250 \n250 \n354 \n250 \n221 \n'),
  ];
  const [first] = heard(turns, smtp).filter((each) => each.startsWith('"'));
  assert.match(first ?? '', /^"one\\r\\n" false/);
});

test('Pop3Decoder knows the end of a mail behind a hole, octet by octet, too', () => {
  const turns = [
    server('+OK\r\n'),
    client('RETR 1\r\n'),
    server('+OK\r\nabc'),
    lost(server('de\r\n')),
    server('.\r\n'),
    client('QUIT\r\n'),
    server('+OK\r\n'),
  ];
  assert.deepEqual(heard(turns, pop3), ['"abc" false [{"offset":3,"length":4}] at 1011 of null']);
});

test('Pop3Decoder takes the end behind a hole as a whole, though every octet of it comes alone', () => {
  const turns = [server('+OK\r\n+OK \r\nA: b\r\n'), lost(server('n')), server('.\r\n')];
  const lines = new Set<string>();
  overhearAll(turns, { server: { ...elsewhere, port: 110 } }, ({ traces }) =>
    lines.add(traces.map(({ text }) => text).join()),
  );
  assert.deepEqual([...lines], ['+OK,+OK ']);
});

test('Pop3Decoder knows the place of an empty mail', () => {
  const turns = [server('+OK\r\n'), client('RETR 1\r\n'), server('+OK\r\n.\r\n'), client('QUIT\r\n')];
  assert.deepEqual(heard(turns, pop3), ['"" true [] at 1011 of null']);
});

test('ImapDecoder takes no second continuation for the end of an exchange', () => {
  const turns = [
    server('* OK hi\r\n'),
    client('1 AUTHENTICATE CRAM-MD5\r\n5.ID\r\n'),
    server('+\r\n+ \r\n'),
    client('Ym94NDkg\r\n'),
    server('1 OK\r\n'),
    client('2 FETCH 1 BODY[]\r\n'),
    server('* 1 FETCH (BODY[] "mail")\r\n2 OK\r\n'),
  ];
  assert.deepEqual(
    heard(turns, imap).map((each) => each.split(' ').at(-1)),
    ['box49'],
  );
});

test('ImapDecoder takes a line of an exchange for a command by what it says, not by which answers were read', () => {
  const turns = [
    client('1 AUTHENTICATE CRAM-MD5\r\n2 LOGIN box2 secret\r\n'),
    server('+\r\n9 OK\r\n'),
    server('1 NO\r\n2 OK\r\n'),
    client('3 FETCH 1 BODY[]\r\n'),
    server('* 1 FETCH (BODY[] "mail")\r\n3 OK\r\n'),
  ];
  assert.deepEqual(heard(turns, imap), ['"mail" true [] at 1041 of box2']);
});

test('ImapDecoder lets each continuation consent to what was said before it', () => {
  const turns = [
    server('* OK hi\r\n'),
    client('1 APPEND a {3}\r\none\r\n2 APPEND b {3}\r\n'),
    client('two\r\n3 APPEND c {5}\r\nthree\r\n'),
    server('+ \r\n+ \r\n+ \r\n'),
    server('1 OK\r\n2 OK\r\n3 OK\r\n'),
  ];
  assert.deepEqual(
    heard(turns, imap).map((each) => each.split(' ').slice(0, 3).join(' ')),
    ['"one" true []', '"two" true []', '"three" true []'],
  );
  // The first literal lies: what is behind it begins with a command that announces another one.
  const lying = [client('8 PEND "0" {4}\r\n\r\nBBME2 APPEND ""{4}\nM'), client('A3=A'), server('+\n+\n')];
  const [mail] = heard(lying, imap);
  assert.ok(mail?.startsWith('"MA3=" false [{"offset":4}] '), mail);
});

test('Conversation tells a protocol by lines that are there to their end', () => {
  for (const greeting of ['* OK \x02', '+OK ready \xff']) {
    const turns = [server(Buffer.from(greeting, 'latin1'))];
    overhearAll(turns, {}, ({ summary }, cut) => assert.equal(summary.kind, 'other', cut));
  }
});

test('Conversation hears what stands behind an upgrade that is told at the end only', () => {
  const port = 110;
  const turns = [client('\nSTLS\n'), lost(server('x')), server('+OK 5\nDa')];
  const lines: string[] = [];
  overhearAll(turns, { server: { ...elsewhere, port } }, ({ traces }, cut) => {
    if (cut === 'whole' || cut === 'per byte') lines.push(traces.map(({ text }) => text).join());
  });
  assert.deepEqual(lines, [',STLS,+OK 5,Da', ',STLS,+OK 5,Da']);
});

test('Conversation hears the end of TLS that only the end of the connection lets it find', () => {
  // The answer waits for its command, and the record behind it for the answer.
  const turns = [server('* CAPABILITY \n1 OK \n'), server('\x17\x03\x03')];
  const connection = { server: { ...elsewhere, port: 143 } };
  overhearAll(turns, connection, ({ summary }, cut) => assert.equal(summary.kind, 'encrypted', cut));
  const told = [client('1 CAPABILITY\n'), ...turns];
  overhearAll(told, connection, ({ summary }, cut) => assert.equal(summary.kind, 'encrypted', cut));
});

test('Conversation holds an opening of many packets as if it had come in one', () => {
  const text = 'what was said before is not known\r\n'.repeat(40);
  const turns = [client(text), server('250 2.0.0 Ok: queued\r\n'), client('MAIL FROM:<a@example.com>\r\n')];
  overhearAll(turns, { server: elsewhere, handshakeSeen: false }, ({ summary }, cut) => {
    assert.equal(summary.kind, 'smtp', cut);
  });
});

test('DeflateLayer gives what stands before the damage, and all of it', () => {
  const text = 'all of this can be read. '.repeat(40);
  const whole = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  const damaged: readonly [string, Buffer, string][] = [
    // A literal, and then a distance that points behind the beginning.
    ['a distance too far back', Buffer.from('3206fa39', 'hex'), '3'],
    // Block type 3 does not exist.
    ['an unknown block', Buffer.concat([whole, Buffer.from([0xff, 0xff, 1, 2])]), text],
    ['octets behind the end', Buffer.concat([deflateRawSync(text), Buffer.from('more')]), text],
  ];
  for (const [what, bytes, expected] of damaged) {
    const events = [streamData(bytes)];
    const seen = WAYS.map((way) => {
      const layer = new DeflateLayer();
      const { client: plain, gaps, anomalies } = feed(layer, recut(events, way));
      return { text: plain.toString('latin1'), gaps, anomalies, unreadable: layer.unreadableBytes.client };
    });
    for (const [index, each] of seen.entries()) {
      assert.deepEqual(each, seen[0], `${what}, ${WAYS[index]}`);
      assert.equal(each.anomalies.length, 1, what);
    }
    assert.equal(seen[0]?.text, expected, what);
  }
});

test('TlsLayer says where a direction is given up, not how much of it had come by then', async () => {
  const session = await generateSession({ version: 'TLSv1.3' });
  const keyLog = new KeyLog();
  keyLog.add(session.keyLog);
  const last = session.events.findLast((event) => event.sender === 'client');
  assert.ok(last);
  // Each of these headers begins a record that is long enough, and none of them opens.
  const forged = { ...last, bytes: Buffer.alloc(100_000, Buffer.from([0, 23, 3, 3, 0x40, 0])) };
  const at = session.events.indexOf(last) + 1;
  const [first, ...others] = [100_000, 40_000, 997].map((length) => {
    const pieces = Array.from({ length: Math.ceil(100_000 / length) }, (_, index) => {
      return { ...forged, bytes: forged.bytes.subarray(index * length, (index + 1) * length) };
    });
    const events = [...session.events.slice(0, at), ...pieces, ...session.events.slice(at), END];
    const { client: plain, gaps, anomalies } = feed(new TlsLayer(connection, keyLog), events);
    return { plain, gaps, anomalies };
  });
  for (const other of others) assert.deepEqual(other, first);
  assert.deepEqual(first?.plain, session.client);
  assert.deepEqual(
    first.gaps.map((gap) => gap.length),
    [1],
  );
  assert.deepEqual(
    first.anomalies.map((each) => each.code),
    ['dialogue.tls-undecryptable'],
  );
});

test('tellTls waits behind a hole until octets can be told from text', () => {
  assert.equal(tellTls(Buffer.from('*'), true), 'undecided');
  assert.equal(tellTls(Buffer.from('*\x05'), true), 'tls');
  assert.equal(tellTls(Buffer.alloc(256, 'text '), true), 'other');
});

test('ImapDecoder looks at as much of what follows an announcement as it needs, where nobody consents', () => {
  const announced = 'a1 APPEND x {4}\r\n';
  assert.deepEqual(heard([client(`${announced}mail\r\n`)], imap, 'server'), [
    '"mail" true [] at 1018 of null',
  ]);
  assert.deepEqual(heard([client(`${announced}a2 NOOP\r\n`)], imap, 'server'), []);
  assert.deepEqual(heard([client(`${announced}ma`)], imap, 'server'), [
    '"ma" false [{"offset":2,"length":2}] at 1018 of null',
  ]);
});

test('ImapDecoder awaits the command that a piece answers, whatever stands before it', () => {
  const turns = [
    server('* 1 FETCH (UID 2 BODY[]<0> {4}\r\nmail)\r\n'),
    client('DONE\r\na1 UID FETCH 2 BODY[]<0.10>\r\n'),
    server('a1 OK\r\n'),
  ];
  assert.deepEqual(heard(turns, imap), ['"mail" true [] at 1033 of null']);
});

test('ImapDecoder waits for as many octets as tell DEFLATE where its command was not captured', () => {
  const mail = '* 1 FETCH (BODY[] {4}\r\nmail)\r\n2 OK\r\n';
  const turns = [server('1 OK Begin compression\r\n'), server('.\r\n'), server(mail)];
  const layers = cuts(turns).map(([, events]) => upgrades(decode(imap, events)).length);
  assert.deepEqual(layers, [1, 1, 1, 1, 1]);
  assert.deepEqual(heard([server('1 OK Compressed already\r\n'), server(mail)], imap), [
    '"mail" true [] at 1049 of null',
  ]);
});

test('ImapDecoder holds an answer for one command of the client, be there more in the same packet or not', () => {
  const turns = [server('2 OK\r\n'), client('1 NOOP\r\n2 COMPRESS DEFLATE\r\n'), server('1 OK\r\n')];
  for (const [way, events] of cutsInOrder(turns)) {
    assert.equal(upgrades(decode(imap, events)).length, 0, way);
  }
});

test('ImapDecoder tells a refused literal by what follows, not by how much of that has come', () => {
  const refused = [server('1 NO\r\n'), client('1 APPEND x {4}\r\nmail\r\n')];
  assert.deepEqual(heard(refused, imap), ['"mail" true [] at 1017 of null']);
  const longer = [server('1 NO\r\n'), client('1 APPEND x {9000}\r\n2 NOOP\r\n')];
  assert.deepEqual(heard(longer, imap), []);
});

test('ImapDecoder lets the client go on over a hole before the next continuation', () => {
  const turns = [
    client('1 AUTHENTICATE X\n\n\nT'),
    server('+\n'),
    lost(client('P')),
    server('+\n'),
    client('5 APPEND "" {6}\n'),
    server('+\n'),
    server('+\n+\n'),
  ];
  assert.deepEqual(heard(turns, imap).length, 2);
});

test('Conversation tells TLS and SOCKS by what came first, not by what came in one packet', () => {
  const port = 143;
  const tls = [client('ST\r\n'), server('+\r\n'), server('\x16\x03\x01'), client('\np')];
  const socks = [client('\x05\x01\x00\\'), server('\n')];
  for (const [turns, kind] of [
    [tls, 'encrypted'],
    [socks, 'other'],
  ] as const) {
    overhearAll(turns, { server: { ...elsewhere, port } }, ({ summary }, cut) => {
      if (!cut.endsWith('first')) assert.equal(summary.kind, kind, cut);
    });
  }
});

test('Pop3Decoder tells the middle of a mail by four octets, where the capture began there', () => {
  const place = { server: { ...elsewhere, port: 110 }, handshakeSeen: false };
  const turns = [client('\n'), server('1\n.\n.\none\ntwo\nthree\nfour\n')];
  overhearAll(turns, place, ({ mails }, cut) => assert.equal(mails.length, 1, cut));
});

test('SmtpDecoder believes an end without CRLF when all replies that may speak against it are there', () => {
  const turns = [client('a\r\nDATA\n.\n'), client('x\n'), server('500\n354 \n250 \n250\n')];
  assert.equal(heard(turns, smtp, 'client').at(-1), '".\\nx\\n" false [{"offset":4}] at 1009 of null');
});

test('SmtpDecoder waits for the octets that tell whether STARTTLS was answered, and finds a greeting behind holes', () => {
  for (const [text, count] of [
    ['\x16', 1],
    ['NOOP\r\n', 0],
  ] as const) {
    const turns = [client(`STARTTLS\n${text}`)];
    for (const [way, events] of cuts(turns)) {
      const early = withEarlyClose(events, 'client');
      const closed: StreamEvent = { kind: 'close', side: 'server', reason: 'fin' };
      const [open, ...others] = early;
      assert.ok(open);
      assert.equal(upgrades(decode(smtp, [open, closed, ...others])).length, count, way);
    }
  }
  const behind = [client('STARTTLS\n'), lost(server('a')), server('220\n\x16\n\n')];
  for (const [way, events] of cutsInOrder(behind)) {
    const { rest } = upgrades(decode(smtp, events))[0] ?? {};
    const octets = rest?.flatMap((event) => (event.kind === 'data' ? [...event.bytes] : []));
    assert.deepEqual(octets, [0x16, 0x0a, 0x0a], way);
  }
  const late = [lost(server('a')), lost(server('b')), server('421\r\n'), client('NOOP\r\nQUIT\r\n')];
  assert.deepEqual(heard(late, smtp), []);
});

test('Conversation tells the protocol by as many octets as are held for it, not by those of a packet more', () => {
  const turns = [
    server('+OK '),
    lost(server('ready')),
    server('\r\n'.padEnd(8184, 'x')),
    client('1 NOOP\r\n'),
    server('\r\n'),
  ];
  const summaries = new Set<string>();
  overhearAll(turns, { server: { ...elsewhere, port: 993 } }, ({ summary }, cut) => {
    if (!cut.endsWith('first')) summaries.add(`${summary.kind} by ${summary.evidence}`);
  });
  assert.deepEqual([...summaries], ['imap by port']);
});

test('Conversation hears the end of a line before what the other side said decides', () => {
  const told = [
    [server('\x05\x01\0a1 BAD\r\n'), lost(server(' ')), client('HELO \n'), client('\n')],
    [client('P'), server('blah\r\n'), client('1 NOOP\r\n')],
  ];
  for (const [index, kind] of (['smtp', 'imap'] as const).entries())
    overhearAll(told[index] ?? [], { server: elsewhere }, ({ summary }, cut) => {
      if (!cut.endsWith('first')) assert.equal(summary.kind, kind, cut);
    });
});

test('SmtpDecoder judges an end in a hole by what the client said first behind it, though another hole stands before that', () => {
  const greeted = [server('250-E'), client('DATA\n'), lost(client('o')), lost(client('w')), client('\n')];
  const told: readonly (readonly Turn[])[] = [
    [
      ...[client('DATA\n'), lost(server('\n')), lost(client('l')), lost(client(' ')), client('BDAT 0\n')],
      ...[server('250 '), server('354 \n'), client(' '), lost(client('L')), client('\r\n.\r\nr')],
    ],
    [
      ...[...greeted, server('250 \n'), client('BDAT 1\nDa'), server('250\n'), client('\r\n.\r\n\n')],
      ...[client('\n'), server('250 \n'), client('DATA\n'), server('354 \n')],
    ],
  ];
  for (const [index, turns] of told.entries()) {
    const ways = cutsInOrder(turns, { handshakeSeen: index === 0 });
    const [first, ...others] = ways.map(([, events]) => shown(smtp, events));
    for (const other of others) assert.deepEqual(other, first, `${index}`);
  }
});
