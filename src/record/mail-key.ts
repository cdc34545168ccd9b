/**
 * The identity of one occurrence of a mail on the wire: what two captures of the same traffic have in
 * common, whatever their files are called, how large they are and what they lost of the content.
 */
import { hash } from 'node:crypto';
import type { RawMessage } from '../dialogue/types.ts';

/** First 16 octets of a SHA-256, as 32 hexadecimal digits. */
export function mailKey(
  raw: Pick<RawMessage, 'protocol' | 'connection' | 'first' | 'firstSequence'>,
): string {
  const { client, server } = raw.connection;
  const parts = [
    raw.protocol,
    client.address,
    client.port,
    server.address,
    server.port,
    raw.first.timestampNs,
    raw.firstSequence,
  ];
  // No part can hold a line feed, so that no two lists of parts give the same text.
  // From the octets: a part of the longer text would keep all of it, and stores keep these keys.
  return hash('sha256', parts.join('\n'), 'buffer').toString('hex', 0, 16);
}
