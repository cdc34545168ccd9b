/** What every store makes of a record: its table, its rank and its values. */
import { strict as assert } from 'node:assert';
import { MailprocError } from '../core/errors.ts';
import { storeLimits } from '../core/limits.ts';
import { columnNames, type MailDetail, type MailRecord } from '../record/types.ts';
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
 * mail ranks above all incomplete ones, those rank by octets recovered; of equals the one ranks higher that
 * knows the server's answer, which may stand in a later capture than the mail.
 */
export function recordRank(detail: Pick<MailDetail, 'complete' | 'raw_size' | 'accepted'>): number {
  const answered = detail.accepted === null ? 0 : 1;
  return (detail.complete ? wholeMailRank : detail.raw_size * 2) + answered;
}

/** Above twice the size of any mail, and exact as a number. */
const wholeMailRank = 2 ** 52;

/** `day` is that of the table, which a replaced row keeps. */
export function toRow(id: number, record: MailRecord, day: string = record.columns.insert_time): StoredRow {
  const values = { ...record.columns, id, insert_time: day };
  const entries = columnNames.map((name) => {
    const value = values[name];
    return [name, typeof value === 'string' ? storableText(value) : value];
  });
  return Object.fromEntries(entries) as StoredRow;
}

/** `MailDetail` as JSON without U+0000 and lone surrogates, not even as escapes. */
export function detailJson(detail: MailDetail): string {
  const json = JSON.stringify(detail);
  if (!/\\u(?:0000|d[89a-f])/.test(json)) return json;
  return JSON.stringify(detail, (_, value) => (typeof value === 'string' ? storableText(value) : value));
}

/** Records are clean when they come from `buildRecord`; a library may be given others. */
export function storableText(text: string): string {
  return text.replace(/\0|\p{Surrogate}/gu, '\uFFFD');
}

/** Throws where `count` more ids do not fit behind `last`. */
export function checkIds(last: number, count: number, url: string): void {
  if (last + count <= storeLimits.idMax) return;
  throw new MailprocError('store.ids-exhausted', `write to ${url}: ids of 31 bits are used up`, {
    hint: 'start a new store and keep this one for reading',
  });
}
