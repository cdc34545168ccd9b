import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeMessage } from '../../src/message/decode-message.ts';
import type { Message } from '../../src/message/types.ts';
import { mail, octets, pictures } from '../support/mail.ts';
import { type Expectation, mimeCases } from '../support/mime-cases.ts';

function seen(message: Message, expected: Expectation): Expectation {
  const { attachments } = message;
  const pairs = (list: Message['to']): [string, string][] => list.map(({ name, address }) => [name, address]);
  const all: Required<Expectation> = {
    subject: message.subject ?? '',
    from: pairs(message.from),
    to: pairs(message.to),
    text: message.text,
    names: attachments.map(({ name }) => name ?? ''),
    images: attachments.filter(({ imageFormat }) => imageFormat !== undefined).map(({ bytes }) => bytes),
    files: attachments.map(({ bytes }) => bytes),
    whole: message.whole,
  };
  return Object.fromEntries(Object.entries(all).filter(([key]) => key in expected));
}

describe('decodeMessage reads as a person would', () => {
  for (const { name, bytes, expected } of mimeCases) {
    it(`decodeMessage reads ${name}`, () => {
      assert.deepEqual(seen(decodeMessage(bytes), expected), expected);
    });
  }
});

describe('decodeMessage reads the fields of the record', () => {
  const message = decodeMessage(
    mail(
      [
        'Received: from relay.example.cn (relay [10.0.0.1]) by mx.example.cn; Fri, 28 Jan 2022 10:20:21 +0800',
        'Received: from PC-17 (unknown [10.1.2.3]) by relay.example.cn; Fri, 28 Jan 2022 10:20:20 +0800',
        'Received: from user$163.com ( [10.9.9.9] ) by ajax-webmail; Fri, 28 Jan 2022 10:20:19 +0800',
        'From: "张伟" <z@example.cn>',
        'Reply-To: r@example.cn',
        'Cc: c@example.cn',
        'Date: Fri, 28 Jan 2022 10:20:20 +0800 (CST)',
        'Message-ID:\n <20220128102020.1@example.cn>',
        'X-Priority: 1 (Highest)',
        'X-Mailer: Foxmail 7.2.17.58[cn]',
      ].join('\n'),
      'x',
    ),
  );

  it('decodeMessage skips names that are no host, bottom field first', () => {
    assert.equal(message.receivedHost, 'PC-17');
  });

  it('decodeMessage keeps the offset of the date', () => {
    assert.equal(message.date, '2022-01-28T10:20:20+08:00');
  });

  it('decodeMessage takes the brackets off the message id', () => {
    assert.equal(message.messageId, '20220128102020.1@example.cn');
  });

  it('decodeMessage reads priority, mailer and the other address fields', () => {
    assert.equal(message.priority, 1);
    assert.equal(message.mailer, 'Foxmail 7.2.17.58[cn]');
    assert.deepEqual(message.replyTo, [{ name: '', address: 'r@example.cn' }]);
    assert.deepEqual(message.cc, [{ name: '', address: 'c@example.cn' }]);
  });

  const priorities: readonly (readonly [string, number])[] = [
    ['X-Priority: 5', 5],
    ['X-Priority: High', 3],
    ['X-MSMail-Priority: High', 1],
    ['Importance: low', 5],
    ['Priority: urgent', 1],
    ['Priority: non-urgent', 5],
    ['X-Priority: 2\nImportance: low', 2],
    ['Subject: x', 3],
  ];
  for (const [header, priority] of priorities) {
    it(`decodeMessage reads ${JSON.stringify(header)} as priority ${priority}`, () => {
      assert.equal(decodeMessage(mail(header, 'x')).priority, priority);
    });
  }
});

describe('decodeMessage notes what cannot be had', () => {
  it('decodeMessage names enveloped S/MIME data', () => {
    const enveloped = Buffer.from('300f06092a864886f70d010703a0023000', 'hex');
    const message = decodeMessage(
      mail(
        'Content-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: base64',
        enveloped.toString('base64'),
      ),
    );
    assert.equal(message.encrypted, 'smime');
    assert.equal(message.attachments.length, 1);
  });

  it('decodeMessage names PGP, in MIME and inline', () => {
    const mime = octets(
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n--b--\n',
    );
    assert.equal(decodeMessage(mime).encrypted, 'pgp');
    assert.equal(decodeMessage(mail('Subject: x', '-----BEGIN PGP MESSAGE-----\nabc\n')).encrypted, 'pgp');
    assert.equal(decodeMessage(mail('Subject: x', 'BEGIN PGP MESSAGE')).encrypted, undefined);
  });

  it('decodeMessage counts what claims to be an image and is none', () => {
    const message = decodeMessage(
      octets(
        'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/jpeg\n\nno image\n--b\nContent-Type: application/x; name=a.PNG\n\nnone\n--b\nContent-Type: image/png; name=real.png\nContent-Transfer-Encoding: base64\n\n',
        pictures.png.toString('base64'),
        '\n--b--\n',
      ),
    );
    assert.equal(message.falseImages, 2);
    assert.deepEqual(
      message.attachments.map(({ imageFormat }) => imageFormat),
      [undefined, undefined, 'png'],
    );
  });

  it('decodeMessage counts no picture of another format as a false one', () => {
    const emf = Buffer.concat([Buffer.from('01000000', 'hex'), Buffer.alloc(36), Buffer.from(' EMF')]);
    const pictureFiles = [
      emf,
      Buffer.from('8BPS\0\x01'),
      Buffer.from('%PDF-1.4'),
      Buffer.from('d7cdc69a', 'hex'),
    ];
    for (const file of pictureFiles) {
      const message = decodeMessage(
        mail(
          'Content-Type: image/x-something; name=a.png\nContent-Transfer-Encoding: base64',
          file.toString('base64'),
        ),
      );
      assert.deepEqual([message.falseImages, message.attachments.length], [0, 1]);
      assert.equal(message.attachments[0]?.imageFormat, undefined);
    }
  });

  it('decodeMessage says that one piece of a message/partial is not the mail', () => {
    const piece = (parameters: string) =>
      decodeMessage(mail(`Content-Type: message/partial; id=a; ${parameters}`, 'Subject: inner\n\ntext\n'));
    assert.equal(piece('number=1; total=2').whole, false);
    assert.equal(piece('number=2').whole, false);
    assert.equal(piece('number=1; total=1').whole, true);
    assert.match(piece('number=1; total=2').text, /text/);
  });

  it('decodeMessage lists a mail attached as a file and what is in it, and shows one that is not', () => {
    const inner = (text: string, deeper = '') =>
      `Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\n${text}\n--i\nContent-Type: application/x; name=f.x\n\nfile\n${deeper}--i--\n`;
    const part = (disposition: string, content: string) =>
      `Content-Type: message/rfc822\n${disposition}\n${content}`;
    const attached = 'Content-Disposition: attachment; filename=m.eml\n';
    const outer = (content: string) =>
      decodeMessage(
        octets(`Content-Type: multipart/mixed; boundary=o\n\n--o\n\nouter\n--o\n${content}--o--\n`),
      );
    const names = (message: Message) => message.attachments.map(({ name }) => name);
    const listed = outer(part(attached, inner('hidden')));
    assert.deepEqual([listed.text, names(listed)], ['outer', ['m.eml', 'f.x']]);
    assert.match(String(listed.attachments[0]?.bytes), /^Subject: inner\r\n/);
    const shown = outer(part('', inner('shown')));
    assert.deepEqual([shown.text, names(shown)], ['outer\n\nshown', ['f.x']]);
    const twice = `--i\n${part(attached, inner('deep').replaceAll('--i', '--j').replace('=i', '=j'))}`;
    assert.deepEqual(names(outer(part(attached, inner('hidden', twice)))), ['m.eml', 'f.x', 'f.x']);
  });

  it('decodeMessage keeps lines in step behind octets that are missing', () => {
    const encoded = pictures.jpeg.toString('base64').replace(/.{76}/g, '$&\r\n');
    const header = 'Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n';
    const gap = header.length + 78 + 30;
    const bytes = Buffer.from(header + encoded.slice(0, 78 + 30) + encoded.slice(78 + 41), 'latin1');
    const message = decodeMessage(bytes, { gaps: [gap] });
    assert.equal(message.whole, false);
    const [found] = message.attachments;
    assert.equal(found?.imageFormat, 'jpeg');
    // 57 octets of the first line, 22 of the second up to the gap, then every line behind it.
    const restored = Buffer.concat([pictures.jpeg.subarray(0, 57 + 22), pictures.jpeg.subarray(2 * 57)]);
    assert.deepEqual(found?.bytes, restored);
  });

  it('decodeMessage asks the configured charset where nothing else tells', () => {
    const bytes = octets('Subject: ', Buffer.from('cff0e8e2e5f2', 'hex'), '\n\n');
    assert.equal(decodeMessage(bytes, { defaultCharset: 'windows-1251' }).subject, 'Привет');
  });
});
