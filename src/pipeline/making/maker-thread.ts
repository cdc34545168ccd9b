/** A worker thread: makes the mails of the parcels that the thread which started it sends, see `MakerThreads`. */
import { strict as assert } from 'node:assert';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { CaptureFile } from '../../capture/types.ts';
import { ZoneClock } from '../../core/clock.ts';
import { failureOf, MailprocError } from '../../core/errors.ts';
import { adaptHeapGrowth } from '../memory/heap-growth.ts';
import { MailMaker } from './mail-maker.ts';
import type { FromMaker, MakerSetting, ToMaker } from './maker-messages.ts';
import { type Parcel, packMade, unpackParcel } from './parcel.ts';

class MakerThread {
  readonly #port: MessagePort;
  readonly #maker: MailMaker;
  #files: readonly CaptureFile[] = [];

  constructor(port: MessagePort, { outputs, timeZone }: MakerSetting) {
    this.#port = port;
    this.#maker = new MailMaker(outputs, new ZoneClock(timeZone));
    port.on('message', (message: ToMaker) => {
      if (message.kind === 'series') this.#files = message.files;
      // What it throws is a broken invariant and ends the thread.
      else void this.#make(message.number, message.parcel);
    });
  }

  async #make(number: number, parcel: Parcel): Promise<void> {
    adaptHeapGrowth();
    try {
      const making = unpackParcel(parcel).map(({ found, bytes }) =>
        this.#maker.make(found, bytes, this.#files),
      );
      const made = packMade(await Promise.all(making), parcel.octets);
      this.#send({ kind: 'made', number, made }, [made.octets, ...made.records.blocks]);
    } catch (error) {
      if (!(error instanceof MailprocError)) throw error;
      this.#send({ kind: 'failed', number, failure: failureOf(error) });
    }
  }

  #send(message: FromMaker, moved: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, moved);
  }
}

assert(parentPort !== null, 'this module is where a worker thread begins');
new MakerThread(parentPort, workerData as MakerSetting);
