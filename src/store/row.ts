/** What every store makes of a record: its table, its rank and its values. */
import { strict as assert } from 'node:assert';
import { MailprocError } from '../core/errors.ts';
import { storeLimits } from '../core/limits.ts';
import type { MailDetail, MailRecord } from '../record/types.ts';
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

export function toRow(id: number, record: Pick<MailRecord, 'columns'>): StoredRow {
  return rowOf(id, record, storableText);
}

/** The row of `toRow`, and `detail` behind it. */
export function rowJson(id: number, record: MailRecord): string {
  const row = rowOf(id, record, (text) => text);
  return storableJson({ ...row, detail: record.detail });
}

/** Written out: rows of one shape, made without looking each name up, are what a store spends its time on. */
function rowOf(
  id: number,
  { columns }: Pick<MailRecord, 'columns'>,
  textOf: (text: string) => string,
): StoredRow {
  const orNull = (text: string | null): string | null => (text === null ? null : textOf(text));
  return {
    id,
    insert_time: textOf(columns.insert_time),
    timestamp: textOf(columns.timestamp),
    sport: columns.sport,
    dport: columns.dport,
    source_ip: textOf(columns.source_ip),
    target_ip: textOf(columns.target_ip),
    len: columns.len,
    ttl: columns.ttl,
    host_name: orNull(columns.host_name),
    mail_from: orNull(columns.mail_from),
    mail_to: orNull(columns.mail_to),
    x_mail: orNull(columns.x_mail),
    mail_subject: orNull(columns.mail_subject),
    mail_priority: columns.mail_priority,
    message_id: orNull(columns.message_id),
    mail_content: orNull(columns.mail_content),
    file_path: textOf(columns.file_path),
    image_sign: columns.image_sign,
    parse_sign: columns.parse_sign,
  };
}

export function detailJson(detail: MailDetail): string {
  return storableJson(detail);
}

/** JSON without U+0000 and lone surrogates, not even as escapes. */
function storableJson(value: object): string {
  const json = JSON.stringify(value);
  if (!json.includes('\\u0000') && !json.includes('\\ud')) return json;
  return JSON.stringify(value, (_, each) => (typeof each === 'string' ? storableText(each) : each));
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
