import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import pcapParser, { type PcapParserPacket } from 'pcap-parser';
import { readCapture } from '../../src/capture/read-capture.ts';
import { MailprocError } from '../../src/core/errors.ts';
import { captureLimits } from '../../src/core/limits.ts';
import { PcapngWriter, pcapFile, someBytes } from '../support/capture-bytes.ts';
import {
  type RecordedCapture,
  recordBytes,
  recordCapture,
  temporaryFolder,
} from '../support/recorded-capture.ts';
import { sharedNames, sharedPath } from '../support/shared-captures.ts';

const write = new PcapngWriter({ littleEndian: true });
const bigEndian = new PcapngWriter({ littleEndian: false });
const blocks: readonly Buffer[] = [
  write.section(),
  write.interface(1, 0, [{ code: 2, value: Buffer.from('eth0') }]),
  write.enhanced(1n, someBytes(61, 1)),
  write.secrets(0x544c534b, 'CLIENT_RANDOM 00 11\n'),
  write.enhanced(2n, someBytes(0, 2)),
  bigEndian.section(),
  bigEndian.interface(113),
  bigEndian.obsolete(3n, someBytes(33, 3)),
  bigEndian.simple(20, someBytes(20, 4)),
];
const pcapng = Buffer.concat(blocks);
const records = [1, 2, 3].map((seed) => ({
  seconds: seed,
  fraction: seed,
  data: someBytes(seed * 20, seed),
}));
const pcap = pcapFile({ littleEndian: false }, 0xa1b2c3d4, records);

/** One capture of many packets, so that compressed blocks refer to each other. */
const repeated = (() => {
  const packets = 3000;
  const bodies = Array.from({ length: packets }, (_, index) =>
    write.enhanced(BigInt(index), someBytes(90, index)),
  );
  return { packets, bytes: Buffer.concat([write.section(), write.interface(), ...bodies]) };
})();

const dataFolder = path.resolve(import.meta.dirname, '../../../test/capture/data');
const compressed = {
  gzip: gzipSync(repeated.bytes),
  zstd: readFileSync(path.join(dataFolder, 'packets.pcapng.zst')),
  lz4: readFileSync(path.join(dataFolder, 'packets.pcapng.lz4')),
  'lz4-legacy': readFileSync(path.join(dataFolder, 'packets-legacy.pcapng.lz4')),
};

/** Everything that must not depend on how a file was cut into reads. */
function outcome({ packets, secrets, anomalies, summary }: RecordedCapture): unknown {
  return { packets, secrets, anomalies, summary };
}

describe('readCapture', () => {
  test('readCapture lets signals and timers have their turn between two reads', async (t) => {
    const file = path.join(temporaryFolder(t), 'a.pcapng');
    writeFileSync(file, repeated.bytes);
    let turns = 0;
    const count = (): void => {
      turns++;
    };
    const turnsAtReads: number[] = [];
    const handler = {
      packet: () => undefined,
      anomaly: () => undefined,
      bytesRead: () => {
        turnsAtReads.push(turns);
        setImmediate(count);
      },
    };
    await readCapture(file, handler, { readBytes: 1 << 16 });
    assert.ok(turnsAtReads.length > 4);
    assert.deepEqual(turnsAtReads, [...turnsAtReads.keys()]);
  });

  test('readCapture gives the same for every size of a read', async (t) => {
    const folder = temporaryFolder(t);
    const damaged = Buffer.concat([
      pcapng,
      Buffer.alloc(9),
      someBytes(50),
      pcapng,
      Buffer.alloc(30, 6),
      pcapng,
    ]);
    for (const content of [
      pcapng,
      pcap,
      damaged,
      Buffer.concat([pcapng, Buffer.alloc(100)]),
      damaged.subarray(0, -9),
    ]) {
      const whole = outcome(await recordBytes(folder, content));
      for (const readBytes of [1, 2, 3, 5, 7, 11, 13, 16, 31, 64, 100, 257]) {
        assert.deepEqual(
          outcome(await recordBytes(folder, content, { readBytes })),
          whole,
          `reads of ${readBytes}`,
        );
      }
    }
  });

  for (const [name, content, ends] of [
    ['pcapng', pcapng, blocks.map((_, index) => Buffer.concat(blocks.slice(0, index + 1)).length)],
    ['pcap', pcap, [24, 60, 116, 192]],
  ] as const) {
    test(`readCapture keeps every packet before a cut at any byte of ${name}`, async (t) => {
      const folder = temporaryFolder(t);
      const all = (await recordBytes(folder, content)).packets;
      for (let cut = 0; cut < content.length; cut++) {
        const { packets, anomalies } = await recordBytes(folder, content.subarray(0, cut));
        const whole =
          name === 'pcap' ? ends.filter((end, index) => index > 0 && end <= cut).length : undefined;
        assert.deepEqual(packets, all.slice(0, packets.length));
        assert.equal(
          packets.length,
          whole ?? [2, 4, 7, 8].filter((block) => (ends[block] ?? 0) <= cut).length,
        );
        // A few zeros behind the last block cannot be told from padding; nothing is lost in them.
        const lastEnd = Math.max(0, ...ends.filter((end) => end <= cut));
        const isWhole = cut > 0 && content.subarray(lastEnd, cut).every((octet) => octet === 0);
        assert.equal(anomalies.length, isWhole ? 0 : 1, `cut at ${cut}`);
        for (const found of anomalies) assert.equal(found.code, 'capture.truncated');
      }
    });
  }

  for (const name of ['gzip', 'zstd', 'lz4', 'lz4-legacy'] as const) {
    test(`readCapture reads ${name} and keeps what comes before a cut`, async (t) => {
      const folder = temporaryFolder(t);
      const packed = compressed[name];
      const { packets, anomalies, summary } = await recordBytes(folder, packed);
      assert.deepEqual(packets, (await recordBytes(folder, repeated.bytes)).packets);
      assert.deepEqual([packets.length, anomalies], [repeated.packets, []]);
      assert.equal(summary.compression, name.replace('-legacy', ''));
      assert.deepEqual([summary.fileBytes, summary.contentBytes], [packed.length, repeated.bytes.length]);
      let before = 0;
      for (let cut = 4; cut < packed.length; cut += 1 + (packed.length >> 6)) {
        const cutRead = await recordBytes(folder, packed.subarray(0, cut));
        assert.ok(cutRead.packets.length >= before, `cut at ${cut}`);
        assert.deepEqual(cutRead.packets, packets.slice(0, cutRead.packets.length));
        assert.deepEqual(
          cutRead.anomalies.map(({ code }) => code),
          ['capture.truncated'],
          `cut at ${cut}`,
        );
        before = cutRead.packets.length;
      }
      // The legacy frame is one block of 8 MiB, which is unpacked as a whole.
      assert.ok(before > 0 || name === 'lz4-legacy');
    });
  }

  test('readCapture reads all members of a gzip file, and zeros behind them', async (t) => {
    const folder = temporaryFolder(t);
    for (let split = 1; split < pcapng.length; split += 17) {
      const members = [
        gzipSync(pcapng.subarray(0, split)),
        gzipSync(pcapng.subarray(split)),
        Buffer.alloc(512),
      ];
      const { packets, anomalies } = await recordBytes(folder, Buffer.concat(members));
      assert.deepEqual([packets.length, anomalies], [4, []]);
    }
  });

  test('readCapture never holds what a compressed file unpacks to', async (t) => {
    // 256 MiB of one block after the other, each of which is skipped.
    const block = write.block(0x7fff_0001, Buffer.alloc((1 << 20) - 12));
    const bomb = gzipSync(Buffer.concat([write.section(), ...Array.from({ length: 256 }, () => block)]));
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const file = path.join(temporaryFolder(t), 'bomb.pcapng.gz');
    writeFileSync(file, bomb);
    const summary = await readCapture(file, {
      packet: () => {},
      anomaly: () => {},
      bytesRead: () => {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      },
    });
    assert.equal(summary.contentBytes, 28 + (256 << 20));
    assert.ok(most < 128 << 20, `${most} octets were held`);
  });

  test('readCapture refuses a zstd window above the limit instead of allocating it', async (t) => {
    const window = (descriptor: number) =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, descriptor, 0x01, 0x00, 0x00]);
    const { anomalies } = await recordBytes(temporaryFolder(t), window(0x89));
    assert.match(anomalies[0]?.detail ?? '', /window of 150994944 octets is more than 134217728/);
    const atLimit = await recordBytes(temporaryFolder(t), window(0x88));
    assert.equal(atLimit.anomalies[0]?.detail, 'the file is empty');
  });

  test('readCapture gives up zstd whose blocks are too small for their window', {
    timeout: 60_000,
  }, async (t) => {
    const block = (octets: Buffer, isLast = false): Buffer => {
      const header = Buffer.alloc(3);
      header.writeUIntLE((octets.length << 3) | Number(isLast), 0, 3);
      return Buffer.concat([header, octets]);
    };
    const frame = (windowDescriptor: number, blocks: number): Buffer => {
      const start = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, windowDescriptor]);
      const tiny = Array.from({ length: blocks }, () => block(Buffer.alloc(1)));
      return Buffer.concat([start, block(write.section()), ...tiny, block(Buffer.alloc(0), true)]);
    };
    const folder = temporaryFolder(t);
    // 128 MiB: a megabyte of such blocks would take hours.
    const hostile = await recordBytes(folder, frame(0x88, 250_000));
    assert.equal(hostile.anomalies[0]?.detail, 'zstd: blocks too small for their window');
    assert.ok(hostile.summary.contentBytes < 1000);
    // 256 KiB: blocks of an octet each are odd, but cost no more than others.
    const odd = await recordBytes(folder, frame(0x40, 5000));
    assert.deepEqual([odd.summary.contentBytes, odd.summary.skippedBytes], [28 + 5000, 0]);
  });

  test('readCapture says what a file is that is no capture, and reads no further', async (t) => {
    const folder = temporaryFolder(t);
    for (const [content, detail, code] of [
      ['', 'the file is empty', 'capture.truncated'],
      ['abc', 'the file ends after 3 octets', 'capture.truncated'],
      [
        'snoop\0\0\0',
        'the file is a Solaris snoop capture; only pcapng and pcap are read',
        'capture.not-a-capture',
      ],
      [
        'text',
        'the file begins with 0x74657874, which neither pcapng nor pcap does',
        'capture.not-a-capture',
      ],
    ] as const) {
      const { anomalies, summary } = await recordBytes(folder, Buffer.from(content));
      assert.deepEqual(
        anomalies.map((found) => [found.detail, found.code]),
        [[detail, code]],
      );
      assert.equal(summary.format, null);
    }
    const { summary } = await recordBytes(folder, Buffer.alloc(3 * captureLimits.readBytes, 0x20));
    assert.equal(summary.contentBytes, captureLimits.readBytes);
  });

  test('readCapture throws a MailprocError with a hint where a file cannot be read', async (t) => {
    const folder = temporaryFolder(t);
    const handler = { packet: () => {}, anomaly: () => {} };
    for (const file of [path.join(folder, 'missing.pcap'), folder]) {
      await assert.rejects(readCapture(file, handler), (error) => {
        assert.ok(error instanceof MailprocError);
        assert.equal(error.code, 'capture.unreadable');
        assert.ok(error.message.includes(file));
        assert.ok(error.hint);
        return true;
      });
    }
  });

  test('readCapture waits for CaptureHandler.pause after each read and tells its progress', async (t) => {
    const file = path.join(temporaryFolder(t), 'capture');
    writeFileSync(file, pcapng);
    const events: string[] = [];
    await readCapture(
      file,
      {
        packet: ({ frame }) => events.push(`packet ${frame}`),
        anomaly: () => {},
        bytesRead: (bytes) => events.push(`read ${bytes}`),
        pause: async () => {
          await new Promise(setImmediate);
          events.push('resumed');
        },
      },
      { readBytes: 256 },
    );
    const resumed = events.filter((event) => event === 'resumed').length;
    assert.equal(resumed, events.filter((event) => event.startsWith('read ')).length);
    assert.equal(events.filter((event) => event.startsWith('read ')).at(-1), `read ${pcapng.length}`);
    assert.deepEqual(
      events.filter((event) => event.startsWith('packet ')),
      ['packet 1', 'packet 2', 'packet 3', 'packet 4'],
    );
    for (const [index, event] of events.entries())
      if (event.startsWith('read ')) assert.equal(events[index + 1], 'resumed');
  });

  test('readCapture never throws over random octets behind any magic number', async (t) => {
    const folder = temporaryFolder(t);
    const starts = [
      Buffer.alloc(0),
      pcap.subarray(0, 24),
      Buffer.concat(blocks.slice(0, 2)),
      Buffer.concat([bigEndian.section(), bigEndian.interface()]),
      Buffer.from([0x1f, 0x8b, 8, 0]),
      ...Object.values(compressed).map((packed) => packed.subarray(0, 20)),
    ];
    const words = fc.constantFrom(0, 1, 2, 3, 6, 10, 12, 28, 32, 36, 44, 0x0a0d0d0a, 0x1a2b3c4d, 0xffff_ffff);
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      words.map((word) => write.bytes.u32(word)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...starts),
        fc.array(piece, { maxLength: 40 }),
        fc.integer({ min: 1, max: 300 }),
        async (start, pieces, readBytes) => {
          const content = Buffer.concat([start, ...pieces]);
          const { summary, anomalies, packets } = await recordBytes(folder, content, { readBytes });
          assert.ok(anomalies.length <= 1);
          assert.equal(summary.packets, packets.length);
          assert.ok(summary.overheadBytes >= 0 && summary.skippedBytes >= 0);
          if (summary.compression !== null || summary.format === null) return;
          assert.equal(summary.contentBytes, content.length);
          const whole = await recordBytes(folder, content);
          assert.deepEqual(
            outcome({ packets, secrets: [], anomalies, summary }),
            outcome({ ...whole, secrets: [] }),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test('readCapture never throws over a mutated capture and reads what lies before the mutation', async (t) => {
    const folder = temporaryFolder(t);
    for (const content of [pcapng, pcap, ...Object.values(compressed)]) {
      const { packets: all } = await recordBytes(folder, content);
      await fc.assert(
        fc.asyncProperty(
          fc.nat(content.length - 1),
          fc.uint8Array({ minLength: 1, maxLength: 8 }),
          async (at, octets) => {
            const mutated = Buffer.from(content);
            mutated.set(octets.subarray(0, content.length - at), at);
            const { packets, anomalies } = await recordBytes(folder, mutated);
            assert.ok(anomalies.length <= 1);
            if (content !== pcapng) return;
            const before = [2, 4, 7, 8].filter(
              (block) => Buffer.concat(blocks.slice(0, block + 1)).length <= at,
            ).length;
            assert.deepEqual(packets.slice(0, before), all.slice(0, before));
          },
        ),
        { numRuns: 60 },
      );
    }
  });
});

/** Another reader of microsecond pcap files, as it emits their packets. */
function readWithPcapParser(file: string): Promise<readonly PcapParserPacket[]> {
  return new Promise((resolve, reject) => {
    const packets: PcapParserPacket[] = [];
    pcapParser
      .parse(file)
      .on('packet', (packet: PcapParserPacket) => packets.push(packet))
      .on('end', () => resolve(packets))
      .on('error', reject);
  });
}

describe('PcapDecoder beside pcap-parser', () => {
  const folders = ['lab', 'public/mail', 'public/negative', 'public/encap-tcp', 'public/format-variants'];
  const files = folders.flatMap((folder) =>
    sharedNames(folder).map((name) => sharedPath(`${folder}/${name}`)),
  );
  const microseconds = files.filter((file) => {
    if (!/\.p?cap$/.test(file)) return false;
    const start = readFileSync(file).subarray(0, 6).toString('hex');
    return start === 'd4c3b2a10200' || start === 'a1b2c3d40002';
  });
  test('PcapDecoder reads the packets that pcap-parser reads', {
    skip: microseconds.length === 0,
  }, async () => {
    for (const file of microseconds) {
      const theirs = await readWithPcapParser(file);
      const ours = (await recordCapture(file)).packets;
      assert.equal(ours.length, theirs.length, file);
      for (const [index, packet] of ours.entries()) {
        const { header, data } = theirs[index] ?? assert.fail();
        assert.deepEqual(packet.bytes, data);
        assert.deepEqual(
          [packet.seconds, packet.nanoseconds, packet.originalLength],
          [header.timestampSeconds, header.timestampMicroseconds * 1000, header.originalLength],
        );
      }
    }
  });
});
