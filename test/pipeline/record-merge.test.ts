import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareRecords, type PlacedRecord, RecordMerge } from '../../src/pipeline/record-merge.ts';
import type { MailRecord } from '../../src/record/types.ts';

/** A record completed by packet `frame`, of a connection of its own. */
function placed(frame: number, connection = 1): PlacedRecord {
  const columns = { source_ip: `10.0.0.${connection}`, sport: 1, target_ip: '10.0.0.0', dport: 25 };
  return {
    record: { columns } as unknown as MailRecord,
    completedAt: { capture: 0, frame },
    begunAt: { capture: 0, frame },
    connection: `10.0.0.${connection}`,
  };
}

const upTo = (frame: number) => ({ capture: 0, frame });

test('RecordMerge writes all records of all shares in one order, however they are delivered', async () => {
  const places = fc.array(fc.record({ frame: fc.nat(30), connection: fc.nat(9) }), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      places,
      fc.integer({ min: 1, max: 4 }),
      fc.infiniteStream(fc.nat()),
      async (all, shares, dice) => {
        const records = all.map(({ frame, connection }) => placed(frame, connection)).sort(compareRecords);
        const written: MailRecord[] = [];
        const merge = new RecordMerge(shares, async (some) => {
          await Promise.resolve();
          written.push(...some);
        });
        const positions = Array.from({ length: shares }, () => -1);
        const deliveries: Promise<void>[] = [];
        while (positions.some((position) => position < 31)) {
          const share = (dice.next().value ?? 0) % shares;
          const from = positions[share] ?? 0;
          const to = Math.min(31, from + 1 + ((dice.next().value ?? 0) % 8));
          positions[share] = to;
          // A connection belongs to one share.
          const own = records.filter((record) => {
            const { frame } = record.completedAt;
            const connection = Number(record.record.columns.source_ip.slice('10.0.0.'.length));
            return connection % shares === share && frame > from && frame <= to;
          });
          deliveries.push(merge.deliver(share, { records: own, upTo: upTo(to) }));
        }
        await Promise.all(deliveries);
        assert.deepEqual(
          written.map((record) => records.findIndex((each) => each.record === record)),
          records.map((_, index) => index),
        );
      },
    ),
  );
});

test('RecordMerge lets a share that is ahead wait until the others are as far', async () => {
  const merge = new RecordMerge(2, async () => undefined);
  let isWritten = false;
  const ahead = merge.deliver(0, { records: [placed(5)], upTo: upTo(10) }).then(() => {
    isWritten = true;
  });
  await merge.deliver(1, { records: [placed(7)], upTo: upTo(9) });
  assert.equal(isWritten, false);
  merge.finish(1);
  await ahead;
  assert.equal(isWritten, true);
});

test('RecordMerge tells all who wait when writing fails, and writes nothing afterwards', async () => {
  let writes = 0;
  const merge = new RecordMerge(1, async () => {
    writes += 1;
    throw new Error('full');
  });
  const first = merge.deliver(0, { records: [placed(1)], upTo: upTo(1) });
  const second = merge.deliver(0, { records: [placed(2)], upTo: upTo(2) });
  await assert.rejects(first, /full/);
  await assert.rejects(second, /full/);
  assert.equal(writes, 1);
});
