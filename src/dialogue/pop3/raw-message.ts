/** From a mail that was retrieved to the RawMessage that leaves the decoder. */
import { anomaly } from '../../core/anomaly.ts';
import type { Connection } from '../../stream/types.ts';
import type { CollectedMessage } from '../message-collector.ts';
import type { LayerName, RawMessage } from '../types.ts';

/** What holds for all mails of a conversation, until it changes. */
export interface Circumstances {
  readonly connection: Connection;
  readonly layer: LayerName;
  readonly user: string | null;
}

export function rawMessage(
  { connection, layer, user }: Circumstances,
  method: string,
  message: CollectedMessage,
  isWhole: boolean,
  wireBytes: number,
): RawMessage {
  const limit = anomaly('dialogue.message-limit', `frame ${message.first.seen.frame}`, 'the mail was cut');
  return {
    kind: 'message',
    protocol: 'pop3',
    connection,
    direction: 'retrieved',
    method,
    layer,
    octets: message.octets,
    exact: true,
    complete: isWhole,
    missing: message.missing,
    accepted: true,
    envelope: null,
    helo: null,
    user,
    mailbox: null,
    uid: null,
    first: message.first.seen,
    firstSequence: message.first.sequence,
    last: message.last,
    wireBytes,
    anomalies: message.cut ? [limit] : [],
  };
}
