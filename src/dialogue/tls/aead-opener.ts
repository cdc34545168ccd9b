/** Records under authenticated encryption, in TLS 1.2 and TLS 1.3. */
import { createDecipheriv } from 'node:crypto';
import type { AeadProtection } from './cipher-suites.ts';
import { type OpenedRecord, pseudoHeader, type RecordOpener } from './record-opener.ts';
import { CONTENT_TYPE, HEADER_BYTES, type TlsRecord } from './record-reader.ts';

export const NONCE_BYTES = 12;

/** RFC 8446 §5.2: type and padding are inside; the header is what the tag covers besides. */
export class Tls13Opener implements RecordOpener {
  readonly #protection: AeadProtection;
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(protection: AeadProtection, key: Buffer, iv: Buffer) {
    this.#protection = protection;
    this.#key = key;
    this.#iv = iv;
  }

  get overheadBytes(): number {
    return HEADER_BYTES + this.#protection.tagBytes + 1;
  }

  open(record: TlsRecord, sequenceNumber: number): OpenedRecord | undefined {
    if (record.type !== CONTENT_TYPE.applicationData) return undefined;
    const nonce = xorSequenceNumber(this.#iv, sequenceNumber);
    const inner = decipherAead(this.#protection, this.#key, nonce, record.header, record.fragment);
    if (!inner) return undefined;
    let end = inner.length;
    while (end > 0 && inner[end - 1] === 0) end--;
    const type = inner[end - 1];
    return type === undefined ? undefined : { type, content: inner.subarray(0, end - 1) };
  }
}

/** RFC 5246 §6.2.3.3 with the nonces of RFC 5288 and RFC 6655 (partly sent) or RFC 7905 (not sent). */
export class AeadOpener implements RecordOpener {
  readonly #protection: AeadProtection;
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(protection: AeadProtection, key: Buffer, iv: Buffer) {
    this.#protection = protection;
    this.#key = key;
    this.#iv = iv;
  }

  get overheadBytes(): number {
    return HEADER_BYTES + this.#protection.explicitNonceBytes + this.#protection.tagBytes;
  }

  open(record: TlsRecord, sequenceNumber: number): OpenedRecord | undefined {
    const { explicitNonceBytes, tagBytes } = this.#protection;
    const { fragment } = record;
    const length = fragment.length - explicitNonceBytes - tagBytes;
    if (length < 0) return undefined;
    const nonce =
      explicitNonceBytes > 0
        ? Buffer.concat([this.#iv, fragment.subarray(0, explicitNonceBytes)])
        : xorSequenceNumber(this.#iv, sequenceNumber);
    const additional = pseudoHeader(record, sequenceNumber, length);
    const sealed = fragment.subarray(explicitNonceBytes);
    const content = decipherAead(this.#protection, this.#key, nonce, additional, sealed);
    return content && { type: record.type, content };
  }
}

/** RFC 8446 §5.3, RFC 7905 §2: the sequence number, padded in front, XORed into the IV. */
function xorSequenceNumber(iv: Buffer, sequenceNumber: number): Buffer {
  const nonce = Buffer.from(iv);
  nonce.writeBigUInt64BE(iv.readBigUInt64BE(4) ^ BigInt(sequenceNumber), 4);
  return nonce;
}

function decipherAead(
  protection: AeadProtection,
  key: Buffer,
  nonce: Buffer,
  additional: Buffer,
  sealed: Buffer,
): Buffer | undefined {
  const end = sealed.length - protection.tagBytes;
  if (end < 0) return undefined;
  const { cipher, tagBytes } = protection;
  const decipher = aeadDecipher(cipher, key, nonce, tagBytes);
  decipher.setAuthTag(sealed.subarray(end));
  decipher.setAAD(additional, { plaintextLength: end });
  try {
    // CCM checks the tag in `update`, the others in `final`; both throw where it is wrong.
    const plain = decipher.update(sealed.subarray(0, end));
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

/** Node's types want each cipher's name apart. */
function aeadDecipher(cipher: AeadProtection['cipher'], key: Buffer, nonce: Buffer, authTagLength: number) {
  switch (cipher) {
    case 'aes-128-ccm':
    case 'aes-256-ccm':
      return createDecipheriv(cipher, key, nonce, { authTagLength });
    case 'chacha20-poly1305':
      return createDecipheriv(cipher, key, nonce, { authTagLength });
    case 'aria-128-gcm':
    case 'aria-256-gcm':
      // OpenSSL has them, the types do not know them: they are used as those of AES.
      return createDecipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength });
    default:
      return createDecipheriv(cipher, key, nonce, { authTagLength });
  }
}
