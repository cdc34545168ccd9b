/** Records under a block cipher and an HMAC, in TLS 1.0 to 1.2. */
import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { CbcProtection } from './cipher-suites.ts';
import { TLS_1_0 } from './hello.ts';
import { type OpenedRecord, pseudoHeader, type RecordOpener } from './record-opener.ts';
import { HEADER_BYTES, type TlsRecord } from './record-reader.ts';

export interface CbcKeys {
  readonly mac: Buffer;
  readonly key: Buffer;
  /** Of the first record, in TLS 1.0 alone. */
  readonly iv: Buffer;
}

/** RFC 5246 §6.2.3.2, RFC 2246 (the IV is the end of the record before) and RFC 7366 (encrypt-then-MAC). */
export class CbcOpener implements RecordOpener {
  readonly #protection: CbcProtection;
  readonly #macIsOutside: boolean;
  readonly #macKey: Buffer;
  readonly #key: Buffer;
  /** Of the first record in TLS 1.0; undefined where each record brings its own IV. */
  readonly #firstIv: Buffer | undefined;

  constructor(protection: CbcProtection, version: number, encryptThenMac: boolean, keys: CbcKeys) {
    this.#protection = protection;
    this.#macIsOutside = encryptThenMac;
    this.#macKey = keys.mac;
    this.#key = keys.key;
    this.#firstIv = version <= TLS_1_0 ? keys.iv : undefined;
  }

  get overheadBytes(): number {
    const ivBytes = this.#firstIv ? 0 : this.#protection.blockBytes;
    return HEADER_BYTES + ivBytes + this.#protection.macBytes + 1;
  }

  open(record: TlsRecord, sequenceNumber: number): OpenedRecord | undefined {
    if (!this.#macIsOutside) {
      const inside = this.#decipher(record, sequenceNumber, record.fragment);
      return inside && this.#checkInside(record, sequenceNumber, inside);
    }
    const end = record.fragment.length - this.#protection.macBytes;
    if (end < 0) return undefined;
    const sealed = record.fragment.subarray(0, end);
    const mac = this.#mac(record, sequenceNumber, sealed);
    if (!timingSafeEqual(mac, record.fragment.subarray(end))) return undefined;
    const content = this.#decipher(record, sequenceNumber, sealed);
    return content && { type: record.type, content };
  }

  #checkInside(record: TlsRecord, sequenceNumber: number, inside: Buffer): OpenedRecord | undefined {
    const end = inside.length - this.#protection.macBytes;
    if (end < 0) return undefined;
    const content = inside.subarray(0, end);
    const mac = this.#mac(record, sequenceNumber, content);
    return timingSafeEqual(mac, inside.subarray(end)) ? { type: record.type, content } : undefined;
  }

  #mac(record: TlsRecord, sequenceNumber: number, covered: Buffer): Buffer {
    return createHmac(this.#protection.mac, this.#macKey)
      .update(pseudoHeader(record, sequenceNumber, covered.length))
      .update(covered)
      .digest();
  }

  /** Without IV and padding; undefined where these cannot be right. */
  #decipher(record: TlsRecord, sequenceNumber: number, sealed: Buffer): Buffer | undefined {
    const { blockBytes, cipher } = this.#protection;
    const chainedIv = this.#chainedIv(record, sequenceNumber);
    const iv = chainedIv ?? sealed.subarray(0, blockBytes);
    const blocks = chainedIv ? sealed : sealed.subarray(blockBytes);
    if (iv.length < blockBytes || blocks.length === 0 || blocks.length % blockBytes !== 0) return undefined;
    const decipher = createDecipheriv(cipher, this.#key, iv).setAutoPadding(false);
    const plain = Buffer.concat([decipher.update(blocks), decipher.final()]);
    // The last octet tells how many octets of padding stand before it, each of this value.
    const padding = plain[plain.length - 1] ?? 0;
    const end = plain.length - 1 - padding;
    if (end < 0) return undefined;
    for (let i = end; i < plain.length; i++) if (plain[i] !== padding) return undefined;
    return plain.subarray(0, end);
  }

  /**
   * TLS 1.0: the last block of the record before, taken from where it was sent. Remembered from record to record
   * it would be wrong behind whatever looks like a record and is none.
   */
  #chainedIv({ before }: TlsRecord, sequenceNumber: number): Buffer | undefined {
    if (this.#firstIv === undefined || sequenceNumber === 0) return this.#firstIv;
    const { blockBytes, macBytes } = this.#protection;
    const end = before.length - (this.#macIsOutside ? macBytes : 0);
    return before.subarray(Math.max(0, end - blockBytes), Math.max(0, end));
  }
}
