/** What the octets that are left cannot prove to be a whole mail is not called one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, lost, server, type Turn, uncut } from '../../support/conversation.ts';
import { contentOf, decode, everyWay, type Heard, pop3 } from '../../support/dialogue.ts';

const header = 'Subject: s\r\nTo: x@y\r\n\r\n';
const answer = (text: string): Turn => server(`+OK\r\n${text}.\r\n`);

function told({ messages }: Heard): string[] {
  return messages.map((mail) => {
    return `${mail.method} ${JSON.stringify(contentOf(mail))} ${mail.complete ? 'whole' : 'in part'}`;
  });
}

function check(turns: readonly Turn[], expected: readonly string[]): void {
  everyWay(pop3, turns, (heard, way) => assert.deepEqual(told(heard), expected, way));
}

test('Pop3Decoder takes the answer to a lost TOP for no mail of the command before it', () => {
  const start = [server('+OK hi\r\n'), client('RETR 1\r\n'), lost(answer('the mail\r\n'))];
  const listing = [lost(client('TOP 2 0\r\n')), answer(header)];
  const rest = [client('RETR 2\r\n'), answer(`${header}second\r\n`)];
  const second = `RETR ${JSON.stringify(`${header}second\r\n`)} whole`;
  check([...start, ...listing, ...rest], [`RETR ${JSON.stringify(header)} in part`, second]);
});

test('Pop3Decoder takes the answer to a lost TOP for no excerpt that another TOP asked for', () => {
  const start = [server('+OK hi\r\n'), client('TOP 4 10\r\n'), lost(answer('the mail\r\n'))];
  const rest = [lost(client('TOP 1 0\r\n')), answer(header), client('QUIT\r\n'), server('+OK\r\n')];
  check([...start, ...rest], []);
});

test('Pop3Decoder believes the answer next to a hole whose size was told', () => {
  const text = `${header}text\r\n`;
  const start = [server('+OK hi\r\n'), client('LIST 1\r\n'), server(`+OK 1 ${text.length}\r\n`)];
  const asked = [client('RETR 1\r\n'), lost(server('+OK\r\n')), lost(client('NOOP\r\n')), answer(text)];
  check([...start, ...asked, client('QUIT\r\n'), server('+OK\r\n')], [`RETR ${JSON.stringify(text)} whole`]);
});

test('Pop3Decoder takes no answer of a flight that lost its first command for that of the next', () => {
  const listing = '+OK\r\n1 576\r\n2 1612\r\n.\r\n';
  const mail = `+OK\r\n${header}text\r\n.\r\n`;
  const flight = [lost(client('LIST\r\n')), client('RETR 1\r\n'), client('QUIT\r\n')];
  const turns = [server('+OK hi\r\n'), client('NOOP\r\n'), server('+OK\r\n'), ...flight];
  const heard = told(decode(pop3, uncut([...turns, server(`${listing}${mail}+OK\r\n`)])));
  assert.equal(heard.filter((each) => each.endsWith('whole')).length, 0);
});

test('Pop3Decoder trusts a command behind a hole whose lost neighbour was answered before', () => {
  const turns = [
    server('+OK hi\r\n'),
    client('NOOP\r\n'),
    server('+OK\r\n'),
    lost(client('STAT\r\n')),
    server('+OK 1 40\r\n'),
    client('RETR 1\r\n'),
    answer(`${header}text\r\n`),
    client('QUIT\r\n'),
    server('+OK\r\n'),
  ];
  check(turns, [`RETR ${JSON.stringify(`${header}text\r\n`)} whole`]);
});

test('Pop3Decoder believes an answer that says its size, although its command was lost and it has no body', () => {
  const start = [server('+OK hi\r\n'), client('NOOP\r\n'), server('+OK\r\n'), lost(client('RETR 1\r\n'))];
  const rest = [client('QUIT\r\n'), server('+OK\r\n')];
  const said = server(`+OK ${header.length} octets\r\n${header}.\r\n`);
  check([...start, said, ...rest], [`RETR ${JSON.stringify(header)} whole`]);
  check([...start, answer(header), ...rest], []);
});
