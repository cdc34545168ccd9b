/** Where records end: the contract that every store keeps and the shared test suite checks. */
import type { columnNames, FileDetail, MailRecord } from '../record/types.ts';
import type { Ledger } from './ledger.ts';

/** What became of a batch; the three add up to its records. */
export interface Stored {
  readonly added: number;
  /** Known before as incomplete, now stored with more of it; the row keeps its id. */
  readonly replaced: number;
  /** Known before with the same or more content: nothing was written. */
  readonly known: number;
}

export interface StoredTable {
  /** `smtp_2022_01_28` */
  readonly name: string;
  readonly rows: number;
}

/** One row as it is stored: the documented columns in the documented order. */
export type StoredRow = Readonly<Record<(typeof columnNames)[number], string | number | null>>;

/** A mail with images, as far as a picture of it needs. */
export interface ImageMail {
  readonly id: number;
  readonly timestamp: string;
  readonly mail_from: string | null;
  readonly mail_to: string | null;
  readonly mail_subject: string | null;
  readonly images: readonly FileDetail[];
}

/** Takes days out of a store, for ever. To be used under a lease of the captures of the day. */
export interface Pruning {
  /** Octets of the tables of `day` (`yyyy-MM-dd`) by name, as far as they can be told. */
  bytes(day: string): Promise<ReadonlyMap<string, number>>;
  /**
   * The tables of `day` and all that is known of it: a run of that day stores it again. Killed in between,
   * another call does the rest.
   */
  drop(day: string): Promise<void>;
  /** Octets inside the store that days to come will use; where such are not given back to the system. */
  freeBytes?(): Promise<number>;
}

/**
 * `MailDetail.mail_key` is the identity: writing a record twice stores it once, for whatever days. A row that
 * is replaced keeps its id; its table and its `insert_time` are those of the record that has more of the mail,
 * so that a mail is found on the day of the capture that holds its last octet. In text, U+0000 and lone
 * surrogates become U+FFFD.
 */
export interface Sink {
  /** Where the result can be found, for the report: `sqlite:mailproc.sqlite`. */
  readonly url: string;
  /** Throws a `MailprocError` where the store cannot be used. */
  open(): Promise<void>;
  /**
   * Resolves once all of `batch` is durable: that promise is the backpressure. After a rejection part of
   * it may be stored; writing the same batch again is safe.
   */
  write(batch: readonly MailRecord[]): Promise<Stored>;
  /** Rows of `day` (`yyyy-MM-dd`), one entry for each table that exists. */
  tables(day: string): Promise<readonly StoredTable[]>;
  /** The first `limit` rows of `day` by id, over all its tables; only where the store can be read back. */
  sample?(day: string, limit: number): Promise<readonly StoredRow[]>;
  /** Mails of `day` with images and an id above `after`, the first `limit` by id; where details are kept. */
  imageMails?(day: string, after: number, limit: number): Promise<readonly ImageMail[]>;
  /** Only where the store can be read back; to be used between `open` and `close`. */
  readonly ledger?: Ledger;
  /** Where there is a ledger. */
  readonly pruning?: Pruning;
  /** How many values were cut or lost characters because a column is too narrow, by `table.column`. */
  readonly cuts?: ReadonlyMap<string, number>;
  close(): Promise<void>;
}
