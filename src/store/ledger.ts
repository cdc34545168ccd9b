/**
 * What earlier runs did with each capture. With it a finished capture is not read again, one that has grown
 * is read on, and the rows of a capture can be checked against what was written.
 */

export interface LedgerEntry {
  /** Path as rows name it in `file_path`. */
  readonly capture: string;
  /** Day it was ingested for, `yyyy-MM-dd`. */
  readonly day: string;
  /** Of the file when it was read. */
  readonly bytes: number;
  readonly modifiedMs: number;
  /** null where no packet has a time. Nanoseconds since 1970, UTC. */
  readonly firstPacketNs: bigint | null;
  readonly lastPacketNs: bigint | null;
  /** Read to its end, every mail that ended in it stored. */
  readonly isDone: boolean;
  /**
   * Earliest capture of the series that must be read again to follow on the streams open at the end of this
   * one; its own path where none was open.
   */
  readonly neededFrom: string;
  /** What was done, as plain JSON: octets by kind, packets, anomalies by code. */
  readonly summary: string;
  /** Version of mailproc: a capture read by another version is read again on request only. */
  readonly version: string;
}

/** Rows that were written for a capture into a table; counted in the transaction that wrote them. */
export interface LedgerRows {
  readonly capture: string;
  /** `smtp_2022_01_28` */
  readonly table: string;
  readonly rows: number;
}

/** What a server beside the active one holds of a table. */
export interface TableCopy {
  readonly table: string;
  readonly server: string;
  readonly rows: number;
  readonly activeServer: string;
  readonly activeRows: number;
  /** The same mails, as much of each, under the same ids. */
  readonly isSame: boolean;
  /** Why it could not be asked. */
  readonly trouble: string | undefined;
}

/** The right to write the mails of some captures, until it is released or its owner dies. */
export interface Lease {
  /** Throws a `MailprocError` `store.lease-lost` where another run has taken over. */
  renew(): Promise<void>;
  release(): Promise<void>;
}

/** Every store that can be read back has one; see `Sink.ledger`. */
export interface Ledger {
  /** Entries of these captures, as far as there are any. */
  find(captures: readonly string[]): Promise<readonly LedgerEntry[]>;
  /** Days that have entries, rows that were written, or tables; sorted, each once. */
  days(): Promise<readonly string[]>;
  /** Entries of a day. */
  ofDay(day: string): Promise<readonly LedgerEntry[]>;
  /** Writes or replaces entries, durably, after the rows of these captures are durable. */
  settle(entries: readonly LedgerEntry[]): Promise<void>;
  /** What was written into the tables of `day`, by capture. */
  rows(day: string): Promise<readonly LedgerRows[]>;
  /** The same counted in the tables as they are now. */
  count(day: string): Promise<readonly LedgerRows[]>;
  /** Of the tables of `day`; where more servers than one may hold them. */
  copies?(day: string): Promise<readonly TableCopy[]>;
  /** undefined where another run that is alive holds one of the captures. */
  lease(captures: readonly string[]): Promise<Lease | undefined>;
  /** Deletes the rows of a capture, and its entry, in one transaction a table: for reading it anew. */
  forget(capture: string): Promise<void>;
}
