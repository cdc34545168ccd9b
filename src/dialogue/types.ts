/** What is overheard in a mail conversation. */
import type { Anomaly } from '../core/anomaly.ts';
import type { Connection, Sender, Sighting, StreamEvent } from '../stream/types.ts';
import type { DialogueMemory, Octets } from './octets.ts';

export type MailProtocol = 'smtp' | 'pop3' | 'imap';

/** How the octets of a conversation were carried. */
export type LayerName = 'plain' | 'starttls' | 'tls' | 'compress';

export type Direction = 'submitted' | 'relayed' | 'retrieved' | 'appended';

/** Octets of a message that were sent but not captured. */
export interface MissingRange {
  /** Offset in the message as it was sent. */
  readonly offset: number;
  /** Octets; undefined where the number is not known (the rest of a mail broken off). */
  readonly length: number | undefined;
}

/** SMTP envelope, RFC 5321 §2.3.1: bare addresses without the angle brackets. */
export interface Envelope {
  /** Empty for the null reverse-path. */
  readonly from: string;
  /** Accepted recipients; all that were named where the replies were not captured. */
  readonly to: readonly string[];
}

/** One message as it crossed the wire, its transfer coding (dots, literals, chunks) undone. */
export interface RawMessage {
  readonly kind: 'message';
  readonly protocol: MailProtocol;
  readonly connection: Connection;
  readonly direction: Direction;
  /** `DATA`, `BDAT`, `RETR`, `TOP`, `FETCH BODY[]`, `FETCH RFC822`, `FETCH BODY[]<partial>`, `FETCH sections`, `APPEND`, … */
  readonly method: string;
  readonly layer: LayerName;
  /** What was recovered, in order; the receiver releases them. */
  readonly octets: Octets;
  /** `octets` are the message's own; false where they were put together from IMAP sections. */
  readonly exact: boolean;
  readonly complete: boolean;
  readonly missing: readonly MissingRange[];
  /** The server's final answer; null where it was not captured. */
  readonly accepted: boolean | null;
  /** null but on SMTP. */
  readonly envelope: Envelope | null;
  /** Last HELO, EHLO or LHLO argument; null but on SMTP. */
  readonly helo: string | null;
  /** Login name; never a password. */
  readonly user: string | null;
  readonly mailbox: string | null;
  readonly uid: number | null;
  /** The message's first octet: where it was seen and its TCP sequence number. */
  readonly first: Sighting;
  readonly firstSequence: number;
  /** The message's last octet. */
  readonly last: Sighting;
  /** Octets the message took in its stream, before its transfer coding was undone. */
  readonly wireBytes: number;
  readonly anomalies: readonly Anomaly[];
}

/** Counted, never stored: what looked like mail but is none by rule. */
export interface Tally {
  readonly kind: 'tally';
  readonly what:
    | 'header-listing'
    /** DATA, BDAT or APPEND that the server refused before the text. */
    | 'refused'
    /** A conversation that went on in TLS without secrets. */
    | 'encrypted';
}

/** One command, reply or note for `mailproc explain`; only with `DialogueOptions.trace`. */
export interface Trace {
  readonly kind: 'trace';
  readonly sender: Sender;
  /** At most 200 characters of one line, secrets replaced by `***`; may hold any character. */
  readonly text: string;
  readonly seen: Sighting;
}

/**
 * From here on the conversation is inside another layer. `rest` is what the decoder had already
 * received behind the turning point, in order: it is the beginning of the layer.
 */
export interface Upgrade {
  readonly kind: 'upgrade';
  readonly layer: 'tls' | 'deflate';
  readonly rest: readonly StreamEvent[];
}

export type DialogueEvent = RawMessage | Anomaly | Tally | Trace | Upgrade;

export interface DialogueOptions {
  readonly trace: boolean;
  /** Of all conversations together; the heap where none is given. */
  readonly memory?: DialogueMemory;
}

/**
 * Follows one connection. Does no I/O, starts no timers, keeps no view of an event's bytes, and never
 * throws whatever the bytes are. `receive` returns what the event completed, in order.
 *
 * After `close` of `both` sides everything still open has been handed out as incomplete.
 */
export interface DialogueDecoder {
  /** An `upgrade` is the last event yielded: what follows comes through the new layer. */
  receive(event: StreamEvent): readonly DialogueEvent[];
  /** The conversation goes on in another layer; messages from now on carry its name. */
  layerChanged(layer: LayerName): void;
  /** Neither a mail nor an answer is in progress: who begins to listen here misses no mail. */
  readonly isBetweenMails: boolean;
  /** What it holds until more comes, in octets, the objects they are in counted near enough; no mails. */
  readonly heldBytes: number;
}
