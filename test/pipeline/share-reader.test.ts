/** How far a share is read ahead of whoever takes its records. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { ZoneClock } from '../../src/core/clock.ts';
import { captureLimits, pipelineLimits } from '../../src/core/limits.ts';
import type { Job } from '../../src/pipeline/job.ts';
import { MailMaker, type MailOutputs } from '../../src/pipeline/making/mail-maker.ts';
import { type MailMaking, MakingHere } from '../../src/pipeline/making/mail-making.ts';
import { MakerThreads } from '../../src/pipeline/making/maker-threads.ts';
import { ShareMemory } from '../../src/pipeline/memory/share-memory.ts';
import { planSeries } from '../../src/pipeline/series-plan.ts';
import { readShare, type SeriesTask, type ShareReceiver } from '../../src/pipeline/share-reader.ts';
import { client, server } from '../support/conversation.ts';
import { toPackets, writePcapng } from '../support/packets.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

const day = '2022-01-28';
const timeZone = 'Asia/Shanghai';
const never = new AbortController().signal;
const { bytesAheadMax, deliveriesMax, deliveryBytes, deliveryMails, mailsMadeAheadMax } = pipelineLimits;

/**
 * POP3 connections that each retrieve `mails` mails of `text`, and whose last packets all stand at the end of the
 * capture: their mails become whole within one read, so that no wait for the disk comes between them.
 */
function retrievals(connections: number, mails: number, text: string): Buffer {
  const answers = `+OK\r\n${text}.\r\n`.repeat(mails);
  const turns = [
    server('+OK ready\r\n'),
    client('RETR 1\r\n'.repeat(mails)),
    server(answers.slice(0, -3)),
    server(answers.slice(-3)),
  ];
  const all = Array.from({ length: connections }, (_, index) =>
    toPackets(turns, {
      client: { address: `10.0.0.${index}`, port: 40_000 },
      server: { address: '10.1.0.1', port: 110 },
      segmentBytes: 60_000,
      end: 'none',
    }),
  );
  const isLast = (packet: unknown): boolean => all.some((packets) => packets.at(-1) === packet);
  const packets = all.flat();
  return writePcapng([...packets.filter((each) => !isLast(each)), ...packets.filter(isLast)]);
}

interface Begun {
  mails: number;
  octets: number;
}

/** What is begun while the first delivery with a mail is not taken yet; all mails are delivered in the end. */
async function begunAhead(capture: Buffer, mails: number, mailsAheadMax: number): Promise<Begun> {
  const begun: Begun = { mails: 0, octets: 0 };
  let ahead: Begun | undefined;
  let delivered = 0;
  const receiver: ShareReceiver = {
    deliver: async ({ records }) => {
      if (records.length > 0 && ahead === undefined) {
        // Reading goes on in promises alone: before the next turn of the event loop it is as far as it may be.
        await setImmediate();
        ahead = { ...begun };
      }
      delivered += records.length;
    },
    readsOn: async (isWanted) => isWanted,
    end: () => undefined,
  };
  await inTemporaryFolder(async (folder) => {
    const task = taskOf(folder, capture);
    const making = counted(new MakingHere(makerOf(task.job)), mailsAheadMax, begun);
    const memory = new ShareMemory({ folder });
    await readShare(task, receiver, never, { memory, making, close: async () => undefined });
    memory.close();
  });
  assert.equal(delivered, mails);
  assert(ahead !== undefined);
  return ahead;
}

function taskOf(folder: string, capture: Buffer): SeriesTask {
  const path = join(folder, '20220128.pcapng');
  writeFileSync(path, capture);
  const job: Job = {
    ...{ root: folder, day, timeZone, store: 'memory', imageFolder: join(folder, 'image') },
    ...{ ports: new Map(), keyLogFile: undefined, reprocess: false },
  };
  const plan = planSeries([{ path, bytes: capture.length, modifiedMs: 0, day }], day, []);
  return { job, secrets: undefined, plan, share: { index: 0, of: 1 } };
}

function makerOf(outputs: MailOutputs): MailMaker {
  return new MailMaker(outputs, new ZoneClock(timeZone));
}

function counted(making: MailMaking, mailsAheadMax: number, begun: Begun): MailMaking {
  return {
    mailsAheadMax,
    begin: (found, files) => {
      begun.mails += found.length;
      begun.octets += found.reduce((sum, { octets }) => sum + octets.length, 0);
      return making.begin(found, files);
    },
    done: () => making.done(),
  };
}

test('readShare is ahead of its deliveries by bytesAheadMax octets of mails at most, and one delivery', async () => {
  const text = `${'x'.repeat(62)}\r\n`.repeat(8192);
  const { octets } = await begunAhead(retrievals(32, 1, text), 32, mailsMadeAheadMax);
  assert.equal(octets, bytesAheadMax + deliveryBytes);
});

test('readShare is ahead of its deliveries by as many mails as their making allows, and one delivery', async () => {
  const outputs = { day, imageFolder: '' };
  const threads = new MakerThreads(1, { outputs, timeZone });
  await threads.close();
  assert.equal(threads.mailsAheadMax, mailsMadeAheadMax);
  const capture = retrievals(3, 3000, 'A: b\r\n');
  for (const { mailsAheadMax } of [new MakingHere(makerOf(outputs)), threads]) {
    const { mails } = await begunAhead(capture, 9000, mailsAheadMax);
    assert.equal(mails, mailsAheadMax + deliveryMails);
  }
});

test('readShare is ahead of its deliveries by deliveriesMax of them at most, though there is no mail in them', async () => {
  const filler = Buffer.alloc(captureLimits.readBytes);
  // A block of a type that nobody knows, as long as a read.
  for (const [offset, value] of [
    [0, 0x7fff_0001],
    [4, filler.length],
    [filler.length - 4, filler.length],
  ] as const)
    filler.writeUInt32LE(value, offset);
  const reads = deliveriesMax + 8;
  const capture = Buffer.concat([writePcapng([]), ...Array.from({ length: reads }, () => filler)]);
  let begun = 0;
  let ahead = 0;
  const receiver: ShareReceiver = {
    deliver: async () => {
      // The disk is waited for at each read; then there is time for one too many.
      for (let turn = 0; ahead === 0 && begun < deliveriesMax && turn < 1000; turn++) await sleep(20);
      if (ahead === 0) await sleep(200);
      ahead ||= begun;
    },
    readsOn: async (isWanted) => isWanted,
    end: () => undefined,
  };
  await inTemporaryFolder(async (folder) => {
    const task = taskOf(folder, capture);
    const here = new MakingHere(makerOf(task.job));
    const making: MailMaking = {
      mailsAheadMax: here.mailsAheadMax,
      begin: (found, files) => {
        begun++;
        return here.begin(found, files);
      },
      done: () => here.done(),
    };
    const memory = new ShareMemory({ folder });
    await readShare(task, receiver, never, { memory, making, close: async () => undefined });
    memory.close();
  });
  assert(begun > reads, `${begun} deliveries`);
  assert.equal(ahead, deliveriesMax);
});
