/**
 * Speed beside mailparser and postal-mime, measured in turns in one process so that all meet the same machine.
 * Prints the median of each and its ratio to ours, by processor time; absolute figures belong to the machine.
 */
import { simpleParser } from 'mailparser';
import PostalMime from 'postal-mime';
import { decodeMessage } from '../../src/message/decode-message.ts';

const rounds = Number(process.argv[2] ?? 7);
/** The options under which mailparser does least, so that the ratio is not flattered. */
const least = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true };

const header = (type: string, encoding: string): string =>
  'Received: from PC-17 (unknown [10.1.2.3]) by mx.example.cn; Fri, 28 Jan 2022 10:20:20 +0800\r\n' +
  'From: "=?gb2312?B?1cXOsA==?=" <zhang.wei@example.cn>\r\nTo: li.na@example.cn, "Wang Fang" <wang.fang@example.cn>\r\n' +
  'Subject: =?gb2312?B?yP3Uwrfdssm5urrPzay8sLGovNu1pQ==?=\r\nDate: Fri, 28 Jan 2022 10:20:20 +0800\r\n' +
  'Message-ID: <2022012810202000000001@example.cn>\r\nX-Priority: 3\r\nX-Mailer: Foxmail 7.2.17.58[cn]\r\nMIME-Version: 1.0\r\n' +
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;

const sets: readonly { readonly name: string; readonly mails: readonly Buffer[]; readonly repeat: number }[] =
  [
    { name: 'small (2 KB text)', mails: [small()], repeat: 2000 },
    { name: 'html (44 KB)', mails: [html()], repeat: 60 },
    { name: 'cjk (4 KB, five charsets)', mails: cjk(), repeat: 200 },
    { name: 'attachment (1 to 4 MB)', mails: [attachment(1 << 20), attachment(4 << 20)], repeat: 20 },
  ];

interface Parser {
  readonly name: string;
  readonly parse: (mail: Buffer) => unknown;
}

const ours: Parser = { name: 'mailproc', parse: (mail) => decodeMessage(mail) };
const others: readonly Parser[] = [
  { name: 'mailparser 3.9.31', parse: (mail) => simpleParser(mail, least) },
  { name: 'postal-mime 4.0.0', parse: (mail) => PostalMime.parse(mail) },
];

console.log(`| mails | mailproc MB/s |${others.map(({ name }) => ` ${name} MB/s | ratio |`).join('')}`);
console.log(`|---|---|${others.map(() => '---|---|').join('')}`);
for (const { name, mails, repeat } of sets) {
  const times = new Map([ours, ...others].map((parser) => [parser, [] as number[]]));
  for (let round = 0; round < rounds + 2; round++) {
    for (const [parser, list] of times) {
      const elapsed = await milliseconds(repeat, mails, parser.parse);
      // The first two rounds warm all of them up.
      if (round >= 2) list.push(elapsed);
    }
  }
  const megabytes = (mails.reduce((sum, mail) => sum + mail.length, 0) * repeat) / 1e6;
  const own = times.get(ours) ?? [];
  const speed = (list: readonly number[]): string => ((megabytes / median(list)) * 1000).toFixed(0);
  const cells = others.map((parser) => {
    const list = times.get(parser) ?? [];
    const ratio = median(list.map((elapsed, round) => elapsed / (own[round] ?? elapsed)));
    return ` ${speed(list)} | ${ratio.toFixed(1)} |`;
  });
  console.log(`| ${name} | ${speed(own)} |${cells.join('')}`);
}

async function milliseconds(
  repeat: number,
  mails: readonly Buffer[],
  parse: (mail: Buffer) => unknown,
): Promise<number> {
  const start = process.cpuUsage();
  for (let count = 0; count < repeat; count++) {
    for (const mail of mails) {
      const result = parse(mail);
      if (result instanceof Promise) await result;
    }
  }
  // Time of the processor, not of the clock: others on the machine take turns with us.
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function small(): Buffer {
  const line = 'Please find below the figures of this week, as discussed in the meeting.\r\n';
  return Buffer.from(header('text/plain; charset=utf-8', '7bit') + line.repeat(20));
}

function html(): Buffer {
  const row =
    '<tr><td style=3D"padding:0 4px;font-family:=E5=AE=8B=E4=BD=93">=E4=B8=89=E6=\r\n=9C=88&nbsp;</td><td>1 &amp; 2</td></tr>\r\n';
  const plain =
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4=B8=89=E6=9C=88\r\n';
  const rich = `Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<html><body><table>\r\n${row.repeat(360)}</table></body></html>\r\n`;
  return Buffer.from(
    `${header('multipart/alternative; boundary="b1"', '7bit')}--b1\r\n${plain}--b1\r\n${rich}--b1--\r\n`,
  );
}

function cjk(): Buffer[] {
  const octets: readonly (readonly [string, string])[] = [
    ['gbk', 'd6d0cec4b2e2cad4'],
    ['gb18030', 'd6d0cec495328236'],
    ['gb2312', 'd6d0cec4b2e2cad4'],
    ['big5', 'a4a4a4e5b4fab8d5'],
    ['iso-2022-jp', '1b2442467c4b5c386c1b2842'],
  ];
  return octets.map(([charset, hex]) => {
    const line = Buffer.concat([
      ...Array.from({ length: 7 }, () => Buffer.from(hex, 'hex')),
      Buffer.from('\r\n'),
    ]);
    const body = Buffer.concat(Array.from({ length: 60 }, () => line));
    return Buffer.concat([Buffer.from(header(`text/plain; charset=${charset}`, '8bit')), body]);
  });
}

function attachment(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * 7919 + (index >> 8) * 31) & 0xff;
  bytes.write('\xff\xd8\xff\xe0', 'latin1');
  const text = '--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsee the picture\r\n';
  const part = '--b1\r\nContent-Type: image/jpeg; name="a.jpg"\r\nContent-Transfer-Encoding: base64\r\n\r\n';
  const data = bytes.toString('base64').replace(/.{76}/g, '$&\r\n');
  return Buffer.from(
    `${header('multipart/mixed; boundary="b1"', '7bit')}${text}${part}${data}\r\n--b1--\r\n`,
    'latin1',
  );
}
