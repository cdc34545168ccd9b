import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { messageLimits } from '../../src/core/limits.ts';
import { decodeMessage } from '../../src/message/decode-message.ts';
import type { Message } from '../../src/message/types.ts';
import { mail, octets, pictures, sharedFolder } from '../support/mail.ts';
import { mimeCases } from '../support/mime-cases.ts';

function assertWithinLimits(message: Message): void {
  assert.ok(message.text.length <= messageLimits.textLengthMax);
  assert.ok(message.attachments.length <= messageLimits.partsMax);
  for (const list of [message.from, message.to, message.cc, message.replyTo]) {
    assert.ok(list.length <= messageLimits.addressesMax);
  }
  assert.ok(!/[\x00-\x1f\x7f]/.test(message.subject ?? ''));
  assert.ok(message.priority >= 1 && message.priority <= 5);
  assert.ok(
    message.date === undefined || !Number.isNaN(Date.parse(message.date)) || message.date.includes(':60'),
  );
}

describe('decodeMessage withstands anything', () => {
  it('decodeMessage neither throws on random octets nor exceeds its limits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) =>
        assertWithinLimits(decodeMessage(Buffer.from(bytes))),
      ),
      { numRuns: 500 },
    );
  });

  it('decodeMessage neither throws on random pieces of mail nor exceeds its limits', () => {
    const piece = fc.constantFrom(
      '\r\n',
      '\n',
      '\r',
      ' ',
      '\t',
      '\0',
      'Content-Type: ',
      'multipart/mixed; boundary=',
      'b',
      '--b',
      '--b--',
      '\r\n\r\n',
      'message/rfc822',
      'text/html; charset=',
      'gb2312',
      'utf-7',
      'utf-16',
      'hz-gb-2312',
      'iso-2022-kr',
      '; name*0*=',
      "utf-8''%E4",
      '"',
      '=?gb2312?B?',
      '1tDO',
      '?=',
      '=?utf-8?Q?=E4',
      'From: ',
      'To: ',
      '<',
      '>',
      '(',
      ')',
      ',',
      ';',
      ':',
      '@',
      'Subject: ',
      'Date: ',
      '28 Jan 2022 10:20:20 +0800',
      'Received: from ',
      'Content-Transfer-Encoding: ',
      'base64',
      'quoted-printable',
      'x-uuencode',
      'begin 644 a\r\n',
      '#AAAA\r\n',
      'end\r\n',
      '=ybegin name=a\r\n',
      '=yend size=1\r\n',
      '<a href="',
      "'",
      '<!--',
      '-->',
      '<style>',
      '&#x',
      '&amp',
      '<pre>',
      '<td>',
      'data:image/png;base64,',
      'iVBORw0KGgo',
      'application/ms-tnef',
      'application/pkcs7-mime',
      '+ZeU-',
      '~{VPND~}',
      '\x1b$B',
      '\x0e',
      '\xd6\xd0',
      '\xe4\xb8\xad',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 120 }), (pieces) => {
        assertWithinLimits(decodeMessage(Buffer.from(pieces.join(''), 'latin1')));
      }),
      { numRuns: 1500 },
    );
  });

  it('decodeMessage neither throws on mails with octets changed, cut out or repeated, nor exceeds its limits', () => {
    const change = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      octet: fc.integer({ min: 0, max: 255 }),
      kind: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...mimeCases),
        fc.array(change, { minLength: 1, maxLength: 8 }),
        ({ bytes }, changes) => {
          let mutated = bytes;
          for (const { at, octet, kind } of changes) {
            const offset = Math.floor(at * mutated.length);
            const behind =
              kind === 0
                ? offset + 1
                : kind === 1
                  ? Math.min(mutated.length, offset + octet)
                  : Math.max(0, offset - octet);
            mutated = Buffer.concat([
              mutated.subarray(0, offset),
              kind === 1 ? Buffer.alloc(0) : Buffer.from([octet]),
              mutated.subarray(behind),
            ]);
          }
          assertWithinLimits(
            decodeMessage(mutated, { gaps: changes.map(({ at }) => Math.floor(at * mutated.length)) }),
          );
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('decodeMessage reads every beginning of every case', () => {
    for (const { bytes } of mimeCases) {
      for (let length = 0; length < bytes.length; length += 7)
        assertWithinLimits(decodeMessage(bytes.subarray(0, length)));
    }
  });

  const folder = sharedFolder('eml/public');
  it('decodeMessage reads every mail of the public collection', { skip: folder === undefined }, () => {
    for (const file of readdirSync(folder ?? '.'))
      assertWithinLimits(decodeMessage(readFileSync(join(folder ?? '.', file))));
  });
});

describe('decodeMessage keeps its limits', () => {
  const nested = (levels: number): Buffer => {
    const opened = Array.from(
      { length: levels },
      (_, level) => `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n`,
    );
    return octets(...opened, 'Content-Type: text/plain; charset=utf-8\n\n最里面\n');
  };
  const codes = (message: Message): string[] => message.anomalies.map(({ code }) => code);

  for (const [levels, text] of [
    [messageLimits.depthMax - 1, '最里面'],
    [messageLimits.depthMax, '最里面'],
    [messageLimits.depthMax + 1, ''],
    [3000, ''],
  ] as const) {
    it(`decodeMessage opens multiparts to depthMax: ${levels} levels`, () => {
      const message = decodeMessage(nested(levels));
      assert.equal(message.text, text);
      assert.equal(message.whole, text !== '');
      assert.deepEqual(codes(message), text === '' ? ['message.depth-limit'] : []);
    });
  }

  it('decodeMessage opens mails in mails to depthMax', () => {
    const message = decodeMessage(octets('Content-Type: message/rfc822\n\n'.repeat(3000), '\n最里面\n'));
    assert.deepEqual(codes(message), ['message.depth-limit']);
  });

  for (const parts of [messageLimits.partsMax - 1, messageLimits.partsMax, messageLimits.partsMax + 1]) {
    it(`decodeMessage reads parts to partsMax: ${parts} parts`, () => {
      const message = decodeMessage(
        octets(
          'Content-Type: multipart/mixed; boundary=b\n\n',
          '--b\nContent-Type: application/x\n\n甲\n'.repeat(parts),
          '--b--\n',
        ),
      );
      assert.equal(message.attachments.length, Math.min(parts, messageLimits.partsMax));
      assert.equal(message.whole, parts <= messageLimits.partsMax);
    });
  }

  for (const count of [
    messageLimits.addressesMax - 1,
    messageLimits.addressesMax,
    messageLimits.addressesMax + 1,
    100_000,
  ]) {
    it(`decodeMessage reads addresses to addressesMax: ${count} addresses`, () => {
      const message = decodeMessage(mail(`To: ${Array.from({ length: count }, () => 'a@b').join(',')}`, 'x'));
      assert.equal(message.to.length, Math.min(count, messageLimits.addressesMax));
      assert.equal(message.whole, count <= messageLimits.addressesMax);
    });
  }

  for (const count of [messageLimits.headerFieldsMax - 1, messageLimits.headerFieldsMax + 1]) {
    it(`decodeMessage reads header fields to headerFieldsMax: ${count} behind the first`, () => {
      const message = decodeMessage(octets('Subject: 会议\n', 'X-A: b\n'.repeat(count), '\n正文\n'));
      assert.equal(message.subject, '会议');
      assert.equal(message.text, '正文');
      assert.equal(message.whole, count < messageLimits.headerFieldsMax);
    });
  }

  it('decodeMessage cuts a header value at headerBytesMax and still finds the body', () => {
    const message = decodeMessage(
      octets(`Subject: ${'x'.repeat(5 * messageLimits.headerBytesMax)}\n\n正文\n`),
    );
    assert.ok((message.subject?.length ?? 0) < messageLimits.headerBytesMax);
    assert.equal(message.text, '正文');
    assert.deepEqual(codes(message), ['message.header-limit']);
  });

  for (const count of [
    messageLimits.parametersMax - 1,
    messageLimits.parametersMax,
    messageLimits.parametersMax + 1,
  ]) {
    it(`decodeMessage reads parameters to parametersMax: ${count} parameters`, () => {
      const parameters = Array.from({ length: count }, (_, index) => `; p${index}=v`).join('');
      const message = decodeMessage(mail(`Content-Type: text/plain${parameters}`, '正文'));
      assert.equal(message.text, '正文');
      assert.equal(message.whole, count <= messageLimits.parametersMax);
    });
  }

  for (const [letters, isWhole] of [
    [-1, true],
    [0, true],
    [1, false],
  ] as const) {
    it(`decodeMessage reads textBytesMax octets of text, ${letters} more, never half a character`, () => {
      const { textBytesMax } = messageLimits;
      const body = `${'a'.repeat(4 + letters)}${'😀'.repeat(textBytesMax / 4 - 1)}`;
      const message = decodeMessage(mail('Content-Type: text/plain; charset=utf-8', body));
      assert.equal(message.whole, isWhole);
      assert.equal(message.text, isWhole ? body : body.slice(0, -2));
    });
  }

  it('decodeMessage reads textBytesMax octets of a much longer text in quoted-printable, and the files in it', () => {
    const { textBytesMax } = messageLimits;
    const qp = 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable';
    const text = `\n${`${'=E4=B8=AD'.repeat(8)}=\n`.repeat((textBytesMax * 1.2) / 24)}`;
    const read = '中'.repeat(Math.floor(textBytesMax / 3));
    const long = decodeMessage(mail(qp, text));
    assert.deepEqual([long.whole, long.attachments.length], [false, 0]);
    assert.ok(long.text === read.slice(0, long.text.length) && long.text.length >= read.length - 1);
    const withFile = decodeMessage(mail(qp, `${text}\nbegin 644 x\n#0V%T\n\nend\n`));
    assert.ok(withFile.text === long.text);
    assert.deepEqual(
      withFile.attachments.map(({ name, bytes }) => [name, bytes.toString()]),
      [['x', 'Cat']],
    );
  });

  it('decodeMessage reads the text of HTML whose pictures are longer than any text', () => {
    const { textBytesMax } = messageLimits;
    const picture = `data:image/png;base64,${pictures.png.toString('base64').padEnd(textBytesMax, ' ')}`;
    const html = `<p>before</p><img src="${picture}"><p>behind</p>`;
    const message = decodeMessage(mail('Content-Type: text/html', html));
    assert.equal(message.text, 'before\n\nbehind');
    assert.deepEqual([message.whole, message.attachments.length], [true, 1]);
  });

  it('decodeMessage decodes mails in base64 in mails only as far as a mail of that size can hold', () => {
    let inner = octets('Content-Type: application/x\n\n', Buffer.alloc(1 << 18, 0x2b));
    for (let level = 0; level < 40; level++) {
      const encoded = inner.toString('latin1').replaceAll('=', '=3D');
      inner = octets(
        'Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n',
        Buffer.from(encoded, 'latin1'),
      );
    }
    assert.deepEqual(codes(decodeMessage(inner)), ['message.size-limit']);
  });
});

describe('decodeMessage takes time in proportion to the mail', () => {
  const html = 'Content-Type: text/html\n\n';
  const worst: readonly (readonly [string, Buffer])[] = [
    ['5 MB of line ends', octets('Subject: x\n\n', '\n'.repeat(2_500_000))],
    [
      '5 MB of boundary lines',
      octets('Content-Type: multipart/mixed; boundary=bb\n\n', '--bb\n'.repeat(830_000)),
    ],
    ['4 MB of <', octets(html, '<'.repeat(4_000_000))],
    ['4 MB of &', octets(html, '&'.repeat(4_000_000))],
    ['unclosed tags', octets(html, '<a b="'.repeat(600_000))],
    ['unclosed titles', octets(html, '<title>'.repeat(500_000))],
    ['unclosed comments', octets(html, '<!--'.repeat(900_000))],
    ['beginnings of data URIs', octets(html, '"data:image/png;base64,'.repeat(160_000))],
    ['beginnings of uuencoded files', octets('Subject: x\n\n', 'begin 644 a\n'.repeat(300_000))],
    ['encoded words', octets('Subject: ', '=?gb2312?B?1tDOxA==?= '.repeat(100_000), '\n\n')],
    ['beginnings of encoded words', octets('To: ', '=?a?q?'.repeat(160_000), '\n\n')],
    ['beginnings of encoded words apart', octets('Subject: ', '=?a?q? '.repeat(140_000), '\n\n')],
    [
      'encoded words that never end a group of base64',
      octets('Subject: =?utf-8?B?A?= ', '=?utf-8?B?AAAA?= '.repeat(60_000), '\n\n'),
    ],
    [
      'encoded words without a charset',
      octets('Subject: ', '=?x?q?=E4?= =?y?q?=F3?= '.repeat(43_000), '\n\n'),
    ],
    ['an encoded mailbox without an end', octets('To: =?utf-8?q?=3C', '=40'.repeat(340_000), '?=\n\n')],
    ['blanks behind an address', octets('To: a@b', ' '.repeat(1_000_000), 'c\n\n')],
    ['a message id without an end', octets('Message-ID: <', '@'.repeat(1_000_000), '\n\n')],
    ['tags that end in a value only', octets(html, "<a ='>'".repeat(500_000))],
    [
      'lines like those of 250 boundaries',
      octets(
        ...Array.from({ length: 250 }, (_, level) => {
          return `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n`;
        }),
        '\n',
        '--b999\n'.repeat(1_000_000),
      ),
    ],
    [
      'parts in quoted-printable before much other text',
      octets(
        'Content-Type: multipart/mixed; boundary=z\n\n',
        '--z\nContent-Transfer-Encoding: quoted-printable\n\nx\n'.repeat(9000),
        'x'.repeat(40_000_000),
      ),
    ],
    ['half encoded words', octets('To: ', '=?'.repeat(500_000), '\n\n')],
    ['colons behind an address', octets('To: ', '"a"'.repeat(150_000), 'b@c', ':'.repeat(500_000), '\n\n')],
    ['references without a name', octets(html, '&abcdefghijklmnopqrstuvwxyzabcdefgh'.repeat(110_000))],
    ['quotes and parentheses', octets('To: ', '"a" ('.repeat(200_000), '\n\n')],
    ['escaped quotes', octets('To: ', '"', '\\"'.repeat(400_000), '\n\n')],
    ['escaped parentheses', octets('To: ', '(\\)'.repeat(300_000), ')\n\n')],
    ['routes without an end', octets('To: ', '<@a,'.repeat(200_000), '\n\n')],
    ['blanks in parameters', octets('Content-Type: text/plain; a=', ' '.repeat(1_000_000), '\n\n')],
    [
      'multiparts whose boundary is wrong',
      octets(
        'Content-Type: multipart/mixed; boundary=z\n\n',
        '--z\nContent-Type: multipart/mixed; boundary=no\n\n--'.repeat(9000),
        'x'.repeat(1_000_000),
      ),
    ],
  ];
  it('decodeMessage survives many gaps in many parts', { timeout: 20_000 }, () => {
    const part = '--z\nContent-Transfer-Encoding: base64\n\nAAAA\nAAAA\n';
    const bytes = octets('Content-Type: multipart/mixed; boundary=z\n\n', part.repeat(9000));
    const gaps = Array.from({ length: bytes.length }, (_, offset) => offset);
    assertWithinLimits(decodeMessage(bytes, { gaps }));
  });

  for (const [name, bytes] of worst) {
    // Quadratic time would be minutes: the cap is far from both.
    it(`decodeMessage survives ${name}`, { timeout: 20_000 }, () => assertWithinLimits(decodeMessage(bytes)));
  }
});
