import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captureLimits } from '../../src/core/limits.ts';
import { type ByteOrder, pcapFile, someBytes } from '../support/capture-bytes.ts';
import { recordBytes, temporaryFolder } from '../support/recorded-capture.ts';

const micro = 0xa1b2c3d4;
const nano = 0xa1b23c4d;
const modified = 0xa1b2cd34;
const data = someBytes(61);

for (const littleEndian of [true, false]) {
  const order: ByteOrder = { littleEndian };
  const record = { seconds: 1_643_333_400, fraction: 123_456, data };

  describe(`PcapDecoder, ${littleEndian ? 'little' : 'big'} endian`, () => {
    const variants: readonly (readonly [string, number, Buffer, number])[] = [
      ['microseconds', micro, Buffer.alloc(0), 123_456_000],
      ['nanoseconds', nano, Buffer.alloc(0), 123_456],
      ["Kuznetzov's records", modified, someBytes(8), 123_456_000],
    ];
    for (const [name, magic, extra, nanoseconds] of variants) {
      test(`PcapDecoder reads ${name}`, async (t) => {
        const file = pcapFile(order, magic, [record, { ...record, data: someBytes(3) }], {
          extra,
          linkType: 113,
        });
        const { packets, anomalies } = await recordBytes(temporaryFolder(t), file);
        const time = { linkType: 113, seconds: 1_643_333_400, nanoseconds };
        assert.deepEqual(packets, [
          { ...time, originalLength: 61, frame: 1, bytes: data },
          { ...time, originalLength: 3, frame: 2, bytes: someBytes(3) },
        ]);
        assert.deepEqual(anomalies, []);
      });
    }

    test('PcapDecoder carries fractions beyond the second', async (t) => {
      const folder = temporaryFolder(t);
      for (const [magic, fraction, seconds, nanoseconds] of [
        [micro, 999_999, 10, 999_999_000],
        [micro, 1_000_000, 11, 0],
        [micro, 0xffff_ffff, 10 + 4294, 967_295_000],
        [nano, 0xffff_ffff, 14, 294_967_295],
      ] as const) {
        const { packets } = await recordBytes(
          folder,
          pcapFile(order, magic, [{ seconds: 10, fraction, data }]),
        );
        assert.deepEqual([packets[0]?.seconds, packets[0]?.nanoseconds], [seconds, nanoseconds]);
      }
    });

    test('PcapDecoder takes the link type from the lower bits and refuses reserved ones', async (t) => {
      const folder = temporaryFolder(t);
      // Upper four bits: length of the frame check sequence; the bit below: it is known.
      const known = await recordBytes(folder, pcapFile(order, micro, [record], { linkType: 0x2400_0001 }));
      assert.deepEqual([known.packets[0]?.linkType, known.anomalies], [1, []]);
      const reserved = await recordBytes(folder, pcapFile(order, micro, [record], { linkType: 0x0001_0001 }));
      assert.equal(reserved.packets.length, 0);
      assert.equal(reserved.anomalies[0]?.code, 'capture.unsupported');
    });

    test('PcapDecoder reads the versions that libpcap reads', async (t) => {
      const folder = temporaryFolder(t);
      const swapped = { ...record, data: someBytes(50), originalLength: 61 };
      for (const [version, packets, original] of [
        [[2, 4], 1, 61],
        [[1, 4], 0, undefined],
        [[3, 0], 0, undefined],
      ] as const) {
        const read = await recordBytes(folder, pcapFile(order, micro, [swapped], { version }));
        assert.deepEqual([read.packets.length, read.packets[0]?.originalLength], [packets, original]);
        assert.equal(read.anomalies.length, 1 - packets);
      }
      // Before 2.3 and in AIX's 543.0 the original length came first, in 2.3 on some systems.
      for (const version of [
        [2, 2],
        [543, 0],
        [2, 3],
      ] as const) {
        const file = pcapFile(order, micro, [{ ...record, data: someBytes(50) }], { version });
        new DataView(file.buffer, file.byteOffset).setUint32(24 + 8, 61, littleEndian);
        const { packets } = await recordBytes(folder, file);
        assert.deepEqual([packets[0]?.bytes.length, packets[0]?.originalLength], [50, 61]);
      }
    });

    test('PcapDecoder stops at a captured length above the limit and keeps what came before', async (t) => {
      const file = pcapFile(order, micro, [record, record, record]);
      new DataView(file.buffer, file.byteOffset).setUint32(
        24 + 77 + 8,
        captureLimits.blockBytesMax + 1,
        littleEndian,
      );
      const { packets, anomalies, summary } = await recordBytes(temporaryFolder(t), file);
      assert.equal(packets.length, 1);
      assert.match(anomalies[0]?.at ?? '', /byte 101, behind frame 1$/);
      assert.equal(anomalies[0]?.detail, 'captured length 16777217 is more than 16777216');
      assert.equal(summary.skippedBytes, 154);
    });

    test('PcapDecoder takes zeros at the end for padding, and in the middle for empty packets', async (t) => {
      const folder = temporaryFolder(t);
      const file = pcapFile(order, micro, [record]);
      for (const zeros of [1, 15, 16, 17, 4096]) {
        const { packets, anomalies, summary } = await recordBytes(
          folder,
          Buffer.concat([file, Buffer.alloc(zeros)]),
        );
        assert.deepEqual([packets.length, anomalies, summary.zeroTailBytes], [1, [], zeros]);
      }
      const middle = Buffer.concat([file, Buffer.alloc(32), file.subarray(24)]);
      const { packets, summary } = await recordBytes(folder, middle);
      assert.deepEqual(
        packets.map(({ bytes, seconds }) => [bytes.length, seconds]),
        [
          [61, 1_643_333_400],
          [0, 0],
          [0, 0],
          [61, 1_643_333_400],
        ],
      );
      assert.equal(summary.firstPacketNs, summary.lastPacketNs);
    });
  });
}
