/** What the thread of a run and its workers say to each other. All of it is plain data that can be cloned. */
import type { Failure } from '../core/errors.ts';
import type { PackedDelivery } from './packed-delivery.ts';
import type { SeriesSummary } from './series-reader.ts';
import type { SeriesTask } from './share-reader.ts';

export type ToWorker =
  /** The next share; after `done` only. */
  | { readonly kind: 'read'; readonly task: SeriesTask }
  /** One delivery was written. */
  | { readonly kind: 'written' }
  /** The answer to `reads-on`. */
  | { readonly kind: 'agreed'; readonly isWanted: boolean }
  /** Come to an end. */
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'delivery'; readonly delivery: PackedDelivery }
  | { readonly kind: 'reads-on'; readonly isWanted: boolean }
  | { readonly kind: 'done'; readonly summary: SeriesSummary }
  | { readonly kind: 'stopped' }
  /** The operator's trouble, see `MailprocError`. */
  | { readonly kind: 'failed'; readonly failure: Failure };
