import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipelineLimits } from '../../src/core/limits.ts';
import { RecordWriter } from '../../src/pipeline/record-writer.ts';
import { emptyReport } from '../../src/pipeline/report.ts';
import type { MailRecord } from '../../src/record/types.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { sampleRecord } from '../store/samples.ts';

/** A store that answers when it is told to. */
class SlowSink extends MemorySink {
  readonly batches: (readonly MailRecord[])[] = [];
  readonly #answers: (() => void)[] = [];

  override async write(batch: readonly MailRecord[]) {
    this.batches.push(batch);
    await new Promise<void>((resolve) => this.#answers.push(resolve));
    return super.write(batch);
  }

  async answer(): Promise<void> {
    this.#answers.shift()?.();
    await turns();
  }
}

async function turns(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
}

const { batchRecords } = pipelineLimits;

function records(count: number, protocol: MailRecord['protocol'], from: number): MailRecord[] {
  return Array.from({ length: count }, (_, index) => ({ ...sampleRecord(from + index), protocol }));
}

function writerInto(sink: MemorySink, signal = new AbortController().signal) {
  const report = emptyReport('2022-01-28', 'UTC', sink.url, 'image');
  return { report, writer: new RecordWriter(sink, report, signal) };
}

test('RecordWriter fills a batch for each protocol, and takes more while two are on their way', async () => {
  const sink = new SlowSink();
  const { writer, report } = writerInto(sink);
  await writer.write(records(10, 'pop3', 1));
  for (const from of [1, 2]) await writer.write(records(batchRecords, 'smtp', from * 10_000));
  let isTaken = false;
  const third = writer.write(records(batchRecords, 'smtp', 30_000)).then(() => {
    isTaken = true;
  });
  await turns();
  assert.deepEqual([sink.batches.length, isTaken], [1, false], 'one is written, one waits');
  await sink.answer();
  await third;
  const flushed = writer.flush();
  for (let batch = 0; batch < 3; batch++) await sink.answer();
  await flushed;
  assert.deepEqual(
    sink.batches.map((batch) => [batch[0]?.protocol, batch.length]),
    [
      ['smtp', batchRecords],
      ['smtp', batchRecords],
      ['smtp', batchRecords],
      ['pop3', 10],
    ],
  );
  assert.deepEqual([report.mails.smtp.added, report.mails.pop3.seen], [3 * batchRecords, 10]);
});

test('RecordWriter begins no batch once its signal is aborted, and settles when the last one is written', async () => {
  const sink = new SlowSink();
  const controller = new AbortController();
  const { writer } = writerInto(sink, controller.signal);
  for (const from of [1, 2]) await writer.write(records(batchRecords, 'smtp', from * 10_000));
  await turns();
  controller.abort(new Error('over'));
  await assert.rejects(Promise.all([writer.flush(), sink.answer()]), { message: 'over' });
  await writer.settled();
  assert.deepEqual([sink.batches.length, sink.rows.length], [1, batchRecords]);
});

test('RecordWriter hands on that a batch could not be written', async () => {
  const sink = new SlowSink();
  sink.write = () => Promise.reject(new Error('disk full'));
  const { writer } = writerInto(sink);
  await writer.write(records(batchRecords, 'smtp', 1));
  await assert.rejects(writer.flush(), { message: 'disk full' });
  await writer.settled();
});
