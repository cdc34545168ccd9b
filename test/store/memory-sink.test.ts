import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeLimits } from '../../src/core/limits.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { ledgerSuite } from './ledger-suite.ts';
import { day, incompleteRecord, sampleRecord } from './samples.ts';
import { sinkSuite } from './sink-suite.ts';

sinkSuite(
  'MemorySink',
  () => {
    const sink = new MemorySink();
    return { sink: () => sink, rows: async () => sink.rows };
  },
  { second: undefined, reopens: false },
);

test('MemorySink hands out the records that were written, the replaced ones in their place', async () => {
  const sink = new MemorySink();
  const [one, two] = [sampleRecord(1), sampleRecord(2)];
  await sink.write([incompleteRecord(1, 5), two]);
  await sink.write([one]);
  assert.deepEqual(sink.mails, [
    { id: 1, record: one },
    { id: 2, record: two },
  ]);
  assert.deepEqual(
    (await sink.sample(day, 1)).map((row) => row.mail_subject),
    ['mail 1'],
  );
});

ledgerSuite('MemorySink', () => {
  let nowMs = 1_700_000_000_000;
  const sink = new MemorySink(() => nowMs);
  return {
    sink: () => sink,
    expireLeases: () => {
      nowMs += storeLimits.leaseMs;
    },
  };
});
