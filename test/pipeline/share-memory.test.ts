import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { findCaptures } from '../../src/capture/find-captures.ts';
import { dialogueLimits } from '../../src/core/limits.ts';
import { type DialogueMemory, heapMemory, type OctetLog } from '../../src/dialogue/octets.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { ShareMemory } from '../../src/pipeline/memory/share-memory.ts';
import { planSeries } from '../../src/pipeline/series-plan.ts';
import { SeriesReader } from '../../src/pipeline/series-reader.ts';
import { fixtureNames, fixturesFolder } from '../support/fixture.ts';
import { inTemporaryFolder } from '../support/run-mailproc.ts';

const smallest = 1 << 16;

/** Octets that tell their place. */
function octetsFrom(start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = ((start + at) * 31 + ((start + at) >> 8)) & 0xff;
  return bytes;
}

test('ShareMemory gives back what it was given, in memory, on disk, and partly there', () =>
  inTemporaryFolder(async (folder) => {
    const step = fc.record({ log: fc.nat(5), bytes: fc.nat(70_000), does: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new ShareMemory({ folder, arenaBytes: smallest });
        const logs: OctetLog[] = Array.from({ length: 6 }, () => memory.begin());
        for (const { log: index, bytes, does } of steps) {
          const log = logs[index] as OctetLog;
          if (does === 0) {
            log.release();
            logs[index] = memory.begin();
          } else if (does === 1) {
            const from = Math.min(bytes, log.length);
            assert.ok(log.read(from).equals(octetsFrom(from, log.length - from)));
          } else {
            assert.equal(log.append(octetsFrom(log.length, bytes)), bytes);
          }
        }
        for (const log of logs) assert.ok(log.read().equals(octetsFrom(0, log.length)));
        for (const log of logs) log.release();
        assert.equal(memory.spilledBytes, 0);
        memory.close();
      }),
      { numRuns: 60 },
    );
  }));

for (const [count, isSpilled] of [
  [127, false],
  [128, false],
  [129, true],
] as const) {
  test(`ShareMemory with room for 128 beginnings of mails needs ${isSpilled ? 'the' : 'no'} disk for ${count}`, () =>
    inTemporaryFolder(async (folder) => {
      const memory = new ShareMemory({ folder, arenaBytes: smallest });
      const logs = Array.from({ length: count }, () => memory.begin());
      for (const log of logs) log.append(octetsFrom(0, smallest / 128));
      assert.equal(memory.spilledBytes > 0, isSpilled);
      for (const log of logs) assert.ok(log.read().equals(octetsFrom(0, log.length)));
      memory.close();
    }));
}

test('ShareMemory leaves nothing in the folder, and uses its file again', () =>
  inTemporaryFolder(async (folder) => {
    const memory = new ShareMemory({ folder, arenaBytes: smallest });
    const stays = memory.begin();
    stays.append(octetsFrom(0, 3 * smallest));
    const sizes: number[] = [];
    for (let round = 0; round < 5; round++) {
      const log = memory.begin();
      log.append(octetsFrom(0, 20 * smallest));
      assert.deepEqual(readdirSync(folder), []);
      sizes.push(memory.spilledBytes);
      log.release();
    }
    assert.ok(Math.max(...sizes) <= 26 * smallest, `${sizes}`);
    assert.ok(stays.read().equals(octetsFrom(0, 3 * smallest)));
    memory.close();
  }));

test('ShareMemory without a folder to write to keeps what has room, and says so once', () => {
  const memory = new ShareMemory({ folder: '/nowhere/at/all', arenaBytes: smallest });
  const log = memory.begin();
  assert.equal(memory.takeTrouble(), undefined);
  const kept = log.append(octetsFrom(0, 3 * smallest));
  assert.ok(kept < 3 * smallest);
  assert.equal(log.length, kept);
  assert.ok(log.read().equals(octetsFrom(0, kept)));
  log.release();
  assert.equal(log.append(octetsFrom(0, 1)), 0, 'what follows a cut is not kept');
  const { folder, reason } = memory.takeTrouble() ?? {};
  assert.equal(folder, '/nowhere/at/all');
  assert.match(reason ?? '', /ENOENT/);
  assert.equal(memory.takeTrouble(), undefined);
  assert.equal(memory.begin().append(octetsFrom(0, 512)), 512, 'there is room again');
});

test('ShareMemory takes back the octets of those who were forgotten', () =>
  inTemporaryFolder(async (folder) => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const memory = new ShareMemory({ folder, arenaBytes: smallest });
    for (let count = 0; count < 10; count++) memory.begin().append(octetsFrom(0, 2 * smallest));
    assert.ok(memory.spilledBytes > 0);
    for (let tries = 0; tries < 50 && memory.spilledBytes > 0; tries++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(memory.spilledBytes, 0);
    memory.close();
  }));

test('ShareMemory lets one direction hold the less unread, the more all hold', () => {
  const memory = new ShareMemory({ arenaBytes: smallest });
  const { unreadBytesMax, unreadBytesMin, heldBytesMax } = dialogueLimits;
  assert.equal(memory.unreadBytesMax, Math.min(unreadBytesMax, heldBytesMax / 4));
  memory.hold(heldBytesMax / 2);
  assert.equal(memory.unreadBytesMax, heldBytesMax / 8);
  memory.hold(heldBytesMax);
  assert.equal(memory.unreadBytesMax, unreadBytesMin);
  memory.hold(-1.5 * heldBytesMax);
  assert.equal(memory.unreadBytesMax, Math.min(unreadBytesMax, heldBytesMax / 4));
});

/** All mails of a fixture, with a digest of their octets. */
async function mailsOf(fixture: string, memory: DialogueMemory): Promise<object[]> {
  const folder = join(fixturesFolder, fixture);
  const capture = readdirSync(folder).find((name) => name.startsWith('capture')) ?? '';
  const found = await findCaptures(join(folder, capture), '2022-01-28', 'Asia/Shanghai');
  const mails: object[] = [];
  for (const { files } of found.series) {
    const plan = planSeries(files, '2022-01-28', []);
    const nothing = () => undefined;
    const receiver = {
      ...{ anomaly: nothing, tally: nothing, trace: nothing, conversation: nothing, progress: nothing },
      messages: async (some: readonly RawMessage[]) => {
        for (const { octets, ...rest } of some)
          mails.push({ ...rest, sha256: createHash('sha256').update(octets.read()).digest('hex') });
      },
    };
    const options = { ports: wellKnownPorts, secrets: undefined, trace: false, memory };
    await new SeriesReader(plan, options, receiver).read();
  }
  return mails;
}

/** Moves to disk all that was kept before, each time that something is to be kept. */
class CrowdedMemory implements DialogueMemory {
  readonly mailBytesMax = heapMemory.mailBytesMax;
  readonly unreadBytesMax = heapMemory.unreadBytesMax;
  readonly isCrowded = false;
  readonly #memory: ShareMemory;
  spilledBytes = 0;

  constructor(memory: ShareMemory) {
    this.#memory = memory;
  }

  hold(): void {
    // It is not counted here.
  }

  begin(): OctetLog {
    const log = this.#memory.begin();
    return {
      get length() {
        return log.length;
      },
      append: (bytes) => {
        this.#fill();
        return log.append(bytes);
      },
      read: (from, to) => log.read(from, to),
      copy: (target, start, from, to) => log.copy(target, start, from, to),
      release: () => log.release(),
    };
  }

  /** Cells of a size need a slab to themselves, and there is but one. */
  #fill(): void {
    const log = this.#memory.begin();
    for (const cells of [1, 2]) log.append(Buffer.alloc(512 * cells));
    this.spilledBytes = Math.max(this.spilledBytes, this.#memory.spilledBytes);
    log.release();
  }
}

test('SeriesReader finds the same mails with next to no memory as in the heap, in all fixtures', () =>
  inTemporaryFolder(async (folder) => {
    for (const fixture of fixtureNames()) {
      const memory = new ShareMemory({ folder, arenaBytes: smallest });
      const crowded = new CrowdedMemory(memory);
      const mails = await mailsOf(fixture, crowded);
      assert.deepEqual(mails, await mailsOf(fixture, heapMemory), fixture);
      assert.ok(crowded.spilledBytes > 0 || mails.length === 0, fixture);
      memory.close();
    }
  }));
