/** Two packets next to each other are lost, each pair in turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { client, conversation, lost, server, type Turn } from '../support/conversation.ts';
import { type Begin, contentOf, everyWay, pop3, smtp } from '../support/dialogue.ts';

interface Sent {
  readonly text: string;
  /** The turns in which it, its commands and their answers are. */
  readonly turns: readonly number[];
}

interface Play {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly mails: readonly Sent[];
  readonly begin: Begin;
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
  return {
    name: 'SMTP with DATA',
    turns: [...turns, client('QUIT\r\n'), server('221 bye\r\n')],
    mails,
    begin: smtp,
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
  return { name: 'SMTP with DATA, the next commands behind each end', turns, mails, begin: smtp };
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
  return {
    name: 'SMTP with BDAT',
    turns: [...turns, client('QUIT\r\n'), server('221 bye\r\n')],
    mails,
    begin: smtp,
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
  return { name: 'POP3', turns: [...turns, server('+OK bye\r\n')], mails, begin: pop3 };
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, index) => first + index);
}

for (const { name, turns, mails, begin } of [pipelinedData(), chainedData(), chunks(), pipelinedPop3()]) {
  test(`of ${name}, pipelined, two lost packets cost no mail but theirs, and make none wrong`, () => {
    const troubles: string[] = [];
    for (let index = 0; index + 1 < turns.length; index++) {
      const isLost = (turn: number): boolean => turn === index || turn === index + 1;
      const damaged = turns.map((turn, at) => (isLost(at) ? lost(turn) : turn));
      everyWay(begin, damaged, ({ messages }, way) => {
        const at = `${way}, ${JSON.stringify(turns[index]?.bytes.toString('latin1'))} and the next are lost`;
        troubles.push(...troublesOf(messages, mails, isLost).map((trouble) => `${trouble}: ${at}`));
      });
    }
    assert.deepEqual(troubles, []);
  });
}

/** What is wrong with the mails that were heard. */
function troublesOf(
  heard: readonly RawMessage[],
  mails: readonly Sent[],
  isLost: (turn: number) => boolean,
): string[] {
  const whole = heard.filter(({ complete }) => complete).map(contentOf);
  const made = whole.filter((text) => !mails.some((mail) => mail.text === text));
  const joined = heard
    .map((mail) => names.filter((name) => contentOf(mail).includes(`Subject: ${name}`)))
    .filter((subjects) => subjects.length > 1);
  const miscounted = mails.flatMap((mail) => {
    const count = whole.filter((text) => text === mail.text).length;
    const isRight = mail.turns.some(isLost) ? count <= 1 : count === 1;
    return isRight ? [] : [`${count} times ${mail.text.slice(0, 14)}`];
  });
  return [
    ...made.map((text) => `wrong: ${JSON.stringify(text)}`),
    ...joined.map((subjects) => `mails run together: ${subjects.join()}`),
    ...miscounted,
  ];
}
