/** Keeps records in memory: for the library and for tests. */
import type { MailRecord } from '../../record/types.ts';
import { KnownMails } from '../known-mails.ts';
import { toRow } from '../row.ts';
import type { Sink, Stored, StoredRow, StoredTable } from '../sink.ts';

export interface StoredMail {
  readonly id: number;
  readonly record: MailRecord;
}

/** What was written stays over `close` and `open`, as in a file. */
export class MemorySink implements Sink {
  readonly url: string = 'memory:';
  readonly #known = new KnownMails();
  readonly #rows = new Map<number, { readonly row: StoredRow; readonly record: MailRecord }>();

  async open(): Promise<void> {}

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    const { writes, stored } = this.#known.plan(batch, this.url);
    for (const { record, mail } of writes) {
      this.#rows.set(mail.id, { row: toRow(mail.id, record, mail.day), record });
      this.#known.remember(record.detail.mail_key, mail);
    }
    return stored;
  }

  async tables(day: string): Promise<readonly StoredTable[]> {
    return this.#known.tables(day);
  }

  async sample(day: string, limit: number): Promise<readonly StoredRow[]> {
    return this.rows.filter((row) => row.insert_time === day).slice(0, limit);
  }

  async close(): Promise<void> {}

  /** By id. */
  get rows(): readonly StoredRow[] {
    return [...this.#rows.values()].map(({ row }) => row);
  }

  /** By id; the records are those that were given to `write`. */
  get mails(): readonly StoredMail[] {
    return [...this.#rows].map(([id, { record }]) => ({ id, record }));
  }
}
