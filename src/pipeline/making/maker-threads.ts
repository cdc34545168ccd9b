/**
 * Makes the mails of a share by other threads, while this one reads on: it copies the mails' octets into blocks that
 * change hands, and gets records back. Half of the work on a mail is in it, more where it has images.
 */
import { strict as assert } from 'node:assert';
import { Worker } from 'node:worker_threads';
import type { CaptureFile } from '../../capture/types.ts';
import { errorOf, type MailprocError } from '../../core/errors.ts';
import { pipelineLimits } from '../../core/limits.ts';
import type { RawMessage } from '../../dialogue/types.ts';
import { workerDied } from '../worker-died.ts';
import { BlockPool } from './block-pool.ts';
import type { MadeMail } from './mail-maker.ts';
import type { MailMaking, MailsBegun } from './mail-making.ts';
import type { FromMaker, MakerSetting, ToMaker } from './maker-messages.ts';
import { type Parcel, packParcel, parcelsOf, unpackMade } from './parcel.ts';
import { WorkInHand } from './work-in-hand.ts';

export class MakerThreads implements MailMaking {
  readonly mailsAheadMax = pipelineLimits.mailsMadeAheadMax;
  readonly #threads: readonly Thread[];
  readonly #blocks = new BlockPool(pipelineLimits.mailBytesInHandMax);
  readonly #inHand = new WorkInHand(pipelineLimits.parcelsInHandMax, pipelineLimits.mailBytesInHandMax);

  /** At least one thread; they end with `close`. */
  constructor(count: number, setting: MakerSetting) {
    const give = (block: ArrayBuffer) => this.#blocks.give(block);
    this.#threads = Array.from({ length: count }, () => new Thread(setting, give));
  }

  async begin(found: readonly RawMessage[], files: readonly CaptureFile[]): Promise<MailsBegun> {
    const { parcelBytes, parcelMails } = pipelineLimits;
    const parcels: Promise<readonly MadeMail[]>[] = [];
    for (const { mails, octets } of parcelsOf(found, parcelBytes, parcelMails)) {
      const room = this.#inHand.roomFor(octets);
      if (room !== undefined) await room;
      const parcel = packParcel(mails, this.#blocks.take(Math.max(octets, parcelBytes)));
      parcels.push(this.#inHand.add(octets, this.#leastBusy.make(parcel, octets, files)));
    }
    const made = Promise.all(parcels).then((all) => all.flat());
    // Whoever waits for them hears of it.
    made.catch(() => undefined);
    return { made };
  }

  done(): Promise<void> {
    return this.#inHand.done();
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  get #leastBusy(): Thread {
    const [first, ...others] = this.#threads;
    assert(first !== undefined);
    return others.reduce((one, other) => (other.octetsInHand < one.octetsInHand ? other : one), first);
  }
}

interface Order {
  readonly octets: number;
  readonly resolve: (mails: readonly MadeMail[]) => void;
  readonly reject: (reason: MailprocError) => void;
}

class Thread {
  readonly #worker: Worker;
  readonly #give: (block: ArrayBuffer) => void;
  readonly #orders = new Map<number, Order>();
  #number = 0;
  #octetsInHand = 0;
  /** What the thread takes the parcels to be of. */
  #files: readonly CaptureFile[] | undefined;
  /** Why it cannot be used any more. */
  #death: MailprocError | undefined;

  /** `give` gets the blocks that come back. */
  constructor(setting: MakerSetting, give: (block: ArrayBuffer) => void) {
    this.#give = give;
    // The compiler does not rewrite URLs: this is the name that the module has when it is compiled.
    this.#worker = new Worker(new URL('./maker-thread.js', import.meta.url), {
      name: 'mailproc mails',
      workerData: setting,
      resourceLimits: { maxOldGenerationSizeMb: pipelineLimits.workerHeapMegabytesMax },
    });
    this.#worker.on('message', (message: FromMaker) => this.#receive(message));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', () => this.#die(new Error('the thread has ended')));
  }

  get octetsInHand(): number {
    return this.#octetsInHand;
  }

  /** `octets` of the block are used. */
  make(parcel: Parcel, octets: number, files: readonly CaptureFile[]): Promise<readonly MadeMail[]> {
    if (this.#death !== undefined) return Promise.reject(this.#death);
    if (files !== this.#files) this.#send({ kind: 'series', files });
    this.#files = files;
    const number = this.#number++;
    this.#octetsInHand += octets;
    return new Promise((resolve, reject) => {
      this.#orders.set(number, { octets, resolve, reject });
      this.#send({ kind: 'make', number, parcel }, [parcel.octets]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromMaker): void {
    const order = this.#orders.get(message.number);
    assert(order !== undefined);
    this.#orders.delete(message.number);
    this.#octetsInHand -= order.octets;
    if (message.kind === 'made') {
      this.#give(message.made.octets);
      order.resolve(unpackMade(message.made));
      return;
    }
    order.reject(errorOf(message.failure));
  }

  /** Only a mistake of ours, or too little memory, ends a thread. */
  #die(cause: Error): void {
    this.#death ??= workerDied('decode mails by a thread', cause);
    for (const { reject } of this.#orders.values()) reject(this.#death);
    this.#orders.clear();
  }

  #send(message: ToMaker, moved: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, moved);
  }
}
