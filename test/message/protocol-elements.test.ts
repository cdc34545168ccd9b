import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from '../../src/message/base64.ts';
import { decodeText } from '../../src/message/charset.ts';
import { guessCharset } from '../../src/message/charset-guess.ts';
import { canonicalCharset } from '../../src/message/charset-label.ts';
import { parseDate } from '../../src/message/date.ts';
import { unflow } from '../../src/message/flowed.ts';
import { decodeEntities } from '../../src/message/html-entity.ts';
import { namesWithoutSemicolon, readEntityNames } from '../../src/message/html-entity-names.ts';
import { htmlToText } from '../../src/message/html-text.ts';
import { imageFormatOf, namesImage } from '../../src/message/image-format.ts';
import { ParameterizedValue } from '../../src/message/parameter.ts';
import { decodeQuotedPrintable, quotedPrintablePieces } from '../../src/message/quoted-printable.ts';
import { receivedHost } from '../../src/message/received.ts';
import { decompressRtf, rtfToText } from '../../src/message/rtf.ts';
import { hex, pictures } from '../support/mail.ts';

const nothing = { mailCharset: undefined, defaultCharset: 'gb18030' };

function table<Value>(
  title: string,
  read: (value: string) => Value,
  rows: readonly (readonly [string, Value])[],
): void {
  describe(title, () => {
    for (const [value, expected] of rows) {
      it(`${title} reads ${JSON.stringify(value)}`, () => assert.deepEqual(read(value), expected));
    }
  });
}

it('parseDate reads what is written as the standard has it like the same with a comment behind it', () => {
  for (const day of ['28 Jan 2022', '1 Feb 1899', '31 Apr 2022', '29 Feb 2024', '01 Dec 9999']) {
    for (const clock of ['00:00:00', '23:59:60', '24:00:00', '09:61:00']) {
      for (const zone of ['+0800', '-0000', '+1400', '+1500', '-0330']) {
        const text = `Fri, ${day} ${clock} ${zone}`;
        assert.equal(parseDate(text), parseDate(`${text} (comment)`), text);
      }
    }
  }
});

table('parseDate', parseDate, [
  ['Fri, 28 Jan 2022 10:20:20 +0800', '2022-01-28T10:20:20+08:00'],
  ['28 Jan 22 10:20 EST', '2022-01-28T10:20:00-05:00'],
  ['Fri, 28 Jan 99 1:02:03 GMT', '1999-01-28T01:02:03+00:00'],
  ['Fri, 28 Jan 122 10:20:20 Z', '2022-01-28T10:20:20+00:00'],
  ['Fri, 28 Jan 2022 10:20:20 -0000', '2022-01-28T10:20:20+00:00'],
  ['Fri, 28 (twenty) Jan 2022 10:20:20 (noon) -0330 (x)', '2022-01-28T10:20:20-03:30'],
  ['Fri Jan 28 10:20:20 2022', '2022-01-28T10:20:20+00:00'],
  ['Fri Jan 28 10:20:20 CST 2022', '2022-01-28T10:20:20-06:00'],
  ['2022-01-28T10:20:20+08:00', '2022-01-28T10:20:20+08:00'],
  ['2022年1月28日 10:20:20 +0800', '2022-01-28T10:20:20+08:00'],
  ['星期五, 28 1月 2022 10:20:20 +0800', '2022-01-28T10:20:20+08:00'],
  ['Fri, 28-Jan-2022 10.20.20 PM +0800', '2022-01-28T22:20:20+08:00'],
  ['Fri, 31 Dec 2016 23:59:60 +0000', '2016-12-31T23:59:60+00:00'],
  ['Fri, 30 Feb 2022 10:20:20 +0800', undefined],
  ['Fri, 28 Jan 2022 25:00:00 +0800', undefined],
  ['yesterday', undefined],
  ['', undefined],
]);

table('receivedHost', (field) => receivedHost([field]), [
  ['from PC-17 (unknown [10.1.2.3]) by mx.cn', 'PC-17'],
  ['from mail.example.cn. by mx.cn', 'mail.example.cn'],
  ['from unknown (HELO zhang-pc) (1.2.3.4) by mx.cn', 'zhang-pc'],
  ['from [10.1.2.3] (helo=zhang-pc) by mx.cn with esmtp', 'zhang-pc'],
  ['from [10.1.2.3] by mx.cn', undefined],
  ['from 10.1.2.3 by mx.cn', undefined],
  ['from user$163.com ( [10.9.9.9] ) by ajax-webmail', undefined],
  ['from localhost.localdomain (localhost [127.0.0.1])', undefined],
  ['from unknown by mx.cn', undefined],
  ['by mx.cn with SMTP id 1', undefined],
  ['(qmail 1 invoked by uid 500); 28 Jan 2022', undefined],
]);

table('canonicalCharset', canonicalCharset, [
  ['gb2312', 'gb18030'],
  ['GB_2312-80', 'gb18030'],
  ['x-gbk', 'gb18030'],
  ['cp936', 'gb18030'],
  ['"GBK"', 'gb18030'],
  ['gb2312*zh', 'gb18030'],
  ['hz', 'hz-gb-2312'],
  ['ks_c_5601-1987', 'euc-kr'],
  ['ANSI', 'windows-1252'],
  ['cp1252', 'windows-1252'],
  ['iso8859-15', 'iso-8859-15'],
  ['cp-1251', 'windows-1251'],
  ['x-mac-roman', 'macintosh'],
  ['x-mac-cyrillic', 'x-mac-cyrillic'],
  ['unicode-1-1-utf-8', 'utf-8'],
  ['unicode-1-1-utf-7', 'utf-7'],
  ['cp850', 'ibm850'],
  // Python's name for its own codec, in every encoded word of a header in gb2312 or big5.
  ['eucgb2312_cn', 'gb18030'],
  ['big5_tw', 'big5'],
  ['s_jis', 'shift_jis'],
  ['euc_jis_2004', 'euc-jp'],
  ['tis620', 'windows-874'],
  ['us-ascii', 'us-ascii'],
  ['x-unknown', undefined],
  ['', undefined],
  ['x'.repeat(200), undefined],
]);

table('guessCharset', (digits) => guessCharset(hex(digits), nothing), [
  ['d6d0cec4b2e2cad4', 'gb18030'],
  ['e4b8ade69687', 'utf-8'],
  ['f0d2c9d7c5d42c20cbc1cb20c4c5ccc1', 'koi8-r'],
  ['cff0e8e2e5f22c20eae0ea20e4e5ebe0', 'windows-1251'],
  ['a4a4a4e5b4fab8d5a440a441', 'big5'],
  ['82b182f182c982bf82cd90a28a45', 'shift_jis'],
  ['a4b3a4f3a4cba4c1a4cf', 'euc-jp'],
  ['477269fc6e65', 'windows-1252'],
  ['4772f6df6520', 'windows-1252'],
  ['41d6d042', 'gb18030'],
  ['1b2442467c', 'iso-2022-jp'],
  ['1b2429430e', 'iso-2022-kr'],
]);

table('decodeText', (row) => decodeText(hex(row.split(' ')[1] ?? ''), row.split(' ')[0], nothing).text, [
  ['gbk 95328236', '𠀀'],
  ['hz-gb-2312 7e7b56504e447e7d7e7e', '中文~'],
  ['utf-7 48692b5469316c68772d21', 'Hi中文!'],
  ['windows-1252 80929f', '€’Ÿ'],
  ['cp437 8481e1', 'äüß'],
  ['cp850 d59b', 'ıø'],
  ['iso-8859-1 e4b8ade69687', '中文'],
  ['iso-8859-1 d6d0cec4b2e2cad4', '中文测试'],
  ['iso-8859-1 4772fc6e65', 'Grüne'],
  ['utf-16 4e2d6587000a', '中文\n'],
  ['utf-16le 2d4e8765', '中文'],
  ['utf-32 00004e2d', '中'],
  ['utf-8 efbbbfe4b8ad', '中'],
  ['utf-8 e4b8ade6', '中\ufffd'],
  ['euc-kr c7d1b1db', '한글'],
  ['shift_jis 93fa967b', '日本'],
]);

table('decodeBase64', (text) => decodeBase64(Buffer.from(text), 0, text.length).bytes.toString(), [
  ['', ''],
  ['QUJD', 'ABC'],
  ['QUI=', 'AB'],
  ['QUI', 'AB'],
  ['QQ', 'A'],
  ['QUJD\r\nREVG\r\n', 'ABCDEF'],
  ['QUJD\nREVG\nRw==\n', 'ABCDEFG'],
  ['QQ==QUI=QUJD', 'AABABC'],
  ['Q!U*J\0D', 'ABC'],
  ['QUJD\r\nQ', 'ABC'],
  ['QUJD\n--\nQUJD\n', 'ABCABC'],
  ['====', ''],
]);

describe('decodeBase64 agrees with the runtime on every line length', () => {
  for (const columns of [4, 5, 60, 64, 72, 73, 76, 77, 1000]) {
    it(`decodeBase64 reads lines of ${columns}`, () => {
      const data = Buffer.from(
        Array.from({ length: 100_001 }, (_, index) => (index * 131 + (index >> 7)) & 0xff),
      );
      for (const lineEnd of ['\n', '\r\n']) {
        const text = data.toString('base64').replace(new RegExp(`.{${columns}}`, 'g'), `$&${lineEnd}`);
        assert.deepEqual(decodeBase64(Buffer.from(`xx${text}yy`), 2, text.length + 2).bytes, data);
      }
    });
  }
});

table(
  'decodeQuotedPrintable',
  (text) => decodeQuotedPrintable(Buffer.from(text), 0, text.length).toString(),
  [
    ['=E4=B8=AD', '中'],
    ['=e4=b8=ad', '中'],
    ['a=\r\nb=\nc= \t\r\nd', 'abcd'],
    ['a  \r\nb\t\n', 'a\r\nb\n'],
    ['a =20\r\n', 'a  \r\n'],
    ['=', ''],
    ['a=3', 'a=3'],
    ['a=3D=', 'a='],
    ['=zz=E', '=zz=E'],
    ['no', 'no'],
  ],
);

it('quotedPrintablePieces gives what decodeQuotedPrintable gives, wherever the pieces end', () => {
  const parts = fc.constantFrom('=', '=3D', '=e4', '\r', '\n', '\r\n', ' ', '\t', 'a', '3', '=\r\n', '= \n');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), (texts, pieceBytes) => {
      const source = Buffer.from(`xx${texts.join('')}yy`);
      const end = source.length - 2;
      // As octets: a piece may end inside a character of UTF-8.
      const pieces = Array.from(quotedPrintablePieces(source, 2, end, pieceBytes), (piece) =>
        piece.toString('hex'),
      );
      assert.equal(pieces.join(''), decodeQuotedPrintable(source, 2, end).toString('hex'));
    }),
    { numRuns: 2000 },
  );
});

table('decodeEntities', decodeEntities, [
  ['&lt;&gt;&amp;&quot;&#39;', `<>&"'`],
  ['&nbsp&eacute;&Omega;&euro;&hellip;', '\u00a0éΩ€…'],
  ['&#x4E2D;&#25991;&#128512;', '中文😀'],
  ['&#150;&#0;&#xD800;&#x110000;', '–\ufffd\ufffd\ufffd'],
  ['&rightarrow;&NotEqualTilde;&CounterClockwiseContourIntegral;&fjlig;&Hat;', '→≂\u0338∳fj^'],
  ['&nbspText &notit; &notin; &ampamp; &copy=1 &hellip &sum', '\u00a0Text ¬it; ∉ &amp; ©=1 &hellip &sum'],
  ['&unknown; &; & &# &#x; a&b=c', '&unknown; &; & &# &#x; a&b=c'],
]);

it('readEntityNames has every name of the HTML standard', () => {
  const names = readEntityNames();
  assert.deepEqual([names.size, namesWithoutSemicolon.size], [2125, 106]);
  for (const name of namesWithoutSemicolon) assert.ok(names.has(name), name);
  assert.ok([...names].every(([name, text]) => /^[A-Za-z0-9]{2,31}$/.test(name) && [...text].length <= 2));
});

table('htmlToText', htmlToText, [
  ['a<br>b<br/>c', 'a\nb\nc'],
  ['<p>a</p><p>b</p>', 'a\n\nb'],
  ['<div>a</div><div><div>b</div></div>', 'a\nb'],
  ['  a \n b  ', 'a b'],
  ['<b>a</b> <i>b</i>', 'a b'],
  ['<ul><li>甲<li>乙</ul>', '- 甲\n- 乙'],
  ['<td>a</td><td>b</td>', 'a\tb'],
  ['<pre>a\n  b</pre>', 'a\n  b'],
  ['a<script>if (a < b) x("</p>")</script>b', 'ab'],
  ['<STYLE>x</STYLE >a', 'a'],
  ['<head><title>x</title>', ''],
  ['<head><title>x</title>a', 'a'],
  ['a<!-- <p> -->b<![if x]>c<!-- d', 'abc'],
  ['<a title="x>y">z</a>', 'z'],
  ['<a title=x"y>z', 'z'],
  ['1 < 2 <3 <<b>x', '1 < 2 <3 <x'],
  ['a<', 'a<'],
  ['a<b', 'a'],
]);

table('unflow', (text) => unflow(text, false), [
  ['a \nb\nc', 'a b\nc'],
  [' a\n >b', 'a\n>b'],
  ['>> a \n>> b\n> c', '>> a b\n> c'],
  ['a \n-- \nb', 'a \n-- \nb'],
  ['a', 'a'],
]);

describe('ParameterizedValue', () => {
  const rows: readonly (readonly [raw: string, name: string, expected: string | undefined])[] = [
    ['text/plain; charset=gbk', 'charset', 'gbk'],
    ['text/plain charset="gbk"', 'charset', 'gbk'],
    ['text/plain; charset="gbk" name=x', 'name', 'x'],
    ['text/plain; charset=gbk name=x', 'charset', 'gbk'],
    ['a/b; name="a\\"b\\\\c"', 'name', 'a"b\\c'],
    ['a/b; name="C:\\temp\\a.jpg"', 'name', 'C:\\temp\\a.jpg'],
    ['a/b; name="never closed; x=y', 'name', 'never closed'],
    ['a/b; (comment; c=d) e = f', 'e', 'f'],
    ['a/b; x=1; X=2', 'x', '1'],
    ["a/b; n*1*=%B8; n*0*=''a%E4", 'n', 'aä¸'],
    ['a/b', 'x', undefined],
  ];
  for (const [raw, name, expected] of rows) {
    it(`ParameterizedValue reads ${name} of ${raw}`, () =>
      assert.equal(new ParameterizedValue(raw).get(name), expected));
  }
});

describe('imageFormatOf', () => {
  const rows: readonly (readonly [string, Buffer])[] = [
    ['png', pictures.png],
    ['gif', pictures.gif],
    ['jpeg', pictures.jpeg],
    ['webp', Buffer.from('RIFF\x04\0\0\0WEBPVP8 ', 'latin1')],
    ['bmp', Buffer.concat([Buffer.from('BM'), Buffer.alloc(12), hex('28000000'), Buffer.alloc(36)])],
    ['tiff', hex('49492a0008000000')],
    ['tiff', hex('4d4d002a00000008')],
    ['heic', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
    ['avif', Buffer.from('\0\0\0\x1cftypmif1\0\0\0\0mif1avif', 'latin1')],
    ['ico', Buffer.concat([hex('000001000100 1010 0000 0100 2000 04000000 16000000'), Buffer.alloc(4)])],
    ['svg', Buffer.from('\ufeff<?xml version="1.0"?>\n<!-- > -->\n<!DOCTYPE svg [<!ENTITY a "b">]>\n<svg/>')],
  ];
  for (const [format, bytes] of rows) {
    it(`imageFormatOf tells ${format}`, () => assert.equal(imageFormatOf(bytes), format));
    it(`imageFormatOf bears every beginning of ${format}`, () => {
      for (let length = 0; length < bytes.length; length++) imageFormatOf(bytes.subarray(0, length));
    });
  }
  it('imageFormatOf takes text for text', () => {
    for (const text of [
      'BMW sells cars, says the letter',
      'IIII',
      'GIF',
      'RIFFxxxxWAVE',
      '<html><svg/></html>',
      'MM',
      '',
    ]) {
      assert.equal(imageFormatOf(Buffer.from(text)), undefined);
    }
  });
  it('namesImage looks at the ending alone', () => {
    assert.deepEqual(['a.JPG', '图.heic', 'a.png.exe', 'jpg', ''].map(namesImage), [
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('rtfToText', () => {
  const decode = (bytes: Buffer, codePage: string | undefined): string =>
    decodeText(bytes, codePage, nothing).text;

  it('rtfToText reads text, Unicode and code page octets', () => {
    const rtf = Buffer.from(
      "{\\rtf1\\ansi\\ansicpg936{\\fonttbl{\\f0 Arial;}}\\uc1 a\\'d6\\'d0\\u25991?\\par b\\{\\~c{\\*\\x hidden}}",
    );
    assert.equal(rtfToText(rtf, decode), 'a中文\nb{\u00a0c');
  });

  it('rtfToText reads the HTML that is wrapped in RTF', () => {
    const rtf = Buffer.from(
      '{\\rtf1\\ansi\\fromhtml1{\\*\\htmltag <p>}\\htmlrtf {\\htmlrtf0 a{\\*\\htmltag </p>}\\htmlrtf \\par}\\htmlrtf0 {\\*\\htmltag <p>}b}',
    );
    assert.equal(rtfToText(rtf, decode), 'a\n\nb');
  });

  it('decompressRtf reads the example of MS-OXRTFCP §4.1.1', () => {
    const compressed = hex(
      '2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0',
    );
    assert.equal(
      decompressRtf(compressed, () => true)?.toString('latin1'),
      '{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n',
    );
  });

  it('decompressRtf refuses sizes that the data cannot have', () => {
    const lie = hex('ff00000000ffffff4c5a467500000000 00');
    assert.equal(
      decompressRtf(lie, () => true),
      undefined,
    );
  });
});
