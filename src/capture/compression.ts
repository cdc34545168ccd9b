/** Compressed captures are told by their first octets; a name says nothing. */
import type { Unpacker } from './byte-source.ts';
import { unpackGzip } from './gzip.ts';
import { lz4LegacyMagic, lz4Magic, unpackLz4 } from './lz4.ts';
import { isSkippable, unpackZstd, zstdMagic } from './zstd.ts';

export type CompressionName = 'gzip' | 'zstd' | 'lz4';

export interface Compression {
  readonly name: CompressionName;
  readonly unpack: Unpacker;
}

const gzip: Compression = { name: 'gzip', unpack: unpackGzip };
const zstd: Compression = { name: 'zstd', unpack: unpackZstd };
const lz4: Compression = { name: 'lz4', unpack: unpackLz4 };

/** `start` is the beginning of the file; undefined where it is not compressed by a format that we read. */
export function compressionOf(start: Buffer): Compression | undefined {
  if (start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b) return gzip;
  if (start.length < 4) return undefined;
  const magic = start.readUInt32LE(0);
  // Both formats may begin with frames to skip; pzstd writes them, lz4 does not by itself.
  if (magic === zstdMagic || isSkippable(magic)) return zstd;
  if (magic === lz4Magic || magic === lz4LegacyMagic) return lz4;
  return undefined;
}
