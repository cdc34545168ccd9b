/** How far back a run reads for what was open. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pipelineLimits } from '../../src/core/limits.ts';
import { Conversation } from '../../src/dialogue/conversation.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import { ingest } from '../../src/pipeline/ingest.ts';
import { OpenConversations } from '../../src/pipeline/open-conversations.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { readCapture } from '../support/capture-reader.ts';
import { conversation, uncut } from '../support/conversation.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { writePcapng } from '../support/packets.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

const none: ReadonlySet<number> = new Set();
const idle = `
  S: * OK ready
  C: 1 LOGIN a b
  S: 1 OK
  C: 2 SELECT INBOX
  S: * 1 EXISTS
  S: 2 OK
  C: 3 IDLE
  S: + idling
`;
const amidFetch = `${idle}
  C: DONE
  S: 3 OK
  C: 4 FETCH 1 BODY[]
  S: * 1 FETCH (BODY[] {100}
  S: Subject: begins
`;
const piece = `${idle}
  C: DONE
  S: 3 OK
  C: 4 UID FETCH 9 BODY.PEEK[]<0.10>
  S: * 1 FETCH (UID 9 BODY[]<0> {10}
  S: Subject: )
  S: 4 OK
`;
const betweenMails = `
  S: +OK ready
  C: USER a
  S: +OK
  C: PASS b
  S: +OK
`;
const envelope = `
  S: 220 mx
  C: EHLO a
  S: 250 mx
  C: MAIL FROM:<a@example>
  S: 250 ok
`;
/** `port` is the server's. */
function after(screenplay: string, port: number): Conversation {
  const endpoints = {
    client: { address: '10.0.0.1', port: 40_000 },
    server: { address: '10.0.0.2', port },
  };
  const heard = new Conversation(
    { id: 1, handshakeSeen: true, ...endpoints },
    { trace: false, ports: wellKnownPorts, keyLog: new KeyLog() },
  );
  for (const event of uncut(conversation(screenplay))) {
    // It goes on.
    if (event.kind !== 'close') Array.from(heard.receive(event));
  }
  return heard;
}

for (const [what, screenplay, port, isAmidMail] of [
  ['IDLE', idle, 143, false],
  ['a FETCH', amidFetch, 143, true],
  ['pieces of a mail', piece, 143, true],
  ['a POP3 login', betweenMails, 110, false],
  ['MAIL', envelope, 25, true],
] as const) {
  test(`Conversation after ${what} is ${isAmidMail ? '' : 'not '}amid a mail`, () => {
    assert.equal(after(screenplay, port).isAmidMail, isAmidMail);
  });
}

/** Files of so many gibibytes. */
function files(...sizes: readonly number[]) {
  return sizes.map((size, index) => ({
    path: `${index}`,
    bytes: size * 2 ** 30,
    modifiedMs: 0,
    day: '2022-01-28',
  }));
}

function needed(screenplay: string, port: number, sizes: readonly number[]): number {
  const open = new OpenConversations(files(...sizes));
  open.begin(after(screenplay, port), 0);
  return open.neededFrom(sizes.length - 1, none);
}

test('OpenConversations pins the first file of a conversation, as long as it does not cost too much', () => {
  const [small, large] = [
    pipelineLimits.rereadBytesMax / 2 ** 30,
    pipelineLimits.rereadMailBytesMax / 2 ** 30,
  ];
  assert.equal(needed(idle, 143, [small, 5]), 0);
  assert.equal(needed(idle, 143, [small / 2, small / 2, 5]), 0);
  assert.equal(needed(idle, 143, [small * 1.1, 5]), 1);
  assert.equal(needed(amidFetch, 143, [small * 1.1, 5]), 0);
  assert.equal(needed(amidFetch, 143, [large, 5]), 0);
  assert.equal(needed(amidFetch, 143, [large * 1.1, 5]), 1);
});

for (const [fixture, isPinned] of [
  ['smtp-starttls-no-keys', false],
  ['smtp-slow-segments', true],
] as const) {
  test(`ingest ${isPinned ? 'pins' : 'does not pin'} the file in which the connection of ${fixture} began`, () =>
    inTemporaryFolder(async (folder) => {
      const packets = readCapture(readFileSync(join(fixturesFolder, fixture, 'capture.pcapng')));
      const places = [0, 0.5, 0.7].map((part) => Math.floor(packets.length * part));
      const [first = '', last = ''] = places.slice(1).map((end, index) => {
        const file = join(folder, `cap_0000${index + 1}_20220128090000.pcapng`);
        writeFileSync(file, writePcapng(packets.slice(places[index], end)));
        return file;
      });
      const sink = new MemorySink();
      const job = {
        ...{ root: folder, day: '2022-01-28', timeZone: 'UTC', store: 'memory', ports: new Map() },
        ...{ imageFolder: join(folder, 'image'), keyLogFile: undefined, reprocess: false },
      };
      const silent = { progress: () => undefined, anomaly: () => undefined };
      const report = await ingest(job, sink, silent, new AbortController().signal);
      assert.equal(report.captures.read, 2);
      const [entry] = await sink.ledger.find([last]);
      assert.equal(entry?.neededFrom, isPinned ? first : last);
    }));
}

test('OpenConversations does not pin what has ended', () => {
  const open = new OpenConversations(files(0.1, 0.1));
  const idling = after(idle, 143);
  open.begin(idling, 0);
  assert.equal(open.neededFrom(1, none), 0);
  open.end(idling);
  assert.equal(open.neededFrom(1, none), 1);
});

test('OpenConversations pins files of connections that have told nothing yet', () => {
  assert.equal(new OpenConversations(files(0.1, 0.1, 0.1)).neededFrom(2, new Set([1])), 1);
  assert.equal(new OpenConversations(files(9, 9, 9)).neededFrom(2, new Set([1])), 2);
});
