/**
 * One mail, one row: what was seen on the wire and what the message says, put under the documented
 * names. The meaning of each column is documented in docs/record.md.
 */
import { strict as assert } from 'node:assert';
import { hash } from 'node:crypto';
import { basename } from 'node:path';
import { type Anomaly, anomaly } from '../core/anomaly.ts';
import { recordLimits } from '../core/limits.ts';
import type { RawMessage } from '../dialogue/types.ts';
import type { Address, Message } from '../message/types.ts';
import { cleanLine, cleanText } from './clean-text.ts';
import { type FoundFiles, findFiles } from './files.ts';
import { mailKey } from './mail-key.ts';
import type { MailColumns, MailDetail, MailRecord, OutputFile } from './types.ts';

/** Local time of the configured zone. */
export interface ZoneClock {
  /** `yyyy-MM-dd HH:mm:ss` */
  dateTime(timestampNs: bigint): string;
}

export interface RecordContext {
  /** `yyyy-MM-dd`: the day being ingested. */
  readonly day: string;
  readonly clock: ZoneClock;
  /** Paths of the series' files; `Sighting.capture` is the index. */
  readonly captures: readonly string[];
  /** As the user gave it: the paths in the detail begin with it. */
  readonly imageFolder: string;
  /** undefined where attachments that are no image are not written. */
  readonly attachmentFolder?: string | undefined;
}

export interface BuiltRecord {
  readonly record: MailRecord;
  /** To be written below the image folder; `bytes` may be views of the raw message. */
  readonly images: readonly OutputFile[];
  /** The same for the folder of the attachments. */
  readonly attachments: readonly OutputFile[];
  /** What went wrong in this stage; those of the stages before are not repeated. */
  readonly anomalies: readonly Anomaly[];
}

/** A promise for mails with files alone, which must be looked into: most mails have none, and are many. */
export function buildRecord(
  raw: RawMessage,
  message: Message,
  context: RecordContext,
): BuiltRecord | Promise<BuiltRecord> {
  const path = context.captures[raw.last.capture];
  if (path === undefined) assert.fail(`capture ${raw.last.capture} is not in the series`);
  const key = mailKey(raw);
  const place = { context, path, key };
  if (message.attachments.length === 0) return recordOf(raw, message, place, noFiles);
  const found = findFiles(message.attachments, {
    mailKey: key,
    captureName: basename(path),
    imageFolder: context.imageFolder,
    attachmentFolder: context.attachmentFolder,
  });
  return found.then((files) => recordOf(raw, message, place, files));
}

interface RecordPlace {
  readonly context: RecordContext;
  /** Of the capture with the mail's last octet. */
  readonly path: string;
  readonly key: string;
}

function recordOf(raw: RawMessage, message: Message, place: RecordPlace, found: FoundFiles): BuiltRecord {
  const { path, key } = place;
  const anomalies =
    found.rejected.length + message.falseImages === 0
      ? none
      : fileAnomalies(found, message.falseImages, `${path} frame ${raw.first.frame}`);
  const columns = buildColumns(raw, message, place, found.images.length > 0);
  const detail = buildDetail(raw, message, key, found, anomalies);
  return {
    record: { protocol: raw.protocol, columns, detail },
    images: found.imageFiles,
    attachments: found.attachmentFiles,
    anomalies,
  };
}

function buildColumns(
  raw: RawMessage,
  message: Message,
  { context, path }: RecordPlace,
  hasImage: boolean,
): MailColumns {
  const { client, server } = raw.connection;
  return {
    insert_time: context.day,
    timestamp: context.clock.dateTime(raw.first.timestampNs),
    sport: client.port,
    dport: server.port,
    source_ip: client.address,
    target_ip: server.address,
    len: raw.first.ipLength,
    ttl: raw.first.ttl,
    host_name: hostName(raw, message),
    mail_from: mailFrom(raw, message),
    mail_to: mailTo(raw, message),
    x_mail: lineOrNull(message.mailer),
    mail_subject: message.subject === undefined ? null : cleanLine(message.subject),
    mail_priority: message.priority,
    message_id: lineOrNull(message.messageId),
    mail_content: cleanText(message.text),
    file_path: cleanLine(path),
    image_sign: hasImage ? 1 : 0,
    parse_sign: raw.complete && raw.missing.length === 0 && message.whole ? 1 : 0,
  };
}

function buildDetail(
  raw: RawMessage,
  message: Message,
  key: string,
  found: FoundFiles,
  anomalies: readonly Anomaly[],
): MailDetail {
  return {
    protocol: raw.protocol,
    direction: raw.direction,
    method: cleanLine(raw.method),
    raw_sha256: raw.exact ? hash('sha256', raw.octets.read()) : null,
    raw_size: raw.octets.length,
    complete: raw.complete,
    missing_bytes: raw.missing.reduce((sum, range) => sum + (range.length ?? 0), 0),
    missing: missingRanges(raw),
    accepted: raw.accepted,
    envelope_from: raw.envelope === null ? null : cleanLine(raw.envelope.from),
    envelope_to: raw.envelope === null ? null : raw.envelope.to.map(cleanLine),
    cc: bareAddresses(message.cc),
    reply_to: bareAddresses(message.replyTo),
    date: lineOrNull(message.date),
    user: raw.user === null ? null : cleanLine(raw.user),
    layer: raw.layer,
    encrypted: message.encrypted ?? null,
    images: found.images,
    attachments: found.attachments,
    anomalies: listed(raw.anomalies, message.anomalies, anomalies),
    first_frame: raw.first.frame,
    last_frame: raw.last.frame,
    mailbox: raw.mailbox === null ? null : cleanLine(raw.mailbox),
    uid: raw.uid,
    mail_key: key,
  };
}

/** Of the many lists that have nothing in them nearly always. */
const none: readonly never[] = [];

const noFiles: FoundFiles = {
  images: none,
  attachments: none,
  imageFiles: none,
  attachmentFiles: none,
  rejected: none,
};

function missingRanges({ missing }: RawMessage): MailDetail['missing'] {
  if (missing.length === 0) return none;
  return missing.slice(0, recordLimits.missingRangesMax).map((range) => [range.offset, range.length ?? null]);
}

function listed(...lists: readonly (readonly Anomaly[])[]): MailDetail['anomalies'] {
  if (lists.every((list) => list.length === 0)) return none;
  return lists
    .flat()
    .slice(0, recordLimits.anomaliesMax)
    .map(({ code, detail }) => ({ code, detail: cleanLine(detail) }));
}

/**
 * The sending computer: on SMTP it names itself; on POP3 and IMAP the reader's computer speaks, and the
 * sender's is in the mail's first `Received:` field.
 */
function hostName(raw: RawMessage, message: Message): string | null {
  const helo = raw.protocol === 'smtp' ? lineOrNull(raw.helo) : null;
  return helo ?? lineOrNull(message.receivedHost);
}

function mailFrom(raw: RawMessage, message: Message): string | null {
  return bareAddresses(message.from)[0] ?? lineOrNull(raw.envelope?.from);
}

/** Header recipients in order, then those of the envelope that no header names: the blind copies. */
function mailTo(raw: RawMessage, message: Message): string | null {
  const to = bareAddresses(message.to);
  const recipients = raw.envelope?.to ?? none;
  if (recipients.length === 0) return joined(to);
  const named = new Set([...to, ...bareAddresses(message.cc)].map(comparable));
  const blind: string[] = [];
  for (const recipient of recipients) {
    const address = lineOrNull(recipient);
    if (address === null || named.has(comparable(address))) continue;
    named.add(comparable(address));
    blind.push(address);
  }
  return joined([...to, ...blind]);
}

function joined(addresses: readonly string[]): string | null {
  return addresses.length === 0 ? null : addresses.join(',');
}

/** RFC 5321 §2.4 lets a local part depend on case; servers that do are not found any more. */
function comparable(address: string): string {
  return address.toLowerCase();
}

function bareAddresses(addresses: readonly Address[]): readonly string[] {
  if (addresses.length === 0) return none;
  const bare: string[] = [];
  for (const { address } of addresses) {
    const line = cleanLine(address).trim();
    if (line !== '') bare.push(line);
  }
  return bare;
}

/** Without control characters and outer blanks; null where nothing is left. */
function lineOrNull(text: string | null | undefined): string | null {
  if (text === null || text === undefined) return null;
  const line = cleanLine(text).trim();
  return line === '' ? null : line;
}

function fileAnomalies(found: FoundFiles, falseImages: number, at: string): Anomaly[] {
  const anomalies = found.rejected.map(({ code, detail }) => anomaly(code, at, detail));
  for (let index = 0; index < falseImages; index++) {
    anomalies.push(anomaly('record.image-invalid', at, 'declared or named as an image but is none'));
  }
  return anomalies;
}
