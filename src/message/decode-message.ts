/** A mail's octets to a `Message`: the entry of this stage. Pure, synchronous, linear in its input. */
import { type AddressList, parseAddresses } from './address.ts';
import { readBody } from './body.ts';
import type { CharsetContext } from './charset.ts';
import { fallbackCharset, MailCharsets } from './charset-context.ts';
import { parseDate } from './date.ts';
import { decodeUnstructured } from './encoded-word.ts';
import { type Header, unfold } from './header.ts';
import { Loss } from './loss.ts';
import { readEntity } from './multipart.ts';
import { receivedHost } from './received.ts';
import type { Address, Message } from './types.ts';

export interface DecodeOptions {
  /** Charset of 8-bit text that nothing in the mail labels and that is no UTF-8. */
  readonly defaultCharset?: string;
  /** Offsets in the mail behind which octets are missing in the capture. */
  readonly gaps?: readonly number[];
}

/** Never throws, whatever the octets are. Attachments may be views of `bytes`. */
export function decodeMessage(bytes: Buffer, options: DecodeOptions = {}): Message {
  const source = withLineFeeds(bytes);
  const loss = new Loss(source, options.gaps ?? []);
  const root = readEntity(source, { start: 0, end: source.length, depth: 0 }, loss.tree);
  const context = new MailCharsets(root, options.defaultCharset ?? fallbackCharset);
  const { header } = root;
  const addresses = (name: string): readonly Address[] => addressesOf(header, name, context, loss);
  const from = addresses('from');
  const to = addresses('to');
  const cc = addresses('cc');
  const replyTo = addresses('reply-to');
  const body = readBody(root, context, loss);
  loss.addTree();
  return {
    subject: textOf(header, 'subject', context),
    from,
    to,
    cc,
    replyTo,
    date: dateOf(header),
    messageId: messageIdOf(header),
    mailer: mailerOf(header, context),
    priority: priorityOf(header),
    receivedHost: receivedHost(header.all('received')),
    text: body.text,
    attachments: body.attachments,
    falseImages: body.falseImages,
    encrypted: body.encrypted,
    anomalies: loss.anomalies,
    whole: loss.whole,
  };
}

/** A field that ends in CR alone, and behind it another one, a folded line, or the end of the header. */
const fieldsEndedByCr = /^[!-9;-~]+[ \t]*:[^\r\n]*\r(?:[!-9;-~]+[ \t]*:|[ \t\r])/;

/** A mail whose lines end in CR alone (old Macintosh) is read as if they ended in LF: offsets stay the same. */
function withLineFeeds(bytes: Buffer): Buffer {
  const carriage = bytes.indexOf(0x0d);
  if (carriage < 0 || bytes[carriage + 1] === 0x0a || bytes[carriage + 1] === 0x0d) return bytes;
  const feed = bytes.indexOf(0x0a);
  if (feed >= 0 && feed < carriage) return bytes;
  if (!fieldsEndedByCr.test(bytes.toString('latin1', 0, carriage + 200))) return bytes;
  const copy = Buffer.from(bytes);
  for (let index = carriage; index >= 0; index = copy.indexOf(0x0d, index + 1)) {
    if (copy[index + 1] !== 0x0a) copy[index] = 0x0a;
  }
  return copy;
}

function addressesOf(header: Header, name: string, context: CharsetContext, loss: Loss): readonly Address[] {
  const fields = header.all(name);
  if (fields.length === 0) return [];
  const lists: AddressList[] = fields.map((field) => parseAddresses(field, context));
  if (lists.some((list) => list.overLimit))
    loss.lost('message.header-limit', 0, `more addresses in ${name} than are read`);
  return lists.length === 1 ? (lists[0]?.addresses ?? []) : lists.flatMap((list) => list.addresses);
}

/** What an encoded word, a fold, another charset or a control character begins with: all that changes a text. */
const needsDecoding = /[^ -~]|=\?/;

/** Control characters are removed; a tab is a fold's white space. */
function textOf(header: Header, name: string, context: CharsetContext): string | undefined {
  const raw = header.first(name);
  if (raw === undefined || !needsDecoding.test(raw)) return raw;
  return decodeUnstructured(raw, context)
    .replaceAll('\t', ' ')
    .replace(/[\x00-\x1f\x7f-\x9f]/g, '')
    .trim();
}

function dateOf(header: Header): string | undefined {
  const raw = header.first('date');
  return raw === undefined ? undefined : parseDate(unfold(raw));
}

/** As RFC 5322 §3.6.4 has it, but for the place of the `@`. */
const usualMessageId = /^<[!-;=?-~]+>$/;

function messageIdOf(header: Header): string | undefined {
  const raw = header.first('message-id');
  if (raw === undefined) return undefined;
  if (usualMessageId.test(raw)) {
    const at = raw.indexOf('@', 2);
    if (at > 0 && at < raw.length - 2) return raw.slice(1, -1);
  }
  const text = unfold(raw).trim();
  const open = text.indexOf('<');
  const close = text.lastIndexOf('>');
  const id = bracketed(text) ?? (open < 0 ? text : text.slice(open + 1, close < open ? undefined : close));
  const clean = id.replace(/[\x00-\x20\x7f]/g, '');
  return clean === '' ? undefined : clean;
}

/** What stands in the first brackets that hold an `@` between other characters. */
function bracketed(text: string): string | undefined {
  for (const [, inner = ''] of text.matchAll(/<([^<>\s]+)>/g)) {
    const at = inner.indexOf('@', 1);
    if (at > 0 && at < inner.length - 1) return inner;
  }
  return undefined;
}

function mailerOf(header: Header, context: CharsetContext): string | undefined {
  for (const name of ['x-mailer', 'user-agent', 'x-user-agent', 'x-qq-mailer']) {
    const text = textOf(header, name, context);
    if (text !== undefined && text !== '') return text;
  }
  return undefined;
}

function priorityOf(header: Header): number {
  const given = header.first('x-priority')?.slice(0, 50);
  const digit = given === undefined ? undefined : /^\D*?([1-5])/.exec(given)?.[1];
  if (digit !== undefined) return Number(digit);
  for (const name of ['x-msmail-priority', 'importance', 'priority']) {
    const word = header.first(name)?.slice(0, 50).toLowerCase();
    if (word === undefined) continue;
    if (/high|urgent/.test(word) && !word.includes('non-urgent')) return 1;
    if (/low|non-urgent/.test(word)) return 5;
    if (word.includes('normal')) return 3;
  }
  return 3;
}
