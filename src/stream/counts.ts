/**
 * What became of the payload. The sum holds at every moment between two segments:
 * `payloadOctets = deliveredOctets + duplicateOctets + ignoredOctets + discardedOctets + heldOctets`.
 */
import type { CloseReason } from './types.ts';

export interface StreamCounts {
  /** Segments of this share. */
  segments: number;
  /** Payload octets captured in them. */
  payloadOctets: number;
  deliveredOctets: number;
  /** Seen before, or before the first octet that was delivered. */
  duplicateOctets: number;
  /** Of connections nobody is interested in. */
  ignoredOctets: number;
  /** Of no place in any stream; see `discarded`. */
  discardedOctets: number;
  /** Waiting for octets before them; 0 after `end`. */
  heldOctets: number;
  /** Octets lost in `gap` events; not part of the sum, since they were not captured. */
  gapOctets: number;
  gaps: number;
  /** Connections with at least one event. */
  opened: number;
  /** Opened connections that showed neither SYN nor SYN-ACK. */
  midstreamStarts: number;
  readonly closed: Record<CloseReason | 'ignored', number>;
  readonly discarded: Record<DiscardReason, number>;
}

export type DiscardReason =
  /** The sequence number is not near the stream. */
  | 'out-of-window'
  /** Carried by a RST, where it is a text for a person at most (RFC 9293 §3.5.3). */
  | 'with-rst'
  /** Behind the FIN. */
  | 'behind-fin'
  /** The connection was closed. */
  | 'after-close'
  /** The garbage octet of a keep-alive probe, RFC 9293 §3.8.4. */
  | 'keep-alive'
  /** Behind a hole too long to be believed. */
  | 'doubtful';

export function emptyCounts(): StreamCounts {
  return {
    segments: 0,
    payloadOctets: 0,
    deliveredOctets: 0,
    duplicateOctets: 0,
    ignoredOctets: 0,
    discardedOctets: 0,
    heldOctets: 0,
    gapOctets: 0,
    gaps: 0,
    opened: 0,
    midstreamStarts: 0,
    closed: { fin: 0, rst: 0, idle: 0, reuse: 0, limit: 0, end: 0, ignored: 0 },
    discarded: {
      'out-of-window': 0,
      'with-rst': 0,
      'behind-fin': 0,
      'after-close': 0,
      'keep-alive': 0,
      doubtful: 0,
    },
  };
}

export function countDiscarded(counts: StreamCounts, octets: number, reason: DiscardReason): void {
  counts.discardedOctets += octets;
  counts.discarded[reason] += octets;
}
