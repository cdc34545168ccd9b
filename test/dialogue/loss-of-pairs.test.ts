/** Two packets next to each other are lost, each pair in turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pop3Decoder } from '../../src/dialogue/pop3/pop3-decoder.ts';
import { SmtpDecoder } from '../../src/dialogue/smtp/smtp-decoder.ts';
import type { DialogueDecoder } from '../../src/dialogue/types.ts';
import { client, conversation, cuts, lost, server, type Turn } from '../support/conversation.ts';
import { connection, hear } from '../support/dialogue.ts';

interface Play {
  readonly name: string;
  readonly turns: readonly Turn[];
  /** The texts of the mails, and the turns in which they and their commands and answers are. */
  readonly mails: readonly { readonly text: string; readonly turns: readonly number[] }[];
  readonly begin: () => DialogueDecoder;
}

const names = ['one', 'two', 'three', 'four'];
const textOf = (name: string): string => `Subject: ${name}\r\n\r\nfirst line\r\nlast line of ${name}\r\n`;
const envelopeOf = (name: string): string => `MAIL FROM:<a@b>\r\nRCPT TO:<${name}@c>\r\n`;
const greeting = conversation('S: 220 mx\nC: EHLO x\nS: 250-mx\nS: 250 PIPELINING');

/** Each mail in packets of its own: commands, replies, the text in two, the reply that took it. */
function pipelinedData(): Play {
  const turns: Turn[] = [...greeting];
  const mails = names.map((name) => {
    const first = turns.length;
    const text = textOf(name);
    turns.push(
      client(`${envelopeOf(name)}DATA\r\n`),
      server('250 ok\r\n250 ok\r\n354 go on\r\n'),
      client(text.slice(0, 25)),
      client(`${text.slice(25)}.\r\n`),
      server('250 queued\r\n'),
    );
    return { text, turns: range(first, turns.length) };
  });
  const begin = (): DialogueDecoder => new SmtpDecoder(connection, { trace: false });
  return {
    name: 'SMTP with DATA',
    turns: [...turns, client('QUIT\r\n'), server('221 bye\r\n')],
    mails,
    begin,
  };
}

/** The end of each mail shares a packet with the commands of the next, as do their replies. */
function chainedData(): Play {
  const turns: Turn[] = [
    ...greeting,
    client(`${envelopeOf('one')}DATA\r\n`),
    server('250 ok\r\n250 ok\r\n354 go on\r\n'),
  ];
  const mails = names.map((name, index) => {
    const first = turns.length - 2;
    const next = names[index + 1];
    const text = textOf(name);
    turns.push(
      client(text.slice(0, 25)),
      client(`${text.slice(25)}.\r\n${next ? `${envelopeOf(next)}DATA\r\n` : 'QUIT\r\n'}`),
      server(`250 queued\r\n${next ? '250 ok\r\n250 ok\r\n354 go on\r\n' : '221 bye\r\n'}`),
    );
    return { text, turns: range(first, turns.length) };
  });
  const begin = (): DialogueDecoder => new SmtpDecoder(connection, { trace: false });
  return { name: 'SMTP with DATA, the next commands behind each end', turns, mails, begin };
}

function chunks(): Play {
  const turns: Turn[] = [...greeting];
  const mails = names.map((name) => {
    const first = turns.length;
    const text = textOf(name);
    turns.push(
      client(`${envelopeOf(name)}BDAT 25\r\n${text.slice(0, 25)}`),
      server('250 ok\r\n250 ok\r\n250 ok\r\n'),
      client(`BDAT ${text.length - 25} LAST\r\n${text.slice(25, 40)}`),
      client(text.slice(40)),
      server('250 queued\r\n'),
    );
    return { text, turns: range(first, turns.length) };
  });
  const begin = (): DialogueDecoder => new SmtpDecoder(connection, { trace: false });
  return {
    name: 'SMTP with BDAT',
    turns: [...turns, client('QUIT\r\n'), server('221 bye\r\n')],
    mails,
    begin,
  };
}

/** All commands in one packet; each mail in two. */
function pipelinedPop3(): Play {
  const commands = names.map((_, index) => `RETR ${index + 1}\r\n`).join('');
  const turns: Turn[] = [
    ...conversation('S: +OK\nC: USER user\nS: +OK\nC: PASS secret\nS: +OK'),
    client(`STAT\r\n${commands}QUIT\r\n`),
    server('+OK 4 200\r\n'),
  ];
  const asked = turns.length - 2;
  const mails = names.map((name) => {
    const first = turns.length;
    const text = textOf(name);
    turns.push(server(`+OK\r\n${text.slice(0, 25)}`), server(`${text.slice(25)}.\r\n`));
    return { text, turns: [asked, ...range(first, turns.length)] };
  });
  const begin = (): DialogueDecoder => new Pop3Decoder(connection, { trace: false });
  return { name: 'POP3', turns: [...turns, server('+OK bye\r\n')], mails, begin };
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

for (const { name, turns, mails, begin } of [pipelinedData(), chainedData(), chunks(), pipelinedPop3()]) {
  test(`of ${name}, pipelined, two lost packets cost no mail but theirs, and make none wrong`, () => {
    const troubles: string[] = [];
    for (let index = 0; index + 1 < turns.length; index++) {
      const damaged = turns.map((turn, at) => (at === index || at === index + 1 ? lost(turn) : turn));
      for (const [way, events] of cuts(damaged)) {
        const heard = hear(begin(), events).messages;
        const whole = heard
          .filter(({ complete }) => complete)
          .map(({ octets }) => octets.read().toString('latin1'));
        const at = `${way}, ${JSON.stringify(turns[index]?.bytes.toString('latin1'))} and the next are lost`;
        for (const text of whole) {
          if (!mails.some((mail) => mail.text === text))
            troubles.push(`wrong: ${JSON.stringify(text)}: ${at}`);
        }
        for (const { octets } of heard) {
          const held = names.filter((each) => octets.read().includes(`Subject: ${each}`));
          if (held.length > 1) troubles.push(`mails run together: ${held.join()}: ${at}`);
        }
        for (const mail of mails) {
          const isTouched = mail.turns.some((turn) => turn === index || turn === index + 1);
          const count = whole.filter((text) => text === mail.text).length;
          if (isTouched ? count > 1 : count !== 1)
            troubles.push(`${count} times ${mail.text.slice(0, 14)}: ${at}`);
        }
      }
    }
    assert.deepEqual(troubles, []);
  });
}
