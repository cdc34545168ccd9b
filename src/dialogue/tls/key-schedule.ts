/** From logged secrets to keys: the PRF of TLS 1.0 to 1.2 and the traffic keys of TLS 1.3. */
import { createHmac } from 'node:crypto';

export type HashName = 'sha256' | 'sha384';

/** What the PRF is made of: TLS 1.0 and 1.1 fix it, TLS 1.2 lets the cipher suite choose. */
export type PrfName = HashName | 'md5-sha1';

/** PRF(secret, label, seed), RFC 5246 §5; with `md5-sha1` RFC 4346 §5. */
export function prf(name: PrfName, secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelled = Buffer.concat([Buffer.from(label, 'latin1'), seed]);
  if (name !== 'md5-sha1') return expand(name, secret, labelled, length);
  // The halves share the middle octet of a secret of odd length.
  const half = Math.ceil(secret.length / 2);
  const output = expand('md5', secret.subarray(0, half), labelled, length);
  const other = expand('sha1', secret.subarray(secret.length - half), labelled, length);
  for (let i = 0; i < length; i++) output.writeUInt8((output[i] ?? 0) ^ (other[i] ?? 0), i);
  return output;
}

/** P_hash, RFC 5246 §5. */
function expand(hash: string, secret: Buffer, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  let chained = seed;
  for (let made = 0; made < length; ) {
    chained = createHmac(hash, secret).update(chained).digest();
    const block = createHmac(hash, secret).update(chained).update(seed).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** HKDF-Expand-Label with an empty context, RFC 8446 §7.1; `length` of at most one digest. */
export function expandLabel(hash: HashName, secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.concat([
    Buffer.from([length >> 8, length & 0xff, name.length]),
    name,
    Buffer.from([0]),
  ]);
  // HKDF-Expand, RFC 5869 §2.3: the first block alone, which is all that keys and IVs need.
  const block = createHmac(hash, secret)
    .update(info)
    .update(Buffer.from([1]))
    .digest();
  return block.subarray(0, length);
}

/** The secret after a KeyUpdate, RFC 8446 §7.2. */
export function nextTrafficSecret(hash: HashName, secret: Buffer): Buffer {
  return expandLabel(hash, secret, 'traffic upd', secret.length);
}
