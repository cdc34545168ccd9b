/** What a thread that makes mails and the one that started it say to each other. All of it can be cloned. */
import type { CaptureFile } from '../../capture/types.ts';
import type { Failure } from '../../core/errors.ts';
import type { MailOutputs } from './mail-maker.ts';
import type { MadeParcel, Parcel } from './parcel.ts';

/** What the thread is started with. */
export interface MakerSetting {
  readonly outputs: MailOutputs;
  /** IANA name. */
  readonly timeZone: string;
}

export type ToMaker =
  /** The series that all parcels from here on are of. */
  | { readonly kind: 'series'; readonly files: readonly CaptureFile[] }
  /** The block of octets goes with it. */
  | { readonly kind: 'make'; readonly number: number; readonly parcel: Parcel };

export type FromMaker =
  /** The parcel's block comes back. */
  | { readonly kind: 'made'; readonly number: number; readonly made: MadeParcel }
  /** The operator's trouble, see `MailprocError`. */
  | { readonly kind: 'failed'; readonly number: number; readonly failure: Failure };
