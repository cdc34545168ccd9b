/** Where records end: the contract that every store keeps and the shared test suite checks. */
import type { MailRecord } from '../record/types.ts';

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

/** `MailDetail.mail_key` is the identity: writing a record twice stores it once. */
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
  close(): Promise<void>;
}
