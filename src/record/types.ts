/** One row per mail; the meaning of each column is documented in docs/record.md. */
import type { Direction, LayerName, MailProtocol } from '../dialogue/types.ts';

/** The documented columns, under their documented names and in their documented order. */
export interface MailColumns {
  /** `yyyy-MM-dd`: the day being ingested. */
  readonly insert_time: string;
  /** `yyyy-MM-dd HH:mm:ss` in the configured zone. */
  readonly timestamp: string;
  readonly sport: number;
  readonly dport: number;
  readonly source_ip: string;
  readonly target_ip: string;
  readonly len: number;
  readonly ttl: number;
  readonly host_name: string | null;
  readonly mail_from: string | null;
  readonly mail_to: string | null;
  readonly x_mail: string | null;
  readonly mail_subject: string | null;
  readonly mail_priority: number;
  readonly message_id: string | null;
  readonly mail_content: string | null;
  readonly file_path: string;
  readonly image_sign: 0 | 1;
  readonly parse_sign: 0 | 1;
}

/** Documented order, `id` first: the order of columns in every table and NDJSON line. */
export const columnNames = [
  'id',
  'insert_time',
  'timestamp',
  'sport',
  'dport',
  'source_ip',
  'target_ip',
  'len',
  'ttl',
  'host_name',
  'mail_from',
  'mail_to',
  'x_mail',
  'mail_subject',
  'mail_priority',
  'message_id',
  'mail_content',
  'file_path',
  'image_sign',
  'parse_sign',
] as const satisfies readonly ('id' | keyof MailColumns)[];

export interface FileDetail {
  readonly sha256: string;
  readonly bytes: number;
  readonly format: string;
  readonly width: number | null;
  readonly height: number | null;
  /** The sender's file name, decoded. */
  readonly name: string | null;
  /** Where the file was written; null where it was not. */
  readonly path: string | null;
}

/** Everything else a mail is known by. */
export interface MailDetail {
  readonly protocol: MailProtocol;
  readonly direction: Direction;
  readonly method: string;
  readonly raw_sha256: string | null;
  readonly raw_size: number;
  readonly complete: boolean;
  readonly missing_bytes: number;
  /** [offset, length or null][] */
  readonly missing: readonly (readonly [number, number | null])[];
  readonly accepted: boolean | null;
  readonly envelope_from: string | null;
  readonly envelope_to: readonly string[] | null;
  readonly cc: readonly string[];
  readonly reply_to: readonly string[];
  readonly date: string | null;
  readonly user: string | null;
  readonly layer: LayerName;
  readonly encrypted: 'smime' | 'pgp' | null;
  readonly images: readonly FileDetail[];
  readonly attachments: readonly FileDetail[];
  readonly anomalies: readonly { readonly code: string; readonly detail: string }[];
  readonly first_frame: number;
  readonly last_frame: number;
  readonly mailbox: string | null;
  readonly uid: number | null;
  /** 32 hexadecimal digits. */
  readonly mail_key: string;
}

/** A row before it has its id. */
export interface MailRecord {
  readonly protocol: MailProtocol;
  readonly columns: MailColumns;
  readonly detail: MailDetail;
}

/** To be written below one of the output folders. */
export interface OutputFile {
  /** Safe, relative to that folder: exactly a folder and a file name. */
  readonly path: string;
  readonly bytes: Buffer;
}
