/** What a capture file holds, in the words of the pcapng specification. */

/**
 * One captured packet. The reader reuses one object and one buffer: both are valid only until the
 * callback returns; who keeps bytes copies them.
 */
export interface Packet {
  /** LINKTYPE_ number of the interface, https://www.tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** Seconds since 1970, UTC; may be negative. 0 where the file has no time stamp (Simple Packet Block). */
  readonly seconds: number;
  /** 0 … 999,999,999. */
  readonly nanoseconds: number;
  /** Octets on the wire, possibly more than were captured. */
  readonly originalLength: number;
  /** 1 for the first packet of the file. */
  readonly frame: number;
  /** Holds the captured octets at `offset` … `offset + capturedLength`. */
  readonly buffer: Buffer;
  readonly offset: number;
  readonly capturedLength: number;
}

/** One capture file found for a day. */
export interface CaptureFile {
  /** As given on the command line plus the relative path. */
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** `yyyy-MM-dd`: the day it belongs to. */
  readonly day: string;
  /** Of the first packet that has a time; null where none was found, undefined where nobody looked. */
  readonly firstPacketNs?: bigint | null;
  /** Named by the operator: read whatever it is, and taken as finished. */
  readonly isNamed?: true;
  /** Standard input or a pipe: it can be read once, from its beginning to its end. */
  readonly isStream?: true;
}

/**
 * Files of one rotated capture (same folder, prefix and interface) in capture order; often only one. Besides
 * those of the day that is ingested a series holds those of the days before and after, for the mails that span
 * midnight.
 */
export interface CaptureSeries {
  readonly files: readonly CaptureFile[];
}
