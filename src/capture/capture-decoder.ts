/** What the decoders of pcapng and pcap have in common: the way in, and the tally of what came out. */
import type { AnomalyCode } from '../core/anomaly.ts';
import { captureLimits } from '../core/limits.ts';
import type { CaptureWindow } from './capture-window.ts';
import type { Packet } from './types.ts';

export type CaptureFormat = 'pcapng' | 'pcap';

/** Turns the octets of one capture file into calls of `CaptureTally.deliver`. */
export interface CaptureDecoder {
  readonly format: CaptureFormat;
  /** Octets that must be in the window before `decode` can get any further. */
  readonly needed: number;
  /** Consumes every whole block in the window. */
  decode(window: CaptureWindow): void;
  /** The window holds all that is left of the file. */
  finish(window: CaptureWindow): void;
}

/** An interface as the capture declares it; tells captures of different interfaces apart. */
export interface CaptureInterface {
  readonly linkType: number;
  /** `if_name`; empty where the file has none. */
  readonly name: string;
}

/** First damage of a file; what follows it is only counted. */
export interface CaptureDamage {
  readonly code: AnomalyCode;
  readonly position: number;
  /** Of the last packet before it; 0 where there is none. */
  readonly frame: number;
  readonly detail: string;
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** Counts what a file held, and hands its packets on as one reused object. */
export class CaptureTally {
  packetBytes = 0;
  skippedBytes = 0;
  zeroTailBytes = 0;
  damagedPlaces = 0;
  /** Interfaces described before the first packet. */
  readonly interfaces: CaptureInterface[] = [];
  readonly #linkTypes = new Set<number>();
  readonly #deliver: (packet: Packet) => void;
  readonly #secrets: (text: Buffer) => void;
  readonly #packet: Writable<Packet>;
  #damage: CaptureDamage | undefined;
  #lastLinkType = -1;
  #firstSeconds: number | undefined;
  #firstNanoseconds = 0;
  #lastSeconds = 0;
  #lastNanoseconds = 0;

  constructor(deliver: (packet: Packet) => void, secrets: (text: Buffer) => void, buffer: Buffer) {
    this.#deliver = deliver;
    this.#secrets = secrets;
    this.#packet = {
      linkType: 0,
      seconds: 0,
      nanoseconds: 0,
      originalLength: 0,
      frame: 0,
      buffer,
      offset: 0,
      capturedLength: 0,
    };
  }

  get packets(): number {
    return this.#packet.frame;
  }

  get linkTypes(): readonly number[] {
    return [...this.#linkTypes];
  }

  get damage(): CaptureDamage | undefined {
    return this.#damage;
  }

  /** Time stamps of the first and last packet that have one, in the order of the file. */
  get firstPacketNs(): bigint | null {
    return this.#firstSeconds === undefined ? null : inNs(this.#firstSeconds, this.#firstNanoseconds);
  }

  get lastPacketNs(): bigint | null {
    return this.#firstSeconds === undefined ? null : inNs(this.#lastSeconds, this.#lastNanoseconds);
  }

  /** Hands on a packet whose file gives it the time `seconds` and `nanoseconds`. */
  deliver(
    buffer: Buffer,
    offset: number,
    capturedLength: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    if (this.#firstSeconds === undefined) {
      this.#firstSeconds = seconds;
      this.#firstNanoseconds = nanoseconds;
    }
    this.#lastSeconds = seconds;
    this.#lastNanoseconds = nanoseconds;
    this.#hand(buffer, offset, capturedLength, originalLength, linkType, seconds, nanoseconds);
  }

  /** Hands on a packet of a Simple Packet Block, which has no time. */
  deliverTimeless(
    buffer: Buffer,
    offset: number,
    capturedLength: number,
    originalLength: number,
    linkType: number,
  ): void {
    this.#hand(buffer, offset, capturedLength, originalLength, linkType, 0, 0);
  }

  #hand(
    buffer: Buffer,
    offset: number,
    capturedLength: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    nanoseconds: number,
  ): void {
    const packet = this.#packet;
    packet.linkType = linkType;
    packet.seconds = seconds;
    packet.nanoseconds = nanoseconds;
    packet.originalLength = originalLength;
    packet.frame++;
    packet.buffer = buffer;
    packet.offset = offset;
    packet.capturedLength = capturedLength;
    this.packetBytes += capturedLength;
    if (linkType !== this.#lastLinkType) {
      this.#lastLinkType = linkType;
      this.#linkTypes.add(linkType);
    }
    this.#deliver(packet);
  }

  declared(description: CaptureInterface): void {
    if (this.packets > 0 || this.interfaces.length >= captureLimits.interfacesMax) return;
    this.interfaces.push(description);
  }

  secrets(text: Buffer): void {
    this.#secrets(text);
  }

  /** Records damage at `position` of the file; only the first is told in full. */
  damaged(code: AnomalyCode, position: number, detail: string): void {
    this.damagedPlaces++;
    this.#damage ??= { code, position, frame: this.packets, detail };
  }
}

function inNs(seconds: number, nanoseconds: number): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}
