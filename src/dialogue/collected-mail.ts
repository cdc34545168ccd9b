/** What SMTP and POP3 say alike of a mail: both send it in one piece, and name no mailbox. */
import { type Anomaly, anomaly } from '../core/anomaly.ts';
import type { CollectedMessage } from './message-collector.ts';
import type { RawMessage } from './types.ts';

type CollectedMail = Pick<
  RawMessage,
  | 'kind'
  | 'octets'
  | 'exact'
  | 'missing'
  | 'mailbox'
  | 'uid'
  | 'first'
  | 'firstSequence'
  | 'last'
  | 'anomalies'
>;

export function collectedMail({ octets, missing, first, last, cut }: CollectedMessage): CollectedMail {
  return {
    kind: 'message',
    octets,
    exact: true,
    missing,
    mailbox: null,
    uid: null,
    first: first.seen,
    firstSequence: first.sequence,
    last,
    anomalies: cut ? [mailWasCut(first.seen.frame)] : [],
  };
}

/** The mail is longer than a mail may be: the rest of it is counted as missing. */
export function mailWasCut(frame: number): Anomaly {
  return anomaly('dialogue.message-limit', `frame ${frame}`, 'the mail was cut');
}
