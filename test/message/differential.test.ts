/**
 * The same mails read by mailparser, by Python's email package (figures in a file), and by their generator.
 * Every field that differs is named here with its reason; a difference that vanishes fails too.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ParsedMail, simpleParser } from 'mailparser';
import { decodeMessage } from '../../src/message/decode-message.ts';
import type { Message } from '../../src/message/types.ts';
import { sharedFolder } from '../support/mail.ts';

const localUser = 'a user without domain is an address, as in the local mail of a Unix machine';
const embedded = 'files inside the text are taken out of it';
const raw8bit = 'raw 8-bit octets are decoded instead of becoming U+FFFD';
const replaced = 'U+FFFD was encoded by the sender as octets EF BF BD under a Latin-1 label';
const innerHeader = 'mailparser writes the header of an inner mail into the text';

/** `file field` and why. */
const differences: ReadonlyMap<string, string> = new Map([
  ['MimeKit__simple.eml text', embedded],
  ['MimeKit__startrek.eml from', localUser],
  ['MimeKit__startrek.eml to', localUser],
  ['MimeKit__startrek.eml cc', localUser],
  ['cpython__msg_30.eml text', 'a digest of unlabelled parts is a digest of mails (RFC 2046 §5.1.5)'],
  ['gmime__jwz.eml subject', 'a folder of mails, not a mail: its first line is no field'],
  ['gmime__jwz.eml to', 'a folder of mails, not a mail: its first line is no field'],
  ['james-mime4j__basic-plain-very-long-lines.eml cc', localUser],
  ['james-mime4j__multi-digest.eml text', innerHeader],
  ['james-mime4j__multipartdigestnestedemptyparts.eml text', innerHeader],
  ['james-mime4j__re-fwd.eml from', localUser],
  ['james-mime4j__re-fwd.eml to', localUser],
  ['james-mime4j__re-fwd.eml text', innerHeader],
  ['james-mime4j__uu-zeegee.eml from', localUser],
  ['james-mime4j__uu-zeegee.eml to', localUser],
  ['james-mime4j__uu-zeegee.eml text', embedded],
  ['james-mime4j__very-very-long-boundary.eml text', 'a boundary of 6,900 octets is a boundary'],
  ['mail-mime-parser__m0009.eml subject', raw8bit],
  ['mail-mime-parser__m0009.eml text', raw8bit],
  ['mail-parser__016.eml subject', replaced],
  ['mail-parser__024.eml subject', replaced],
  ['mail-parser__025.eml subject', replaced],
  ['mail-parser__051.eml subject', replaced],
  ['mail-parser__legacy_018.eml subject', replaced],
  ['mail-parser__malformed_016.eml text', 'a boundary longer than 70 characters counts in full'],
  ['mail-parser__rfc_004.eml from', localUser],
  ['mail-parser__rfc_004.eml to', localUser],
  ['mail-parser__rfc_004.eml text', innerHeader],
  ['mail__invalid_subject_characters.eml subject', raw8bit],
  ['mail__raw_email_with_binary_encoded.eml subject', 'of two subjects the first counts'],
  ['php-imap__pec.eml text', innerHeader],
]);

const least = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true };
const flat = (text: string | null | undefined): string => (text ?? '').replace(/\s+/g, ' ').trim();
const bare = (text: string): string => (/<([^<>]*)>\s*$/.exec(text)?.[1] ?? text).trim();
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function imagesOf(message: Message): string[] {
  return message.attachments.filter((one) => one.imageFormat !== undefined).map((one) => sha256(one.bytes));
}

function addressesOf(field: ParsedMail['to']): string {
  const lists = field === undefined ? [] : [field].flat();
  return lists
    .flatMap((list) => list.value)
    .flatMap((one) => one.group ?? [one])
    .map((one) => one.address)
    .join();
}

/** Fields in which the two readings differ; of the text only the beginning, since HTML is laid out differently. */
function differingFields(message: Message, other: ParsedMail): string[] {
  const fields: readonly (readonly [string, boolean])[] = [
    ['subject', flat(message.subject) === flat(other.subject)],
    ['from', message.from.map((one) => one.address).join() === addressesOf(other.from)],
    ['to', message.to.map((one) => one.address).join() === addressesOf(other.to)],
    ['cc', message.cc.map((one) => one.address).join() === addressesOf(other.cc)],
    ['messageId', (message.messageId ?? '') === (other.messageId ?? '').trim().replace(/^<|>$/g, '')],
    ['text', flat(message.text).includes(flat(other.text).slice(0, 60))],
  ];
  return fields.filter(([, equal]) => !equal).map(([name]) => name);
}

const mails = sharedFolder('eml/public');
const expectations = sharedFolder('captures/public-truth');

describe('decodeMessage beside other readers', {
  skip: mails === undefined || expectations === undefined,
}, () => {
  const files = mails === undefined ? [] : readdirSync(mails).sort();

  it('decodeMessage differs from mailparser only where it is named', async () => {
    const found = new Set<string>();
    for (const file of files) {
      const bytes = readFileSync(join(mails ?? '', file));
      const other = await simpleParser(bytes, least);
      for (const field of differingFields(decodeMessage(bytes), other)) found.add(`${file} ${field}`);
    }
    assert.deepEqual([...found].sort(), [...differences.keys()].sort());
  });

  it('decodeMessage finds every image that Python finds', () => {
    interface Expected {
      readonly file: string;
      readonly python_email?: {
        readonly images?: readonly { readonly kind: string; readonly sha256_16: string }[];
      };
    }
    const list: Expected[] = JSON.parse(readFileSync(join(expectations ?? '', '_eml-expect.json'), 'utf8'));
    const known = new Set(files);
    for (const { file, python_email } of list) {
      if (!known.has(file)) continue;
      const own = new Set(
        imagesOf(decodeMessage(readFileSync(join(mails ?? '', file)))).map((hash) => hash.slice(0, 16)),
      );
      // `declared`: Python could not decode what claims to be an image.
      for (const { kind, sha256_16 } of python_email?.images ?? []) {
        assert.ok(kind === 'declared' || own.has(sha256_16), `${file}: image ${sha256_16}`);
      }
    }
  });
});

interface Truth {
  readonly file: string;
  readonly subject: string | null;
  readonly message_id: string | null;
  readonly from: string | null;
  readonly to: readonly string[];
  readonly date: string | null;
  readonly text_contains: readonly string[];
  readonly images: readonly { readonly sha256: string }[];
}

const generated = sharedFolder('captures/lab/messages');

describe('decodeMessage beside the generator of the mails', { skip: generated === undefined }, () => {
  const truths: Truth[] =
    generated === undefined ? [] : JSON.parse(readFileSync(join(generated, 'truth.json'), 'utf8'));
  for (const truth of truths) {
    const path = join(generated ?? '', truth.file);
    // The largest mails are not kept on every machine.
    it(`decodeMessage reads ${truth.file}`, { skip: !existsSync(path) }, () => {
      const message = decodeMessage(readFileSync(path));
      const normal = (text: string | null | undefined): string => flat(text?.normalize('NFC'));
      assert.equal(normal(message.subject), normal(truth.subject));
      assert.equal(message.from[0]?.address ?? '', bare(truth.from ?? ''));
      assert.deepEqual(
        message.to.map((one) => one.address),
        truth.to.map(bare),
      );
      assert.equal(message.messageId ?? '', (truth.message_id ?? '').replace(/^<|>$/g, ''));
      assert.equal(
        message.date && Date.parse(message.date),
        truth.date === null ? undefined : Date.parse(truth.date),
      );
      for (const text of truth.text_contains) assert.ok(normal(message.text).includes(normal(text)), text);
      assert.deepEqual(imagesOf(message).sort(), truth.images.map((image) => image.sha256).sort());
      assert.equal(message.whole, true);
      assert.deepEqual(message.anomalies, []);
    });
  }
});
