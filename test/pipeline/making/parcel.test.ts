import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anomaly } from '../../../src/core/anomaly.ts';
import { heapOctets } from '../../../src/dialogue/octets.ts';
import type { RawMessage } from '../../../src/dialogue/types.ts';
import { BlockPool } from '../../../src/pipeline/making/block-pool.ts';
import type { MadeMail } from '../../../src/pipeline/making/mail-maker.ts';
import {
  packMade,
  packParcel,
  parcelsOf,
  unpackMade,
  unpackParcel,
} from '../../../src/pipeline/making/parcel.ts';
import { packRecords, unpackRecords } from '../../../src/store/pack-records.ts';
import { detailJsonOf, factsOf, rowJson } from '../../../src/store/row.ts';
import { PacketSighting } from '../../../src/stream/packet-sighting.ts';
import { build, rawMessage } from '../../record/samples.ts';

function mailOf(text: string, changes: Partial<RawMessage> = {}): RawMessage {
  return rawMessage({ ...changes, octets: heapOctets(Buffer.from(text)) });
}

/** As another thread gets it. */
function received<Value>(value: Value): Value {
  return structuredClone(value);
}

test('a parcel brings mails to another thread as they were found', () => {
  const sighting = new PacketSighting(1, 17, 1_643_331_600, 123_456_789, 1500, 63);
  const all = [
    mailOf('one', { first: sighting, last: new PacketSighting(1, 19, 1_643_331_601, 1, 60, 63) }),
    mailOf('', { envelope: null, helo: null, user: 'me', mailbox: 'INBOX', uid: 7, accepted: null }),
    mailOf('three', {
      missing: [{ offset: 2, length: undefined }],
      anomalies: [anomaly('dialogue.message-limit', 'frame 17', 'cut')],
      complete: false,
      exact: false,
    }),
  ];
  const texts = all.map(({ octets }) => octets.read().toString());
  const parcel = received(packParcel(all, new ArrayBuffer(64)));
  const unpacked = unpackParcel(parcel);
  assert.deepEqual(
    unpacked.map(({ bytes }) => bytes.toString()),
    texts,
  );
  for (const [index, { found }] of unpacked.entries()) {
    const { octets: _, first, last, ...others } = all[index] ?? assert.fail();
    const plain = ({ capture, frame, timestampNs, ipLength, ttl }: RawMessage['first']) => {
      return { capture, frame, timestampNs, ipLength, ttl };
    };
    assert.deepEqual(found, { ...others, first: plain(first), last: plain(last) });
  }
  assert.equal(all[0]?.octets.read(0, 0).length, 0, 'the octets are released');
});

test('a parcel brings back records as they were made', async () => {
  const { record } = await build();
  const long = { ...record, columns: { ...record.columns, mail_content: `邮件 ${'é'.repeat(300_000)}` } };
  const found = anomaly('record.image-invalid', 'frame 1', 'none');
  const made = [
    { record, anomalies: [], imagesFound: 0, imagesWritten: 0 },
    { record: long, anomalies: [found], imagesFound: 3, imagesWritten: 2 },
    { record, anomalies: [], imagesFound: 1, imagesWritten: 0 },
  ];
  const back = unpackMade(received(packMade(made, new ArrayBuffer(8))));
  assert.deepEqual(back.map(plainMail), made);
  // And once more, as they go from a thread that reads to that of the run.
  const again = unpackRecords(received(packRecords(back.map((mail) => mail.record))));
  assert.deepEqual(
    again.map((each) => plainMail({ ...made[0], record: each } as MadeMail).record),
    made.map((mail) => mail.record),
  );
});

function plainMail({ record, ...others }: MadeMail): MadeMail {
  return {
    ...others,
    record: { protocol: record.protocol, columns: record.columns, detail: record.detail },
  };
}

test('rows of packed records are those of the records', async () => {
  const { record } = await build();
  const [packed] = unpackRecords(received(packRecords([record])));
  assert(packed !== undefined);
  assert.equal(rowJson(7, packed), rowJson(7, record));
  assert.equal(`{"id":7,${packed.lineOctets}`, `${rowJson(7, record)}\n`);
  assert.equal(detailJsonOf(packed), detailJsonOf(record));
  assert.deepEqual(factsOf(packed), factsOf(record));
});

test('parcelsOf fills parcels up to octets or mails, and sends a larger mail alone', () => {
  const sizes = [3, 3, 3, 20, 1, 1, 1, 1, 1];
  const mails = sizes.map((size) => mailOf('x'.repeat(size)));
  const parcels = [...parcelsOf(mails, 7, 4)];
  assert.deepEqual(
    parcels.map((parcel) => parcel.mails.map(({ octets }) => octets.length)),
    [[3, 3], [3], [20], [1, 1, 1, 1], [1]],
  );
  assert.deepEqual(
    parcels.map(({ octets }) => octets),
    [6, 3, 20, 4, 1],
  );
  assert.deepEqual([...parcelsOf([], 7, 4)], []);
});

test('BlockPool gives the smallest block that is large enough, and keeps no more than it may', () => {
  const pool = new BlockPool(100);
  const [small, large] = [pool.take(16), pool.take(60)];
  assert.deepEqual([small.byteLength, large.byteLength], [16, 64]);
  pool.give(large);
  pool.give(small);
  pool.give(new ArrayBuffer(32));
  assert.equal(pool.take(10), small);
  assert.equal(pool.take(10), large);
  assert.equal(pool.take(10).byteLength, 16, 'the third one was too much to be kept');
});
