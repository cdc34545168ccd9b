/** A store of nothing but the images of what is read: for a contact sheet of captures that are not stored. */
import type { MailRecord } from '../../record/types.ts';
import type { Sink, Stored, StoredTable } from '../../store/sink.ts';
import type { TileList } from './tiles.ts';

export class ImageMailSink implements Sink {
  readonly url = 'memory:';
  readonly #tiles: TileList;
  #records = 0;

  constructor(tiles: TileList) {
    this.#tiles = tiles;
  }

  async open(): Promise<void> {}

  async write(batch: readonly MailRecord[]): Promise<Stored> {
    for (const { columns, detail } of batch) {
      const id = ++this.#records;
      const { timestamp, mail_from, mail_to, mail_subject } = columns;
      if (detail.images.length > 0)
        this.#tiles.add({ id, timestamp, mail_from, mail_to, mail_subject, images: detail.images });
    }
    return { added: batch.length, replaced: 0, known: 0 };
  }

  async tables(): Promise<readonly StoredTable[]> {
    return [];
  }

  async close(): Promise<void> {}
}
