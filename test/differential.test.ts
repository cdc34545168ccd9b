/**
 * Every mail of the fixtures read by mailparser too, and a pcap file by pcap-parser. What differs is named
 * here with its reason; a difference that vanishes fails as well.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ParsedMail, simpleParser } from 'mailparser';
import pcapParser, { type PcapParserPacket } from 'pcap-parser';
import { findCaptures } from '../src/capture/find-captures.ts';
import { wellKnownPorts } from '../src/dialogue/ports.ts';
import type { RawMessage } from '../src/dialogue/types.ts';
import { decodeMessage } from '../src/message/decode-message.ts';
import type { Message } from '../src/message/types.ts';
import { planSeries } from '../src/pipeline/series-plan.ts';
import { SeriesReader } from '../src/pipeline/series-reader.ts';
import { fixtureNames, fixturesFolder } from './support/fixture.ts';
import { recordCapture } from './support/recorded-capture.ts';

const pictureInText = 'mailparser writes the address of a picture into the text';
const dataUri = 'a picture in a data: URI is a picture';
const loneHtml = 'mailparser makes no text of an HTML part alone in a multipart/alternative';
const report = 'the report and the returned header are shown to whoever got the mail, so they are text';
const hole = 'behind a hole the two take up the broken encoding at different places';
const cutPart = 'a part that a hole has cut is kept as far as it goes';

/** `subject, field` of whole mails, `damaged: subject, field` of others, and why the two readings differ. */
const differences: ReadonlyMap<string, string> = new Map([
  ['data uri, text', pictureInText],
  ['data uri, attachments', dataUri],
  ['关于召开年度工作总结会议的通知, text', pictureInText],
  ['关于召开年度工作总结会议的通知, attachments', dataUri],
  ['Fwd: Minutes of the Tuesday call (8), attachments', 'an attached mail is listed and its picture too'],
  ['Mail delivery failed: returning message to sender, text', report],
  ['Mail delivery failed: returning message to sender, attachments', report],
  ['damaged: Minutes of the Tuesday call (2), text', loneHtml],
  ['damaged: Minutes of the Tuesday call (2), attachments', cutPart],
  ['damaged: Server maintenance window (4), attachments', cutPart],
  ['damaged: 三月份采购合同及报价单, text', loneHtml],
  ['damaged: 三月份采购合同及报价单, attachments', 'an empty part without a name is no file'],
  ['damaged: 关于召开年度工作总结会议的通知, text', pictureInText],
  ['damaged: 关于召开年度工作总结会议的通知, attachments', dataUri],
  ['damaged: 新员工入职培训安排, text', hole],
  ['damaged: 服务器迁移方案讨论, text', loneHtml],
  ['damaged: 请查收：发票与对账单𠮷, text', hole],
]);

/** Everything in the folder of a fixture that begins with `capture`, read as a run would read it. */
async function messagesOf(fixture: string): Promise<RawMessage[]> {
  const folder = join(fixturesFolder, fixture);
  const capture = readdirSync(folder).find((name) => name.startsWith('capture')) ?? '';
  const found = await findCaptures(join(folder, capture), '2022-01-28', 'Asia/Shanghai');
  const messages: RawMessage[] = [];
  for (const { files } of found.series) {
    const plan = planSeries(files, '2022-01-28', []);
    const options = { ports: wellKnownPorts, secrets: undefined, trace: false };
    const nothing = () => undefined;
    const receiver = {
      ...{ anomaly: nothing, tally: nothing, trace: nothing, conversation: nothing, progress: nothing },
      messages: async (some: readonly RawMessage[]) => {
        messages.push(...some);
      },
    };
    await new SeriesReader(plan, options, receiver).read();
  }
  return messages;
}

const least = { skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true };
const flat = (text: string | null | undefined): string => (text ?? '').replace(/\s+/g, ' ').trim();
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function addressesOf(field: ParsedMail['to']): string {
  const lists = field === undefined ? [] : [field].flat();
  return lists
    .flatMap((list) => list.value)
    .flatMap((one) => one.group ?? [one])
    .map((one) => one.address)
    .join();
}

const time = (date: string | undefined): number => (date === undefined ? Number.NaN : Date.parse(date));

/** Names of the fields in which the two readings differ. */
function differingFields(message: Message, other: ParsedMail): string[] {
  const addresses = (list: Message['to']): string => list.map(({ address }) => address).join();
  const fields: readonly (readonly [name: string, own: unknown, theirs: unknown])[] = [
    ['subject', flat(message.subject), flat(other.subject)],
    ['from', addresses(message.from), addressesOf(other.from)],
    ['to', addresses(message.to), addressesOf(other.to)],
    ['message id', message.messageId ?? '', (other.messageId ?? '').replace(/^<|>$/g, '')],
    ['date', time(message.date), other.date?.getTime() ?? Number.NaN],
    ['text', flat(message.text), flat(other.text)],
    [
      'attachments',
      message.attachments.map(({ bytes }) => sha256(bytes)).join(),
      other.attachments.map(({ content }) => sha256(content)).join(),
    ],
  ];
  return fields.filter(([, own, theirs]) => !Object.is(own, theirs)).map(([name]) => name);
}

describe('the fixtures beside other readers', () => {
  it('decodeMessage differs from mailparser only where it is named', async () => {
    const found = new Set<string>();
    let mails = 0;
    for (const fixture of fixtureNames()) {
      for (const raw of await messagesOf(fixture)) {
        mails++;
        const message = decodeMessage(raw.octets.read());
        const other = await simpleParser(raw.octets.read(), least);
        const mark = raw.complete && raw.missing.length === 0 ? '' : 'damaged: ';
        for (const field of differingFields(message, other)) found.add(`${mark}${message.subject}, ${field}`);
      }
    }
    assert.ok(mails > 200, `${mails} mails are too few to say anything`);
    assert.deepEqual([...found].sort(), [...differences.keys()].sort());
  });

  it('readCapture reads the packets that pcap-parser reads', async () => {
    const file = join(fixturesFolder, 'pcap-microseconds/capture.pcap');
    const theirs = await new Promise<PcapParserPacket[]>((resolve, reject) => {
      const packets: PcapParserPacket[] = [];
      const parser = pcapParser.parse(file);
      parser.on('packet', (packet: PcapParserPacket) => packets.push(packet));
      parser.on('end', () => resolve(packets)).on('error', reject);
    });
    const { packets } = await recordCapture(file);
    assert.ok(packets.length > 50);
    assert.deepEqual(
      packets.map(({ seconds, nanoseconds, originalLength, bytes }) => [
        seconds,
        nanoseconds,
        originalLength,
        bytes,
      ]),
      theirs.map(({ header, data }) => [
        header.timestampSeconds,
        header.timestampMicroseconds * 1000,
        header.originalLength,
        data,
      ]),
    );
  });
});
