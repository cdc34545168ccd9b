/** Writes packets of Ethernet, IPv4, TCP and UDP into the pcapng files of a rotated series, fast and the same each time. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RandomNumbers } from './random.ts';

/** The day of all packets, in UTC. */
export const day = '20220128';

const startMicroseconds = Date.UTC(2022, 0, 28, 1) * 1000;
const writeBytes = 4 << 20;
const blockBytesMax = 2048;
const headerBytes = 54;

export const TcpFlags = { fin: 0x11, syn: 0x02, synAck: 0x12, ack: 0x10, data: 0x18 } as const;

export interface Endpoints {
  readonly source: number;
  readonly target: number;
  readonly sourcePort: number;
  readonly targetPort: number;
}

export interface CaptureOptions {
  readonly folder: string;
  /** A new file is begun when one has so many octets, unless it is the last. */
  readonly fileBytes: number;
  readonly filesMax: number;
  /** Share of packets that are not captured. */
  readonly loss: number;
}

export class CaptureWriter {
  readonly files: string[] = [];
  readonly #options: CaptureOptions;
  readonly #random: RandomNumbers;
  readonly #buffer = Buffer.alloc(writeBytes);
  #file: number | undefined;
  #used = 0;
  #bytesInFile = 0;
  #bytesBefore = 0;
  #packets = 0;

  constructor(options: CaptureOptions, random: RandomNumbers) {
    this.#options = options;
    this.#random = random;
  }

  get bytes(): number {
    return this.#bytesBefore + this.#bytesInFile;
  }

  tcp(
    ends: Endpoints,
    sequence: number,
    acknowledgment: number,
    flags: number,
    payload: Buffer,
    from: number,
    to: number,
  ): void {
    const at = this.#begin(headerBytes + to - from);
    if (at < 0) return;
    const buffer = this.#buffer;
    this.#ip(at, ends, 6, 40 + to - from);
    buffer.writeUInt16BE(ends.sourcePort, at + 34);
    buffer.writeUInt16BE(ends.targetPort, at + 36);
    buffer.writeUInt32BE(sequence >>> 0, at + 38);
    buffer.writeUInt32BE(acknowledgment >>> 0, at + 42);
    buffer[at + 46] = 0x50;
    buffer[at + 47] = flags;
    buffer.writeUInt16BE(0xffff, at + 48);
    buffer.writeUInt32BE(0, at + 50);
    payload.copy(buffer, at + headerBytes, from, to);
  }

  udp(ends: Endpoints, payload: Buffer): void {
    const at = this.#begin(42 + payload.length);
    if (at < 0) return;
    this.#ip(at, ends, 17, 28 + payload.length);
    this.#buffer.writeUInt16BE(ends.sourcePort, at + 34);
    this.#buffer.writeUInt16BE(ends.targetPort, at + 36);
    this.#buffer.writeUInt16BE(8 + payload.length, at + 38);
    this.#buffer.writeUInt16BE(0, at + 40);
    payload.copy(this.#buffer, at + 42);
  }

  close(): void {
    if (this.#file === undefined) return;
    this.#flush();
    closeSync(this.#file);
    this.#file = undefined;
  }

  #ip(at: number, ends: Endpoints, protocol: number, length: number): void {
    const buffer = this.#buffer;
    buffer.fill(0, at, at + 12);
    buffer[at + 5] = 1;
    buffer[at + 11] = 2;
    buffer.writeUInt16BE(0x0800, at + 12);
    buffer.writeUInt16BE(0x4500, at + 14);
    buffer.writeUInt16BE(length, at + 16);
    buffer.writeUInt32BE(0x4000, at + 18);
    buffer[at + 22] = 64;
    buffer[at + 23] = protocol;
    buffer.writeUInt16BE(0, at + 24);
    buffer.writeUInt32BE(ends.source >>> 0, at + 26);
    buffer.writeUInt32BE(ends.target >>> 0, at + 30);
  }

  /** An Enhanced Packet Block for `length` octets; returns where they go, -1 where the packet is lost. */
  #begin(length: number): number {
    this.#packets++;
    if (this.#options.loss > 0 && this.#random.next() < this.#options.loss) return -1;
    if (this.#file === undefined || this.#isFull) this.#nextFile();
    if (this.#used + blockBytesMax > writeBytes) this.#flush();
    const padded = (length + 3) & ~3;
    const block = 32 + padded;
    const buffer = this.#buffer;
    const at = this.#used;
    const time = this.#microseconds;
    const high = Math.floor(time / 0x1_0000_0000);
    buffer.writeUInt32LE(6, at);
    buffer.writeUInt32LE(block, at + 4);
    buffer.writeUInt32LE(0, at + 8);
    buffer.writeUInt32LE(high, at + 12);
    buffer.writeUInt32LE(time - high * 0x1_0000_0000, at + 16);
    buffer.writeUInt32LE(length, at + 20);
    buffer.writeUInt32LE(length, at + 24);
    buffer.writeUInt32LE(0, at + block - 8);
    buffer.writeUInt32LE(block, at + block - 4);
    this.#used += block;
    this.#bytesInFile += block;
    return at + 28;
  }

  get #isFull(): boolean {
    const { fileBytes, filesMax } = this.#options;
    return this.#bytesInFile >= fileBytes && this.files.length < filesMax;
  }

  get #microseconds(): number {
    return startMicroseconds + this.#packets * 10;
  }

  #nextFile(): void {
    this.close();
    const time = new Date(this.#microseconds / 1000).toISOString().replace(/\D/g, '').slice(0, 14);
    const number = String(this.files.length + 1).padStart(5, '0');
    const path = join(this.#options.folder, `load_${number}_${time}.pcapng`);
    this.files.push(path);
    this.#file = openSync(path, 'w');
    this.#bytesBefore += this.#bytesInFile;
    const header = sectionAndInterface();
    header.copy(this.#buffer);
    this.#used = header.length;
    this.#bytesInFile = header.length;
  }

  #flush(): void {
    if (this.#file !== undefined) writeSync(this.#file, this.#buffer, 0, this.#used);
    this.#used = 0;
  }
}

/** Section Header Block and Interface Description Block, without options. */
function sectionAndInterface(): Buffer {
  const header = Buffer.alloc(48);
  const words = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 0x0000_0001, 0xffff_ffff, 0xffff_ffff, 28];
  for (const [index, word] of [...words, 1, 20, 1, 262_144, 20].entries())
    header.writeUInt32LE(word, index * 4);
  return header;
}
