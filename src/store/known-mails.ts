/** The mails a store without an index has already, for the stores that keep this in memory. */
import type { MailRecord } from '../record/types.ts';
import { type KnownMail, MailIndex } from './mail-index.ts';
import { checkIds, factsOf, type Protocol, protocols, tableName } from './row.ts';
import type { Stored, StoredTable } from './sink.ts';

/** What is to be written of a batch, in order. */
export interface Plan {
  readonly writes: readonly Write[];
  readonly stored: Stored;
}

export interface Write {
  readonly key: string;
  readonly record: MailRecord;
  readonly mail: KnownMail;
  readonly replaces: boolean;
}

export class KnownMails {
  readonly #mails = new MailIndex();
  readonly #rows = new Map<string, number>();
  #lastId = 0;
  /** The day counted last, and its tables. */
  #day = '';
  #tables: Readonly<Record<Protocol, string>> = { smtp: '', pop3: '', imap: '' };

  /** Decides without remembering, so that a batch which cannot be written leaves no trace. */
  plan(batch: readonly MailRecord[], url: string): Plan {
    const planned = new Map<string, KnownMail>();
    const writes: Write[] = [];
    let nextId = this.#lastId + 1;
    let replaced = 0;
    for (const record of batch) {
      const { protocol, key, rank, day } = factsOf(record);
      const before = planned.get(key) ?? this.#mails.get(key);
      if (before !== undefined && before.rank >= rank) continue;
      if (before === undefined) checkIds(nextId - 1, 1, url);
      const mail: KnownMail =
        before === undefined ? { id: nextId++, rank, protocol, day, offset: 0 } : { ...before, rank, day };
      if (before !== undefined) replaced++;
      planned.set(key, mail);
      writes.push({ key, record, mail, replaces: before !== undefined });
    }
    const added = writes.length - replaced;
    return { writes, stored: { added, replaced, known: batch.length - writes.length } };
  }

  /** The row of `key` as the store holds it from now on; returns the one it replaces. */
  remember(key: string, mail: KnownMail): KnownMail | undefined {
    const before = this.#mails.set(key, mail);
    if (before !== undefined) this.#count(before, -1);
    this.#count(mail, 1);
    this.#lastId = Math.max(this.#lastId, mail.id);
    return before;
  }

  /** The mail of `key` as the store holds it. */
  find(key: string): KnownMail | undefined {
    return this.#mails.get(key);
  }

  /** The row of `key` is gone from the store; its table stays. */
  forget(key: string): void {
    const mail = this.#mails.get(key);
    if (mail === undefined) return;
    this.#mails.delete(key);
    this.#count(mail, -1);
  }

  #count({ protocol, day }: KnownMail, rows: number): void {
    // Nearly all mails of a run are of one day.
    if (this.#day !== day) {
      this.#day = day;
      this.#tables = {
        smtp: tableName('smtp', day),
        pop3: tableName('pop3', day),
        imap: tableName('imap', day),
      };
    }
    const table = this.#tables[protocol];
    this.#rows.set(table, (this.#rows.get(table) ?? 0) + rows);
  }

  tables(day: string): StoredTable[] {
    return protocols
      .map((protocol) => tableName(protocol, day))
      .flatMap((name) => {
        const rows = this.#rows.get(name);
        return rows === undefined ? [] : [{ name, rows }];
      });
  }
}
