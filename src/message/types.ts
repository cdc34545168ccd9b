/** A decoded mail, RFC 5322 and MIME (RFC 2045 to 2049). All text is Unicode. */
import type { Anomaly } from '../core/anomaly.ts';

export interface Address {
  /** Display name, decoded; empty where there is none. */
  readonly name: string;
  /** Bare addr-spec; may be any text in a mail that does not keep the rules. */
  readonly address: string;
}

/** Real format of a file, told by its first octets. */
export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'bmp' | 'tiff' | 'heic' | 'avif' | 'ico' | 'svg';

/** A leaf of the mail that is no displayed text, or a file found inside one. */
export interface Attachment {
  /** The sender's file name, decoded but not yet safe; undefined where none was given. */
  readonly name: string | undefined;
  /** Declared media type in lower case, for example `application/octet-stream`. */
  readonly declaredType: string;
  readonly disposition: 'attachment' | 'inline' | undefined;
  /** Without the angle brackets. */
  readonly contentId: string | undefined;
  /** Content after its transfer encoding was undone; may be a view of the raw message. */
  readonly bytes: Buffer;
  /** Set where the octets (not the declared type) are an image. */
  readonly imageFormat: ImageFormat | undefined;
  /** Where it was found. */
  readonly origin: 'part' | 'data-uri' | 'uuencode' | 'yenc' | 'tnef';
}

export interface Message {
  readonly subject: string | undefined;
  readonly from: readonly Address[];
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly replyTo: readonly Address[];
  /** `Date:` as an ISO 8601 string with its own offset, undefined where it cannot be read. */
  readonly date: string | undefined;
  /** Without the angle brackets. */
  readonly messageId: string | undefined;
  /** X-Mailer, else User-Agent, X-User-Agent, X-QQ-Mailer; unfolded and decoded. */
  readonly mailer: string | undefined;
  /** 1 highest … 5 lowest, 3 where nothing is said. */
  readonly priority: number;
  /** Host named by `from` in the bottom `Received:` field that names a real one. */
  readonly receivedHost: string | undefined;
  /** What a reader sees: the plain alternative, else text made from the HTML. */
  readonly text: string;
  /** All leaves that are no displayed text, nested mails' included, in order. */
  readonly attachments: readonly Attachment[];
  /** Images that were declared or named as such but whose octets are none. */
  readonly falseImages: number;
  /** The body is encrypted (S/MIME enveloped data, PGP): its text cannot be had. */
  readonly encrypted: 'smime' | 'pgp' | undefined;
  /** Damage and limits met; an anomaly here makes parse_sign 0 only where content was lost. */
  readonly anomalies: readonly Anomaly[];
  /** False where structure or content could not be decoded in full. */
  readonly whole: boolean;
}
