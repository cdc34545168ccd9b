import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MailRecord } from '../../src/record/types.ts';
import { columnNames } from '../../src/record/types.ts';
import { detailJson, rowJson, toRow } from '../../src/store/row.ts';
import { sampleRecord } from './samples.ts';

const texts = ['', 'a', '"', '\\', 'a\nb', '\t', '会议', '\u{1f600}', '\u007f', '\u2028'];

function withText(text: string): MailRecord {
  const { protocol, columns, detail } = sampleRecord(1);
  const file = { sha256: text, bytes: 1, format: text, width: null, height: 2, name: text, path: null };
  return {
    protocol,
    columns: { ...columns, mail_subject: text, mail_content: text, host_name: null, x_mail: text },
    detail: {
      ...detail,
      method: text,
      envelope_to: [text, 'b'],
      cc: [text],
      missing: [[1, null]],
      images: [file],
      attachments: [file],
      anomalies: [{ code: 'a.b', detail: text }],
      mailbox: text,
    },
  };
}

for (const text of texts) {
  test(`rowJson is JSON of all columns in their order and of the whole detail: ${JSON.stringify(text)}`, () => {
    const mail = withText(text);
    const row = JSON.parse(rowJson(7, mail));
    assert.deepEqual(Object.keys(row), [...columnNames, 'detail']);
    assert.deepEqual(row, { ...toRow(7, mail), detail: mail.detail });
    assert.equal(detailJson(mail.detail), JSON.stringify(mail.detail));
  });
}

test('rowJson holds no U+0000 and no lone surrogate, in columns, detail and lists', () => {
  for (const text of ['\0', 'a\ud800', '\udc00\ud800']) {
    const json = rowJson(7, withText(text));
    assert.ok(json.isWellFormed());
    assert.doesNotMatch(json, /\\u0000|\\ud[89a-f]/i);
    const { detail } = JSON.parse(json);
    assert.equal(detail.cc[0], text.replaceAll('\0', '\ufffd').toWellFormed());
  }
});
