import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import type { CaptureFile } from '../../../src/capture/types.ts';
import { ZoneClock } from '../../../src/core/clock.ts';
import { gapOffsets, MailMaker } from '../../../src/pipeline/making/mail-maker.ts';
import { rawMessage } from '../../record/samples.ts';
import { octets } from '../../support/mail.ts';
import { inTemporaryFolder } from '../../support/run-mailproc.ts';

const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'teal' } })
  .jpeg()
  .toBuffer();

test('gapOffsets counts only the octets that were recovered', () => {
  assert.deepEqual(gapOffsets([]), []);
  const missing = [
    { offset: 10, length: 5 },
    { offset: 20, length: 7 },
    { offset: 40, length: undefined },
  ];
  // Recovered: 0–9, 15–19, 27–39.
  assert.deepEqual(gapOffsets(missing), [10, 15, 28]);
});

const series = (folder: string): CaptureFile[] =>
  ['one.pcapng', 'two.pcapng'].map((name) => ({
    path: join(folder, name),
    bytes: 1,
    modifiedMs: 0,
    day: '2022-01-28',
  }));

function makerIn(folder: string): MailMaker {
  const outputs = {
    day: '2022-01-28',
    imageFolder: join(folder, 'image'),
    attachmentFolder: join(folder, 'attachment'),
    messageFolder: join(folder, 'message'),
  };
  return new MailMaker(outputs, new ZoneClock('Asia/Shanghai'));
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.\w+$/.test(name) && !name.endsWith('.pcapng'))
    .sort();
}

const lines = jpeg.toString('base64').match(/.{1,76}/g) ?? [];
const bytes = octets(
  'Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n' +
    '--b\nContent-Type: application/pdf; name="../r\u00e9sum\u00e9.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n' +
    `--b\nContent-Type: image/jpeg; name=a.jpg\nContent-Transfer-Encoding: base64\n\n${lines.join('\n')}\n--b--\n`,
);

test('MailMaker writes image, attachment and mail once, however often the mail is seen', () =>
  inTemporaryFolder(async (folder) => {
    const made = await makerIn(folder).make(rawMessage(), bytes, series(folder));
    const first = filesIn(folder);
    assert.equal(first.length, 3);
    const { attachments, images, mail_key } = made.record.detail;
    assert.deepEqual(readFileSync(attachments[0]?.path ?? ''), Buffer.from('%PDF-'));
    assert.deepEqual(readFileSync(images[0]?.path ?? ''), jpeg);
    assert.deepEqual(readFileSync(join(folder, 'message/2022-01-28', `${mail_key}.eml`)), bytes);

    const again = await makerIn(folder).make(rawMessage(), bytes, series(folder));
    assert.deepEqual(filesIn(folder), first);
    assert.deepEqual([made.imagesWritten, again.imagesWritten, again.imagesFound], [1, 0, 1]);
    assert.deepEqual(again.record, made.record);
  }));

test('MailMaker decodes an image with a hole so that what follows the hole is right again', () =>
  inTemporaryFolder(async (folder) => {
    const start = bytes.indexOf(lines[1] ?? '');
    const hole = { offset: start + 10, length: 33 };
    const recovered = Buffer.concat([
      bytes.subarray(0, hole.offset),
      bytes.subarray(hole.offset + hole.length),
    ]);
    const raw = rawMessage({ complete: false, missing: [hole] });
    const { record } = await makerIn(folder).make(raw, recovered, series(folder));
    const image = readFileSync(record.detail.images[0]?.path ?? '');
    assert.deepEqual(image.subarray(0, 57), jpeg.subarray(0, 57), 'the line before the hole');
    assert.deepEqual(image.subarray(-100), jpeg.subarray(-100), 'the lines behind it');
    assert.equal(record.columns.parse_sign, 0);
    assert.match(filesIn(join(folder, 'message'))[0] ?? '', /\.partial-[0-9a-f]{8}\.eml$/);
  }));
