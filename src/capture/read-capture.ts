/**
 * Reads one capture file, the only I/O of this stage: the file flows through one reused buffer, and the
 * handler is called for each packet while it lies there.
 */
import { setImmediate } from 'node:timers/promises';
import { type Anomaly, anomaly } from '../core/anomaly.ts';
import { MailprocError } from '../core/errors.ts';
import { captureLimits } from '../core/limits.ts';
import { systemReason } from '../core/system-reason.ts';
import { type ByteSource, FileSource, UnpackedSource } from './byte-source.ts';
import {
  type CaptureDecoder,
  type CaptureFormat,
  type CaptureInterface,
  CaptureTally,
} from './capture-decoder.ts';
import { CaptureWindow } from './capture-window.ts';
import { type CompressionName, compressionOf } from './compression.ts';
import { PcapDecoder, pcapVariant } from './pcap.ts';
import { BlockType, PcapngDecoder } from './pcapng.ts';
import { StreamSource } from './stream-source.ts';
import type { Packet } from './types.ts';

export interface CaptureHandler {
  /** Called for each packet in the order of the file; `packet` is valid until it returns. */
  packet(packet: Packet): void;
  /** Called with the text of a TLS key log inside the capture; `text` is valid until it returns. */
  secrets?(text: Buffer): void;
  /** Called at the end, at most once: what is wrong with the file. */
  anomaly(anomaly: Anomaly): void;
  /** Called after each read; nothing is read until it resolves. */
  pause?(): Promise<void>;
  /** Called after each read with the octets of the stored file read so far. */
  bytesRead?(bytes: number): void;
}

/** What a file held; `contentBytes` is the sum of packets, overhead, skipped and zeros. */
export interface CaptureSummary {
  readonly path: string;
  /** null where the file is no capture. */
  readonly format: CaptureFormat | null;
  readonly compression: CompressionName | null;
  readonly packets: number;
  /** Octets of the file as stored, and of what it unpacks to; of a file that is no capture, what was read. */
  readonly fileBytes: number;
  readonly contentBytes: number;
  /** Captured octets of all packets. */
  readonly packetBytes: number;
  /** Headers, options, padding and blocks that hold no packet. */
  readonly overheadBytes: number;
  /** Octets that were passed over because of damage. */
  readonly skippedBytes: number;
  /** Zeros behind the last block, as in preallocated files; no damage. */
  readonly zeroTailBytes: number;
  /** Times of the first and last packet that have one, in the order of the file. */
  readonly firstPacketNs: bigint | null;
  readonly lastPacketNs: bigint | null;
  /** LINKTYPE_ numbers of the packets. */
  readonly linkTypes: readonly number[];
  /** Interfaces described before the first packet. */
  readonly interfaces: readonly CaptureInterface[];
  readonly isDamaged: boolean;
  /** Number of the last packet before the first damage, from 1; null where there is none. */
  readonly damagedBehindFrame: number | null;
  /** It ends within a packet of which more may come. */
  readonly isCut: boolean;
  /** It was gone, or refused, before it was read to its end. */
  readonly isUnread: boolean;
  readonly anomalies: readonly Anomaly[];
}

export interface ReadOptions {
  /** Octets of one read. */
  readonly readBytes?: number;
  /** Asked after each read: whether the rest of the file is of no interest. */
  readonly isEnough?: () => boolean;
  /** The file may still be written: that it ends within a packet is no damage, see `CaptureSummary.isCut`. */
  readonly mayGrow?: boolean;
  /** It is standard input (`-`) or a pipe. */
  readonly isStream?: boolean;
  /** Ends the waiting for the octets of a stream; then its reason is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * Reads `file` to its end, or as far as it can be read. Throws a `MailprocError` where the file cannot be
 * opened or the system cannot read it; damage is an anomaly.
 */
export async function readCapture(
  file: string,
  handler: CaptureHandler,
  options: ReadOptions = {},
): Promise<CaptureSummary> {
  const reader = new CaptureReader(file, handler, options);
  try {
    return await reader.read();
  } finally {
    await reader.close();
  }
}

/** Of a file that is not there any more, or cannot be read: `error` is what `readCapture` threw. */
export function unreadCapture(file: string, error: MailprocError): CaptureSummary {
  return {
    path: file,
    format: null,
    compression: null,
    packets: 0,
    fileBytes: 0,
    contentBytes: 0,
    packetBytes: 0,
    overheadBytes: 0,
    skippedBytes: 0,
    zeroTailBytes: 0,
    firstPacketNs: null,
    lastPacketNs: null,
    linkTypes: [],
    interfaces: [],
    isDamaged: true,
    damagedBehindFrame: null,
    isCut: false,
    isUnread: true,
    anomalies: [anomaly('capture.unreadable', file, error.message)],
  };
}

class CaptureReader {
  readonly #path: string;
  readonly #handler: CaptureHandler;
  readonly #options: ReadOptions;
  readonly #window: CaptureWindow;
  readonly #tally: CaptureTally;
  #source: ByteSource | undefined;
  #isCut = false;
  #damagedBehindFrame = 0;
  #compression: CompressionName | null = null;
  #decoder: CaptureDecoder | undefined;

  constructor(path: string, handler: CaptureHandler, options: ReadOptions) {
    this.#path = path;
    this.#handler = handler;
    this.#options = options;
    this.#window = new CaptureWindow(options.readBytes ?? captureLimits.readBytes);
    this.#tally = new CaptureTally(
      (packet) => handler.packet(packet),
      (text) => handler.secrets?.(text),
      this.#window.buffer,
    );
  }

  async read(): Promise<CaptureSummary> {
    const source = await this.#guard('open', () => this.#open());
    const window = this.#window;
    const { isEnough } = this.#options;
    for (;;) {
      window.makeRoom(this.#decoder?.needed ?? 4);
      const read = await this.#guard('read', () => source.read(window.buffer, window.end));
      if (read === 0) break;
      window.end += read;
      this.#decode();
      this.#handler.bytesRead?.(source.storedBytes);
      await this.#handler.pause?.();
      // A file is read without waiting for it: signals, timers and what the disk has written get their turn here.
      await setImmediate();
      if (this.#tally.damage?.code === 'capture.not-a-capture') break;
      if (isEnough?.() === true) return this.#summary(source, []);
    }
    this.#finish();
    const anomalies = this.#anomalies(source);
    for (const found of anomalies) this.#handler.anomaly(found);
    return this.#summary(source, anomalies);
  }

  async close(): Promise<void> {
    await this.#source?.close();
  }

  async #open(): Promise<ByteSource> {
    const { isStream = false, signal } = this.#options;
    const file = isStream ? new StreamSource(this.#path, signal) : new FileSource(this.#path);
    this.#source = file;
    const compression = compressionOf(await file.peek(4));
    if (compression !== undefined) {
      this.#compression = compression.name;
      this.#source = new UnpackedSource(file, compression.unpack, captureLimits.compressedReadBytes);
    }
    return this.#source;
  }

  /** The system's refusals are the operator's trouble; everything else is passed on. */
  async #guard<Result>(what: 'open' | 'read', act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
      const hint = 'check that the file exists, that it is a file and that this user may read it';
      const options = { hint, cause: error };
      throw new MailprocError(
        'capture.unreadable',
        `${what} capture ${this.#path}: ${systemReason(error)}`,
        options,
      );
    }
  }

  #decode(): void {
    const window = this.#window;
    this.#decoder ??= this.#chooseDecoder();
    if (this.#decoder === undefined) {
      // Not a capture: its octets are only counted.
      if (window.available >= 4) this.#passOver();
    } else if (window.available >= this.#decoder.needed) {
      this.#decoder.decode(window);
    }
  }

  #chooseDecoder(): CaptureDecoder | undefined {
    const { view, begin, available } = this.#window;
    if (available < 4 || this.#tally.damage !== undefined) return undefined;
    if (view.getUint32(begin, true) === BlockType.sectionHeader) return new PcapngDecoder(this.#tally);
    const variant = pcapVariant(view, begin);
    if (variant !== undefined) return new PcapDecoder(this.#tally, variant);
    this.#tally.damaged('capture.not-a-capture', 0, foreignFormat(this.#window.buffer, begin));
    return undefined;
  }

  #passOver(): void {
    this.#tally.skippedBytes += this.#window.available;
    this.#window.begin = this.#window.end;
  }

  #finish(): void {
    const window = this.#window;
    const { available } = window;
    if (this.#decoder !== undefined) {
      this.#decoder.finish(window);
      return;
    }
    if (this.#tally.damage === undefined) {
      const detail = available === 0 ? 'the file is empty' : `the file ends after ${available} octets`;
      this.#tally.damaged('capture.truncated', 0, detail);
    }
    this.#passOver();
  }

  /** One anomaly for the file, however often it is damaged: the first place tells most. */
  #anomalies(source: ByteSource): readonly Anomaly[] {
    const damage = this.#tally.damage;
    const first = source.damage ?? damage;
    this.#isCut = this.#options.mayGrow === true && first?.code === 'capture.truncated';
    if (this.#isCut) return [];
    const unpackedTo = this.#compression === null ? '' : ' of the unpacked content';
    if (source.damage !== undefined) {
      // What the decoder misses at the end is missing because of this.
      this.#damagedBehindFrame = this.#tally.packets;
      const at = `${this.#path} byte ${this.#window.positionOf(this.#window.end)}${unpackedTo}${behindFrame(this.#tally.packets)}`;
      return [anomaly(source.damage.code, at, source.damage.message)];
    }
    if (damage === undefined) return [];
    this.#damagedBehindFrame = damage.frame;
    const more = this.#tally.damagedPlaces - 1;
    const places = more === 0 ? '' : ` (and damage in ${more} more ${more === 1 ? 'place' : 'places'})`;
    const at = `${this.#path} byte ${damage.position}${unpackedTo}${behindFrame(damage.frame)}`;
    return [anomaly(damage.code, at, damage.detail + places)];
  }

  #summary(source: ByteSource, anomalies: readonly Anomaly[]): CaptureSummary {
    const tally = this.#tally;
    const contentBytes = this.#window.positionOf(this.#window.end);
    const { packetBytes, skippedBytes, zeroTailBytes } = tally;
    return {
      path: this.#path,
      format: this.#decoder?.format ?? null,
      compression: this.#compression,
      packets: tally.packets,
      fileBytes: source.storedBytes,
      contentBytes,
      packetBytes,
      overheadBytes: contentBytes - packetBytes - skippedBytes - zeroTailBytes,
      skippedBytes,
      zeroTailBytes,
      firstPacketNs: tally.firstPacketNs,
      lastPacketNs: tally.lastPacketNs,
      linkTypes: tally.linkTypes,
      interfaces: tally.interfaces,
      isDamaged: anomalies.length > 0,
      damagedBehindFrame: this.#damagedBehindFrame || null,
      isCut: this.#isCut,
      isUnread: false,
      anomalies,
    };
  }
}

/** Where a person finds it who looks at packets. */
function behindFrame(frame: number): string {
  return frame === 0 ? '' : `, behind frame ${frame}`;
}

/** Formats of other programs that people take for captures of ours, by their first octets. */
const foreignFormats: readonly (readonly [start: string, name: string])[] = [
  ['snoop\0\0\0', 'a Solaris snoop capture'],
  ['GMBU', 'a Network Monitor capture'],
  ['RTSS', 'a Network Monitor capture'],
  ['TRSNIFF ', 'a Sniffer capture'],
  ['XCP\0', 'a NetXRay capture'],
  ['PK\x03\x04', 'a zip archive'],
  ['BZh', 'compressed by bzip2'],
  ['\xfd7zXZ\0', 'compressed by xz'],
];

function foreignFormat(buffer: Buffer, begin: number): string {
  const start = buffer.toString('latin1', begin, begin + 8);
  const foreign = foreignFormats.find(([magic]) => start.startsWith(magic));
  if (foreign !== undefined) return `the file is ${foreign[1]}; only pcapng and pcap are read`;
  const octets = buffer.toString('hex', begin, begin + 4);
  return `the file begins with 0x${octets}, which neither pcapng nor pcap does`;
}
