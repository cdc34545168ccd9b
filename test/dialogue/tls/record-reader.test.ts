import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { tlsLimits } from '../../../src/core/limits.ts';
import { RecordReader } from '../../../src/dialogue/tls/record-reader.ts';
import { sighting } from '../../support/stream-events.ts';

function record(length: number, fill = 0x55, type = 23): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, length >> 8, length & 255]), Buffer.alloc(length, fill)]);
}

/** Offset and length of all records; candidates are believed. */
function readAll(reader: RecordReader): [number, number][] {
  const found: [number, number][] = [];
  for (let next = reader.next(); next; next = reader.next()) {
    found.push([next.offset, next.fragment.length]);
    reader.accept(next);
  }
  return found;
}

describe('RecordReader', () => {
  it('RecordReader.next gives a record of the greatest length and none of one more', () => {
    const most = tlsLimits.recordBytesMax;
    for (const [length, count] of [
      [0, 1],
      [most - 1, 1],
      [most, 1],
      [most + 1, 0],
    ] as const) {
      const reader = new RecordReader();
      reader.append(record(length), sighting(1));
      assert.equal(readAll(reader).length, count, `${length} octets`);
    }
  });

  it('RecordReader.next gives the packet in which the header began', () => {
    const reader = new RecordReader();
    const bytes = Buffer.concat([record(10), record(20)]);
    for (const [index, octet] of bytes.entries()) reader.append(Buffer.from([octet]), sighting(index));
    const first = reader.next();
    assert.equal(first?.seen.frame, 0);
    if (first) reader.accept(first);
    assert.equal(reader.next()?.seen.frame, 15);
  });

  it('RecordReader.next waits for a candidate that is not complete until the end, and passes it then', () => {
    const reader = new RecordReader();
    reader.gap(10);
    reader.append(Buffer.concat([Buffer.from([0x55, 23, 3, 3, 0x40, 0]), record(100)]), sighting(1));
    assert.deepEqual(readAll(reader), []);
    reader.end();
    assert.deepEqual(readAll(reader), [[16, 100]]);
  });

  it('RecordReader.next resumes behind the record that a hole cut', () => {
    const reader = new RecordReader();
    const bytes = Buffer.concat([record(100), record(100), record(100)]);
    reader.append(bytes.subarray(0, 150), sighting(1));
    reader.gap(10);
    // The rest of the cut record looks like a header: it is not taken for one.
    const rest = Buffer.from(bytes.subarray(160));
    rest.set([23, 3, 3, 0, 9], 4);
    reader.append(rest, sighting(2));
    const found: [number, number, boolean][] = [];
    for (let next = reader.next(); next; next = reader.next()) {
      found.push([next.offset, next.fragment.length, next.isCandidate]);
      reader.accept(next);
    }
    assert.deepEqual(found, [
      [0, 100, false],
      [210, 100, false],
    ]);
  });

  it('RecordReader.next searches when a hole took a header', () => {
    const reader = new RecordReader();
    const bytes = Buffer.concat([record(100), record(100), record(100)]);
    reader.append(bytes.subarray(0, 105), sighting(1));
    reader.gap(3);
    reader.append(bytes.subarray(108), sighting(2));
    assert.equal(reader.next()?.offset, 0);
    assert.deepEqual(readAll(reader), [
      [0, 100],
      [210, 100],
    ]);
  });

  it('RecordReader.reject goes on one octet further', () => {
    const reader = new RecordReader();
    reader.append(Buffer.concat([Buffer.from('xx'), Buffer.from([23, 3, 3, 0, 7]), record(2)]), sighting(1));
    const wrong = reader.next();
    assert.deepEqual([wrong?.offset, wrong?.isCandidate], [2, true]);
    reader.reject();
    assert.deepEqual(readAll(reader), [[7, 2]]);
  });

  it('RecordReader.next passes a candidate that a second hole leaves incomplete', () => {
    const reader = new RecordReader();
    reader.gap(1);
    reader.append(Buffer.concat([Buffer.from([23, 3, 3, 64, 0]), record(4)]), sighting(1));
    assert.equal(reader.next(), undefined);
    reader.gap(1);
    reader.append(record(6), sighting(2));
    assert.deepEqual(readAll(reader), [
      [6, 4],
      [16, 6],
    ]);
  });

  it('RecordReader.heldBytes is what was appended and not read, whatever came in between', () => {
    const step = fc.oneof(
      fc.nat(300).map((length) => ({ kind: 'record' as const, length })),
      fc.nat(5000).map((length) => ({ kind: 'gap' as const, length: length + 1 })),
      fc.nat(40).map((length) => ({ kind: 'junk' as const, length })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, isRead) => {
        const reader = new RecordReader();
        let appended = 0;
        let holes = 0;
        for (const { kind, length } of steps) {
          if (kind === 'gap') holes++;
          if (kind === 'gap') reader.gap(length);
          else {
            const bytes = kind === 'record' ? record(length) : Buffer.alloc(length, 0x20);
            appended += bytes.length;
            reader.append(bytes, sighting(1));
          }
          if (isRead) readAll(reader);
        }
        if (!isRead) assert.equal(reader.heldBytes, appended + holes * 256);
        readAll(reader);
        // At most the beginning of one record is left.
        assert.ok(reader.heldBytes >= 0 && reader.heldBytes < 5 + 300);
      }),
    );
  });
});
