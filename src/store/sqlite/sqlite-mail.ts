/**
 * A record as SQLite stores it, and many of them as few values: what goes to another thread is copied object by
 * object otherwise, which takes longer than to write it.
 */
import { strict as assert } from 'node:assert';
import { columnNames, type MailRecord } from '../../record/types.ts';
import { detailJsonOf, factsOf, protocols, storableText, tableName, toRow } from '../row.ts';
import type { StoredRow } from '../sink.ts';

export type SqliteValue = StoredRow[keyof StoredRow];

export interface SqliteMail {
  readonly key: string;
  readonly rank: number;
  readonly table: string;
  readonly filePath: string;
  /** In the order of the table's columns; the id, the first one, is still to be given. */
  readonly row: readonly SqliteValue[];
  readonly detail: string;
}

export interface PackedMails {
  readonly keys: readonly string[];
  readonly ranks: Float64Array;
  /** All texts end to end. */
  readonly texts: string;
  /** Of each mail its protocol's number, the length of its detail, and each column. */
  readonly numbers: Int32Array;
  /** Of each of `numbers` what it is. */
  readonly kinds: Uint8Array;
}

const [nullKind, numberKind, textKind] = [0, 1, 2];
const columns = columnNames.filter((name) => name !== 'id');

export function sqliteMail(record: MailRecord): SqliteMail {
  const { protocol, key, rank, day } = factsOf(record);
  const row = toRow(0, record);
  return {
    key,
    rank,
    table: tableName(protocol, day),
    filePath: String(row.file_path),
    row: Object.values(row),
    detail: detailJsonOf(record),
  };
}

export function packMails(records: readonly MailRecord[]): PackedMails {
  const packer = new Packer(records.length * (columns.length + 2));
  const ranks = new Float64Array(records.length);
  const keys: string[] = [];
  for (const [index, record] of records.entries()) {
    const { protocol, key, rank } = factsOf(record);
    const row = record.columns;
    keys.push(key);
    ranks[index] = rank;
    packer.addNumber(protocols.indexOf(protocol));
    packer.addText(detailJsonOf(record));
    // Written out, in the order of the columns: looked up by name they take twice the time.
    packer.addText(row.insert_time);
    packer.addText(row.timestamp);
    packer.addNumber(row.sport);
    packer.addNumber(row.dport);
    packer.addText(row.source_ip);
    packer.addText(row.target_ip);
    packer.addNumber(row.len);
    packer.addNumber(row.ttl);
    packer.addText(row.host_name);
    packer.addText(row.mail_from);
    packer.addText(row.mail_to);
    packer.addText(row.x_mail);
    packer.addText(row.mail_subject);
    packer.addNumber(row.mail_priority);
    packer.addText(row.message_id);
    packer.addText(row.mail_content);
    packer.addText(row.file_path);
    packer.addNumber(row.image_sign);
    packer.addNumber(row.parse_sign);
  }
  return { keys, ranks, ...packer.packed() };
}

class Packer {
  readonly #kinds: Uint8Array;
  readonly #numbers: Int32Array;
  readonly #texts: string[] = [];
  #place = 0;

  constructor(values: number) {
    this.#kinds = new Uint8Array(values);
    this.#numbers = new Int32Array(values);
  }

  addNumber(value: number): void {
    this.#kinds[this.#place] = numberKind;
    this.#numbers[this.#place++] = value;
  }

  addText(text: string | null): void {
    if (text !== null) {
      this.#kinds[this.#place] = textKind;
      this.#numbers[this.#place] = text.length;
      this.#texts.push(text);
    }
    this.#place++;
  }

  packed(): Pick<PackedMails, 'texts' | 'numbers' | 'kinds'> {
    assert(this.#place === this.#kinds.length, 'every column is packed');
    return { texts: this.#texts.join(''), numbers: this.#numbers, kinds: this.#kinds };
  }
}

/** One after the other, as `sqliteMail` makes them. */
export function* unpackMails({ keys, ranks, texts, numbers, kinds }: PackedMails): Generator<SqliteMail> {
  let [place, start] = [0, 0];
  const next = (): SqliteValue => {
    const number = numbers[place] ?? 0;
    const kind = kinds[place++];
    if (kind !== textKind) return kind === nullKind ? null : number;
    start += number;
    return storableText(texts.slice(start - number, start));
  };
  for (const [index, key] of keys.entries()) {
    const protocol = protocols[Number(next())];
    assert(protocol !== undefined);
    const detail = String(next());
    const row: SqliteValue[] = [0];
    for (let column = 0; column < columns.length; column++) row.push(next());
    const table = tableName(protocol, String(row[dayColumn]));
    yield { key, rank: ranks[index] ?? 0, table, filePath: String(row[fileColumn]), row, detail };
  }
}

const dayColumn = columnNames.indexOf('insert_time');
const fileColumn = columnNames.indexOf('file_path');
