/** What a sink and its thread say to each other. All of it is plain data that can be cloned. */
import type { Failure } from '../../core/errors.ts';
import type { Stored } from '../sink.ts';
import type { PackedMails } from './sqlite-mail.ts';

/** Given to the thread when it begins. */
export interface ThreadTask {
  readonly path: string;
  readonly busyTimeoutMs: number;
}

export type ToThread =
  | { readonly kind: 'write'; readonly mails: PackedMails }
  /** Close the file and come to an end. */
  | { readonly kind: 'close' };

/** Answers come in the order of the writes. */
export type FromThread =
  | { readonly kind: 'stored'; readonly stored: Stored }
  /** The operator's trouble, see `MailprocError`. */
  | { readonly kind: 'failed'; readonly failure: Failure };
