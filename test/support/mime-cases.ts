/**
 * Mails as they come, and what a person reads in them. One table for the tests and for the score in
 * `bench/message/score.ts`.
 */
import { base64Lines, chinese, hex, mail, octets, pictures } from './mail.ts';

export interface Expectation {
  readonly subject?: string;
  readonly from?: readonly (readonly [name: string, address: string])[];
  readonly to?: readonly (readonly [name: string, address: string])[];
  /** The whole text. */
  readonly text?: string;
  /** File names of the attachments, '' for none. */
  readonly names?: readonly string[];
  /** Octets of the attachments that are images. */
  readonly images?: readonly Buffer[];
  /** Octets of all attachments. */
  readonly files?: readonly Buffer[];
  readonly whole?: boolean;
}

export interface MimeCase {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: Expectation;
}

const { png, gif, jpeg } = pictures;
const mixed = (...parts: readonly (string | Buffer)[]): Buffer =>
  octets(
    'From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b1"\n\n',
    ...parts,
  );
const textPart = '--b1\nContent-Type: text/plain; charset=utf-8\n\n正文\n';
const pngPart = `--b1\nContent-Type: image/png; name="图.png"\nContent-Transfer-Encoding: base64\n\n${png.toString('base64')}\n`;
const subject = (...raw: readonly (string | Buffer)[]): Buffer => octets('Subject: ', ...raw, '\n\nx\n');
const plain = (type: string, body: Buffer | string, extra = ''): Buffer =>
  octets(`From: a@example.com\nContent-Type: ${type}\n${extra}\n`, body);
const attachment = (fields: string, body = png): Buffer =>
  mixed(
    textPart,
    `--b1\n${fields}\nContent-Transfer-Encoding: base64\n\n${body.toString('base64')}\n--b1--\n`,
  );
/** Signed data of CMS by hand: the inner mail as an octet string. */
const der = (tag: number, ...content: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  const length =
    body.length < 128
      ? Buffer.from([body.length])
      : Buffer.from([0x82, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
};
const innerMail = octets('Content-Type: text/plain; charset=utf-8\n\n签名的正文\n');
const algorithms = der(0x31, der(0x30, hex('0609 6086480165030402 01')));
const dataOid = hex('0609 2a864886f70d010701');
const signedOid = hex('0609 2a864886f70d010702');
const signedDer = der(
  0x30,
  signedOid,
  der(0xa0, der(0x30, hex('020101'), algorithms, der(0x30, dataOid, der(0xa0, der(0x04, innerMail))))),
);
const end = hex('0000');
const signedBer = Buffer.concat([
  hex('3080'),
  signedOid,
  hex('a080 3080'),
  hex('020101'),
  algorithms,
  hex('3080'),
  dataOid,
  hex('a080 2480'),
  der(0x04, innerMail.subarray(0, 20)),
  der(0x04, innerMail.subarray(20)),
  end,
  end,
  end,
  end,
  end,
  end,
]);
const pkcs7 = (type: string, body: Buffer): Buffer =>
  plain(
    `application/pkcs7-mime; smime-type=${type}; name=smime.p7m`,
    base64Lines(body),
    'Content-Transfer-Encoding: base64\n',
  );
const attribute = (level: number, id: number, data: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head[0] = level;
  head.writeUInt32LE(id, 1);
  head.writeUInt32LE(data.length, 5);
  return Buffer.concat([head, data, Buffer.alloc(2)]);
};
/** A winmail.dat with a GBK body, and a picture with a GBK name. */
const tnef = Buffer.concat([
  hex('789f3e22 0100'),
  attribute(1, 0x00069007, hex('a8030000 00000000')),
  attribute(1, 0x0002800c, Buffer.concat([chinese.gb2312, hex('00')])),
  attribute(2, 0x00069002, Buffer.alloc(14)),
  attribute(2, 0x00018010, Buffer.concat([chinese.gb2312, Buffer.from('.png\0')])),
  attribute(2, 0x0006800f, png),
]);
const uuencoded = (bytes: Buffer): string => {
  const lines: string[] = [];
  const character = (value: number): string => String.fromCharCode(value === 0 ? 0x60 : value + 0x20);
  for (let at = 0; at < bytes.length; at += 45) {
    const piece = bytes.subarray(at, at + 45);
    let line = character(piece.length);
    for (let group = 0; group < piece.length; group += 3) {
      const bits = ((piece[group] ?? 0) << 16) | ((piece[group + 1] ?? 0) << 8) | (piece[group + 2] ?? 0);
      for (const shift of [18, 12, 6, 0]) line += character((bits >> shift) & 63);
    }
    lines.push(line);
  }
  return `${lines.join('\n')}\n\`\nend\n`;
};
const yencoded = (bytes: Buffer): Buffer =>
  Buffer.concat(
    [...bytes].map((octet) => {
      const value = (octet + 42) & 0xff;
      return [0, 0x0a, 0x0d, 0x3d].includes(value)
        ? Buffer.from([0x3d, (value + 64) & 0xff])
        : Buffer.from([value]);
    }),
  );
const appleSingle = Buffer.concat([
  hex('00051600 00020000'),
  Buffer.alloc(16),
  hex('0001 00000001 00000026'),
  Buffer.alloc(0),
  hex('0000'.repeat(0)),
  (() => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(png.length);
    return length;
  })(),
  png,
]);

export const mimeCases: readonly MimeCase[] = [
  // Encoded words, RFC 2047.
  {
    name: 'UTF-8 words split inside a character, the first padded',
    bytes: subject('=?utf-8?B?5Lit5g==?= =?utf-8?B?lofkuro=?='),
    expected: { subject: '中文人' },
  },
  {
    name: 'GB 2312 words split inside a character',
    bytes: subject('=?gb2312?B?1tDO?=\n =?gb2312?B?xA==?='),
    expected: { subject: '中文' },
  },
  {
    name: 'words cut inside a base64 group',
    bytes: subject('=?utf-8?B?5Lit5?= =?utf-8?B?paH?='),
    expected: { subject: '中文' },
  },
  {
    name: 'a word folded inside its base64',
    bytes: subject('=?utf-8?B?5Lit\n 5paH?='),
    expected: { subject: '中文' },
  },
  {
    name: 'a Q word folded inside',
    bytes: subject('=?utf-8?Q?=E4=B8=AD\n =E6=96=87?='),
    expected: { subject: '中文' },
  },
  {
    name: 'ISO-2022-JP words decoded one by one',
    bytes: subject('=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?iso-2022-jp?B?GyRCOGwbKEI=?='),
    expected: { subject: '日本語' },
  },
  {
    name: 'a word with a language',
    bytes: subject('=?gb2312*zh-cn?B?1tDOxA==?='),
    expected: { subject: '中文' },
  },
  {
    name: 'GBK characters in words labelled gb2312',
    bytes: subject('=?gb2312?B?6UY=?='),
    expected: { subject: '镕' },
  },
  {
    name: 'four octets of GB18030 in words labelled gbk',
    bytes: subject(`=?gbk?B?${hex('95328236').toString('base64')}?=`),
    expected: { subject: '𠀀' },
  },
  {
    name: 'words in a charset nobody knows',
    bytes: subject('=?x-unknown?B?1tDOxA==?= =?gb2312?B?ueM=?='),
    expected: { subject: '中文广' },
  },
  {
    name: 'a Q word with a bare question mark',
    bytes: subject('=?utf-8?Q?Wie?=20geht=3F?='),
    expected: { subject: 'Wie? geht?' },
  },
  {
    name: 'a word cut off by the end of the field',
    bytes: subject('=?utf-8?B?5Lit5paH'),
    expected: { subject: '中文' },
  },
  {
    name: 'words without white space between them',
    bytes: subject('Re:=?utf-8?B?5Lit?==?utf-8?B?5paH?=!'),
    expected: { subject: 'Re:中文!' },
  },
  {
    name: 'no word at all',
    bytes: subject('=?abc?= a =?? =?utf-8?X?abc?='),
    expected: { subject: '=?abc?= a =?? =?utf-8?X?abc?=' },
  },
  { name: 'a UTF-7 word', bytes: subject('=?utf-7?Q?+Ti1lhw-?='), expected: { subject: '中文' } },
  { name: 'an HZ word', bytes: subject('=?hz-gb-2312?Q?~{VPND~}?='), expected: { subject: '中文' } },
  {
    name: 'control characters in a subject',
    bytes: subject('=?utf-8?B?5LitDQoJ5paH?='),
    expected: { subject: '中 文' },
  },
  // Raw 8-bit fields.
  {
    name: 'a raw GBK subject',
    bytes: subject(hex('b2eec2c3b7d1b1a8cffac1f7b3ccCBB5C3F7')),
    expected: { subject: '差旅费报销流程说明' },
  },
  { name: 'a raw UTF-8 subject', bytes: subject('会议通知'), expected: { subject: '会议通知' } },
  {
    name: 'raw GB 2312 that is also valid UTF-8, in a mail that says GB',
    bytes: octets('Subject: ', hex('cdbcc6ac'), '\nContent-Type: text/plain; charset=gbk\n\nx\n'),
    expected: { subject: '图片' },
  },
  {
    name: 'a raw Big5 subject in a mail that says Big5',
    bytes: octets('Subject: ', chinese.big5, '\nContent-Type: text/plain; charset=big5\n\nx\n'),
    expected: { subject: '中文測試' },
  },
  {
    name: 'a raw Latin-1 subject',
    bytes: subject(Buffer.from('Grüße aus München', 'latin1')),
    expected: { subject: 'Grüße aus München' },
  },
  {
    name: 'raw ISO-2022-JP without a word',
    bytes: subject('\x1b$BF|K\\\x1b(B'),
    expected: { subject: '日本' },
  },
  // Addresses.
  {
    name: 'an encoded word inside quotes',
    bytes: mail('From: "=?utf-8?B?5byg5Lyf?=" <z@example.com>'),
    expected: { from: [['张伟', 'z@example.com']] },
  },
  {
    name: 'a raw GBK name',
    bytes: octets(
      'From: ',
      hex('d5c5 ceb0'),
      ' <z@example.com>\nContent-Type: text/plain; charset=gb2312\n\n',
    ),
    expected: { from: [['张伟', 'z@example.com']] },
  },
  {
    name: 'groups, comments, routes and semicolons',
    bytes: mail(
      'To: 组: a@x.cn, "B, C" <b@x.cn>;\n undisclosed-recipients:;, <@relay.cn,@r2.cn:d@x.cn>; e@x.cn (王芳 (财务))',
    ),
    expected: {
      to: [
        ['', 'a@x.cn'],
        ['B, C', 'b@x.cn'],
        ['', 'd@x.cn'],
        ['王芳 (财务)', 'e@x.cn'],
      ],
    },
  },
  {
    name: 'brackets that are missing or never close',
    bytes: mail('To: 李娜 l@x.cn, <m@x.cn, 王芳'),
    expected: {
      to: [
        ['李娜', 'l@x.cn'],
        ['', 'm@x.cn'],
        ['王芳', ''],
      ],
    },
  },
  {
    name: 'an internationalised address',
    bytes: mail('From: 用户@例子.中国'),
    expected: { from: [['', '用户@例子.中国']] },
  },
  {
    name: 'a whole mailbox inside one word',
    bytes: mail(`From: =?utf-8?B?${Buffer.from('张伟 <z@x.cn>').toString('base64')}?=`),
    expected: { from: [['张伟', 'z@x.cn']] },
  },
  {
    name: 'a comma inside a Q word',
    bytes: mail('From: =?utf-8?Q?Zhang,_Wei?= <z@x.cn>'),
    expected: { from: [['Zhang, Wei', 'z@x.cn']] },
  },
  // Parameters, RFC 2231.
  {
    name: 'a file name in GBK by RFC 2231',
    bytes: attachment(
      "Content-Type: image/png\nContent-Disposition: attachment; filename*=gbk''%D6%D0%CE%C4.png",
    ),
    expected: { names: ['中文.png'], images: [png] },
  },
  {
    name: 'continuations split inside a character',
    bytes: attachment(
      'Content-Type: image/png\nContent-Disposition: attachment; filename*0*=utf-8\'\'%E4%B8;\n filename*1*=%AD%E6%96%87; filename*2=".png"',
    ),
    expected: { names: ['中文.png'] },
  },
  {
    name: 'RFC 2231 is not decoded a second time',
    bytes: attachment(
      "Content-Type: image/png\nContent-Disposition: attachment; filename*=utf-8''%3D%3Futf-8%3FQ%3Fa%3F%3D.png",
    ),
    expected: { names: ['=?utf-8?Q?a?=.png'] },
  },
  {
    name: 'an encoded word in a plain parameter',
    bytes: attachment('Content-Type: image/png; name="=?gb2312?B?1tDOxC5wbmc=?="'),
    expected: { names: ['中文.png'] },
  },
  {
    name: 'a raw GBK file name',
    bytes: mixed(
      '--b1\nContent-Type: text/plain; charset=gbk\n\n',
      chinese.gb2312,
      '\n--b1\nContent-Type: image/png; name="',
      chinese.gb2312,
      '.png"\nContent-Transfer-Encoding: base64\n\n',
      png.toString('base64'),
      '\n--b1--\n',
    ),
    expected: { names: ['中文测试.png'], text: '中文测试' },
  },
  {
    name: 'a name without quotes and one with a semicolon',
    bytes: mixed(
      textPart,
      '--b1\nContent-Type: application/x-a; name=a b.doc\n\n1\n--b1\nContent-Type: application/x-b; name="甲;乙.doc"; name=c\n\n2\n--b1--\n',
    ),
    expected: { names: ['a b.doc', '甲;乙.doc'] },
  },
  {
    name: 'the disposition counts before the type',
    bytes: attachment('Content-Type: image/png; name=a.png\nContent-Disposition: attachment; filename=b.png'),
    expected: { names: ['b.png'] },
  },
  // Charsets of bodies.
  {
    name: 'a GBK body',
    bytes: plain('text/plain; charset=GBK', chinese.gb2312),
    expected: { text: '中文测试' },
  },
  {
    name: 'a GB18030 body with four octets',
    bytes: plain('text/plain; charset=gb18030', hex('95328236 d6d0')),
    expected: { text: '𠀀中' },
  },
  {
    name: 'GBK under gb2312',
    bytes: plain('text/plain; charset=gb2312', hex('e946')),
    expected: { text: '镕' },
  },
  {
    name: 'a Big5 body',
    bytes: plain('text/plain; charset=big5', chinese.big5),
    expected: { text: '中文測試' },
  },
  {
    name: 'an ISO-2022-JP body',
    bytes: plain('text/plain; charset=iso-2022-jp', '\x1b$BF|K\\8l\x1b(B'),
    expected: { text: '日本語' },
  },
  {
    name: 'an ISO-2022-KR body',
    bytes: plain('text/plain; charset=iso-2022-kr', Buffer.from('\x1b$)C\r\n\x0eGQ1[\x0f!', 'latin1')),
    expected: { text: '한글!' },
  },
  {
    name: 'a KOI8-R body',
    bytes: plain('text/plain; charset=koi8-r', hex('f0d2c9d7c5d4')),
    expected: { text: 'Привет' },
  },
  {
    name: 'windows-1252 quotes',
    bytes: plain('text/plain; charset=windows-1252', hex('93 61 94')),
    expected: { text: '“a”' },
  },
  {
    name: 'a UTF-7 body',
    bytes: plain('text/plain; charset=utf-7', 'Hi +Ti1lhw-!'),
    expected: { text: 'Hi 中文!' },
  },
  {
    name: 'an HZ body',
    bytes: plain('text/plain; charset=hz-gb-2312', '~{VPND~} ~~ a'),
    expected: { text: '中文 ~ a' },
  },
  {
    name: 'UTF-16 without a mark',
    bytes: plain(
      'text/plain; charset=utf-16',
      Buffer.from('中文 abc\n', 'utf16le').toString('base64'),
      'Content-Transfer-Encoding: base64\n',
    ),
    expected: { text: '中文 abc' },
  },
  {
    name: 'a GBK body without a charset',
    bytes: plain('text/plain', chinese.gb2312),
    expected: { text: '中文测试' },
  },
  {
    name: 'a GBK body labelled UTF-8',
    bytes: plain('text/plain; charset=utf-8', chinese.gb2312),
    expected: { text: '中文测试' },
  },
  {
    name: 'a GBK body labelled us-ascii',
    bytes: plain('text/plain; charset=us-ascii', chinese.gb2312),
    expected: { text: '中文测试' },
  },
  {
    name: 'a UTF-8 body labelled gb2312',
    bytes: plain('text/plain; charset=gb2312', '会议通知，请各位参加'),
    expected: { text: '会议通知，请各位参加' },
  },
  {
    name: 'a charset with a blank, quotes and a typing mistake',
    bytes: plain("text/plain; charset='GB_2312-80'", chinese.gb2312),
    expected: { text: '中文测试' },
  },
  {
    name: 'a charset only in HTML',
    bytes: plain(
      'text/html',
      octets(
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=big5"></head><body>',
        chinese.big5,
        '</body></html>',
      ),
    ),
    expected: { text: '中文測試' },
  },
  // Transfer encodings.
  {
    name: 'an encoding with a comment',
    bytes: plain('text/plain; charset=utf-8', '5Lit5paH', 'Content-Transfer-Encoding: BASE64 (x)\n'),
    expected: { text: '中文' },
  },
  {
    name: 'quoted/printable',
    bytes: plain(
      'text/plain; charset=utf-8',
      '=E4=B8=AD=\n=E6=96=87 =3D =zz  \nx',
      'Content-Transfer-Encoding: quoted/printable\n',
    ),
    expected: { text: '中文 = =zz\nx' },
  },
  {
    name: 'base64 padded in the middle',
    bytes: plain(
      'text/plain; charset=utf-8',
      '5Lit\n5g==\nlofkuro=\n',
      'Content-Transfer-Encoding: base64\n',
    ),
    expected: { text: '中文人' },
  },
  {
    name: 'base64 with junk and without padding',
    bytes: plain(
      'text/plain; charset=utf-8',
      '5L!it5*p\naH5L q6\n5p2l5A\n',
      'Content-Transfer-Encoding: base64\n',
    ).subarray(0),
    expected: { text: '中文人来\ufffd' },
  },
  {
    name: 'a footer behind base64',
    bytes: plain(
      'text/plain; charset=utf-8',
      '5Lit5paH\n\n_______________\nMailing list, unsubscribe here\n',
      'Content-Transfer-Encoding: base64\n',
    ),
    expected: { text: '中文', whole: true },
  },
  {
    name: 'binary with NULs',
    bytes: mixed(
      textPart,
      '--b1\nContent-Type: application/octet-stream; name=a.bin\nContent-Transfer-Encoding: binary\n\n',
      hex('0001ff00800d0a00'),
      '\n--b1--\n',
    ),
    expected: { files: [hex('0001ff00800d0a00')] },
  },
  {
    name: 'x-uuencode as transfer encoding',
    bytes: mixed(
      textPart,
      `--b1\nContent-Type: image/gif; name=a.gif\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a.gif\n${uuencoded(gif)}--b1--\n`,
    ),
    expected: { images: [gif] },
  },
  // Structure.
  {
    name: 'no final boundary',
    bytes: mixed(textPart, pngPart),
    expected: { text: '正文', images: [png], whole: true },
  },
  {
    name: 'white space behind the boundary',
    bytes: mixed(textPart.replace('--b1', '--b1  '), pngPart.replace('--b1', '--b1\t'), '--b1--  \n'),
    expected: { text: '正文', images: [png], whole: true },
  },
  {
    name: 'an inner boundary that is never closed',
    bytes: mixed(
      '--b1\nContent-Type: multipart/alternative; boundary=b2\n\n--b2\nContent-Type: text/plain; charset=utf-8\n\n甲\n--b2\nContent-Type: text/html\n\n<p>乙</p>\n',
      pngPart,
      '--b1--\n',
    ),
    expected: { text: '甲', images: [png], whole: true },
  },
  {
    name: 'an inner boundary that begins with the outer one',
    bytes: mixed(
      '--b1\nContent-Type: multipart/mixed; boundary=b12\n\n--b12\n\n甲\n--b12--\n',
      pngPart,
      '--b1--\n',
    ),
    expected: { text: '甲', images: [png] },
  },
  {
    name: 'a multipart without a boundary parameter',
    bytes: octets('Content-Type: multipart/mixed\n\n', textPart, pngPart, '--b1--\n'),
    expected: { text: '正文', images: [png] },
  },
  {
    name: 'a boundary parameter that is wrong',
    bytes: octets('Content-Type: multipart/mixed; boundary=zzz\n\n', textPart, pngPart, '--b1--\n'),
    expected: { text: '正文', images: [png] },
  },
  {
    name: 'a multipart in base64',
    bytes: octets(
      'Content-Type: multipart/mixed; boundary=b1\nContent-Transfer-Encoding: base64\n\n',
      base64Lines(octets(textPart, pngPart, '--b1--\n')),
    ),
    expected: { text: '正文', images: [png] },
  },
  {
    name: 'a mail cut off inside a picture',
    bytes: mixed(textPart, pngPart.slice(0, -60)),
    expected: { text: '正文', whole: false },
  },
  {
    name: 'a mail cut off at a whole group of a picture',
    bytes: mixed(
      textPart,
      `--b1\nContent-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\n${base64Lines(jpeg).slice(0, 78 * 2)}`,
    ),
    expected: { text: '正文', whole: false },
  },
  {
    name: 'a mail cut off inside its header',
    bytes: octets('From: a@example.com\nSubject: 会议\nTo: b@exa').subarray(0, -1),
    expected: { subject: '会议', whole: false },
  },
  {
    name: 'a body without header',
    bytes: octets('这不是邮件头\n第二行\n'),
    expected: { text: '这不是邮件头\n第二行' },
  },
  {
    name: 'no empty line before the body',
    bytes: octets('Subject: 会议\nHello, this is text\nand more text\n'),
    expected: { subject: '会议', text: 'Hello, this is text\nand more text' },
  },
  {
    name: 'a broken header line',
    bytes: octets('From: a@x.cn\nthis line is broken\nSubject: 会议\n\n正文\n'),
    expected: { subject: '会议', text: '正文' },
  },
  {
    name: 'an mbox line first',
    bytes: octets('From a@x.cn Fri Jan 28 10:20:20 2022\nSubject: 会议\n\n正文\n'),
    expected: { subject: '会议', text: '正文' },
  },
  {
    name: 'bare LF',
    bytes: Buffer.from('Subject: 会议\n\n正文\n第二行\n'),
    expected: { subject: '会议', text: '正文\n第二行' },
  },
  {
    name: 'bare CR',
    bytes: Buffer.from('From: a@x.cn\rSubject: 会议\r\r正文\r第二行\r'),
    expected: { subject: '会议', text: '正文\n第二行' },
  },
  {
    name: 'plain text before HTML',
    bytes: octets(
      'Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<b>超文本</b>\n--b\nContent-Type: text/plain; charset=utf-8\n\n纯文本\n--b--\n',
    ),
    expected: { text: '纯文本', files: [] },
  },
  {
    name: 'empty plain text beside HTML',
    bytes: octets(
      'Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<b>超文本</b>\n--b--\n',
    ),
    expected: { text: '超文本' },
  },
  {
    name: 'several inline texts',
    bytes: mixed(textPart, textPart.replace('正文', '又一段'), '--b1--\n'),
    expected: { text: '正文\n\n又一段' },
  },
  {
    name: 'a digest',
    bytes: octets(
      'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: 1\n\n第一封\n--b\n\nSubject: 2\n\n第二封\n--b--\n',
    ),
    expected: { text: '第一封\n\n第二封', files: [] },
  },
  {
    name: 'a picture inside an attached mail',
    bytes: mixed(
      textPart,
      '--b1\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename=f.eml\n\nSubject: 内\nContent-Type: multipart/mixed; boundary=b2\n\n',
      pngPart.replace('--b1', '--b2'),
      '--b2--\n--b1--\n',
    ),
    expected: { text: '正文', images: [png] },
  },
  {
    name: 'an attached mail in base64',
    bytes: mixed(
      textPart,
      `--b1\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment\n\n${base64Lines(octets('Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n', png.toString('base64')))}\n--b1--\n`,
    ),
    expected: { text: '正文', images: [png] },
  },
  {
    name: 'format=flowed with DelSp',
    bytes: plain('text/plain; charset=utf-8; format=flowed; delsp=yes', '这是 \n一行\n> 引 \n> 用\n from\n'),
    expected: { text: '这是一行\n> 引用\nfrom' },
  },
  // Files inside.
  {
    name: 'uuencode in the text',
    bytes: plain('text/plain; charset=utf-8', octets(`见图\n\nbegin 644 图.gif\n${uuencoded(gif)}\n完\n`)),
    expected: { text: '见图\n\n\n完', names: ['图.gif'], images: [gif] },
  },
  {
    name: 'yEnc in the text',
    bytes: plain(
      'text/plain; charset=utf-8',
      octets(
        `见图\n=ybegin line=128 size=${gif.length} name=a.gif\n`,
        yencoded(gif),
        `\n=yend size=${gif.length}\n`,
      ),
    ),
    expected: { text: '见图', images: [gif], whole: true },
  },
  {
    name: 'a data URI',
    bytes: plain(
      'text/html; charset=utf-8',
      `<p>图<img src="data:image/png;base64,${png.toString('base64')}"></p>`,
    ),
    expected: { text: '图', images: [png] },
  },
  {
    name: 'a data URI folded and percent-encoded',
    bytes: plain(
      'text/html',
      `<img src='data:image/gif;base64,${encodeURIComponent(gif.toString('base64').slice(0, 20))}\n ${encodeURIComponent(gif.toString('base64').slice(20))}'>`,
    ),
    expected: { images: [gif] },
  },
  {
    name: 'an SVG data URI',
    bytes: plain(
      'text/html',
      `<div style="background:url('data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E')">x</div>`,
    ),
    expected: { images: [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')] },
  },
  {
    name: 'winmail.dat',
    bytes: plain(
      'application/ms-tnef; name=winmail.dat',
      base64Lines(tnef),
      'Content-Transfer-Encoding: base64\n',
    ),
    expected: { text: '中文测试', names: ['中文测试.png'], images: [png] },
  },
  {
    name: 'AppleSingle',
    bytes: mixed(
      textPart,
      `--b1\nContent-Type: application/applefile; name=a.png\nContent-Transfer-Encoding: base64\n\n${appleSingle.toString('base64')}\n--b1--\n`,
    ),
    expected: { images: [png] },
  },
  {
    name: 'a picture declared as something else',
    bytes: attachment('Content-Type: application/octet-stream; name=a'),
    expected: { images: [png] },
  },
  {
    name: 'signed data in DER',
    bytes: pkcs7('signed-data', signedDer),
    expected: { text: '签名的正文', whole: true },
  },
  {
    name: 'signed data in pieces of indefinite length',
    bytes: pkcs7('signed-data', signedBer),
    expected: { text: '签名的正文', whole: true },
  },
  // HTML as text.
  {
    name: 'HTML',
    bytes: plain(
      'text/html; charset=utf-8',
      '<html><head><title>题</title><style>p{}</style></head><body><!-- c --><p>甲 &amp; 乙&nbsp;&#20013;&#x6587;</p><div>a<br>b</div><table><tr><td>1</td><td>2</td></tr></table><script>x()</script><pre>p\n  q</pre><a href="http://x">链接</a></body></html>',
    ),
    expected: { text: '甲 & 乙 中文\n\na\nb\n\n1\t2\n\np\n  q\n\n链接' },
  },
  {
    name: 'HTML with `>` in an attribute and a lonely `<`',
    bytes: plain('text/html; charset=utf-8', '<img alt="a > b">甲 < 乙 & 丙'),
    expected: { text: '甲 < 乙 & 丙' },
  },
];
