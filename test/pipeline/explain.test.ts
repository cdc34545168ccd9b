import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { explainLimits } from '../../src/core/limits.ts';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { type ExplainRequest, explain } from '../../src/pipeline/explain.ts';
import type { ExplainedConnection, ExplainedFile, ExplainedTotals } from '../../src/pipeline/explanation.ts';
import { readCapture } from '../support/capture-reader.ts';
import { client, conversation, lost, server, type Turn } from '../support/conversation.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { asPacket, toPackets, writePcapng } from '../support/packets.ts';
import { readTraffic } from '../support/rewrite.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';
import { sharedCaptures, sharedNames } from '../support/shared-captures.ts';

interface Told {
  readonly files: readonly ExplainedFile[];
  readonly connections: readonly ExplainedConnection[];
  readonly totals: ExplainedTotals;
  /** Everything that was told, as JSON. */
  readonly text: string;
}

async function tell(files: readonly string[], options: Partial<ExplainRequest> = {}): Promise<Told> {
  const told = { files: [] as ExplainedFile[], connections: [] as ExplainedConnection[] };
  const request = { files, ports: new Map(), keyLogFile: undefined, verbose: true, ...options };
  const totals = await explain(request, {
    file: async (file) => void told.files.push(file),
    connection: async (connection) => void told.connections.push(connection),
  });
  const text = JSON.stringify({ ...told, totals }, (_, each: unknown) =>
    typeof each === 'bigint' ? String(each) : each,
  );
  return { ...told, totals, text };
}

/** What a conversation of `turns` is told as. */
async function tellTurns(turns: readonly Turn[], options: Partial<ExplainRequest> = {}): Promise<Told> {
  let told: Told | undefined;
  await inTemporaryFolder(async (folder) => {
    const file = join(folder, 'capture.pcapng');
    writeFileSync(file, writePcapng(toPackets(turns)));
    told = await tell([file], options);
  });
  assert(told);
  return told;
}

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const secret = 'Tr0ub4dor&3';
const smtpHead = [server('220 mx ESMTP\r\n'), client('EHLO x\r\n'), server('250 mx\r\n')];
const popHead = [server('+OK POP3 ready <1.2@mx>\r\n')];
const imapHead = [server('* OK IMAP ready\r\n')];

const logins: readonly (readonly [string, readonly Turn[], ...string[]])[] = [
  [
    'SMTP AUTH PLAIN',
    [...smtpHead, client(`AUTH PLAIN ${base64(`\0joe\0${secret}`)}\r\n`), server('235 ok\r\n')],
  ],
  [
    'SMTP AUTH PLAIN in a line of its own',
    [
      ...smtpHead,
      client('AUTH PLAIN\r\n'),
      server('334 \r\n'),
      client(`${base64(`\0joe\0${secret}`)}\r\n`),
      server('235 ok\r\n'),
    ],
  ],
  [
    'SMTP AUTH LOGIN',
    [
      ...smtpHead,
      client('AUTH LOGIN\r\n'),
      server('334 VXNlcm5hbWU6\r\n'),
      client(`${base64('joe')}\r\n`),
      server('334 UGFzc3dvcmQ6\r\n'),
      client(`${base64(secret)}\r\n`),
      server('235 ok\r\n'),
    ],
  ],
  [
    'SMTP AUTH LOGIN whose prompts are missing in the capture',
    [
      ...smtpHead,
      client('AUTH LOGIN\r\n'),
      client(`${base64('joe')}\r\n`),
      client(`${base64(secret)}\r\n`),
      client('QUIT\r\n'),
    ],
  ],
  [
    'SMTP credentials after a refused AUTH, which the server repeats',
    [
      ...smtpHead,
      client('AUTH LOGIN\r\n'),
      server('504 no\r\n'),
      client(`${base64(secret)}\r\n`),
      server(`500 5.5.1 unknown command ${base64(secret)}\r\n`),
      client(`${secret}\r\n`),
      server(`502 "${secret}"?\r\n`),
    ],
  ],
  [
    'SMTP AUTH with tabs',
    [...smtpHead, client(`AUTH\tPLAIN\t${base64(`\0joe\0${secret}`)}\r\n`), server('235 ok\r\n')],
  ],
  [
    'SMTP AUTH without a mechanism',
    [...smtpHead, client(`AUTH ${base64(`\0joe\0${secret}`)}\r\n`), server('501 no\r\n')],
  ],
  [
    'SMTP AUTH XOAUTH2',
    [
      ...smtpHead,
      client(`AUTH XOAUTH2 ${base64(`user=joe\x01auth=Bearer ${secret}\x01\x01`)}\r\n`),
      server('235 ok\r\n'),
    ],
  ],
  [
    'SMTP AUTH CRAM-MD5',
    [
      ...smtpHead,
      client('AUTH CRAM-MD5\r\n'),
      server('334 PDEuMkBteD4=\r\n'),
      client(`${base64(`joe ${secret}`)}\r\n`),
      server('235 ok\r\n'),
    ],
    'PDEuMkBteD4',
  ],
  [
    'POP3 PASS',
    [...popHead, client('USER joe\r\n'), server('+OK\r\n'), client(`PASS ${secret}\r\n`), server('+OK\r\n')],
  ],
  [
    'POP3 pass in small letters that is refused and repeated',
    [
      ...popHead,
      client('USER joe\r\n'),
      server('+OK\r\n'),
      client(`pass ${secret}\r\n`),
      server(`-ERR wrong: ${secret}\r\n`),
    ],
  ],
  ['POP3 PASS mistyped', [...popHead, client(`PAS ${secret}\r\n`), server(`-ERR unknown PAS ${secret}\r\n`)]],
  [
    'POP3 APOP',
    [...popHead, client('APOP joe c4c9334bac560ecc979e58001b3e22fb\r\n'), server('+OK\r\n')],
    'c4c9334bac560ecc979e58001b3e22fb',
  ],
  [
    'POP3 AUTH PLAIN',
    [
      ...popHead,
      client('AUTH PLAIN\r\n'),
      server('+ \r\n'),
      client(`${base64(`\0joe\0${secret}`)}\r\n`),
      server('+OK\r\n'),
    ],
  ],
  [
    'POP3 AUTH PLAIN of two parts',
    [
      ...popHead,
      client(`AUTH PLAIN ${base64(`joe\0${secret}`)}\r\n`),
      server('+OK\r\n'),
      client('RETR 1\r\n'),
      server('+OK\r\nSubject: x\r\n\r\nx\r\n.\r\n'),
    ],
  ],
  ['IMAP LOGIN', [...imapHead, client(`a1 LOGIN joe ${secret}\r\n`), server('a1 OK\r\n')]],
  [
    'IMAP login with a quoted password that is refused and repeated',
    [...imapHead, client(`a1 login "joe" "${secret}"\r\n`), server(`a1 NO "${secret}" is wrong\r\n`)],
  ],
  [
    'IMAP LOGIN with literals',
    [
      ...imapHead,
      client('a1 LOGIN {3}\r\n'),
      server('+ go\r\n'),
      client(`joe {${secret.length}}\r\n`),
      server('+ go\r\n'),
      client(`${secret}\r\n`),
      server('a1 OK\r\n'),
    ],
  ],
  [
    'IMAP LOGIN mistyped',
    [...imapHead, client(`a1 LOGN joe ${secret}\r\n`), server(`a1 BAD LOGN joe ${secret}\r\n`)],
  ],
  [
    'IMAP AUTHENTICATE PLAIN',
    [
      ...imapHead,
      client('a1 AUTHENTICATE PLAIN\r\n'),
      server('+ \r\n'),
      client(`${base64(`\0joe\0${secret}`)}\r\n`),
      server('a1 OK\r\n'),
    ],
  ],
  [
    'IMAP AUTHENTICATE PLAIN with an initial response',
    [...imapHead, client(`a1 AUTHENTICATE  PLAIN ${base64(`\0joe\0${secret}`)}\r\n`), server('a1 OK\r\n')],
  ],
  [
    'IMAP credentials taken for a tag',
    [
      ...imapHead,
      client(`${base64(secret)}\r\n`),
      server(`${base64(secret)} BAD what\r\n`),
      client('a2 NOOP\r\n'),
      server('a2 OK\r\n'),
    ],
  ],
];

for (const [what, turns, ...further] of logins) {
  test(`explain shows nothing of the secret of ${what}`, async () => {
    const { text, connections } = await tellTurns(turns);
    assert.equal(connections.length, 1);
    assert(
      connections[0]?.events.some(({ kind }) => kind === 'said'),
      'something is shown',
    );
    for (const hidden of secretsIn(turns, further)) assert(!text.includes(hidden), hidden);
  });
}

/** The secret, and each base64 text of the client in both cases and without its padding. */
function secretsIn(turns: readonly Turn[], further: readonly string[]): string[] {
  const said = turns.filter(({ sender }) => sender === 'client').map(({ bytes }) => bytes.toString('latin1'));
  const encoded = said
    .flatMap((line) => line.match(/[A-Za-z0-9+/]{10,}/g) ?? [])
    .filter((word) => !/^AUTHENTICATE$/.test(word));
  return [secret, ...further, ...encoded.flatMap((word) => [word, word.toUpperCase()])];
}

const captures = sharedNames('lab').filter((name) =>
  /^(?:smtp_auth|imap_raw_auth|pop3_|imap_curl|imap_mutt).*\.pcapng$/.test(name),
);

for (const name of captures) {
  test(`explain shows no password of ${name}`, async () => {
    const file = sharedCaptures('lab', name);
    assert(file);
    const keyLog = sharedCaptures('lab', name.replace(/(?:\.dsb)?\.pcapng$/, '.keys.log'));
    const { text } = await tell([file], { keyLogFile: keyLog });
    const credentials = credentialsOf(readFileSync(file));
    if (/auth|raw/.test(name)) assert(credentials.size > 0, 'the capture has credentials');
    for (const hidden of credentials) assert(!text.includes(hidden), `shows ${hidden}`);
  });
}

/** Passwords and tokens in the plain commands of a capture, by what stands in its segments. */
function credentialsOf(bytes: Buffer): Set<string> {
  const found = new Set<string>();
  const users = new Set<string>();
  const decoder = new PacketDecoder();
  for (const packet of readCapture(bytes)) {
    const segment = decoder.decode(asPacket(packet));
    if (segment === undefined || segment.payloadLength === 0 || segment.payloadLength > 1000) continue;
    const { buffer, payloadOffset, payloadLength } = segment;
    const said = buffer.toString('latin1', payloadOffset, payloadOffset + payloadLength);
    for (const [, password = ''] of said.matchAll(/^PASS (\S+)\r$/gim)) found.add(password);
    for (const [, user = ''] of said.matchAll(/^USER (\S+)\r$/gim)) users.add(user);
    for (const [, digest = ''] of said.matchAll(/^APOP \S+ (\S+)\r$/gim)) found.add(digest);
    for (const [, user = '', password = ''] of said.matchAll(
      /^(?!250)\S+ LOGIN "?([^\s"{]+)"? "?([^\s"{]+)"?\r$/gim,
    )) {
      users.add(user);
      found.add(password);
    }
    const encoded = /^(?:(?:\S+ AUTHENTICATE|AUTH) [A-Z0-9-]+ )?([A-Za-z0-9+/]{8,}={0,2})\r\n$/i.exec(
      said,
    )?.[1];
    if (encoded === undefined) continue;
    found.add(encoded);
    const [, user, password] = Buffer.from(encoded, 'base64').toString('latin1').split('\0');
    if (user !== undefined && password !== undefined) users.add(user).add('');
    if (password !== undefined && password.length > 3) found.add(password);
  }
  for (const user of users) found.delete(user);
  return found;
}

test('explain tells a whole mail, its frames and its digest, and the user', async () => {
  const mail = 'From: =?utf-8?q?J=C3=B6e?= <j@example.org>\r\nSubject: a\u001b[31m word\r\n\r\nIt is me.\r\n';
  const turns = [
    ...smtpHead,
    client(`AUTH PLAIN ${base64(`\0joe\0${secret}`)}\r\n`),
    server('235 ok\r\n'),
    ...conversation('C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go'),
    client(`${mail}.\r\n`),
    server('250 done\r\n'),
  ];
  const { connections, totals } = await tellTurns(turns);
  const [told] = connections;
  assert.equal(told?.user, 'joe');
  assert.deepEqual([told?.protocol, told?.evidence], ['smtp', 'server']);
  const found = told?.events.find((event) => event.kind === 'mail');
  assert.equal(found?.bytes, mail.length);
  assert.match(found?.sha256 ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(
    [found?.method, found?.complete, found?.accepted, found?.from],
    ['DATA', true, true, 'Jöe <j@example.org>'],
  );
  assert.deepEqual(totals.mails, { whole: 1, incomplete: 0 });
});

test('explain shortens long sessions and keeps the counts', async () => {
  const rounds = Array.from({ length: 300 }, (_, index) => [
    client(`a${index} FETCH ${index + 1} FLAGS\r\n`),
    server(`* ${index + 1} FETCH (FLAGS ())\r\na${index} OK done\r\n`),
  ]).flat();
  const { connections } = await tellTurns([...imapHead, ...rounds], { verbose: false });
  const events = connections[0]?.events ?? [];
  const said = events.filter(({ kind }) => kind === 'said').length;
  assert.equal(said, explainLimits.repeatedShownMax * 3);
  const last = events.at(-1);
  assert.equal(last?.kind, 'omitted');
  const left = 300 - explainLimits.repeatedShownMax;
  assert.deepEqual(last.counts, { 'C FETCH': left, 'S FETCH': left, 'S OK': left + 1 });
});

test('explain sums up connections that are no mail, and lists them when asked', async () => {
  const turns = [client('GET / HTTP/1.1\r\n\r\n')];
  const short = await tellTurns(turns, { verbose: false });
  assert.deepEqual([short.connections, short.totals.noMail], [[], { HTTP: 1 }]);
  const long = await tellTurns(turns);
  assert.deepEqual(
    long.connections.map(({ kind, noMail }) => [kind, noMail]),
    [['other', 'HTTP']],
  );
});

const mailOf = (name: string): string => `Subject: ${name}\r\n\r\n${name}\r\n`;
const envelope = conversation(
  'C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go',
);

/** For each gap in order: who sent it, its octets, and the mails that it hit. */
async function gapsOf(turns: readonly Turn[]) {
  const { connections } = await tellTurns(turns);
  const events = connections[0]?.events ?? [];
  const mails = events.flatMap((event) => (event.kind === 'mail' ? [[event.number, event.complete]] : []));
  const gaps = events.flatMap((event) =>
    event.kind === 'gap' ? [[event.sender, event.octets, event.mails]] : [],
  );
  return { mails, gaps };
}

test('explain names the mail of SMTP that a gap hit, and gaps that hit none', async () => {
  const texts = ['one', 'two', 'three'].map(mailOf);
  const [one = '', two = '', three = ''] = texts;
  const { mails, gaps } = await gapsOf([
    ...smtpHead,
    ...envelope,
    client(`${one}.\r\n`),
    server('250 done\r\n'),
    lost(client('NOOP\r\n')),
    server('250 nothing\r\n'),
    ...envelope,
    client(two.slice(0, 10)),
    lost(client(two.slice(10, 14))),
    client(two.slice(14, 16)),
    lost(client(two.slice(16, 18))),
    client(`${two.slice(18)}.\r\n`),
    lost(server('250 done\r\n')),
    ...envelope,
    client(`${three}.\r\n`),
    server('250 done\r\n'),
    client('QUIT\r\n'),
    server('221 bye\r\n'),
  ]);
  assert.deepEqual(mails, [
    [1, true],
    [2, false],
    [3, true],
  ]);
  assert.deepEqual(gaps.toSorted(), [
    ['client', 2, [2]],
    ['client', 4, [2]],
    ['client', 6, []],
    ['server', 10, []],
  ]);
});

test('explain names the mail of POP3 that a gap hit', async () => {
  const [one, two] = [mailOf('one'), mailOf('two')];
  const { mails, gaps } = await gapsOf([
    ...popHead,
    client('RETR 1\r\n'),
    server(`+OK ${one.length} octets\r\n${one}.\r\n`),
    client('RETR 2\r\n'),
    server(`+OK ${two.length} octets\r\n${two.slice(0, 9)}`),
    lost(server(two.slice(9, 12))),
    server(`${two.slice(12)}.\r\n`),
    client('QUIT\r\n'),
    server('+OK\r\n'),
  ]);
  assert.deepEqual(mails, [
    [1, true],
    [2, false],
  ]);
  assert.deepEqual(gaps, [['server', 3, [2]]]);
});

test('explain does not guess what a gap inside TLS held', async () => {
  const { packets } = await readTraffic(join(fixturesFolder, 'smtp-starttls-no-keys', 'capture.pcapng'));
  const largest = packets.reduce((best, { bytes }) => Math.max(best, bytes.length), 0);
  await inTemporaryFolder(async (folder) => {
    const file = join(folder, 'capture.pcapng');
    writeFileSync(file, writePcapng(packets.filter(({ bytes }) => bytes.length < largest)));
    const { connections } = await tell([file]);
    const hits = connections.map(({ kind, events }) => [
      kind,
      events.flatMap((event) => (event.kind === 'gap' ? [event.mails] : [])),
    ]);
    assert.deepEqual(hits, [
      ['encrypted', [null, null]],
      ['encrypted', [null]],
      ['smtp', [[1]]],
    ]);
  });
});
