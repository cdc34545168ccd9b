/** The ids of the mails of one sink, from its sequence. */
import type { Id, Mail } from './batch.ts';
import { type IdSource, idsOf } from './sequence/types.ts';

export class MailIds {
  readonly #source: IdSource;
  /** Taken, and certainly not in any table; in their order. */
  #spare: Id[] = [];

  constructor(source: IdSource) {
    this.#source = source;
  }

  get idBits(): 31 | 63 {
    return this.#source.idBits;
  }

  /** To those that need one, in the order of the batch. */
  async give(mails: readonly Mail[]): Promise<void> {
    const without = mails.filter(({ known, id }) => known === undefined && id === undefined);
    const ids = this.#spare.splice(0, without.length);
    const missing = without.length - ids.length;
    if (missing > 0) for (const id of idsOf(await this.#source.take(missing))) ids.push(id);
    for (const [index, mail] of without.entries()) mail.id = ids[index];
  }

  /** After their transaction was rolled back for certain: some of the mails need none, which leaves no gap. */
  takeBack(mails: readonly Mail[]): void {
    for (const mail of mails) {
      // What moves has the id of its row.
      if (mail.known !== undefined || mail.id === undefined || mail.leaving?.row !== undefined) continue;
      this.#spare.push(mail.id);
      mail.id = undefined;
    }
    this.#spare.sort((left, right) => Number(BigInt(left) - BigInt(right)));
  }

  /** Two masters may hand out the same ids after a failover: these are taken, the next are fresh. */
  discard(mails: readonly Mail[]): void {
    this.#source.discard();
    this.#spare = [];
    for (const mail of mails) if (mail.known === undefined) mail.id = undefined;
  }
}
