import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordLimits } from '../../src/core/limits.ts';
import { heapOctets } from '../../src/dialogue/octets.ts';
import type { Attachment } from '../../src/message/types.ts';
import { messageFile } from '../../src/record/message-file.ts';
import { attachment, build, rawMessage } from './samples.ts';

const bytes = Buffer.from('content');
const wanted = { attachmentFolder: 'attachment' };

test('buildRecord writes no attachment where no folder is named for them', async () => {
  const { attachments, record } = await build({}, { attachments: [attachment({ bytes })] });
  assert.deepEqual(attachments, []);
  assert.equal(record.detail.attachments[0]?.path, null);
});

test('buildRecord writes each attachment that is no image, and each image to the image folder alone', async () => {
  const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
  const built = await build(
    {},
    {
      attachments: [
        attachment({ name: '报价单.XLSX', declaredType: 'application/octet-stream', bytes }),
        attachment({ name: 'a.gif', bytes: gif, imageFormat: 'gif' }),
        attachment({ name: 'false.png', bytes }),
        attachment({ name: undefined, declaredType: 'text/calendar', bytes }),
      ],
    },
    wanted,
  );
  const key = built.record.detail.mail_key.slice(0, 12);
  assert.deepEqual(
    built.attachments.map(({ path }) => path),
    [
      `two.pcapng/报价单-${key}-1-ed7002b4.xlsx`,
      `two.pcapng/false-${key}-2-ed7002b4.png`,
      `two.pcapng/attachment-${key}-3-ed7002b4.bin`,
    ],
  );
  assert.equal(built.images.length, 1);
  const paths = built.record.detail.attachments.map(({ path }) => path);
  assert.deepEqual(
    paths,
    built.attachments.map(({ path }) => `attachment/${path}`),
  );
});

test('buildRecord lists the attachments above the limit but does not write them', async () => {
  const { attachmentsMax } = recordLimits;
  const some = (count: number) => ({
    attachments: Array<Attachment>(count).fill(attachment({ bytes, name: 'a.txt' })),
  });
  const atLimit = await build({}, some(attachmentsMax), wanted);
  assert.equal(atLimit.attachments.length, attachmentsMax);
  assert.deepEqual(atLimit.anomalies, []);
  const above = await build({}, some(attachmentsMax + 1), wanted);
  assert.equal(above.attachments.length, attachmentsMax);
  assert.equal(above.record.detail.attachments.at(-1)?.path, null);
  assert.deepEqual(
    above.anomalies.map(({ code }) => code),
    ['record.attachment-limit'],
  );
});

test('buildRecord gives attachments safe names, whatever the sender calls them', async () => {
  const unit = fc.constantFrom(...'/\\.:-\0\u202e\uff0f ', '.exe', 'con', 'nul.', '猫', 'a', '.tar.gz');
  const name = fc.array(unit, { maxLength: 300 }).map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(name, async (given) => {
      const { attachments } = await build({}, { attachments: [attachment({ name: given, bytes })] }, wanted);
      const component = attachments[0]?.path.split('/')[1] ?? '';
      assert.equal(attachments[0]?.path, `two.pcapng/${component}`);
      assert.match(component, /-[0-9a-f]{12}-1-ed7002b4\.[a-z0-9]{1,10}$/);
      assert.ok(Buffer.byteLength(component) <= 143);
      assert.doesNotMatch(component, /^[.\- ]|[\0\\:\u202e]/);
      assert.doesNotMatch(component, /^(?:con|nul)(?:\.|$)/i);
    }),
  );
});

const whole = rawMessage();
const cases = [
  ['a whole mail', whole, /^2022-01-28\/[0-9a-f]{32}\.eml$/],
  [
    'a mail broken off',
    { ...whole, complete: false },
    /^2022-01-28\/[0-9a-f]{32}\.partial-[0-9a-f]{8}\.eml$/,
  ],
  [
    'a mail with a hole',
    { ...whole, missing: [{ offset: 1, length: 2 }] },
    /^2022-01-28\/[0-9a-f]{32}\.partial-[0-9a-f]{8}\.eml$/,
  ],
  [
    'a mail put together from sections',
    { ...whole, exact: false },
    /^2022-01-28\/[0-9a-f]{32}\.rebuilt-[0-9a-f]{8}\.eml$/,
  ],
] as const;

for (const [what, raw, path] of cases) {
  test(`messageFile names ${what} by its key, and says what it is`, async () => {
    const { record } = await build(raw);
    const file = messageFile(raw, record);
    assert.match(file.path, path);
    assert.equal(file.path.slice('2022-01-28/'.length).slice(0, 32), record.detail.mail_key);
    assert.deepEqual(file.bytes, raw.octets.read());
  });
}

test('messageFile gives one mail with other octets recovered another name', async () => {
  const paths: string[] = [];
  for (const text of ['Subject: a', 'Subject: b']) {
    const raw = rawMessage({ complete: false, octets: heapOctets(Buffer.from(text)) });
    paths.push(messageFile(raw, (await build(raw)).record).path);
  }
  assert.notEqual(paths[0], paths[1]);
  assert.equal(paths[0]?.slice(0, 43), paths[1]?.slice(0, 43));
});
