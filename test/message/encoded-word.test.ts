import assert from 'node:assert/strict';
import { it } from 'node:test';
import { charsetOfWords, decodeUnstructured } from '../../src/message/encoded-word.ts';

const context = { mailCharset: undefined, defaultCharset: 'gb18030' };

const rows: readonly (readonly [raw: string, text: string])[] = [
  ['no word', 'no word'],
  ['=?utf-8?Q?a=20b_c?=', 'a b c'],
  ['=?UTF-8?b?5Lit5paH?=', '中文'],
  ['=?utf-8*zh-CN?B?5Lit5paH?=', '中文'],
  ['x =?utf-8?B?5Lit?= y', 'x 中 y'],
  ['=?utf-8?B?5Lit?= =?utf-8?B?5paH?=', '中文'],
  ['=?utf-8?B?5Lit?=\r\n =?utf-8?B?5paH?=', '中文'],
  ['=?utf-8?B?5Lit?==?utf-8?B?5paH?=', '中文'],
  ['=?utf-8?B?5L?= =?utf-8?B?it?=', '中'],
  ['=?utf-8?Q?=E4=B8?= =?utf-8?Q?=AD?=', '中'],
  ['=?utf-8?B?5Lg=?= =?utf-8?B?rQ==?=', '中'],
  ['=?gb2312?B?1tA=?= =?utf-8?B?5paH?=', '中文'],
  ['=?utf-8?B?5Lit\r\n 5paH?=', '中文'],
  ['=?utf-8?Q?=e4=b8=ad?=', '中'],
  ['=?utf-8?Q?a?b?=', 'a?b'],
  ['=?utf-8?Q??=', ''],
  ['a =?utf-8?Q??= b', 'a  b'],
  ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?iso-2022-jp?B?GyRCOGwbKEI=?=', '日本語'],
  ['=?x-nonsense?B?5Lit5paH?=', '中文'],
  ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
  ['=?utf-8?B', '=?utf-8?B'],
  ['=?utf-8?B?5Lit5paH', '中文'],
  ['=?=?=?=?', '=?=?=?=?'],
  ['a\r\n b', 'a b'],
  ['\xd6\xd0\xce\xc4 =?gb2312?B?1tA=?=', '中文 中'],
];

for (const [raw, text] of rows) {
  it(`decodeUnstructured reads ${JSON.stringify(raw)}`, () => {
    assert.equal(decodeUnstructured(raw, context), text);
  });
}

it('charsetOfWords names the first charset that tells something', () => {
  assert.equal(charsetOfWords('=?utf-8?B?5Lit?= =?GBK?B?1tA=?='), 'gb18030');
  assert.equal(charsetOfWords('=?us-ascii?Q?a?='), undefined);
  assert.equal(charsetOfWords('=?big5'), undefined);
});
