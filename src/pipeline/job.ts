/** What a run is asked to do; the command line makes it, tests and library users can too. */
import type { MailProtocol } from '../dialogue/types.ts';

/** Server ports and what is spoken there: only a hint, the conversation decides. */
export type PortHints = ReadonlyMap<number, MailProtocol>;

export interface Job {
  /** A directory, searched recursively, or one capture file. */
  readonly root: string;
  /** `yyyy-MM-dd` */
  readonly day: string;
  /** IANA name. */
  readonly timeZone: string;
  /** See `openStore`. */
  readonly store: string;
  readonly imageFolder: string;
  /** undefined: attachments that are no image are listed, not written. */
  readonly attachmentFolder?: string | undefined;
  /** undefined: the mails' own octets are not written. */
  readonly messageFolder?: string | undefined;
  /** Besides the well-known ones. */
  readonly ports: PortHints;
  readonly keyLogFile: string | undefined;
  /** Delete what earlier runs stored of the day's captures, and read them anew. */
  readonly reprocess: boolean;
  /** Threads that read a large series at the same time; 1, or nothing, reads it in the thread of the caller. */
  readonly jobs?: number;
  /** Octets kept of one mail; see `dialogueLimits` where it is not given. */
  readonly mailBytesMax?: number | undefined;
  /** Folder for what memory has no room for; that of the system for temporary files where it is not given. */
  readonly spillFolder?: string | undefined;
}

/** What a run tells while it goes on; both may be called often. */
export interface Watcher {
  /** `total` octets in all capture files, `done` of them read. */
  progress(done: number, total: number): void;
  anomaly(capture: string, code: string, at: string, detail: string): void;
  /** What the store has to say: an odd setting, a failover, a value that was cut. */
  notice?(code: string, detail: string): void;
}
