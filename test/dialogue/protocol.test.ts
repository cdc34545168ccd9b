import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tellProtocol, type Verdict } from '../../src/dialogue/protocol.ts';

interface Case {
  readonly client?: string;
  readonly server?: string;
  readonly hint?: 'smtp' | 'pop3' | 'imap';
  /** The capture began later, and nobody knows who the client is. */
  readonly late?: boolean;
  readonly final?: boolean;
}

function tell({ client = '', server = '', hint, late = false, final = false }: Case): Verdict {
  const openings = { client: Buffer.from(client, 'latin1'), server: Buffer.from(server, 'latin1'), final };
  return tellProtocol(openings, {
    hint,
    hintIsOfClient: false,
    rolesKnown: !late,
    fromStart: !late,
    isNoTls: false,
  });
}

function show(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'mail':
      return `${verdict.protocol} by ${verdict.evidence}${verdict.reversed ? ' reversed' : ''}`;
    case 'wrapper':
      return `${verdict.wrapper}${verdict.reversed ? ' reversed' : ''}`;
    case 'none':
      return `none: ${verdict.what}`;
    case 'undecided':
      return 'undecided';
  }
}

const clientHello = '\x16\x03\x01\x02\x00\x01';
const serverHello = '\x16\x03\x03\x00\x40\x02';
const signature = '\r\n\r\n\0\r\nQUIT\n';

const table: readonly (readonly [Case, string])[] = [
  // Mail on ports of no mail protocol.
  [{ server: '220 mx ESMTP\r\n' }, 'smtp by server'],
  [{ server: '220 mx ESMTP\r\n', client: 'EHLO x\r\n' }, 'smtp by both'],
  [{ server: '220 mx ready\r\n' }, 'undecided'],
  [{ server: '220 mx ready\r\n', client: 'EHLO x\r\n' }, 'smtp by both'],
  [{ client: 'EHLO x\r\n' }, 'smtp by client'],
  [{ client: 'LHLO x\r\n' }, 'smtp by client'],
  [{ client: 'mail from:<a@b>\r\n' }, 'smtp by client'],
  [{ server: '+OK POP3 ready\r\n' }, 'pop3 by server'],
  [{ server: '+OK <1896.697@dbc.mtview.ca.us>\r\n' }, 'pop3 by server'],
  [{ server: '+OK\r\n', client: 'CAPA\r\n' }, 'pop3 by both'],
  [{ server: '* OK ready\r\n' }, 'imap by server'],
  [{ server: '* PREAUTH ready\r\n' }, 'imap by server'],
  [{ client: 'a1 LOGIN a b\r\n' }, 'imap by client'],
  [{ client: '12 capability\r\n' }, 'imap by client'],
  // Caught later: the side that answers tells, and who is the client.
  [{ late: true, client: '250 2.0.0 Ok\r\n' }, 'smtp by server reversed'],
  [{ late: true, client: 'rest of a mail\r\nmore\r\n', server: '250 2.0.0 Ok\r\n' }, 'smtp by server'],
  [{ late: true, server: 'MAIL FROM:<a@b>\r\n' }, 'smtp by client reversed'],
  [{ late: true, client: '* 3 FETCH (FLAGS ())\r\n' }, 'imap by server reversed'],
  [{ late: true, server: 'a7 UID FETCH 1:* (FLAGS)\r\n' }, 'imap by client reversed'],
  [{ late: true, server: 'RETR 7\r\n' }, 'pop3 by client reversed'],
  [{ late: true, client: 'some text\r\n', server: 'other text\r\n' }, 'undecided'],
  [
    { late: true, client: 'some text\r\n', server: 'other text\r\n', final: true },
    'none: unknown text protocol',
  ],
  // Prose is no command of IMAP, and against the port one sentence does not count.
  [{ late: true, hint: 'smtp', client: 'please close\r\n' }, 'undecided'],
  [{ late: true, hint: 'smtp', client: 'at 5 list\r\n' }, 'undecided'],
  [{ late: true, hint: 'smtp', client: '+OK server said hello\r\n', final: true }, 'smtp by port'],
  [{ client: 'please close\r\n', server: 'no\r\n' }, 'none: unknown text protocol'],
  // The port decides where words do not.
  [{ hint: 'smtp', server: '220 mx ready\r\n' }, 'smtp by server'],
  [{ hint: 'smtp', server: '***\r\n' }, 'undecided'],
  [{ hint: 'smtp', server: '***\r\n', final: true }, 'smtp by port'],
  [{ hint: 'imap', server: '220 mx ESMTP\r\n' }, 'smtp by server'],
  [{ hint: 'pop3', server: '+OK\r\n' }, 'pop3 by server'],
  [{ hint: 'smtp', final: true }, 'none: nothing said'],
  // No mail, with the first line.
  [{ client: 'GET / HTTP/1.1\r\n' }, 'none: HTTP'],
  [{ hint: 'smtp', client: 'GET / HTTP/1.1\r\n' }, 'none: HTTP'],
  [{ hint: 'smtp', late: true, client: 'GET / HTTP/1.1\r\n', final: true }, 'smtp by port'],
  [{ server: 'SSH-2.0-OpenSSH_9.6\r\n' }, 'none: SSH'],
  [{ server: '220 ProFTPD Server\r\n' }, 'none: FTP'],
  [{ server: '220 Welcome\r\n', client: 'USER anonymous\r\n' }, 'none: unknown text protocol'],
  [{ server: '220 Welcome\r\n', client: 'AUTH TLS\r\n' }, 'none: FTP'],
  [{ server: '200 news.example.com ready\r\n' }, 'none: NNTP'],
  [{ client: '*1\r\n$4\r\nPING\r\n' }, 'none: Redis'],
  [{ client: '*1\r\n$4\r\nPING\r\n', server: '+OK\r\n' }, 'none: Redis'],
  [{ client: 'SET a b\r\n', server: '+OK\r\n' }, 'none: unknown text protocol'],
  [{ client: 'NICK joe\r\nUSER joe 0 * :Joe\r\n' }, 'none: IRC'],
  [{ client: 'PASS x\r\nNICK joe\r\n', server: ':irc NOTICE * :hi\r\n' }, 'none: IRC'],
  [{ server: 'RFB 003.008\n' }, 'none: VNC'],
  [{ client: 'stats items\r\n' }, 'none: unknown text protocol'],
  [{ client: 'set id 0 0 5\r\n', server: 'STORED\r\n' }, 'none: unknown text protocol'],
  [{ client: '\0\0\0\x10' }, 'none: unknown binary protocol'],
  [{ client: '\x13BitTorrent protocol' }, 'none: BitTorrent'],
  [{ server: '\xff\xfd\x18' }, 'none: unknown binary protocol'],
  [{ client: '0\x0c\x02\x01\x01`' }, 'none: unknown binary protocol'],
  [{ hint: 'imap', client: '\x01\x02\x03' }, 'none: unknown binary protocol'],
  // Wrappers.
  [{ client: '\x16\x03' }, 'undecided'],
  [{ client: clientHello }, 'tls'],
  [{ server: serverHello }, 'tls'],
  [{ late: true, server: clientHello }, 'tls reversed'],
  [{ late: true, client: serverHello }, 'tls reversed'],
  [{ late: true, hint: 'imap', client: '\x17\x03\x03\x01\x00' }, 'tls'],
  [{ client: '\x05' }, 'undecided'],
  [{ client: '\x05\x01\x00' }, 'undecided'],
  [{ client: '\x05\x01\x00', server: '\x05' }, 'socks'],
  [{ client: '\x05\x01\x00', server: '+OK ready' }, 'none: unknown binary protocol'],
  [{ client: '\x05\x02\x00' }, 'undecided'],
  [{ client: '\x05\x01\x00\x05\x01\x00\x01' }, 'socks'],
  [{ client: '\x05\x01\x00\x77' }, 'none: unknown binary protocol'],
  [{ client: '\x04\x01\x00\x19\x01\x02\x03\x04' }, 'undecided'],
  [{ client: '\x04\x01\x00\x19\x01\x02\x03\x04\0' }, 'socks'],
  [{ client: '\x04\x02\x00' }, 'none: unknown binary protocol'],
  [{ late: true, server: '\x05\x01\x00', client: '\x05\x00' }, 'socks reversed'],
  [{ client: 'CONNECT mx:25 HTTP/1.1\r\n' }, 'http-connect'],
  [{ client: 'CONNECT mx:25 / HTTP/1.0\r\n' }, 'http-connect'],
  [{ client: 'CONNECT {"verbose":true}\r\n' }, 'none: unknown text protocol'],
  [{ client: 'PROXY TCP4 1.2.3.4 5.6.7.8 1 25\r\n' }, 'proxy-header'],
  [{ client: 'PROXY UNKNOWN\r\n' }, 'proxy-header'],
  [{ client: 'PROXY something\r\n' }, 'none: unknown text protocol'],
  [{ client: signature.slice(0, 5) }, 'undecided'],
  [{ client: signature }, 'proxy-header'],
  [{ client: '\r\n\r\n\0\r\nQUIX' }, 'none: unknown text protocol'],
];

for (const [given, expected] of table) {
  test(`tellProtocol of ${JSON.stringify(given)} is ${expected}`, () => {
    assert.equal(show(tell(given)), expected);
  });
}

test('tellProtocol waits for 512 octets of a mail port before the port decides, and not for one more', () => {
  assert.equal(show(tell({ hint: 'smtp', server: 'x'.repeat(511) })), 'undecided');
  assert.equal(show(tell({ hint: 'smtp', server: 'x'.repeat(512) })), 'smtp by port');
});

test('tellProtocol hears what stands of a line when the other side makes the port decide, however much that said', () => {
  for (const length of [511, 512, 5000]) {
    const verdict = show(tell({ hint: 'smtp', client: 'PASS ', server: `+OK\r\n${'x'.repeat(length - 5)}` }));
    assert.equal(verdict, length < 512 ? 'undecided' : 'pop3 by both');
  }
});

test('tellProtocol gives up a line without end at 512 octets', () => {
  assert.equal(show(tell({ server: 'x'.repeat(511) })), 'undecided');
  assert.equal(show(tell({ server: 'x'.repeat(512) })), 'none: unknown text protocol');
});

test('tellProtocol always decides in the end, whatever the octets are', () => {
  const octets = fc.uint8Array({ maxLength: 64 });
  const hint = fc.constantFrom(undefined, 'smtp' as const, 'imap' as const);
  fc.assert(
    fc.property(octets, octets, hint, fc.boolean(), (client, server, given, late) => {
      const openings = { client: Buffer.from(client), server: Buffer.from(server), final: true };
      const circumstances = {
        hint: given,
        hintIsOfClient: false,
        rolesKnown: !late,
        fromStart: !late,
        isNoTls: false,
      };
      assert.notEqual(tellProtocol(openings, circumstances).kind, 'undecided');
    }),
  );
});
