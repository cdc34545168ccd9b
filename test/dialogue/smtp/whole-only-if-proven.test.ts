/** What the octets that are left cannot prove to be a whole mail is not called one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CutOptions, client, lost, server, type Turn } from '../../support/conversation.ts';
import { contentOf, everyWay, type Heard, smtp } from '../../support/dialogue.ts';

const greeting: readonly Turn[] = [
  server('220 mx ESMTP\r\n'),
  client('EHLO x\r\n'),
  server('250 ok\r\n'),
  client('MAIL FROM:<a@b>\r\n'),
  server('250 ok\r\n'),
  client('RCPT TO:<c@d>\r\n'),
  server('250 ok\r\n'),
];

function told({ messages }: Heard): string[] {
  return messages.map((mail) => {
    return `${JSON.stringify(contentOf(mail))} ${mail.complete ? 'whole' : 'in part'} ${mail.accepted}`;
  });
}

/** Every way in which the turns may be cut gives the same mails. */
function check(turns: readonly Turn[], expected: readonly string[], options: CutOptions = {}): void {
  everyWay(smtp, turns, (heard, way) => assert.deepEqual(told(heard), expected, way), options);
}

const smuggling = client(
  'Subject: o\r\n\r\nouter\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: i\r\n\r\ninner\r\n.\r\n',
);
const twoTaken = server('250 one\r\n250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n');
const both = [
  '"Subject: o\\r\\n\\r\\nouter\\n" whole true',
  '"Subject: i\\r\\n\\r\\ninner\\r\\n" whole true',
];
const asOne =
  '"Subject: o\\r\\n\\r\\nouter\\n.\\r\\nMAIL FROM:<e@x>\\r\\nRCPT TO:<c@d>\\r\\nDATA\\r\\nSubject: i\\r\\n\\r\\ninner\\r\\n"';
const quit: readonly Turn[] = [client('QUIT\r\n'), server('221 bye\r\n')];

test('SmtpDecoder hears two mails of a smuggled one although DATA was lost', () => {
  check([...greeting, lost(client('DATA\r\n')), server('354 go\r\n'), smuggling, twoTaken, ...quit], both);
});

test('SmtpDecoder calls a smuggled mail no whole one where the replies that tell were lost', () => {
  const asked = [...greeting, client('DATA\r\n'), server('354 go\r\n'), smuggling];
  check([...asked, lost(twoTaken), ...quit], [`${asOne} in part null`]);
  check([...asked, client('QUIT\r\n')], [`${asOne} in part null`]);
});

test('SmtpDecoder takes the strict end for the end of a mail where no server is captured', () => {
  const ofClient = greeting.filter(({ sender }) => sender === 'client');
  check([...ofClient, client('DATA\r\n'), smuggling, client('QUIT\r\n')], [`${asOne} whole null`]);
});

test('SmtpDecoder takes no reply for the answer to DATA that came when the client had gone on', () => {
  const text = client('Subject: one\r\n\r\ntext\r\n.\r\n');
  const turns = [
    ...greeting,
    client('DATA\r\n'),
    lost(server('354 go on\r\n')),
    text,
    server('550 virus\r\n'),
  ];
  check([...turns, ...quit], ['"Subject: one\\r\\n\\r\\ntext\\r\\n" whole false']);
});

test('SmtpDecoder takes no part of a mail for its beginning where the capture begins behind DATA', () => {
  const rest = ['of a line\r\n\r\ntext\r\n.\r\n', 'Content-Type: text/plain\r\n\r\ntext\r\n.\r\n'];
  for (const octets of rest) {
    const turns = [server('354 go on\r\n'), client(octets), server('250 queued\r\n'), ...quit];
    const text = JSON.stringify(octets.slice(0, -3));
    check(turns, [`${text} in part true`], { handshakeSeen: false });
  }
});
