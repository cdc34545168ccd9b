/** Openers made of a session's secrets and of what its hellos agreed on. */
import { AeadOpener, NONCE_BYTES, Tls13Opener } from './aead-opener.ts';
import { type CbcKeys, CbcOpener } from './cbc-opener.ts';
import type { CipherSuite } from './cipher-suites.ts';
import { TLS_1_2 } from './hello.ts';
import { expandLabel, prf } from './key-schedule.ts';
import type { RecordOpener } from './record-opener.ts';

/** What both sides of a session of TLS 1.0 to 1.2 agreed on. */
export interface Agreement {
  readonly suite: CipherSuite;
  readonly version: number;
  readonly encryptThenMac: boolean;
  readonly clientRandom: Buffer;
  readonly serverRandom: Buffer;
}

/** Both directions' openers in TLS 1.0 to 1.2: the key block, RFC 5246 §6.3. */
export function createOpeners(
  agreement: Agreement,
  masterSecret: Buffer,
): { readonly client: RecordOpener; readonly server: RecordOpener } {
  const { suite, version } = agreement;
  const { macBytes, keyBytes, ivBytes } = keySizes(suite);
  const seed = Buffer.concat([agreement.serverRandom, agreement.clientRandom]);
  const hash = version < TLS_1_2 ? 'md5-sha1' : suite.hash;
  const block = prf(hash, masterSecret, 'key expansion', seed, 2 * (macBytes + keyBytes + ivBytes));
  const keysAt = 2 * macBytes;
  const ivsAt = keysAt + 2 * keyBytes;
  const keysOf = (side: 0 | 1): CbcKeys => ({
    mac: slice(block, side * macBytes, macBytes),
    key: slice(block, keysAt + side * keyBytes, keyBytes),
    iv: slice(block, ivsAt + side * ivBytes, ivBytes),
  });
  return { client: createOpener(agreement, keysOf(0)), server: createOpener(agreement, keysOf(1)) };
}

/** The opener of one direction and epoch in TLS 1.3, RFC 8446 §7.3; undefined for suites it does not have. */
export function createTls13Opener(suite: CipherSuite, trafficSecret: Buffer): RecordOpener | undefined {
  const { protection, hash } = suite;
  if (protection.kind !== 'aead') return undefined;
  const key = expandLabel(hash, trafficSecret, 'key', protection.keyBytes);
  const iv = expandLabel(hash, trafficSecret, 'iv', NONCE_BYTES);
  return new Tls13Opener(protection, key, iv);
}

function createOpener(agreement: Agreement, keys: CbcKeys): RecordOpener {
  const { protection } = agreement.suite;
  if (protection.kind === 'aead') return new AeadOpener(protection, keys.key, keys.iv);
  return new CbcOpener(protection, agreement.version, agreement.encryptThenMac, keys);
}

function keySizes({ protection }: CipherSuite): { macBytes: number; keyBytes: number; ivBytes: number } {
  const { keyBytes } = protection;
  if (protection.kind === 'cbc')
    return { macBytes: protection.macBytes, keyBytes, ivBytes: protection.blockBytes };
  return { macBytes: 0, keyBytes, ivBytes: NONCE_BYTES - protection.explicitNonceBytes };
}

function slice(block: Buffer, at: number, length: number): Buffer {
  return block.subarray(at, at + length);
}
