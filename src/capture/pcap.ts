/**
 * pcap, draft-ietf-opsawg-pcap: a file header and then packet records; with time stamps in microseconds or
 * nanoseconds, and Kuznetzov's variant with a longer record header, each in either byte order.
 */
import { captureLimits } from '../core/limits.ts';
import type { CaptureDecoder, CaptureTally } from './capture-decoder.ts';
import type { CaptureWindow } from './capture-window.ts';

const PcapMagic = {
  microseconds: 0xa1b2_c3d4,
  nanoseconds: 0xa1b2_3c4d,
  modified: 0xa1b2_cd34,
} as const;

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
/** Kuznetzov's kernel patch adds interface index, protocol and packet type to each record. */
const modifiedRecordHeaderBytes = 24;
const nanosecondsPerSecond = 1_000_000_000;

/** Whether the record's two lengths stand the other way round, as old programs wrote them. */
type LengthOrder = 'usual' | 'swapped' | 'unsure';

export interface PcapVariant {
  readonly littleEndian: boolean;
  readonly nanosecondsPerUnit: 1 | 1000;
  readonly recordHeaderBytes: number;
}

/** What the magic number at `at` says; undefined where it is none of pcap. */
export function pcapVariant(view: DataView, at: number): PcapVariant | undefined {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(at, littleEndian);
    if (magic === PcapMagic.microseconds) {
      return { littleEndian, nanosecondsPerUnit: 1000, recordHeaderBytes };
    }
    if (magic === PcapMagic.nanoseconds) return { littleEndian, nanosecondsPerUnit: 1, recordHeaderBytes };
    if (magic === PcapMagic.modified) {
      return { littleEndian, nanosecondsPerUnit: 1000, recordHeaderBytes: modifiedRecordHeaderBytes };
    }
  }
  return undefined;
}

export class PcapDecoder implements CaptureDecoder {
  readonly format = 'pcap';
  readonly #tally: CaptureTally;
  readonly #variant: PcapVariant;
  #needed = fileHeaderBytes;
  /** Undefined until the file header is read. */
  #linkType: number | undefined;
  #lengthOrder: LengthOrder = 'usual';
  /** The rest cannot be read: records have no mark by which they could be found again. */
  #isLost = false;
  /** Records of nothing but zeros; held back, as a preallocated file ends in them. */
  #zeroRecords = 0;

  constructor(tally: CaptureTally, variant: PcapVariant) {
    this.#tally = tally;
    this.#variant = variant;
  }

  get needed(): number {
    return this.#needed;
  }

  decode(window: CaptureWindow): void {
    if (this.#linkType === undefined && !this.#isLost && window.available >= fileHeaderBytes) {
      this.#readFileHeader(window);
    }
    if (this.#isLost) this.#passOver(window);
    else if (this.#linkType !== undefined) this.#readRecords(window, this.#linkType);
  }

  finish(window: CaptureWindow): void {
    this.decode(window);
    const left = window.available;
    const header = this.#linkType === undefined ? fileHeaderBytes : this.#variant.recordHeaderBytes;
    const isZero = window.buffer.subarray(window.begin, window.end).every((octet) => octet === 0);
    if (left > 0 && left < header && isZero) this.#tally.zeroTailBytes += left;
    else if (left > 0) this.#cut(window, header);
    this.#tally.zeroTailBytes += this.#zeroRecords * this.#variant.recordHeaderBytes;
    window.begin = window.end;
  }

  #cut(window: CaptureWindow, header: number): void {
    const what = window.available < header ? `a header of ${header}` : `a record of ${this.#needed}`;
    const detail = `the file ends inside ${what} octets: ${window.available} are there`;
    this.#tally.skippedBytes += window.available;
    this.#tally.damaged('capture.truncated', window.positionOf(window.begin), detail);
  }

  #readFileHeader(window: CaptureWindow): void {
    const { view, begin } = window;
    const { littleEndian } = this.#variant;
    const major = view.getUint16(begin + 4, littleEndian);
    const minor = view.getUint16(begin + 6, littleEndian);
    const linkType = view.getUint32(begin + 20, littleEndian);
    // Upper bits: length of the frame check sequence (4 bits), whether it is known, and reserved ones.
    // A frame check sequence is left in place; it lies behind the IP packet as padding does.
    const isReserved = (linkType & 0x03ff_0000) !== 0;
    // QUIRK: 543.0 is AIX's, with the lengths swapped; before 2.3 they were swapped, in 2.3 on some systems.
    const isKnown = major === 2 || (major === 543 && minor === 0);
    if (major === 543 || minor < 3) this.#lengthOrder = 'swapped';
    else if (minor === 3) this.#lengthOrder = 'unsure';
    if (!isKnown) this.#refuse(window, `pcap version ${major}.${minor} is not supported`);
    else if (isReserved) this.#refuse(window, `reserved bits of the link type are set: ${hex(linkType)}`);
    else {
      this.#linkType = linkType & 0xffff;
      this.#tally.declared({ linkType: this.#linkType, name: '' });
      window.begin += fileHeaderBytes;
    }
  }

  #refuse(window: CaptureWindow, detail: string): void {
    this.#tally.damaged('capture.unsupported', window.positionOf(window.begin), detail);
    this.#isLost = true;
  }

  #passOver(window: CaptureWindow): void {
    this.#tally.skippedBytes += window.available;
    this.#needed = 1;
    window.begin = window.end;
  }

  #readRecords(window: CaptureWindow, linkType: number): void {
    const { view, end } = window;
    const { littleEndian } = this.#variant;
    const header = this.#variant.recordHeaderBytes;
    let at = window.begin;
    for (;;) {
      this.#needed = header;
      if (end - at < header) break;
      let capturedLength = view.getUint32(at + 8, littleEndian);
      let originalLength = view.getUint32(at + 12, littleEndian);
      if (this.#lengthOrder !== 'usual' && this.#isSwapped(capturedLength, originalLength)) {
        [capturedLength, originalLength] = [originalLength, capturedLength];
      }
      if (capturedLength > captureLimits.blockBytesMax) {
        window.begin = at;
        this.#lose(window, capturedLength);
        return;
      }
      this.#needed = header + capturedLength;
      if (end - at < this.#needed) break;
      const seconds = view.getUint32(at, littleEndian);
      const fraction = view.getUint32(at + 4, littleEndian);
      if (seconds === 0 && fraction === 0 && originalLength === 0 && capturedLength === 0) {
        this.#zeroRecords++;
      } else {
        if (this.#zeroRecords > 0) this.#deliverZeroRecords(window, linkType);
        this.#deliver(window, at + header, capturedLength, originalLength, linkType, seconds, fraction);
      }
      at += this.#needed;
    }
    window.begin = at;
  }

  #isSwapped(capturedLength: number, originalLength: number): boolean {
    return this.#lengthOrder === 'swapped' || capturedLength > originalLength;
  }

  #deliver(
    window: CaptureWindow,
    offset: number,
    capturedLength: number,
    originalLength: number,
    linkType: number,
    seconds: number,
    fraction: number,
  ): void {
    // 4,294,967,295 units of either size are exact as a number; damaged files count past the second.
    const nanoseconds = fraction * this.#variant.nanosecondsPerUnit;
    const carry = nanoseconds < nanosecondsPerSecond ? 0 : Math.floor(nanoseconds / nanosecondsPerSecond);
    this.#tally.deliver(
      window.buffer,
      offset,
      capturedLength,
      originalLength,
      linkType,
      seconds + carry,
      nanoseconds - carry * nanosecondsPerSecond,
    );
  }

  /** Packets follow: these were no padding but empty packets without time. */
  #deliverZeroRecords(window: CaptureWindow, linkType: number): void {
    for (; this.#zeroRecords > 0; this.#zeroRecords--) {
      this.#tally.deliverTimeless(window.buffer, window.begin, 0, 0, linkType);
    }
  }

  #lose(window: CaptureWindow, capturedLength: number): void {
    const detail = `captured length ${capturedLength} is more than ${captureLimits.blockBytesMax}`;
    this.#tally.damaged('capture.damaged', window.positionOf(window.begin), detail);
    this.#isLost = true;
    this.#passOver(window);
  }
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
