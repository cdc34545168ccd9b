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
  // No part can hold a line feed, so that no two lists of parts give the same text.
  const ends = `${client.address}\n${client.port}\n${server.address}\n${server.port}`;
  const parts = `${raw.protocol}\n${ends}\n${raw.first.timestampNs}\n${raw.firstSequence}`;
  digits.write(hash('sha256', parts), 'latin1');
  // Copied: a slice of the longer text would keep all of it, and stores keep these keys.
  return digits.toString('latin1', 0, 32);
}

const digits = Buffer.alloc(64);
