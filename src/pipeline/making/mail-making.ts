/** Where the mails of a share are made: their records, and their files on the disk. Here it is the thread of the caller. */
import type { CaptureFile } from '../../capture/types.ts';
import { pipelineLimits } from '../../core/limits.ts';
import type { RawMessage } from '../../dialogue/types.ts';
import type { MadeMail, MailMaker } from './mail-maker.ts';
import { SpareBuffer } from './spare-buffer.ts';
import { WorkInHand } from './work-in-hand.ts';

export interface MailsBegun {
  /** In the order of what was found; resolves when the files are durable. Not handed out as a promise of a promise. */
  readonly made: Promise<readonly MadeMail[]>;
}

export interface MailMaking {
  /** So many mails may be on their way to their delivery: more where they are made while others are read. */
  readonly mailsAheadMax: number;
  /**
   * `files` is the series that the mails were seen in. Resolves when there was room for all of them: then their octets
   * are released, and whoever reads may go on. One caller at a time.
   */
  begin(found: readonly RawMessage[], files: readonly CaptureFile[]): Promise<MailsBegun>;
  /** Resolves when nothing is in hand: nothing goes on behind the back of who has waited for it. */
  done(): Promise<void>;
}

export class MakingHere implements MailMaking {
  readonly mailsAheadMax = pipelineLimits.deliveryMails;
  readonly #maker: MailMaker;
  readonly #buffers = new SpareBuffer();
  readonly #inHand = new WorkInHand(pipelineLimits.mailsInHandMax, pipelineLimits.mailBytesInHandMax);

  constructor(maker: MailMaker) {
    this.#maker = maker;
  }

  async begin(found: readonly RawMessage[], files: readonly CaptureFile[]): Promise<MailsBegun> {
    const all: (MadeMail | Promise<MadeMail>)[] = [];
    for (const raw of found) {
      const room = this.#inHand.roomFor(raw.octets.length);
      if (room !== undefined) await room;
      all.push(this.#make(raw, files));
    }
    const made = Promise.all(all);
    // Whoever waits for them hears of it.
    made.catch(() => undefined);
    return { made };
  }

  done(): Promise<void> {
    return this.#inHand.done();
  }

  /** A mail without files is made at once: to wait for promises would take a tenth of the time for it. */
  #make(raw: RawMessage, files: readonly CaptureFile[]): MadeMail | Promise<MadeMail> {
    const { length } = raw.octets;
    const bytes = this.#buffers.take(length);
    raw.octets.copy(bytes, 0, 0, length);
    raw.octets.release();
    const made = this.#maker.make(raw, bytes, files);
    if (made instanceof Promise)
      return this.#inHand.add(
        length,
        made.finally(() => this.#buffers.give(bytes)),
      );
    this.#buffers.give(bytes);
    return made;
  }
}
