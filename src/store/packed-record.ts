/**
 * Records whose rows are made already, as octets of JSON: that is how one thread hands them to another. A store of JSON
 * writes them as they are; others read the values when they ask for them. They lie outside of the heap, where the
 * runtime need not look at them again and again while they wait to be stored.
 */
import type { MailColumns, MailDetail, MailRecord } from '../record/types.ts';

/** What is asked of every record. */
export interface RecordFacts {
  readonly protocol: MailRecord['protocol'];
  /** `MailDetail.mail_key` */
  readonly key: string;
  /** See `recordRank`. */
  readonly rank: number;
  /** `yyyy-MM-dd`, `MailColumns.insert_time` */
  readonly day: string;
  /** Octets of the mail. */
  readonly octets: number;
  /** `MailColumns.parse_sign` is 1. */
  readonly isWhole: boolean;
}

/** Where a row lies in a block: the columns, `detailMark`, the detail, `rowEnd`. Offsets of octets. */
export interface RowPlace {
  readonly start: number;
  /** Where the detail begins. */
  readonly detail: number;
  /** Behind the row's line feed. */
  readonly end: number;
}

export const detailMark = ',"detail":';
export const rowEnd = '}\n';

export class PackedRecord implements MailRecord {
  readonly facts: RecordFacts;
  readonly block: ArrayBuffer;
  readonly place: RowPlace;
  #columns: MailColumns | undefined;

  constructor(facts: RecordFacts, block: ArrayBuffer, place: RowPlace) {
    this.facts = facts;
    this.block = block;
    this.place = place;
  }

  get protocol(): MailRecord['protocol'] {
    return this.facts.protocol;
  }

  get columns(): MailColumns {
    this.#columns ??= JSON.parse(`{${this.#text(this.place.start, this.place.detail - detailMark.length)}}`);
    return this.#columns as MailColumns;
  }

  get detail(): MailDetail {
    return JSON.parse(this.detailJson);
  }

  get detailJson(): string {
    return this.#text(this.place.detail, this.place.end - rowEnd.length);
  }

  /** All that comes behind the id in a line of JSON, with the line feed. */
  get lineOctets(): Buffer {
    const { start, end } = this.place;
    return Buffer.from(this.block, start, end - start);
  }

  #text(start: number, end: number): string {
    return Buffer.from(this.block, start, end - start).toString();
  }
}
