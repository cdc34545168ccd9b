/** What conversations hold while they wait, and what the memory of all of them is told of it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as zlib from 'node:zlib';
import { findCaptures } from '../../src/capture/find-captures.ts';
import { Conversation } from '../../src/dialogue/conversation.ts';
import { type DialogueMemory, heapMemory } from '../../src/dialogue/octets.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import { planSeries } from '../../src/pipeline/series-plan.ts';
import { SeriesReader } from '../../src/pipeline/series-reader.ts';
import type { StreamEvent } from '../../src/stream/types.ts';
import { client, lost, server, type Turn, uncut } from '../support/conversation.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { generateSession } from './tls/generated-sessions.ts';

class CountingMemory implements DialogueMemory {
  readonly mailBytesMax = heapMemory.mailBytesMax;
  readonly isCrowded = false;
  readonly unreadBytesMax: number;
  held = 0;
  mostHeld = 0;

  constructor(unreadBytesMax: number) {
    this.unreadBytesMax = unreadBytesMax;
  }

  hold(octets: number): void {
    this.held += octets;
    assert(this.held >= 0, 'more is given back than was told');
    this.mostHeld = Math.max(this.mostHeld, this.held);
  }

  begin() {
    return heapMemory.begin();
  }
}

interface Outcome {
  readonly memory: CountingMemory;
  readonly codes: ReadonlySet<string>;
}

function hear(events: readonly StreamEvent[], unreadBytesMax: number, keyLog = new KeyLog()): Outcome {
  const [opened] = events;
  assert(opened?.kind === 'open');
  const memory = new CountingMemory(unreadBytesMax);
  const options = { trace: false, ports: wellKnownPorts, keyLog, memory };
  const conversation = new Conversation(opened.connection, options);
  const codes = new Set<string>();
  for (const event of events) {
    for (const out of conversation.receive(event)) if (out.kind === 'anomaly') codes.add(out.code);
  }
  return { memory, codes };
}

const inImap = [server('* OK ready\r\n'), client('a1 LOGIN a b\r\n'), server('a1 OK\r\n')];
const deflated = (text: string): Buffer =>
  zlib.deflateRawSync(text, { finishFlush: zlib.constants.Z_SYNC_FLUSH });
const flood = (count: number, line: (index: number) => string): Turn[] =>
  Array.from({ length: count }, (_, index) => client(line(index)));

/** Conversations that go on and on while nobody answers, with the least that each command takes. */
const waiting: readonly (readonly [string, number, readonly Turn[], number])[] = [
  [
    'SMTP commands',
    25,
    [server('220 mx ESMTP\r\n'), client('EHLO a\r\n'), ...flood(2000, () => 'RCPT TO:<a@b>\r\n')],
    300,
  ],
  ['POP3 commands', 110, [server('+OK ready\r\n'), ...flood(2000, () => 'NOOP\r\n')], 300],
  ['IMAP commands', 143, [...inImap, ...flood(2000, (index) => `b${index} NOOP\r\n`)], 600],
  [
    'text behind DATA',
    25,
    [
      ...[server('220 mx ESMTP\r\n'), client('EHLO a\r\n'), server('250 a\r\n'), client('DATA\r\n')],
      ...flood(2000, () => `${'x'.repeat(500)}\r\n`),
    ],
    500,
  ],
];

for (const [what, port, turns, least] of waiting) {
  test(`Conversation holds ${what} that nobody answers, tells how much, and goes on where it is too much`, () => {
    const events = uncut(turns, { server: { address: '198.51.100.25', port } });
    const free = hear(events, heapMemory.unreadBytesMax);
    assert(free.memory.mostHeld > 2000 * least, `${free.memory.mostHeld} octets held`);
    assert.deepEqual([free.memory.held, [...free.codes]], [0, []]);
    const bounded = hear(events, 50_000);
    assert(bounded.memory.mostHeld < 200_000, `${bounded.memory.mostHeld} octets held of 50,000`);
    assert.deepEqual([bounded.memory.held, [...bounded.codes]], [0, ['dialogue.queue-limit']]);
  });
}

test('Conversation tells what the sizes of a maildrop take, and keeps no more of them than there is room for', () => {
  const listing = Array.from({ length: 5000 }, (_, index) => `${index + 1} ${1000 + index}\r\n`).join('');
  const turns = [server('+OK ready\r\n'), client('LIST\r\n'), server(`+OK\r\n${listing}.\r\n`)];
  const events = uncut(turns, { server: { address: '198.51.100.25', port: 110 }, close: 'none' });
  assert(hear(events, heapMemory.unreadBytesMax).memory.held >= 5000 * 100);
  assert(hear(events, 50_000).memory.held < 150_000);
});

const holes = (turn: (text: string) => Turn): Turn[] =>
  Array.from({ length: 400 }, () => [lost(turn('0123456789')), turn('0123456789\r\n')]).flat();
const inSmtp = [server('220 mx\r\n'), client('EHLO a\r\n'), server('250 a\r\n')];

for (const [protocol, port, least, turns] of [
  ['SMTP', 25, 300, [...inSmtp, client('DATA\r\n'), server('354 go\r\n'), ...holes(client)]],
  ['POP3', 110, 64, [server('+OK\r\n'), client('RETR 1\r\n'), server('+OK\r\n'), ...holes(server)]],
  [
    'IMAP',
    143,
    64,
    [
      ...[...inImap, client('a2 FETCH 1 BODY[]\r\n'), server('* 1 FETCH (BODY[] {100000}\r\n')],
      ...holes(server),
    ],
  ],
] as const) {
  test(`Conversation tells what the holes of a mail in ${protocol} take, until it is over`, () => {
    const place = { address: '198.51.100.25', port };
    const { held } = hear(uncut(turns, { server: place, close: 'none' }), 8 << 20).memory;
    assert(held >= 399 * least, `${held} octets`);
    assert.equal(hear(uncut(turns, { server: place }), 8 << 20).memory.held, 0);
  });
}

test('Conversation tells what both directions of DEFLATE take while they are open', () => {
  const compressed = [client('a2 COMPRESS DEFLATE\r\n'), server('a2 OK\r\n')];
  const inside = [client(deflated('a3 NOOP\r\n')), server(deflated('a3 OK\r\n'))];
  const port = { address: '198.51.100.25', port: 143 };
  const before = uncut([...inImap, ...compressed], { server: port, close: 'none' });
  const during = uncut([...inImap, ...compressed, ...inside], { server: port, close: 'none' });
  const took = hear(during, 1 << 20).memory.held - hear(before, 1 << 20).memory.held;
  assert(took >= 80_000, `${took} octets`);
  const over = hear(uncut([...inImap, ...compressed, ...inside], { server: port }), 1 << 20);
  assert.equal(over.memory.held, 0);
});

test('TlsLayer gives up waiting for the other hello where more is held than there is room for', async () => {
  const session = await generateSession();
  const keyLog = new KeyLog();
  keyLog.add(session.keyLog);
  // Of the server alone: its records wait for what the client said.
  const port = { address: '198.51.100.25', port: 993 };
  const [opened] = uncut([], { server: port, close: 'none' });
  assert(opened !== undefined);
  const ofServer = session.events.filter((event) => event.kind === 'data' && event.sender === 'server');
  const events = [opened, ...ofServer, ...ofServer, ...ofServer, ...ofServer];
  const free = hear(events, heapMemory.unreadBytesMax, keyLog).memory;
  assert(free.held > 100_000, `${free.held} octets`);
  const bounded = hear(events, 8192, keyLog).memory;
  assert(bounded.held < 5000 && bounded.mostHeld < 100_000, `${bounded.held}, at most ${bounded.mostHeld}`);
});

test('Conversation gives back all that it told, in every fixture', async () => {
  let told = 0;
  for (const fixture of readdirSync(fixturesFolder)) {
    const folder = join(fixturesFolder, fixture);
    const name = readdirSync(folder).find((each) => each.startsWith('capture'));
    if (name === undefined) continue;
    const memory = new CountingMemory(heapMemory.unreadBytesMax);
    const { series } = await findCaptures(join(folder, name), '2022-01-28', 'Asia/Shanghai');
    for (const { files } of series) {
      const options = { ports: wellKnownPorts, secrets: undefined, trace: false, memory };
      await new SeriesReader(planSeries(files, '2022-01-28', []), options, nobody).read();
    }
    assert.equal(memory.held, 0, fixture);
    told += memory.mostHeld;
  }
  assert(told > 0);
});

const nothing = (): void => undefined;
const nobody = {
  ...{ anomaly: nothing, tally: nothing, trace: nothing, conversation: nothing, progress: nothing },
  messages: async () => undefined,
};
