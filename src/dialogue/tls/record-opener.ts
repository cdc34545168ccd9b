/** What reads protected records: one opener per direction and key. */
import type { TlsRecord } from './record-reader.ts';

export interface OpenedRecord {
  readonly type: number;
  readonly content: Buffer;
}

/**
 * `open` returns undefined unless the record's tag or MAC proves that it was made with this key and this
 * sequence number; it may be called any number of times for one record, and keeps nothing of it.
 */
export interface RecordOpener {
  open(record: TlsRecord, sequenceNumber: number): OpenedRecord | undefined;
  /** Octets, header included, by which a record is longer than its content; with CBC at least. */
  readonly overheadBytes: number;
}

/** What MAC and tag cover besides the content, RFC 5246 §6.2.3.1: number, type, version, length. */
export function pseudoHeader(record: TlsRecord, sequenceNumber: number, length: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeBigUInt64BE(BigInt(sequenceNumber), 0);
  header.writeUInt8(record.type, 8);
  header.writeUInt16BE(record.version, 9);
  header.writeUInt16BE(length, 11);
  return header;
}
