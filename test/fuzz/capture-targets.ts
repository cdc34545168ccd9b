/** Files of every format through the real reader: piece 0 is the file. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readCapture } from '../../src/capture/read-capture.ts';
import { PcapngWriter, pcapFile, someBytes } from '../support/capture-bytes.ts';
import { readCapture as readPackets } from '../support/capture-reader.ts';
import { type TestPacket, writePcap, writePcapng } from '../support/packets.ts';
import { captureBytes } from './corpus.ts';
import type { Input } from './input.ts';
import type { Target } from './target.ts';

/** In memory where the system has such a folder: thousands of files are written every second. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mailproc-fuzz-'));
// Left behind only where the process is killed.
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

export function scratchFile(name: string, content: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

export function captureTarget(format: 'pcapng' | 'pcap'): Target {
  return {
    kinds: [0],
    words: wordsOf(format),
    seeds: async () => seedFiles(format).map((bytes) => [{ kind: 0, bytes }]),
    run: (input) => readFile(input, 1 << 16),
    runOtherwise: (input, random) => readFile(input, 4 + random.integer(random.chance(0.5) ? 64 : 4096)),
  };
}

export const compressedTarget: Target = {
  kinds: [0],
  words: ['1f8b0800', '28b52ffd', '04224d18', '02214c18', '502a4d18', '00000000', 'ffffffff'].map((each) =>
    Buffer.from(each, 'hex'),
  ),
  seeds: async () => {
    const small = seedFiles('pcapng').filter((bytes) => bytes.length < 6000);
    const stored = captureBytes(1 << 15).filter((bytes) => [0x1f, 0x28, 0x04, 0x02].includes(bytes[0] ?? 0));
    return [...stored, ...small.map((bytes) => gzipSync(bytes)), ...blocksOfOthers(small)].map((bytes) => [
      { kind: 0, bytes },
    ]);
  },
  run: (input) => readFile(input, 1 << 16),
  runOtherwise: (input, random) => readFile(input, 64 + random.integer(4096)),
};

/** Frames with uncompressed blocks in zstd and lz4, which Node 20 cannot write. */
function blocksOfOthers(files: readonly Buffer[]): Buffer[] {
  return files.flatMap((file) => {
    const zstdHeader = Buffer.alloc(3);
    zstdHeader.writeUIntLE((file.length << 3) | 1, 0, 3);
    const zstd = Buffer.concat([Buffer.from('28b52ffd0058', 'hex'), zstdHeader, file]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE((file.length | 0x8000_0000) >>> 0);
    const lz4 = Buffer.concat([Buffer.from('04224d18604082', 'hex'), length, file, Buffer.alloc(4)]);
    return [zstd, lz4];
  });
}

function wordsOf(format: 'pcapng' | 'pcap'): Buffer[] {
  const magics = format === 'pcap' ? ['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d', '34cdb2a1'] : [];
  const write = new PcapngWriter({ littleEndian: true });
  const blocks = [
    write.section(),
    write.interface(),
    write.simple(8, someBytes(8)),
    write.secrets(0x544c534b, 'x'),
  ];
  return [...magics.map((each) => Buffer.from(each, 'hex')), ...(format === 'pcapng' ? blocks : [])];
}

function seedFiles(format: 'pcapng' | 'pcap'): Buffer[] {
  const captured = captureBytes(1 << 16)
    .filter((bytes) => bytes.readUInt32BE(0) === 0x0a0d0d0a && bytes.readUInt32LE(8) === 0x1a2b3c4d)
    .map((bytes) => readPackets(bytes).filter(({ linkType }) => linkType === 1));
  const some = captured.filter((packets) => packets.length > 0).slice(0, 12);
  const files = some.flatMap((packets) => written(format, packets.slice(0, 12)));
  return format === 'pcap' ? [...files, ...oddPcaps()] : [...files, ...oddPcapngs()];
}

function written(format: 'pcapng' | 'pcap', packets: readonly TestPacket[]): Buffer[] {
  const write = format === 'pcap' ? writePcap : writePcapng;
  return [true, false].flatMap((bigEndian) =>
    [true, false].map((nanoseconds) => write(packets, { bigEndian, nanoseconds })),
  );
}

function oddPcapngs(): Buffer[] {
  return [true, false].map((littleEndian) => {
    const write = new PcapngWriter({ littleEndian });
    const resolution = { code: 9, value: Buffer.from([9]) };
    const offset = { code: 14, value: write.bytes.i64(3600n) };
    const name = { code: 2, value: Buffer.from('eth0') };
    return Buffer.concat([
      write.section(),
      write.interface(1, 64, [name, resolution, offset]),
      write.interface(101),
      write.enhanced(1_643_362_200_000_000_000n, someBytes(60)),
      write.obsolete(5n, someBytes(33, 2), 1),
      write.simple(100, someBytes(64, 3)),
      write.secrets(0x544c534b, `CLIENT_RANDOM ${'ab'.repeat(32)} ${'cd'.repeat(48)}\n`),
      write.block(5, someBytes(24)),
      write.section(),
      write.interface(276, 0, [{ code: 9, value: Buffer.from([0x94]) }]),
      write.enhanced(7n, someBytes(41, 4)),
    ]);
  });
}

function oddPcaps(): Buffer[] {
  const records = [1, 2, 3].map((seed) => ({ seconds: seed, fraction: seed, data: someBytes(50, seed) }));
  const modified = { extra: Buffer.alloc(8) };
  return [true, false].map((littleEndian) => pcapFile({ littleEndian }, 0xa1b2cd34, records, modified));
}

async function readFile(input: Input, readBytes: number): Promise<string> {
  const file = scratchFile('capture', Buffer.concat(input.map(({ bytes }) => bytes)));
  const hash = createHash('sha256');
  let frames = 0;
  const summary = await readCapture(
    file,
    {
      packet: ({ buffer, offset, capturedLength, frame, linkType, seconds, nanoseconds, originalLength }) => {
        assert(offset + capturedLength <= buffer.length, 'the packet is in the buffer');
        assert(frame === ++frames, 'frames are counted');
        assert(nanoseconds >= 0 && nanoseconds < 1e9 && Number.isInteger(seconds), 'a time');
        assert(originalLength >= 0 && capturedLength >= 0, 'lengths');
        hash.update(`${frame} ${linkType} ${seconds} ${nanoseconds} ${originalLength} ${capturedLength} `);
        hash.update(buffer.subarray(offset, offset + capturedLength));
      },
      secrets: (text) => hash.update(text),
      anomaly: () => undefined,
    },
    { readBytes },
  );
  assert(summary.overheadBytes >= 0 && summary.skippedBytes >= 0 && summary.zeroTailBytes >= 0, 'sums');
  // Of a file that is no capture only so much is read as one read gives.
  if (summary.format === null) return `no capture ${summary.packets} ${summary.isDamaged}`;
  return `${hash.digest('hex')} ${JSON.stringify(summary, inText)}`;
}

function inText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
