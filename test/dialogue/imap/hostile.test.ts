import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dialogueLimits } from '../../../src/core/limits.ts';
import { HalfStream } from '../../../src/dialogue/half-stream.ts';
import { literalMarker } from '../../../src/dialogue/imap/literal-marker.ts';
import { MailboxState } from '../../../src/dialogue/imap/mailbox-state.ts';
import { decodeMailboxName } from '../../../src/dialogue/imap/modified-utf7.ts';
import { RequestedPieces } from '../../../src/dialogue/imap/requested-pieces.ts';
import { sectionItem } from '../../../src/dialogue/imap/section.ts';
import { Text } from '../../../src/dialogue/imap/text.ts';
import type { Unit } from '../../../src/dialogue/imap/unit.ts';
import { client, conversation, cuts, lost, server, type Turn, uncut } from '../../support/conversation.ts';
import { streamData } from '../../support/stream-events.ts';
import { decode, messagesOf } from './overheard.ts';

const start = conversation('S: * OK ready\nC: a1 LOGIN t x\nS: a1 OK\nC: a2 SELECT INBOX\nS: a2 OK');

function whole(turns: readonly Turn[]) {
  return decode(uncut(turns));
}

function codes(turns: readonly Turn[]): string[] {
  return whole(turns).flatMap((event) => (event.kind === 'anomaly' ? [event.code] : []));
}

const words = fc.constantFrom(
  '* ',
  '1 FETCH ',
  '(',
  ')',
  'BODY[]',
  'BODY[TEXT]',
  'BODY[1]<0>',
  'RFC822 ',
  'UID 5 ',
  '{5}\r\n',
  '{5+}\r\n',
  '{0}\r\n',
  '~{3}\r\n',
  '{99999999999}\r\n',
  '"',
  '\\',
  '\r\n',
  '\n',
  ' ',
  'a1 OK ',
  'a1 NO ',
  '+ ',
  'a1 APPEND x ',
  'a1 IDLE\r\n',
  'DONE\r\n',
  'a1 AUTHENTICATE PLAIN\r\n',
  'a1 STARTTLS\r\n',
  'a2 COMPRESS DEFLATE\r\n',
  'a2 OK\r\n',
  '1 EXPUNGE',
  'VANISHED 1:9',
  'ENVELOPE ',
  'BODYSTRUCTURE ',
  'NIL',
  'x',
  '\0',
  '\x16\x03\x01',
  '[HEADER.FIELDS (',
  ']',
  'RFC822.SIZE 10 ',
  'CATENATE (',
); // prettier-ignore

const speech = fc.array(words, { maxLength: 40 }).map((list) => list.join(''));
const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const turn = fc
  .tuple(fc.boolean(), fc.oneof({ weight: 4, arbitrary: speech }, noise), fc.integer({ min: 0, max: 9 }))
  .map(([fromClient, text, luck]) => {
    const spoken = (fromClient ? client : server)(Buffer.from(text, 'latin1'));
    return luck === 0 && spoken.bytes.length > 0 ? lost(spoken) : spoken;
  });

test('ImapDecoder never throws and invents no octets, whatever is said', () => {
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 20 }), fc.boolean(), (turns, handshakeSeen) => {
      const captured = turns.filter((each) => !each.lost).reduce((sum, each) => sum + each.bytes.length, 0);
      for (const [, events] of cuts(turns, { handshakeSeen })) {
        for (const message of messagesOf(decode(events, true))) {
          if (message.exact) assert.ok(message.octets.length <= captured);
          assert.equal(message.complete, message.missing.length === 0);
          let end = 0;
          for (const { offset, length } of message.missing) {
            assert.ok(offset >= end, 'missing ranges are in order');
            end = offset + (length ?? 0);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('literalMarker, sectionItem and decodeMailboxName never throw', () => {
  fc.assert(
    fc.property(fc.oneof(noise, speech), (text) => {
      literalMarker(Buffer.from(text, 'latin1'));
      sectionItem(text);
      decodeMailboxName(text);
    }),
  );
});

test('MailboxState finds the message behind a number as a list with removals does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }), (removals) => {
      const state = new MailboxState();
      state.select('x');
      const list = Array.from({ length: 80 }, (_, index) => index + 1000);
      for (const [index, uid] of list.entries()) state.learn(index + 1, uid);
      for (const sequence of removals) {
        state.expunge(sequence);
        list.splice(sequence - 1, 1);
      }
      for (const [index, uid] of list.entries()) assert.equal(state.uidOf(index + 1), uid);
    }),
  );
});

test('MailboxState forgets its numbers when UIDs vanish that it does not know', () => {
  const state = new MailboxState();
  state.select('x');
  state.learn(1, 11);
  state.learn(2, 12);
  state.vanish('11');
  assert.equal(state.uidOf(1), 12);
  state.vanish('5:4294967295');
  assert.equal(state.uidOf(1), undefined);
});

test('ImapDecoder keeps the framing behind a response that is nested too deep', () => {
  const deep = (depth: number) =>
    `* 1 FETCH (BODYSTRUCTURE ${'('.repeat(depth)}${')'.repeat(depth)} UID 5 BODY[] "x")\r\n`;
  assert.deepEqual(codes([...start, server(deep(dialogueLimits.listDepthMax))]), []);
  const turns = [...start, server(deep(dialogueLimits.listDepthMax + 1))];
  assert.deepEqual(codes(turns), ['dialogue.queue-limit']);
  assert.equal(messagesOf(whole(turns))[0]?.uid, 5);
  // Far deeper: no recursion, no slowness.
  assert.deepEqual(codes([...start, server(deep(200_000))]), ['dialogue.queue-limit']);
});

test('ImapDecoder reads on behind a line above the limit', () => {
  const long = (length: number) =>
    `* X ${'x'.repeat(length - 4)}\r\n* 1 FETCH (BODY[] {1}\r\nx)\r\na3 OK\r\n`;
  const turns = (length: number) => [...start, client('a3 FETCH 1 BODY[]\r\n'), server(long(length))];
  assert.deepEqual(codes(turns(dialogueLimits.lineBytesMax - 1)), []);
  assert.deepEqual(codes(turns(dialogueLimits.lineBytesMax)), ['dialogue.line-limit']);
  assert.equal(messagesOf(whole(turns(dialogueLimits.lineBytesMax))).length, 1);
});

test('ImapDecoder keeps the framing of a response with too many literals', () => {
  const literals = `"x" {1}\r\nx `.repeat(dialogueLimits.fragmentsMax);
  const turns = [...start, server(`* X (${literals})\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n`)];
  assert.deepEqual(
    messagesOf(whole(turns)).map(({ octets }) => octets.read().toString()),
    ['abc'],
  );
});

test('ImapDecoder hands out an APPEND whose answer is too many commands away', () => {
  const append = 'a3 APPEND Sent {3+}\r\nabc\r\n';
  const noops = (count: number) => Array.from({ length: count }, (_, index) => `n${index} NOOP\r\n`).join('');
  const turns = (count: number) => [...start, client(append + noops(count)), server('a3 OK\r\n')];
  const limit = dialogueLimits.unansweredMax;
  assert.equal(messagesOf(whole(turns(limit - 1)))[0]?.accepted, true);
  assert.equal(messagesOf(whole(turns(limit)))[0]?.accepted, null);
  assert.deepEqual(codes(turns(limit)), ['dialogue.queue-limit']);
});

test('ImapDecoder hands out the oldest sections when too many are pending', () => {
  const size = 1 << 20;
  const count = dialogueLimits.pendingSectionBytesMax / size + 1;
  const text = 'x'.repeat(size);
  const turns: Turn[] = [...start, client('a3 FETCH 1:* BODY[TEXT]\r\n')];
  for (let uid = 1; uid <= count; uid++) {
    turns.push(server(`* ${uid} FETCH (UID ${uid} BODY[TEXT] {${size}}\r\n${text})\r\n`));
  }
  const found = messagesOf(decode(uncut(turns, { close: 'none' })));
  assert.ok(found.length >= 1 && found.length <= 5);
  assert.equal(found[0]?.uid, 1);
  assert.equal(found[0]?.anomalies[0]?.code, 'dialogue.queue-limit');
});

test('ImapDecoder does not wait for a silent side beyond its limit', () => {
  const response = '* 1 FETCH (BODY[]<0> {1000}\r\n'.concat('x'.repeat(1000), ')\r\na3 OK\r\n');
  const count = Math.ceil(dialogueLimits.silentSideBytesMax / response.length) + 1;
  const one = (index: number) => server(`* ${index} FETCH (BODY[] {3}\r\nabc)\r\n`);
  const turns = [
    server('* OK ready\r\na3 OK\r\n'),
    ...Array.from({ length: count }, () => server(response)),
    one(1),
  ];
  const found = messagesOf(decode(uncut(turns, { close: 'none' })));
  assert.equal(found.at(-1)?.octets.read().toString(), 'abc');
});

test('RequestedPieces reads a response that waits for its command once, and not at every packet', () => {
  let reads = 0;
  const response = textOf('* 1 FETCH (UID 2 BODY[]<0> "mail")');
  const unit: Unit = {
    kind: 'unit',
    damaged: false,
    refused: false,
    get fragments() {
      reads++;
      return [response];
    },
  };
  const pieces = new RequestedPieces();
  const isKnown = (): boolean => pieces.knowsAll(unit, () => undefined);
  for (let packet = 0; packet < 10; packet++) assert.equal(isKnown(), false);
  assert.equal(reads, 1);
  const request: Unit = { ...unit, fragments: [textOf('a1 UID FETCH 2 BODY[]<0.10>')] };
  pieces.add({ tag: 'a1', name: 'UID FETCH', unit: request });
  assert.equal(isKnown(), true);
});

function textOf(line: string): Text {
  const half = new HalfStream();
  half.push(streamData(`${line}\r\n`, { sender: 'server' }));
  const taken = half.takeLine();
  assert.ok(taken);
  return new Text(taken);
}
