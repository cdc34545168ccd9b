import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Run } from '../../../src/dialogue/half-stream.ts';
import { type DialogueMemory, heapMemory } from '../../../src/dialogue/octets.ts';
import { DataText } from '../../../src/dialogue/smtp/end-of-data.ts';
import { client, cuts, cutsInOrder, lost, server, type Turn } from '../../support/conversation.ts';
import { contentOf, decode, smtp } from '../../support/dialogue.ts';
import { sighting } from '../../support/stream-events.ts';

const runOf = (text: string, index: number): Run => ({
  bytes: Buffer.from(text),
  start: { sequence: index, seen: sighting(index) },
});

test('DataText keeps what stands around a candidate apart, however tiny its pieces are', () => {
  const early = `${'a'.repeat(6000)}\n.\n`;
  const late = `${'b'.repeat(9000)}\r\n.\r\n`;
  const text = new DataText({ sequence: 0, seen: sighting(0) }, heapMemory);
  for (const [index, octet] of [...`${early}${late}`].entries()) text.add(runOf(octet, index));
  const [end] = text.candidates;
  assert.ok(end !== undefined && text.strictEnd !== undefined);
  assert.equal(text.peekBehind(end, 3).bytes.toString(), 'bbb');
  assert.equal(text.peekBehind(end, 3).seen?.frame, early.length);
  const { message, rest } = text.cut(end);
  assert.equal(message.octets.read().toString(), `${'a'.repeat(6000)}\n`);
  const behind = rest.map((each) => ('kind' in each ? '?' : each.bytes.toString())).join('');
  assert.equal(behind, late);
  assert.ok(rest.length < 5000, `${rest.length} pieces`);
});

test('DataText stops at a candidate and goes on behind it', () => {
  const text = new DataText({ sequence: 0, seen: sighting(0) }, heapMemory);
  const rest = text.add(runOf('one\n.\ntwo\r\n.\r\nQUIT\r\n', 0), true);
  assert.equal(rest?.bytes.toString(), 'two\r\n.\r\nQUIT\r\n');
  assert.equal(text.candidates.length, 1);
  assert.equal(rest && text.add(rest, true)?.bytes.toString(), 'QUIT\r\n');
  assert.equal(text.cut(text.strictEnd).message.octets.read().toString(), 'one\n.\ntwo\r\n');
});

/** So many mails of bare LF in one flight, with all replies behind them. */
function flight(count: number, last: 'lf' | 'crlf'): Turn[] {
  let commands = 'EHLO x\n';
  let replies = '220 mx\r\n250 ok\r\n';
  for (let index = 0; index < count; index++) {
    const lineEnd = last === 'crlf' && index === count - 1 ? '\r\n' : '\n';
    const lines = ['MAIL FROM:<a@b>', `RCPT TO:<${index}@c>`, 'DATA', `text of ${index}`, '.', ''];
    commands += lines.join(lineEnd);
    replies += '250 ok\r\n250 ok\r\n354 go on\r\n250 queued\r\n';
  }
  return [client(`${commands}QUIT\n`), server(`${replies}221 bye\r\n`)];
}

for (const last of ['lf', 'crlf'] as const) {
  test(`SmtpDecoder takes a thousand LF-only mails in one flight apart, the last in ${last}`, () => {
    for (const [way, events] of cuts(flight(1200, last))) {
      if (way === 'per byte') continue;
      const { messages } = decode(smtp, events);
      const wrong = messages.filter(
        ({ octets, complete, accepted, envelope }, index) =>
          octets.read().toString().trimEnd() !== `text of ${index}` ||
          envelope?.to.join() !== `${index}@c` ||
          !complete ||
          accepted !== true,
      );
      assert.equal(messages.length, 1200, way);
      assert.deepEqual(wrong, [], way);
    }
  });
}

test('SmtpDecoder judges the possible ends of a text when something has come that tells more, not at each packet', () => {
  const ends = '\n.\n'.repeat(64);
  const lines = 'a line of the text\r\n'.repeat(500);
  const asked = [client('DATA\n'), server('354 go on\r\n')];
  const texts: readonly Turn[][] = [
    [client(`one${ends}`), server('250 ok\r\n'), client(`${lines}${'long'.repeat(2000)}`)],
    [client('one\n.\n'), lost(client('2')), client(ends), server('250 ok\r\n'), client(lines)],
    [client('one'), lost(client('2')), client(ends), lost(server('250')), client(lines)],
    [client(`one${ends}\r\n.\r\n`), client('NOOP\r\n'.repeat(2000)), server('500 no\r\n'.repeat(2000))],
  ];
  for (const [index, text] of texts.entries()) {
    let looks = 0;
    const begin = (): ReturnType<DialogueMemory['begin']> => {
      const log = heapMemory.begin();
      const read = log.read.bind(log);
      log.read = (from, to) => {
        looks++;
        return read(from, to);
      };
      return log;
    };
    const events = cuts([...asked, ...text]).find(([way]) => way === 'per byte')?.[1] ?? [];
    decode(smtp, events, { memory: { ...heapMemory, begin } });
    assert.ok(looks < 5000, `${looks} looks at text ${index} in ${events.length} packets`);
  }
});

test('SmtpDecoder takes no part of a line behind a possible end for a command', () => {
  const turns = [
    client('DATA\n'),
    server('354 go on\r\n'),
    client('one\n.\n'),
    server('250 ok\r\n'),
    client('RSET'),
    client(' is a word of the text\r\n.\r\n'),
  ];
  for (const [way, events] of cutsInOrder(turns)) {
    const { messages } = decode(smtp, events);
    assert.deepEqual(messages.map(contentOf), ['one\n.\nRSET is a word of the text\r\n'], way);
  }
});

test('SmtpDecoder judges what stands behind a possible end before it reads on to the next', () => {
  const turns = [
    client('DATA\n'),
    server('354 go on\r\n'),
    client('\n.\nRCPT TO:'),
    client('\n.\n'),
    server('250 ok\r\n'),
    client('Q'),
    client('UIT\r\n.\r\n'),
  ];
  for (const [way, events] of cutsInOrder(turns)) {
    const { messages } = decode(smtp, events);
    assert.deepEqual(messages.map(contentOf), ['\n.\nRCPT TO:\n'], way);
  }
});
