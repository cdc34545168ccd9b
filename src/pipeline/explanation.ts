/** What `mailproc explain` tells: plain data, in the order in which it is handed out. */
import type { Anomaly } from '../core/anomaly.ts';
import type { ConversationKind, ConversationSummary } from '../dialogue/conversation.ts';
import type { MissingRange, Tally } from '../dialogue/types.ts';
import type { CloseReason, Sender, Sighting } from '../stream/types.ts';
import type { OctetCounts, SkipReason } from './octet-counts.ts';

export interface ExplainedFile {
  readonly path: string;
  /** null where the file is no capture. */
  readonly format: string | null;
  readonly compression: string | null;
  readonly bytes: number;
  readonly packets: number;
  readonly linkTypes: readonly string[];
  readonly firstPacketNs: bigint | null;
  readonly lastPacketNs: bigint | null;
  /** TLS secrets are inside. */
  readonly hasSecrets: boolean;
  readonly damage: readonly Anomaly[];
}

export interface ExplainedMail {
  readonly kind: 'mail';
  /** Counted from 1 in its connection. */
  readonly number: number;
  readonly seen: Sighting;
  readonly last: Sighting;
  readonly method: string;
  readonly bytes: number;
  readonly sha256: string;
  /** The octets are the mail's own; false where it was put together from IMAP sections. */
  readonly exact: boolean;
  readonly complete: boolean;
  readonly missing: readonly MissingRange[];
  readonly accepted: boolean | null;
  readonly user: string | null;
  readonly mailbox: string | null;
  readonly envelope: { readonly from: string; readonly to: readonly string[] } | null;
  readonly subject: string;
  readonly from: string;
  /** Damage of the mail itself. */
  readonly anomalies: readonly string[];
}

export interface ExplainedGap {
  readonly kind: 'gap';
  readonly sender: Sender;
  readonly octets: number;
  readonly seen: Sighting;
  /** Numbers of the mails that are incomplete because of it; null where a layer hides what it hit. */
  readonly mails: readonly number[] | null;
}

export type ExplainedEvent =
  | { readonly kind: 'said'; readonly sender: Sender; readonly text: string; readonly seen: Sighting }
  | ExplainedMail
  | ExplainedGap
  | { readonly kind: 'anomaly'; readonly code: string; readonly at: string; readonly detail: string }
  /** Looked like mail, but is none by rule. */
  | { readonly kind: 'no-row'; readonly what: Tally['what'] }
  /** Not shown, and how many of each: `C FETCH`, `S OK`. */
  | { readonly kind: 'omitted'; readonly counts: Readonly<Record<string, number>> };

export interface ExplainedConnection extends ConversationSummary {
  readonly first: Sighting | null;
  readonly last: Sighting | null;
  /** How it ended; null where nothing more was wanted of it. */
  readonly closed: CloseReason | null;
  /** Login name. */
  readonly user: string | null;
  readonly events: readonly ExplainedEvent[];
}

export interface ExplainedTotals {
  readonly connections: Readonly<Record<ConversationKind, number>>;
  /** Of the connections that are no mail, what they are. */
  readonly noMail: Readonly<Record<string, number>>;
  readonly mails: { readonly whole: number; readonly incomplete: number };
  readonly noRows: Readonly<Record<Tally['what'], number>>;
  /** Octets of the files' content; those of `octets` add up to it. */
  readonly octetsRead: number;
  readonly octets: Readonly<OctetCounts>;
  /** `octets.skipped` by reason. */
  readonly skippedOctets: Readonly<Partial<Record<SkipReason, number>>>;
  /** Sent, but not in the capture. */
  readonly lostOctets: number;
  /** Packets that carry no TCP, by the reason. */
  readonly packets: Readonly<Record<string, number>>;
}
