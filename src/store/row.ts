/** What every store makes of a record: its table, its rank and its values. */
import { strict as assert } from 'node:assert';
import { MailprocError } from '../core/errors.ts';
import { storeLimits } from '../core/limits.ts';
import type { MailColumns, MailDetail, MailRecord } from '../record/types.ts';
import { PackedRecord, type RecordFacts } from './packed-record.ts';
import type { StoredRow } from './sink.ts';

export type Protocol = MailRecord['protocol'];

/** In this order tables are listed. */
export const protocols: readonly Protocol[] = ['smtp', 'pop3', 'imap'];

/** `smtp_2022_01_28`. Names of tables are made here alone: of nothing but a protocol and a day. */
export function tableName(protocol: Protocol, day: string): string {
  assert(protocols.includes(protocol), `${protocol} is no mail protocol`);
  assert(/^\d{4}-\d{2}-\d{2}$/.test(day), `${day} is no day`);
  return `${protocol}_${day.replaceAll('-', '_')}`;
}

/** `yyyy-MM-dd` of `smtp_2022_01_28`, also without padding: `smtp_2022_1_7`; undefined of other tables. */
export function dayOfTable(name: string): string | undefined {
  const parts = /^(?:smtp|pop3|imap)_(\d{4})_(\d{1,2})_(\d{1,2})$/i.exec(name);
  const [, year = '', month = '', day = ''] = parts ?? [];
  return parts === null ? undefined : `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** The days of entries and of tables, sorted, each once. */
export function daysOf(days: readonly string[], tables: readonly string[]): string[] {
  return [...new Set([...days, ...tables.flatMap((name) => dayOfTable(name) ?? [])])].sort();
}

/** All that a day can have. */
export function tableNames(day: string): string[] {
  return protocols.map((protocol) => tableName(protocol, day));
}

/**
 * How much of the mail a record holds: of two records with one key, the higher rank is stored. A whole
 * mail ranks above all incomplete ones, those rank by octets recovered, and so do mails put together from IMAP
 * sections, to which a later command may add; of equals the one ranks higher that knows the server's answer,
 * which may stand in a later capture than the mail.
 */
export function recordRank(
  detail: Pick<MailDetail, 'complete' | 'raw_size' | 'raw_sha256' | 'accepted'>,
): number {
  const { complete, raw_size, raw_sha256, accepted } = detail;
  const isOpenEnded = !complete || raw_sha256 === null;
  return (complete ? wholeMailRank : 0) + (isOpenEnded ? raw_size * 2 : 0) + (accepted === null ? 0 : 1);
}

/** Above twice the size of any mail, and exact as a number. */
const wholeMailRank = 2 ** 52;

/** Written out: rows of one shape, made without looking each name up, are what a store spends its time on. */
export function toRow(id: number, { columns }: Pick<MailRecord, 'columns'>): StoredRow {
  return {
    id,
    insert_time: storableText(columns.insert_time),
    timestamp: storableText(columns.timestamp),
    sport: columns.sport,
    dport: columns.dport,
    source_ip: storableText(columns.source_ip),
    target_ip: storableText(columns.target_ip),
    len: columns.len,
    ttl: columns.ttl,
    host_name: storableOrNull(columns.host_name),
    mail_from: storableOrNull(columns.mail_from),
    mail_to: storableOrNull(columns.mail_to),
    x_mail: storableOrNull(columns.x_mail),
    mail_subject: storableOrNull(columns.mail_subject),
    mail_priority: columns.mail_priority,
    message_id: storableOrNull(columns.message_id),
    mail_content: storableOrNull(columns.mail_content),
    file_path: storableText(columns.file_path),
    image_sign: columns.image_sign,
    parse_sign: columns.parse_sign,
  };
}

export function factsOf(record: MailRecord): RecordFacts {
  if (record instanceof PackedRecord) return record.facts;
  const { protocol, columns, detail } = record;
  return {
    protocol,
    key: detail.mail_key,
    rank: recordRank(detail),
    day: columns.insert_time,
    octets: detail.raw_size,
    isWhole: columns.parse_sign === 1,
  };
}

/** The row of `toRow` as JSON, and `detail` behind it. */
export function rowJson(id: number, record: MailRecord): string {
  return `{"id":${id},${columnsJson(record.columns)},"detail":${detailJsonOf(record)}}`;
}

export function detailJsonOf(record: MailRecord): string {
  return record instanceof PackedRecord ? record.detailJson : detailJson(record.detail);
}

/** All members but the id, without braces. */
export function columnsJson(row: MailColumns): string {
  // Glued together: to have one object made into JSON, and made before, takes twice the time.
  return (
    `"insert_time":${textJson(row.insert_time)},"timestamp":${textJson(row.timestamp)},` +
    `"sport":${row.sport},"dport":${row.dport},"source_ip":${textJson(row.source_ip)},` +
    `"target_ip":${textJson(row.target_ip)},"len":${row.len},"ttl":${row.ttl},` +
    `"host_name":${textJson(row.host_name)},"mail_from":${textJson(row.mail_from)},` +
    `"mail_to":${textJson(row.mail_to)},"x_mail":${textJson(row.x_mail)},` +
    `"mail_subject":${textJson(row.mail_subject)},"mail_priority":${row.mail_priority},` +
    `"message_id":${textJson(row.message_id)},"mail_content":${textJson(row.mail_content)},` +
    `"file_path":${textJson(row.file_path)},"image_sign":${row.image_sign},` +
    `"parse_sign":${row.parse_sign}`
  );
}

/** In the order of `MailDetail`. */
export function detailJson(detail: MailDetail): string {
  return (
    `{"protocol":${textJson(detail.protocol)},"direction":${textJson(detail.direction)},` +
    `"method":${textJson(detail.method)},"raw_sha256":${textJson(detail.raw_sha256)},` +
    `"raw_size":${detail.raw_size},"complete":${detail.complete},` +
    `"missing_bytes":${detail.missing_bytes},"missing":${listJson(detail.missing)},` +
    `"accepted":${detail.accepted},"envelope_from":${textJson(detail.envelope_from)},` +
    `"envelope_to":${listJson(detail.envelope_to)},"cc":${listJson(detail.cc)},` +
    `"reply_to":${listJson(detail.reply_to)},"date":${textJson(detail.date)},` +
    `"user":${textJson(detail.user)},"layer":${textJson(detail.layer)},` +
    `"encrypted":${textJson(detail.encrypted)},"images":${listJson(detail.images)},` +
    `"attachments":${listJson(detail.attachments)},"anomalies":${listJson(detail.anomalies)},` +
    `"first_frame":${detail.first_frame},"last_frame":${detail.last_frame},` +
    `"mailbox":${textJson(detail.mailbox)},"uid":${detail.uid},"mail_key":${textJson(detail.mail_key)}}`
  );
}

/** What JSON escapes, and what has no place in a store: lone surrogates are among the surrogates. */
const needsEscape = /["\\\x00-\x1f\ud800-\udfff]/;

function textJson(text: string | null): string {
  if (text === null) return 'null';
  return needsEscape.test(text) ? JSON.stringify(storableText(text)) : `"${text}"`;
}

function listJson(list: readonly unknown[] | null): string {
  if (list === null) return 'null';
  return list.length === 0 ? '[]' : storableJson(list);
}

/** JSON without U+0000 and lone surrogates, not even as escapes. */
function storableJson(value: readonly unknown[]): string {
  const json = JSON.stringify(value);
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  return JSON.stringify(value, (_, each) => (typeof each === 'string' ? storableText(each) : each));
}

function storableOrNull(text: string | null): string | null {
  return text === null ? null : storableText(text);
}

/** Records are clean when they come from `buildRecord`; a library may be given others. */
export function storableText(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '\uFFFD') : whole;
}

/** Throws where `count` more ids do not fit behind `last`. */
export function checkIds(last: number, count: number, url: string): void {
  if (last + count <= storeLimits.idMax) return;
  throw new MailprocError('store.ids-exhausted', `write to ${url}: ids of 31 bits are used up`, {
    hint: 'start a new store and keep this one for reading',
  });
}
