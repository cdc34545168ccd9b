/**
 * pcapng, draft-ietf-opsawg-pcapng: sections of blocks, each block framed by its length at both ends (§3.1).
 *
 * Blocks are framed first and read second, so that a malformed block costs that block alone. Where the
 * framing itself is broken, reading goes on at the next block whose type, length and repeated length agree.
 */
import { captureLimits } from '../core/limits.ts';
import type { CaptureDecoder, CaptureTally } from './capture-decoder.ts';
import type { CaptureWindow } from './capture-window.ts';
import { type PcapngInterface, readInterfaceDescription } from './pcapng-interface.ts';

export const BlockType = {
  interfaceDescription: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
  decryptionSecrets: 10,
  custom: 0xbad,
  customNotCopied: 0x4000_0bad,
  sectionHeader: 0x0a0d_0d0a,
} as const;

/** Length of the smallest block of each type: fixed fields and the framing of 12 octets. */
const smallestBlock: ReadonlyMap<number, number> = new Map([
  [BlockType.interfaceDescription, 20],
  [BlockType.obsoletePacket, 32],
  [BlockType.simplePacket, 16],
  [BlockType.nameResolution, 12],
  [BlockType.interfaceStatistics, 24],
  [BlockType.enhancedPacket, 32],
  [BlockType.decryptionSecrets, 20],
  [BlockType.custom, 16],
  [BlockType.customNotCopied, 16],
  [BlockType.sectionHeader, 28],
]);

export const tlsKeyLog = 0x544c_534b;
export const byteOrderMagic = 0x1a2b_3c4d;
export const framingBytes = 12;

/** What the next octets are taken for. */
type State = 'blocks' | 'zeros' | 'searching';

export class PcapngDecoder implements CaptureDecoder {
  readonly format = 'pcapng';
  readonly #tally: CaptureTally;
  #needed = framingBytes;
  #state: State = 'blocks';
  #littleEndian = true;
  #interfaces: PcapngInterface[] = [];
  /** No section header that we can read is in force: its blocks are passed over until the next one. */
  #sectionLost = true;
  /** Start of the octets being passed over while searching, or of the zeros. */
  #lostFrom = 0;
  /** Position of the first octet that `#search` has not looked at. */
  #searchFrom = 0;

  constructor(tally: CaptureTally) {
    this.#tally = tally;
  }

  get needed(): number {
    return this.#needed;
  }

  decode(window: CaptureWindow): void {
    this.#decode(window, false);
  }

  finish(window: CaptureWindow): void {
    this.#decode(window, true);
    while (this.#state === 'blocks' && window.available > 0) this.#finishCutBlock(window);
    const end = window.positionOf(window.end);
    if (this.#state === 'zeros') this.#tally.zeroTailBytes += end - this.#lostFrom;
    if (this.#state === 'searching') this.#tally.skippedBytes += end - this.#lostFrom;
    window.begin = window.end;
  }

  #decode(window: CaptureWindow, final: boolean): void {
    for (;;) {
      const state = this.#state;
      if (state === 'blocks') this.#walkBlocks(window);
      else if (state === 'zeros') this.#walkZeros(window);
      else this.#search(window, final);
      if (this.#state === state) return;
    }
  }

  /** Leaves when more octets are needed, or in another state. */
  #walkBlocks(window: CaptureWindow): void {
    const { view, end } = window;
    let at = window.begin;
    while (this.#state === 'blocks') {
      if (end - at < framingBytes) {
        this.#needed = framingBytes;
        break;
      }
      const type = view.getUint32(at, this.#littleEndian);
      if (type === BlockType.sectionHeader && !this.#takeByteOrder(view, at)) {
        this.#sectionLost = true;
        this.#lose(window, at, 'section header without byte-order magic');
        break;
      }
      const length = view.getUint32(at + 4, this.#littleEndian);
      if (length < framingBytes || length > captureLimits.blockBytesMax) {
        this.#refuseLength(window, at, type, length);
        break;
      }
      // QUIRK: early writers left the padding out of the length; both copies then say so (ntar's icmp2.ntar).
      const padded = (length + 3) & ~3;
      if (end - at < padded) {
        this.#needed = padded;
        break;
      }
      const repeated = view.getUint32(at + padded - 4, this.#littleEndian);
      if (repeated !== length) {
        this.#refuseLength(window, at, type, length, repeated);
        break;
      }
      this.#readBlock(window, type, at, padded);
      at += padded;
    }
    window.begin = at;
  }

  /** The section header's own magic tells the byte order of all that follows (§4.1). */
  #takeByteOrder(view: DataView, at: number): boolean {
    if (view.getUint32(at + 8, true) === byteOrderMagic) this.#littleEndian = true;
    else if (view.getUint32(at + 8, false) === byteOrderMagic) this.#littleEndian = false;
    else return false;
    return true;
  }

  #refuseLength(window: CaptureWindow, at: number, type: number, length: number, repeated?: number): void {
    if (type === 0 && length === 0) {
      // Preallocated files end in zeros, which is no damage; what follows decides.
      this.#state = 'zeros';
      this.#lostFrom = window.positionOf(at);
      return;
    }
    if (type === BlockType.sectionHeader) this.#sectionLost = true;
    this.#lose(window, at, lengthDamage(length, repeated));
  }

  /** Counts damage at index `at` and starts to search behind it. */
  #lose(window: CaptureWindow, at: number, detail: string): void {
    this.#lostFrom = window.positionOf(at);
    this.#tally.damaged('capture.damaged', this.#lostFrom, detail);
    this.#state = 'searching';
    // The block that was refused cannot be the one that is found.
    this.#searchFrom = this.#lostFrom + 1;
  }

  #readBlock(window: CaptureWindow, type: number, at: number, length: number): void {
    if (type !== BlockType.sectionHeader && this.#sectionLost) {
      this.#tally.skippedBytes += length;
      return;
    }
    if (length < (smallestBlock.get(type) ?? framingBytes)) {
      this.#refuseBlock(window, at, length, `block of type ${type} has only ${length} octets`);
      return;
    }
    switch (type) {
      case BlockType.enhancedPacket:
        this.#readPacket(window, at, length, window.view.getUint32(at + 8, this.#littleEndian));
        break;
      case BlockType.sectionHeader:
        this.#readSectionHeader(window, at);
        break;
      case BlockType.interfaceDescription:
        this.#readInterface(window, at, length);
        break;
      case BlockType.simplePacket:
        this.#readSimplePacket(window, at, length);
        break;
      case BlockType.obsoletePacket:
        this.#readPacket(window, at, length, window.view.getUint16(at + 8, this.#littleEndian));
        break;
      case BlockType.decryptionSecrets:
        this.#readSecrets(window, at, length);
        break;
      default:
      // Names, statistics, custom and unknown blocks tell nothing about mail.
    }
  }

  /** The block is framed well but cannot be read: it alone is lost. */
  #refuseBlock(window: CaptureWindow, at: number, length: number, detail: string): void {
    this.#tally.skippedBytes += length;
    this.#tally.damaged('capture.damaged', window.positionOf(at), detail);
  }

  #readSectionHeader(window: CaptureWindow, at: number): void {
    const major = window.view.getUint16(at + 12, this.#littleEndian);
    const minor = window.view.getUint16(at + 14, this.#littleEndian);
    // QUIRK: 1.2 was written by programs whose files are 1.0 in all but name (§4.1).
    this.#sectionLost = major !== 1 || (minor !== 0 && minor !== 2);
    this.#interfaces = [];
    if (this.#sectionLost) {
      const detail = `pcapng version ${major}.${minor} is not supported`;
      this.#tally.damaged('capture.unsupported', window.positionOf(at), detail);
    }
  }

  #readInterface(window: CaptureWindow, at: number, length: number): void {
    if (this.#interfaces.length >= captureLimits.interfacesMax) {
      const detail = `more than ${captureLimits.interfacesMax} interfaces in one section`;
      this.#refuseBlock(window, at, length, detail);
      return;
    }
    const description = readInterfaceDescription(window.buffer, window.view, at, length, this.#littleEndian);
    this.#interfaces.push(description);
    this.#tally.declared(description);
  }

  /** Enhanced Packet Block (§4.3), and Packet Block (appendix A), which differ in the interface field alone. */
  #readPacket(window: CaptureWindow, at: number, length: number, interfaceId: number): void {
    const view = window.view;
    const littleEndian = this.#littleEndian;
    const source = this.#interfaces[interfaceId];
    const capturedLength = view.getUint32(at + 20, littleEndian);
    if (source === undefined || capturedLength > length - 32) {
      this.#refusePacket(window, at, length, source, capturedLength);
      return;
    }
    source.setTime(view.getUint32(at + 12, littleEndian), view.getUint32(at + 16, littleEndian));
    this.#tally.deliver(
      window.buffer,
      at + 28,
      capturedLength,
      view.getUint32(at + 24, littleEndian),
      source.linkType,
      source.seconds,
      source.nanoseconds,
    );
  }

  /** Always of the first interface, without time; its captured length is not written (§4.4). */
  #readSimplePacket(window: CaptureWindow, at: number, length: number): void {
    const source = this.#interfaces[0];
    const originalLength = window.view.getUint32(at + 8, this.#littleEndian);
    const snapLength = source === undefined || source.snapLength === 0 ? originalLength : source.snapLength;
    const capturedLength = Math.min(originalLength, snapLength);
    if (source === undefined || capturedLength > length - 16) {
      this.#refusePacket(window, at, length, source, capturedLength);
      return;
    }
    this.#tally.deliverTimeless(window.buffer, at + 12, capturedLength, originalLength, source.linkType);
  }

  #refusePacket(
    window: CaptureWindow,
    at: number,
    length: number,
    source: PcapngInterface | undefined,
    capturedLength: number,
  ): void {
    const detail =
      source === undefined
        ? 'packet of an interface that is not described'
        : `captured length ${capturedLength} does not fit its block of ${length} octets`;
    this.#refuseBlock(window, at, length, detail);
  }

  #readSecrets(window: CaptureWindow, at: number, length: number): void {
    const type = window.view.getUint32(at + 8, this.#littleEndian);
    const secretsLength = window.view.getUint32(at + 12, this.#littleEndian);
    if (secretsLength > length - 20) {
      const detail = `secrets length ${secretsLength} does not fit its block of ${length} octets`;
      this.#refuseBlock(window, at, length, detail);
    } else if (type === tlsKeyLog) {
      this.#tally.secrets(window.buffer.subarray(at + 16, at + 16 + secretsLength));
    }
  }

  #walkZeros(window: CaptureWindow): void {
    const { buffer, end } = window;
    let at = window.begin;
    while (at < end && buffer[at] === 0) at++;
    // The last three zeros are kept: where the byte order is big endian they begin the next block's type.
    window.begin = Math.max(window.begin, at - 3);
    this.#needed = 4;
    if (at === end) return;
    this.#tally.damaged('capture.damaged', this.#lostFrom, `block length 0 is less than ${framingBytes}`);
    this.#searchFrom = window.positionOf(window.begin);
    this.#state = 'searching';
  }

  /** Looks at every octet for the start of a block; each is looked at once. */
  #search(window: CaptureWindow, final: boolean): void {
    const { view, end } = window;
    let at = window.begin + Math.max(0, this.#searchFrom - window.positionOf(window.begin));
    this.#needed = framingBytes;
    for (; at + framingBytes <= end; at++) {
      const length = this.#plausibleLength(view, at, end);
      if (length === 0) continue;
      const isWhole = at + length <= end;
      if (!isWhole && final) continue;
      if (!isWhole) {
        this.#needed = length;
        break;
      }
      if (!this.#isRepeated(view, at, length)) continue;
      this.#tally.skippedBytes += window.positionOf(at) - this.#lostFrom;
      this.#state = 'blocks';
      break;
    }
    window.begin = Math.min(at, end);
    this.#searchFrom = window.positionOf(window.begin);
  }

  /**
   * Length of the block that may begin at `at`, or 0. Lengths are held to those of ordinary packets here:
   * a search must not wait for megabytes at every octet.
   */
  #plausibleLength(view: DataView, at: number, end: number): number {
    const type = view.getUint32(at, this.#littleEndian);
    const isHeader = type === BlockType.sectionHeader;
    if (this.#sectionLost && !isHeader) return 0;
    const smallest = smallestBlock.get(type);
    if (smallest === undefined) return 0;
    const littleEndian = isHeader ? view.getUint32(at + 8, true) === byteOrderMagic : this.#littleEndian;
    if (isHeader && !littleEndian && view.getUint32(at + 8, false) !== byteOrderMagic) return 0;
    const length = view.getUint32(at + 4, littleEndian);
    if ((length & 3) !== 0 || length < smallest || length > captureLimits.searchedBlockBytesMax) return 0;
    if (type === BlockType.enhancedPacket && at + 24 <= end) {
      if (view.getUint32(at + 8, littleEndian) >= this.#interfaces.length) return 0;
      if (view.getUint32(at + 20, littleEndian) > length - 32) return 0;
    }
    return length;
  }

  #isRepeated(view: DataView, at: number, length: number): boolean {
    const isLittle = view.getUint32(at + length - 4, true) === length;
    const isBig = view.getUint32(at + length - 4, false) === length;
    if (view.getUint32(at, true) === BlockType.sectionHeader) return isLittle || isBig;
    return this.#littleEndian ? isLittle : isBig;
  }

  /**
   * The file ends inside a block. Where a whole block follows inside it, the length was wrong and reading
   * goes on there; else the file was cut, as by a writer that was killed.
   */
  #finishCutBlock(window: CaptureWindow): void {
    const { begin, available } = window;
    this.#lostFrom = window.positionOf(begin);
    this.#searchFrom = this.#lostFrom + 1;
    if (available < framingBytes && window.buffer.subarray(begin, window.end).every((octet) => octet === 0)) {
      this.#state = 'zeros';
      return;
    }
    const length =
      available < framingBytes ? undefined : window.view.getUint32(begin + 4, this.#littleEndian);
    this.#state = 'searching';
    this.#search(window, true);
    if (this.#state === 'searching') {
      const what = length === undefined ? 'a block header of 12 octets' : `a block of ${length} octets`;
      const detail = `the file ends inside ${what}: ${available} are there`;
      this.#tally.damaged('capture.truncated', this.#lostFrom, detail);
    } else {
      this.#tally.damaged('capture.damaged', this.#lostFrom, lengthDamage(length ?? 0));
      this.#decode(window, true);
    }
  }
}

function lengthDamage(length: number, repeated?: number): string {
  if ((length & 3) !== 0) return `block length ${length} is not a multiple of 4`;
  if (length < framingBytes) return `block length ${length} is less than ${framingBytes}`;
  if (length > captureLimits.blockBytesMax) {
    return `block length ${length} is more than ${captureLimits.blockBytesMax}`;
  }
  if (repeated !== undefined) return `block length ${length} is repeated as ${repeated}`;
  return `block length ${length} reaches beyond the end of the file`;
}
