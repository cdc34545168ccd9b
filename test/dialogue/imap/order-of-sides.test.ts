/** What ImapDecoder makes of both sides depends on their order, and not on how many units a packet carried. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DialogueEvent } from '../../../src/dialogue/types.ts';
import type { StreamEvent } from '../../../src/stream/types.ts';
import { client, cutsInOrder, lost, server, type Turn, uncut } from '../../support/conversation.ts';
import { decode } from './overheard.ts';

/** The client ends here. */
const ends = 'client ends';

/** What is heard of `script`, however its speeches are cut: whole, by line, by octet, and in two at each place. */
function heard(script: readonly (Turn | typeof ends)[]): string[] {
  const turns = script.filter((each) => each !== ends);
  const at = script.indexOf(ends);
  const close: StreamEvent = { kind: 'close', side: 'client', reason: 'fin' };
  const whole = uncut(turns);
  const all = [
    ...cutsInOrder(turns).map(([, events]) => events),
    ...whole.flatMap((_, index) => inTwo(whole, index)),
  ];
  // A turn is told from the others by the frame it was seen in, from 4 on.
  const isLater = (event: StreamEvent) => 'seen' in event && event.seen.frame >= at + 4;
  const results = all.map((events) => {
    const found = events.findIndex((event) => isLater(event) || event.kind === 'close');
    return shown(decode(at < 0 ? events : [...events.slice(0, found), close, ...events.slice(found)], true));
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  return results[0] ?? [];
}

function inTwo(events: readonly StreamEvent[], index: number): StreamEvent[][] {
  const event = events[index];
  if (event?.kind !== 'data') return [];
  const { bytes, sequence } = event;
  return Array.from({ length: bytes.length - 1 }, (_, octets) => {
    const at = octets + 1;
    const parts = [
      { ...event, bytes: bytes.subarray(0, at) },
      { ...event, bytes: bytes.subarray(at), sequence: sequence + at },
    ];
    return [...events.slice(0, index), ...parts, ...events.slice(index + 1)];
  });
}

/** Up to where another layer begins: what follows is that layer's. */
function shown(events: readonly DialogueEvent[]): string[] {
  const end = events.findIndex(({ kind }) => kind === 'upgrade');
  const own = end < 0 ? events : events.slice(0, end);
  const lines = own.map((event) => {
    if (event.kind === 'trace') return `${event.sender}: ${event.text}`;
    if (event.kind === 'anomaly') return event.code;
    if (event.kind !== 'message') return `${event.kind}`;
    return `${event.octets.read().toString('latin1')}, complete: ${event.complete}, accepted: ${event.accepted}`;
  });
  return [...lines.sort(), ...(end < 0 ? [] : ['upgrade'])];
}

function mailsIn(script: readonly (Turn | typeof ends)[]): string[] {
  return heard(script).filter((line) => line.includes('accepted'));
}

test('ImapDecoder reads what a client that has ended said before the next answer', () => {
  const two = [client('2 APPEND x {2}\n'), client('ab'), ends, server('2 NO\n2 OK\n')] as const;
  assert.deepEqual(mailsIn(two), ['ab, complete: true, accepted: false']);
  const deflate = [client('1 APPEND {5}\n1 COMPRESS \n1'), ends, server('1 BAD\n1 BAD\n')] as const;
  assert.deepEqual(heard(deflate), [
    'client: ***',
    'client: 1 APPEND {5}',
    'client: 1 COMPRESS ',
    'server: 1 BAD',
    'server: 1 BAD',
    'tally',
  ]);
  const tls = [client(' T {5}\n  FE\n1 STARTTLS\n'), ends, server('+\n1 OK \n')] as const;
  assert.equal(heard(tls).at(-1), 'upgrade');
});

test('ImapDecoder goes on with the client where an answer has ended its waiting', () => {
  const turns = [client('2 APPEND {2}\n\rD {2}\n'), client('\r\n2 APPEND X{2}\n'), server('2 OK\na')];
  assert.equal(mailsIn(turns).length, 2);
});

test('ImapDecoder hands an answer on when the octets it waited behind are read, though they are no unit', () => {
  const refused = [client('2 APPEND N{2}\nRFC'), server('2 OK\n'), client('\n2 APPEND')];
  assert.deepEqual(mailsIn(refused), ['RF, complete: false, accepted: true']);
  const deflate = [client('1 P {5}\n(* BYE'), server('1 OK deflat\n\nCOMPRES'), client('\nx')];
  assert.equal(heard(deflate).at(-1), 'upgrade');
});

test('ImapDecoder looks for DEFLATE without a command behind its answer, or behind one hole there', () => {
  const compressed = server('\x01\x02\x03\x04\x05\x06\x07\x08\x09');
  const hole = lost(server('hole'));
  assert.equal(heard([server('1 OK deflate\r\n'), hole, compressed]).at(-1), 'upgrade');
  for (const between of ['', 'ab', 'a\r\n']) {
    const turns = [server('1 OK deflate\r\n'), hole, server(`${between}`), lost(server('x')), compressed];
    assert.notEqual(heard(turns).at(-1), 'upgrade', between);
  }
  assert.notEqual(heard([server('1 OK deflate\r\nab'), hole, compressed]).at(-1), 'upgrade');
});
