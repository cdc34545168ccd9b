/** From literals and sections to the RawMessage that leaves the decoder. */
import { type Anomaly, anomaly } from '../../core/anomaly.ts';
import type { Connection, Sender, Sighting } from '../../stream/types.ts';
import { mailWasCut } from '../collected-mail.ts';
import type { Place } from '../half-stream.ts';
import type { CollectedMessage } from '../message-collector.ts';
import { joinOctets, type Octets } from '../octets.ts';
import type { LayerName, MissingRange, RawMessage } from '../types.ts';
import type { Orphan } from './orphan.ts';
import type { Literal } from './unit.ts';

/** What differs from mail to mail of one connection. */
export interface MessageParts {
  readonly direction: 'retrieved' | 'appended';
  readonly method: string;
  readonly octets: Octets;
  readonly exact: boolean;
  readonly complete: boolean;
  readonly missing: readonly MissingRange[];
  readonly accepted: boolean | null;
  readonly mailbox: string | null;
  readonly uid: number | null;
  readonly first: Place;
  readonly last: Sighting;
  readonly wireBytes: number;
  readonly anomalies: readonly Anomaly[];
  /** Whoever logged in as far as the client's side tells, for mails that wait for no answer. */
  readonly claimedUser?: string | null;
}

export function rawMessage(
  connection: Connection,
  layer: LayerName,
  user: string | null,
  parts: MessageParts,
): RawMessage {
  return {
    kind: 'message',
    protocol: 'imap',
    connection,
    layer,
    envelope: null,
    helo: null,
    user,
    direction: parts.direction,
    method: parts.method,
    octets: parts.octets,
    exact: parts.exact,
    complete: parts.complete,
    missing: parts.missing,
    accepted: parts.accepted,
    mailbox: parts.mailbox,
    uid: parts.uid,
    first: parts.first.seen,
    firstSequence: parts.first.sequence,
    last: parts.last,
    wireBytes: parts.wireBytes,
    anomalies: parts.anomalies,
  };
}

/** The rest of a mail whose announcement was lost, and with it the mail's name. */
export function orphanParts(
  { content, captured }: Orphan,
  sender: Sender,
  mailbox: string | null,
  claimedUser: string | null,
): MessageParts {
  const { octets, missing, first, last } = content;
  const appended = sender === 'client';
  return {
    direction: appended ? 'appended' : 'retrieved',
    method: appended ? 'APPEND' : 'FETCH BODY[]',
    octets,
    exact: true,
    complete: false,
    missing,
    accepted: appended ? null : true,
    mailbox: appended ? null : mailbox,
    uid: null,
    first,
    last,
    wireBytes: captured,
    anomalies: [],
    claimedUser: appended ? claimedUser : null,
  };
}

/** The octets of one message that came in several literals (CATENATE). */
export function joinLiterals(literals: readonly Literal[]): {
  readonly octets: Octets;
  readonly missing: readonly MissingRange[];
  readonly length: number;
} {
  const missing: MissingRange[] = [];
  let length = 0;
  for (const literal of literals) {
    for (const hole of literal.content.missing)
      missing.push({ offset: length + hole.offset, length: hole.length });
    length += literal.length;
  }
  const ranges = literals.map(({ content: { octets } }) => ({ of: octets, from: 0, to: octets.length }));
  return { octets: joinOctets(ranges), missing, length };
}

/** Octets from the first to the last, those that are known to be missing included. */
export function extentOf({ octets, missing }: CollectedMessage): number {
  return missing.reduce((sum, { length = 0 }) => sum + length, octets.length);
}

/** Where a literal's length lies, where its content ends is not known. */
export function missingOf(content: CollectedMessage, mismatch: boolean): readonly MissingRange[] {
  if (!mismatch || content.missing.length > 0) return content.missing;
  return [{ offset: content.octets.length, length: undefined }];
}

export function anomaliesOf(content: CollectedMessage, mismatch: boolean): Anomaly[] {
  const found: Anomaly[] = [];
  if (mismatch) found.push(mismatchAnomaly(content.first));
  if (content.cut) found.push(mailWasCut(content.last.frame));
  return found;
}

export function mismatchAnomaly(place: Place | undefined): Anomaly {
  const at = `frame ${place?.seen.frame ?? 0}`;
  return anomaly('dialogue.literal-mismatch', at, 'IMAP literal is not followed by what may follow one');
}
