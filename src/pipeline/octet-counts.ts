/** Where the octets of the captures went: each is counted once, and what was skipped has its reason. */
import type { CaptureSummary } from '../capture/read-capture.ts';
import type { ConversationSummary } from '../dialogue/conversation.ts';
import type { PacketCounts } from '../packet/counts.ts';
import type { StreamCounts } from '../stream/counts.ts';

/** Octets of the captures' content: the fields add up to all that was read. */
export interface OctetCounts {
  /** Block headers, options and padding of the capture files. */
  file: number;
  /** Link, IP and TCP headers of TCP segments. */
  headers: number;
  mail: number;
  /** Commands and replies of mail conversations, and what surrounds mails. */
  protocol: number;
  /** Of mail conversations in TLS without secrets. */
  encrypted: number;
  /** Of connections and packets that are no mail. */
  other: number;
  /** TCP payload sent or captured again. */
  repeated: number;
  /** TCP payload of no place in its stream: behind a FIN, out of the window, keep-alive probes. */
  discarded: number;
  /** Damage: parts of a file and packets that could not be decoded, fragments never completed. */
  skipped: number;
}

export type SkipReason =
  | 'damaged-file'
  | 'malformed-packets'
  | 'truncated-packets'
  | 'nesting-limit'
  | 'incomplete-fragments';

export interface OctetAccount {
  readonly octets: OctetCounts;
  /** `octets.skipped` by reason. */
  readonly skippedOctets: Partial<Record<SkipReason, number>>;
}

export function emptyAccount(): OctetAccount {
  const octets = {
    file: 0,
    headers: 0,
    mail: 0,
    protocol: 0,
    encrypted: 0,
    other: 0,
    repeated: 0,
    discarded: 0,
    skipped: 0,
  };
  return { octets, skippedOctets: {} };
}

export function addFileOctets(account: OctetAccount, capture: CaptureSummary): void {
  account.octets.file += capture.overheadBytes + capture.zeroTailBytes;
  skip(account, 'damaged-file', capture.skippedBytes);
}

export function addPacketOctets(account: OctetAccount, { classes, payloadOctets }: PacketCounts): void {
  const { octets } = account;
  octets.headers += classes.segment.octets - payloadOctets;
  for (const name of ['not-ip', 'not-tcp', 'unknown-link-type'] as const)
    octets.other += classes[name].octets;
  skip(account, 'malformed-packets', classes.malformed.octets);
  skip(account, 'truncated-packets', classes.truncated.octets);
  skip(account, 'nesting-limit', classes['nesting-limit'].octets);
  const fragments = classes['fragment-waiting'].octets + classes['fragment-dropped'].octets;
  skip(account, 'incomplete-fragments', fragments);
}

/** What was delivered to one conversation. */
export function addConversationOctets(octets: OctetCounts, heard: ConversationSummary['octets']): void {
  octets.mail += heard.mail;
  octets.protocol += heard.protocol;
  octets.encrypted += heard.encrypted;
  octets.other += heard.other;
}

/** Octets of streams that were not delivered; those that were are counted by the conversations. */
export function addStreamOctets({ octets }: OctetAccount, counts: StreamCounts): void {
  octets.other += counts.ignoredOctets;
  octets.repeated += counts.duplicateOctets;
  octets.discarded += counts.discardedOctets;
}

function skip({ octets, skippedOctets }: OctetAccount, reason: SkipReason, count: number): void {
  if (count === 0) return;
  octets.skipped += count;
  skippedOctets[reason] = (skippedOctets[reason] ?? 0) + count;
}
