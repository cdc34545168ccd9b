/** The mails of a load: those of the fixtures, and made ones with images; each copy with a Message-ID of its own. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { planSeries } from '../../src/pipeline/series-plan.ts';
import { SeriesReader } from '../../src/pipeline/series-reader.ts';
import { projectRoot } from '../../test/support/project.ts';
import type { RandomNumbers } from './random.ts';

/** Header fields without Message-ID and Subject, and the body. */
interface MailBody {
  readonly header: string;
  readonly body: Buffer;
}

const words =
  'report order delivery invoice schedule minutes figures meeting warehouse agreement 会议 通知 采购 合同 报价 项目 进度 发票 培训 服务器 迁移 方案 客户 投诉 产品 规格';

/** Mails of some hundred octets of text. */
export function shortMails(random: RandomNumbers, textBytes: number): readonly MailBody[] {
  return Array.from({ length: 64 }, () => {
    const text = Buffer.from(textOf(random, textBytes));
    return { header: textHeader('8bit'), body: text };
  });
}

/** As a company has them: a third is text, most others carry images of ten to some hundred kilobytes. */
export function officeMails(random: RandomNumbers): readonly MailBody[] {
  return Array.from({ length: 120 }, (_, index) => {
    const text = textOf(random, 200 + random.below(3000));
    if (random.next() < 0.3) return { header: textHeader('base64'), body: lines(Buffer.from(text)) };
    const bytes = Math.min(4 << 20, Math.round(10_000 * 2 ** (random.next() * 5)));
    return withFiles(text, index, filesOf(random, bytes));
  });
}

interface MadeFile {
  readonly type: string;
  readonly name: string;
  readonly bytes: Buffer;
}

function filesOf(random: RandomNumbers, bytes: number): MadeFile[] {
  if (random.next() < 0.2)
    return [{ type: 'application/zip', name: 'data.zip', bytes: random.octets(bytes) }];
  const count = 1 + Math.floor(random.next() ** 2 * 3);
  return Array.from({ length: count }, (_, index) => {
    const name = `图片 ${index + 1}.png`;
    return { type: 'image/png', name, bytes: pngImage(random, bytes / count) };
  });
}

function withFiles(text: string, index: number, files: readonly MadeFile[]): MailBody {
  const boundary = `----=_NextPart_${String(index).padStart(9, '0')}_=----`;
  const parts = files.map(({ type, name, bytes }) => {
    const encoded = `=?utf-8?B?${Buffer.from(name).toString('base64')}?=`;
    const header = `Content-Type: ${type};\r\n\tname="${encoded}"\r\nContent-Transfer-Encoding: base64\r\n`;
    return Buffer.concat([
      Buffer.from(
        `--${boundary}\r\n${header}Content-Disposition: attachment;\r\n\tfilename="${encoded}"\r\n\r\n`,
      ),
      lines(bytes),
    ]);
  });
  const first = `--${boundary}\r\n${textHeader('base64')}\r\n`;
  const type = `Content-Type: multipart/mixed;\r\n\tboundary="${boundary}"\r\n`;
  return {
    header: `MIME-Version: 1.0\r\n${type}`,
    body: Buffer.concat([
      Buffer.from(first),
      lines(Buffer.from(text)),
      ...parts,
      Buffer.from(`--${boundary}--\r\n`),
    ]),
  };
}

function textHeader(encoding: string): string {
  return `Content-Type: text/plain;\r\n\tcharset="utf-8"\r\nContent-Transfer-Encoding: ${encoding}\r\n`;
}

function textOf(random: RandomNumbers, bytes: number): string {
  const list = words.split(' ');
  let text = '';
  let width = 0;
  for (let length = 0; length < bytes; ) {
    const word = list[random.below(list.length)] ?? '';
    width += word.length + 1;
    text += width > 70 ? `${word}\r\n` : `${word} `;
    if (width > 70) width = 0;
    length += Buffer.byteLength(word) + 1;
  }
  return `${text}\r\n`;
}

/** Base64 in lines of 76, RFC 2045 §6.8. */
function lines(bytes: Buffer): Buffer {
  return Buffer.from(`${bytes.toString('base64').replace(/.{76}(?=.)/g, '$&\r\n')}\r\n`, 'latin1');
}

/** Noise, which does not compress. */
function pngImage(random: RandomNumbers, bytes: number): Buffer {
  const width = Math.max(4, Math.floor(Math.sqrt(bytes / 3)));
  const rows = random.octets(width * (width * 3 + 1));
  for (let row = 0; row < width; row++) rows[row * (width * 3 + 1)] = 0;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(width, 4);
  header.set([8, 2], 8);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const data = deflateSync(rows, { level: 0 });
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
  bytes.writeUInt32BE(data.length, 0);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

/** What real programs wrote: all mails of the fixtures that are whole. */
export async function fixtureMails(): Promise<readonly MailBody[]> {
  const folder = join(projectRoot, 'fixtures');
  const mails = new Map<string, MailBody>();
  for (const name of readdirSync(folder).sort()) {
    const file = readdirSync(join(folder, name)).find((entry) => /^capture\.pcap/.test(entry));
    if (file === undefined) continue;
    for (const raw of await messagesOf(join(folder, name, file))) {
      const bytes = raw.octets.read();
      if (raw.complete && raw.exact && raw.missing.length === 0 && !hasBareEnds(bytes))
        mails.set(bytes.toString('latin1'), split(bytes));
    }
  }
  return [...mails.values()];
}

/** What may be sent by BDAT alone. */
function hasBareEnds(bytes: Buffer): boolean {
  return /(?:^|[^\r])\n|\r(?!\n)|\0/.test(bytes.toString('latin1'));
}

async function messagesOf(path: string): Promise<RawMessage[]> {
  const found: RawMessage[] = [];
  const file = { path, day: '2022-01-28', bytes: statSync(path).size, modifiedMs: 0 };
  const plan = planSeries([file], file.day, []);
  const options = { ports: wellKnownPorts, secrets: undefined, trace: false };
  const nothing = (): void => undefined;
  const receiver = {
    messages: async (messages: readonly RawMessage[]) => {
      found.push(...messages);
    },
    anomaly: nothing,
    tally: nothing,
    trace: nothing,
    conversation: nothing,
    progress: nothing,
  };
  await new SeriesReader(plan, options, receiver).read();
  return found;
}

function split(bytes: Buffer): MailBody {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return { header: '', body: bytes };
  const header = bytes.toString('latin1', 0, end + 2);
  const fields = header.match(/[^\r\n].*\r\n(?:[ \t].*\r\n)*/g) ?? [];
  const kept = fields.filter((field) => !/^(?:message-id|subject):/i.test(field));
  const body = bytes.subarray(end + 4);
  const isEnded = body.length === 0 || body.subarray(-2).toString('latin1') === '\r\n';
  return { header: kept.join(''), body: isEnded ? body : Buffer.concat([body, Buffer.from('\r\n')]) };
}

/** The mail of `number`: each has octets of its own. */
export function mailOf({ header, body }: MailBody, number: number): Buffer {
  const isComplete = /^from:/im.test(header);
  const own = isComplete
    ? ''
    : `From: =?utf-8?B?5byg5Lyf?= <zhang${number % 97}@example.cn>\r\nTo: li${number % 89}@example.cn\r\n` +
      'Date: Fri, 28 Jan 2022 09:00:00 +0800\r\nX-Mailer: Foxmail 7.2.17.58[cn]\r\n';
  const unique = `Message-ID: <${number}@example.cn>\r\nSubject: =?utf-8?B?5Lya6K6u?= ${number}\r\n`;
  return Buffer.concat([Buffer.from(`${own}${unique}${header}\r\n`, 'latin1'), body]);
}

export type { MailBody };
