/**
 * The smallest reader of pcap and pcapng that tests of later stages need: well-formed files of any byte
 * order, whole in memory. It shares nothing with the reader of the capture stage.
 */
import type { TestPacket } from './packets.ts';

export function readCapture(bytes: Buffer): TestPacket[] {
  return bytes.readUInt32BE(0) === 0x0a0d0d0a ? readPcapng(bytes) : readPcap(bytes);
}

interface Numbers {
  u16(at: number): number;
  u32(at: number): number;
}

function numbers(bytes: Buffer, littleEndian: boolean): Numbers {
  return littleEndian
    ? { u16: (at) => bytes.readUInt16LE(at), u32: (at) => bytes.readUInt32LE(at) }
    : { u16: (at) => bytes.readUInt16BE(at), u32: (at) => bytes.readUInt32BE(at) };
}

function readPcap(bytes: Buffer): TestPacket[] {
  const magic = bytes.readUInt32LE(0);
  const littleEndian = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
  const read = numbers(bytes, littleEndian);
  const fractionNs = read.u32(0) === 0xa1b23c4d ? 1n : 1000n;
  const linkType = read.u32(20) & 0xffff;
  const packets: TestPacket[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const captured = read.u32(at + 8);
    if (at + 16 + captured > bytes.length) break;
    packets.push({
      linkType,
      timestampNs: BigInt(read.u32(at)) * 1_000_000_000n + BigInt(read.u32(at + 4)) * fractionNs,
      bytes: bytes.subarray(at + 16, at + 16 + captured),
      originalLength: read.u32(at + 12),
    });
    at += 16 + captured;
  }
  return packets;
}

/** Enhanced, simple and obsolete packet blocks; time stamps as microseconds, whatever the interface says. */
function readPcapng(bytes: Buffer): TestPacket[] {
  const packets: TestPacket[] = [];
  let read = numbers(bytes, true);
  let linkTypes: number[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    if (bytes.readUInt32BE(at) === 0x0a0d0d0a) {
      read = numbers(bytes, bytes.readUInt32LE(at + 8) === 0x1a2b3c4d);
      linkTypes = [];
    }
    const type = read.u32(at);
    const length = read.u32(at + 4);
    if (length < 12 || at + length > bytes.length) break;
    const body = at + 8;
    if (type === 1) linkTypes.push(read.u16(body));
    if (type === 6) packets.push(packetAt(bytes, read, body, linkTypes[read.u32(body)] ?? -1));
    if (type === 2) packets.push(packetAt(bytes, read, body, linkTypes[read.u16(body)] ?? -1));
    if (type === 3) packets.push(simplePacketAt(bytes, read, body, length, linkTypes[0] ?? -1));
    at += length;
  }
  return packets;
}

function packetAt(bytes: Buffer, read: Numbers, body: number, linkType: number): TestPacket {
  const ticks = (BigInt(read.u32(body + 4)) << 32n) | BigInt(read.u32(body + 8));
  const captured = read.u32(body + 12);
  return {
    linkType,
    timestampNs: ticks * 1000n,
    bytes: bytes.subarray(body + 20, body + 20 + captured),
    originalLength: read.u32(body + 16),
  };
}

function simplePacketAt(
  bytes: Buffer,
  read: Numbers,
  body: number,
  length: number,
  linkType: number,
): TestPacket {
  const originalLength = read.u32(body);
  const captured = Math.min(originalLength, length - 16);
  return { linkType, timestampNs: 0n, bytes: bytes.subarray(body + 4, body + 4 + captured), originalLength };
}
