import assert from 'node:assert/strict';
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { AeadOpener, Tls13Opener } from '../../../src/dialogue/tls/aead-opener.ts';
import { CbcOpener } from '../../../src/dialogue/tls/cbc-opener.ts';
import {
  type AeadProtection,
  type CbcProtection,
  cipherSuite,
} from '../../../src/dialogue/tls/cipher-suites.ts';
import type { TlsRecord } from '../../../src/dialogue/tls/record-reader.ts';
import { sighting } from '../../support/stream-events.ts';

function recordOf(fragment: Buffer, type = 23, before = Buffer.alloc(0)): TlsRecord {
  const header = Buffer.from([type, 3, 3, fragment.length >> 8, fragment.length & 255]);
  return {
    type,
    version: 0x0303,
    header,
    fragment,
    before,
    offset: 0,
    seen: sighting(1),
    isCandidate: false,
  };
}

function cbcSuite(code: number): CbcProtection {
  const protection = cipherSuite(code)?.protection;
  assert.ok(protection?.kind === 'cbc');
  return protection;
}

const gcm = cipherSuite(0x1301)?.protection as AeadProtection;
const key = randomBytes(24);
const mac = randomBytes(20);

/** MAC then encrypt, as a sender does it; `padding` replaces the octets behind the MAC. */
function sealCbc(content: Buffer, sequenceNumber: number, padding: readonly number[]): Buffer {
  const covered = Buffer.alloc(13);
  covered.writeBigUInt64BE(BigInt(sequenceNumber));
  covered.set([23, 3, 3, content.length >> 8, content.length & 255], 8);
  const tag = createHmac('sha1', mac).update(covered).update(content).digest();
  const iv = randomBytes(8);
  const cipher = createCipheriv('des-ede3-cbc', key, iv).setAutoPadding(false);
  return Buffer.concat([
    iv,
    cipher.update(Buffer.concat([content, tag, Buffer.from(padding)])),
    cipher.final(),
  ]);
}

describe('CbcOpener', () => {
  const opener = new CbcOpener(cbcSuite(0x000a), 0x0303, false, { mac, key, iv: Buffer.alloc(8) });
  // 11 octets of content and 20 of MAC leave one octet of padding.
  const content = Buffer.from('3DES as was');

  it('CbcOpener.open reads TLS_RSA_WITH_3DES_EDE_CBC_SHA', () => {
    const opened = opener.open(recordOf(sealCbc(content, 7, [0])), 7);
    assert.deepEqual(opened, { type: 23, content });
  });

  it('CbcOpener.open reads padding of up to 255 octets', () => {
    const padding = Array.from({ length: 249 }, () => 248);
    assert.deepEqual(opener.open(recordOf(sealCbc(content, 7, padding)), 7)?.content, content);
  });

  const wrong: readonly (readonly [string, readonly number[], number])[] = [
    ['another sequence number', [0], 8],
    ['padding that names more octets than there are', [255], 7],
    ['padding of unequal octets', [8, 8, 8, 8, 8, 8, 8, 9, 8], 7],
    ['padding that reaches into the MAC', [20], 7],
  ];
  for (const [name, padding, sequenceNumber] of wrong) {
    it(`CbcOpener.open refuses ${name}`, () => {
      assert.equal(opener.open(recordOf(sealCbc(content, 7, padding)), sequenceNumber), undefined);
    });
  }

  it('CbcOpener.open takes the IV of TLS 1.0 from the octets before, whatever it was shown in between', () => {
    const chained = new CbcOpener(cbcSuite(0x000a), 0x0301, false, { mac, key, iv: Buffer.alloc(8) });
    const sealed = sealCbc(content, 7, [0]);
    const fragment = sealed.subarray(8);
    const before = Buffer.concat([randomBytes(24), sealed.subarray(0, 8)]);
    // Behind a hole something in the ciphertext may look like a record.
    assert.equal(chained.open(recordOf(randomBytes(32), 23, randomBytes(64)), 6), undefined);
    assert.deepEqual(chained.open(recordOf(fragment, 23, before), 7)?.content, content);
    for (let length = 0; length < 8; length++) {
      assert.equal(
        chained.open(recordOf(fragment, 23, before.subarray(before.length - length)), 7),
        undefined,
      );
    }
  });

  it('CbcOpener.open refuses every length that cannot be', () => {
    for (let length = 0; length < 40; length++) {
      assert.equal(opener.open(recordOf(Buffer.alloc(length)), 0), undefined);
    }
  });

  it('CbcOpener.open refuses every short length with the MAC outside', () => {
    const outside = new CbcOpener(cbcSuite(0xc028), 0x0303, true, { mac, key: randomBytes(32), iv: mac });
    for (let length = 0; length < 100; length++) {
      assert.equal(outside.open(recordOf(Buffer.alloc(length)), 0), undefined);
    }
  });
});

describe('Tls13Opener', () => {
  const iv = randomBytes(12);
  const gcmKey = randomBytes(16);
  const opener = new Tls13Opener(gcm, gcmKey, iv);
  const seal = (inner: Buffer): TlsRecord => {
    const header = Buffer.from([23, 3, 3, (inner.length + 16) >> 8, (inner.length + 16) & 255]);
    const cipher = createCipheriv('aes-128-gcm', gcmKey, iv).setAAD(header);
    const sealed = Buffer.concat([cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
    return recordOf(sealed);
  };

  it('Tls13Opener.open takes type and padding off', () => {
    const content = Buffer.from('octets\0');
    for (const zeros of [0, 1, 255, 5000]) {
      const record = seal(Buffer.concat([content, Buffer.from([23]), Buffer.alloc(zeros)]));
      assert.deepEqual(opener.open(record, 0), { type: 23, content });
    }
  });

  it('Tls13Opener.open refuses a record of nothing but padding', () => {
    assert.equal(opener.open(seal(Buffer.alloc(40)), 0), undefined);
  });

  it('Tls13Opener.open refuses every length that holds no tag', () => {
    for (let length = 0; length < 17; length++) {
      assert.equal(opener.open(recordOf(Buffer.alloc(length)), 0), undefined);
    }
  });

  it('AeadOpener.open refuses every length that holds no nonce and tag', () => {
    const aead = new AeadOpener(gcm, gcmKey, Buffer.alloc(4));
    for (let length = 0; length < 24; length++) {
      assert.equal(aead.open(recordOf(Buffer.alloc(length)), 0), undefined);
    }
  });
});
