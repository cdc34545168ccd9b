import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captureLimits } from '../../src/core/limits.ts';
import { type ByteOrder, PcapngWriter, someBytes } from '../support/capture-bytes.ts';
import { recordBytes, temporaryFolder } from '../support/recorded-capture.ts';

const orders: readonly (readonly [string, ByteOrder])[] = [
  ['little endian', { littleEndian: true }],
  ['big endian', { littleEndian: false }],
];
const data = someBytes(61);
const resolution = (value: number) => ({ code: 9, value: Uint8Array.of(value) });

for (const [orderName, order] of orders) {
  const write = new PcapngWriter(order);
  const begin = Buffer.concat([write.section(), write.interface()]);

  describe(`PcapngDecoder, ${orderName}`, () => {
    /** Raw time stamp, resolution, and what it means. */
    const times: readonly (readonly [string, bigint, number | undefined, number, number])[] = [
      ['microseconds by default', 1_643_333_400_123_456n, undefined, 1_643_333_400, 123_456_000],
      ['seconds', 1_643_333_400n, 0, 1_643_333_400, 0],
      ['milliseconds', 1_643_333_400_987n, 3, 1_643_333_400, 987_000_000],
      ['nanoseconds', 1_643_333_400_123_456_789n, 9, 1_643_333_400, 123_456_789],
      ['nanoseconds just below a second', 1_643_333_400_999_999_999n, 9, 1_643_333_400, 999_999_999],
      ['the largest nanoseconds', 0xffff_ffff_ffff_ffffn, 9, 18_446_744_073, 709_551_615],
      ['the largest microseconds', 0xffff_ffff_ffff_ffffn, 6, 18_446_744_073_709, 551_615_000],
      ['microseconds below 2^53', 0x1f_ffff_ffff_ffffn, 6, 9_007_199_254, 740_991_000],
      ['microseconds at 2^53', 0x20_0000_0000_0000n, 6, 9_007_199_254, 740_992_000],
      ['tenths of nanoseconds', 16_433_334_001_234_567_891n, 10, 1_643_333_400, 123_456_789],
      ['picoseconds', 4_000_123_456_789_012n, 12, 4000, 123_456_789],
      ['2^-8 seconds', (1_643_333_400n << 8n) + 50n, 0x88, 1_643_333_400, 195_312_500],
      ['2^-32 seconds', (1_643_333_400n << 32n) + (1n << 31n), 0xa0, 1_643_333_400, 500_000_000],
      ['2^0 seconds', 1_643_333_400n, 0x80, 1_643_333_400, 0],
      ['10^-127 seconds', 0xffff_ffff_ffff_ffffn, 0x7f, 0, 0],
      ['2^-127 seconds', 0xffff_ffff_ffff_ffffn, 0xff, 0, 0],
    ];
    for (const [name, stamp, exponent, seconds, nanoseconds] of times) {
      test(`PcapngInterface.setTime reads ${name}`, async (t) => {
        const options = exponent === undefined ? [] : [resolution(exponent)];
        const file = Buffer.concat([
          write.section(),
          write.interface(1, 0, options),
          write.enhanced(stamp, data),
        ]);
        const { packets } = await recordBytes(temporaryFolder(t), file);
        assert.deepEqual(packets, [
          { linkType: 1, seconds, nanoseconds, originalLength: 61, frame: 1, bytes: data },
        ]);
      });
    }

    test('PcapngInterface adds if_tsoffset, also a negative one', async (t) => {
      const offset = (seconds: bigint) => [resolution(9), { code: 14, value: write.bytes.i64(seconds) }];
      const file = Buffer.concat([
        write.section(),
        write.interface(1, 0, offset(1_000_000n)),
        write.interface(1, 0, offset(-10n)),
        write.enhanced(5_000_000_001n, data, 0),
        write.enhanced(5_000_000_001n, data, 1),
      ]);
      const { packets, summary } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual(
        packets.map(({ seconds, nanoseconds }) => [seconds, nanoseconds]),
        [
          [1_000_005, 1],
          [-5, 1],
        ],
      );
      assert.equal(summary.lastPacketNs, -4_999_999_999n);
    });

    test('PcapngDecoder keeps the interfaces of each section apart', async (t) => {
      const other = new PcapngWriter({ littleEndian: !order.littleEndian });
      const file = Buffer.concat([
        write.section(),
        write.interface(113),
        write.interface(101),
        write.enhanced(1_000_000n, data, 1),
        other.section([1, 2]),
        other.interface(276),
        other.enhanced(2_000_000n, data, 0),
        write.section(),
        write.interface(1),
        write.obsolete(3_000_000n, data, 0),
      ]);
      const { packets, anomalies, summary } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual(
        packets.map(({ linkType, seconds, frame }) => [linkType, seconds, frame]),
        [
          [101, 1, 1],
          [276, 2, 2],
          [1, 3, 3],
        ],
      );
      assert.deepEqual(anomalies, []);
      assert.deepEqual(summary.linkTypes, [101, 276, 1]);
      assert.equal(summary.contentBytes, file.length);
      assert.equal(summary.overheadBytes + summary.packetBytes, file.length);
    });

    test('PcapngDecoder cuts a simple packet at the snap length of the first interface', async (t) => {
      const folder = temporaryFolder(t);
      for (const [snapLength, captured] of [
        [0, 61],
        [60, 60],
        [61, 61],
        [62, 61],
      ] as const) {
        const blocks = [
          write.section(),
          write.interface(1, snapLength),
          write.simple(61, data.subarray(0, captured)),
        ];
        const { packets, summary } = await recordBytes(folder, Buffer.concat(blocks));
        assert.deepEqual(
          packets.map(({ bytes, originalLength, seconds }) => [bytes.length, originalLength, seconds]),
          [[captured, 61, 0]],
        );
        assert.equal(summary.firstPacketNs, null);
      }
    });

    test('PcapngDecoder hands over TLS key logs and passes other secrets, names and custom blocks over', async (t) => {
      const file = Buffer.concat([
        begin,
        write.secrets(0x544c534b, 'CLIENT_RANDOM 00 11\n'),
        write.secrets(0x57474b4c, 'LOCAL_STATIC_PRIVATE_KEY = x\n'),
        write.block(4, write.bytes.u32(0)),
        write.block(5, write.bytes.u32(0, 0, 0)),
        write.block(0xbad, write.bytes.u32(32473), someBytes(7)),
        write.block(0x40000bad, write.bytes.u32(32473), someBytes(9)),
        write.block(0x7fff_1234, someBytes(100)),
        write.enhanced(1_000_000n, data),
      ]);
      const { packets, secrets, anomalies } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual(secrets, ['CLIENT_RANDOM 00 11\n']);
      assert.equal(packets.length, 1);
      assert.deepEqual(anomalies, []);
    });

    test('readInterfaceDescription reads past options it does not know and stops at a damaged one', async (t) => {
      const unknown = { code: 8, value: someBytes(5) };
      const name = { code: 2, value: Buffer.from('eth0') };
      const tooLong = Buffer.concat([write.bytes.u16(9, 0xfff0), someBytes(4)]);
      const described = write.block(
        1,
        write.bytes.u16(1, 0),
        write.bytes.u32(0),
        write.bytes.u16(name.code, 4),
        name.value,
        tooLong,
      );
      const file = Buffer.concat([
        write.section(),
        write.interface(1, 0, [unknown, name, resolution(3)]),
        described,
        write.enhanced(1000n, data, 0),
        write.enhanced(1_000_000n, data, 1),
      ]);
      const { packets, summary } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual(
        packets.map(({ seconds }) => seconds),
        [1, 1],
      );
      assert.deepEqual(
        summary.interfaces.map(({ name }) => name),
        ['eth0', 'eth0'],
      );
    });

    const damages: readonly (readonly [string, readonly Buffer[], string, readonly number[]])[] = [
      [
        'a length that is no multiple of 4',
        [
          write.enhanced(1n, data),
          Buffer.concat([write.bytes.u32(6, 7), someBytes(12)]),
          write.enhanced(2n, data),
        ],
        'block length 7 is not a multiple of 4',
        [1000, 2000],
      ],
      [
        'a length below the framing',
        [Buffer.concat([write.bytes.u32(6, 8, 0)]), write.enhanced(2n, data)],
        'block length 8 is less than 12',
        [2000],
      ],
      [
        'a length of 0 that is followed by more',
        [write.enhanced(1n, data), Buffer.alloc(40), write.enhanced(2n, data)],
        'block length 0 is less than 12',
        [1000, 2000],
      ],
      [
        'a length beyond the limit',
        [Buffer.concat([write.bytes.u32(6, captureLimits.blockBytesMax + 4, 0)]), write.enhanced(2n, data)],
        `block length ${captureLimits.blockBytesMax + 4} is more than ${captureLimits.blockBytesMax}`,
        [2000],
      ],
      [
        'a length beyond the end of the file',
        [Buffer.concat([write.bytes.u32(6, 4000, 0)]), write.enhanced(2n, data)],
        'block length 4000 reaches beyond the end of the file',
        [2000],
      ],
      [
        'a length that is not repeated',
        [
          Buffer.concat([write.enhanced(1n, data).subarray(0, -4), write.bytes.u32(92)]),
          write.enhanced(2n, data),
        ],
        'block length 96 is repeated as 92',
        [2000],
      ],
      [
        'an interface that is not described',
        [write.enhanced(1n, data, 1), write.enhanced(2n, data)],
        'packet of an interface that is not described',
        [2000],
      ],
      [
        'a captured length beyond the block',
        [write.block(6, write.bytes.u32(0, 0, 1, 9, 9), someBytes(8)), write.enhanced(2n, data)],
        'captured length 9 does not fit its block of 40 octets',
        [2000],
      ],
      [
        'a packet block without its fields',
        [write.block(6, write.bytes.u32(0)), write.enhanced(2n, data)],
        'block of type 6 has only 16 octets',
        [2000],
      ],
      [
        'secrets beyond their block',
        [write.block(10, write.bytes.u32(0x544c534b, 5), someBytes(4)), write.enhanced(2n, data)],
        'secrets length 5 does not fit its block of 24 octets',
        [2000],
      ],
      [
        'a section header without magic',
        [write.enhanced(1n, data), write.block(0x0a0d0d0a, someBytes(16)), write.enhanced(2n, data), begin],
        'section header without byte-order magic',
        [1000],
      ],
      [
        'a section of a version to come',
        [
          write.enhanced(1n, data),
          write.section([2, 0]),
          write.interface(),
          write.enhanced(2n, data),
          begin,
          write.enhanced(3n, data),
        ],
        'pcapng version 2.0 is not supported',
        [1000, 3000],
      ],
    ];
    for (const [name, blocks, detail, nanoseconds] of damages) {
      test(`PcapngDecoder reports ${name} once and reads on behind it`, async (t) => {
        const file = Buffer.concat([begin, ...blocks]);
        const { packets, anomalies, summary } = await recordBytes(temporaryFolder(t), file);
        assert.deepEqual(
          packets.map((packet) => packet.nanoseconds),
          nanoseconds,
        );
        assert.deepEqual(
          anomalies.map((found) => found.detail),
          [detail],
        );
        assert.ok(summary.isDamaged);
        const { packetBytes, overheadBytes, skippedBytes, zeroTailBytes } = summary;
        assert.ok(overheadBytes >= 0 && skippedBytes > 0);
        assert.equal(packetBytes + overheadBytes + skippedBytes + zeroTailBytes, file.length);
      });
    }

    test('PcapngDecoder takes zeros behind the last block for a preallocated file', async (t) => {
      const folder = temporaryFolder(t);
      for (const zeros of [1, 3, 4, 11, 12, 13, 4096]) {
        const file = Buffer.concat([begin, write.enhanced(1n, data), Buffer.alloc(zeros)]);
        const { packets, anomalies, summary } = await recordBytes(folder, file);
        assert.deepEqual([packets.length, anomalies, summary.zeroTailBytes], [1, [], zeros]);
      }
    });

    test('PcapngDecoder reads blocks whose length leaves the padding out, as ntar wrote them', async (t) => {
      const block = write.enhanced(1n, data);
      const unpadded = write.bytes.u32(block.length - 3);
      const odd = Buffer.concat([block.subarray(0, 4), unpadded, block.subarray(8, -4), unpadded]);
      const { packets, anomalies } = await recordBytes(
        temporaryFolder(t),
        Buffer.concat([begin, odd, odd, write.enhanced(2n, data)]),
      );
      assert.deepEqual([packets.length, anomalies], [3, []]);
    });

    test('PcapngDecoder accepts a block of blockBytesMax and grows its buffer for it', async (t) => {
      const large = write.block(0x7fff_0001, Buffer.alloc(captureLimits.blockBytesMax - 12, 1));
      const file = Buffer.concat([begin, write.enhanced(1n, data), large, write.enhanced(2n, data)]);
      const { packets, anomalies } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual([packets.length, anomalies], [2, []]);
    });

    test('PcapngDecoder accepts interfacesMax interfaces and reports one more', async (t) => {
      const folder = temporaryFolder(t);
      const last = captureLimits.interfacesMax - 1;
      const described = Array.from({ length: last }, () => write.interface(113));
      const packets = [write.enhanced(1n, data, last), write.enhanced(2n, data, last + 1)];
      const full = Buffer.concat([
        write.section(),
        ...described,
        write.interface(101),
        write.interface(1),
        ...packets,
      ]);
      const read = await recordBytes(folder, full);
      assert.deepEqual(
        read.packets.map(({ linkType }) => linkType),
        [101],
      );
      assert.match(
        read.anomalies[0]?.detail ?? '',
        /^more than 65536 interfaces in one section \(and damage in 1 more/,
      );
    });

    test('PcapngDecoder finds a block of searchedBlockBytesMax behind damage and passes over a larger one', async (t) => {
      const folder = temporaryFolder(t);
      for (const [length, found] of [
        [captureLimits.searchedBlockBytesMax - 4, 2],
        [captureLimits.searchedBlockBytesMax, 2],
        [captureLimits.searchedBlockBytesMax + 4, 1],
      ] as const) {
        const large = write.enhanced(1n, Buffer.alloc(length - 32));
        assert.equal(large.length, length);
        const file = Buffer.concat([begin, Buffer.alloc(16, 0xff), large, write.enhanced(2n, data)]);
        const { packets, anomalies } = await recordBytes(folder, file);
        assert.deepEqual([packets.length, anomalies.length], [found, 1]);
      }
    });

    test('readInterfaceDescription keeps a name of interfaceNameBytesMax and drops a longer one', async (t) => {
      const named = (octets: number) =>
        write.interface(1, 0, [{ code: 2, value: Buffer.alloc(octets, 0x65) }]);
      const most = captureLimits.interfaceNameBytesMax;
      const file = Buffer.concat([write.section(), named(most - 1), named(most), named(most + 1)]);
      const { summary } = await recordBytes(temporaryFolder(t), file);
      assert.deepEqual(
        summary.interfaces.map(({ name }) => name.length),
        [most - 1, most, 0],
      );
    });
  });
}
