/**
 * The same traffic captured otherwise: packets in another order, twice, cut into other segments, in other
 * files. Nothing a mail consists of is changed by it.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CaptureContent } from './ingest-captures.ts';
import {
  type CaptureFileOptions,
  linkTypes,
  linkTypesOf,
  type TestPacket,
  writePcap,
  writePcapng,
} from './packets.ts';
import type { SeededRandom } from './random.ts';
import { recordCapture } from './recorded-capture.ts';

/** What was captured, and the key log among it. */
export interface Traffic {
  readonly packets: readonly TestPacket[];
  readonly secrets: string;
}

/** Reads one capture, or a folder of captures as one series in the order of their names. */
export async function readTraffic(path: string): Promise<Traffic> {
  const files = statSync(path).isDirectory()
    ? readdirSync(path)
        .sort()
        .map((name) => join(path, name))
    : [path];
  const packets: TestPacket[] = [];
  let secrets = '';
  for (const file of files) {
    const recorded = await recordCapture(file);
    secrets += recorded.secrets.join('');
    for (const { linkType, seconds, nanoseconds, originalLength, bytes } of recorded.packets) {
      const timestampNs = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
      packets.push({ linkType, timestampNs, originalLength, bytes });
    }
  }
  return { packets, secrets };
}

/** Packets change places inside windows of `window` packets; each keeps its time. */
export function shuffled(packets: readonly TestPacket[], window: number, random: SeededRandom): TestPacket[] {
  const all: TestPacket[] = [];
  for (let start = 0; start < packets.length; start += window) {
    const some = packets.slice(start, start + window);
    for (let at = some.length - 1; at > 0; at--) {
      const other = random.integer(at + 1);
      const [one, two] = [some[at], some[other]];
      if (one === undefined || two === undefined) continue;
      some[at] = two;
      some[other] = one;
    }
    all.push(...some);
  }
  return all;
}

/** Each packet comes again, `change`d, `distance` packets later. */
export function doubled(
  packets: readonly TestPacket[],
  distance: number,
  change: (packet: TestPacket) => TestPacket,
): TestPacket[] {
  const all: TestPacket[] = [];
  packets.forEach((packet, index) => {
    all.push(packet);
    const earlier = packets[index - distance];
    if (earlier !== undefined) all.push(change(earlier));
  });
  return [...all, ...packets.slice(Math.max(0, packets.length - distance)).map(change)];
}

/** As the other side of a router shows it: other link addresses, one hop less, a little later. */
export function behindRouter(packet: TestPacket): TestPacket {
  const bytes = Buffer.from(packet.bytes);
  const ip = ipOffset({ ...packet, bytes });
  if (packet.linkType === linkTypes.ethernet) bytes.fill(0x42, 0, Math.min(12, bytes.length));
  const hops = ip === undefined ? bytes.length : ip + ((bytes[ip] ?? 0) >> 4 === 6 ? 7 : 8);
  if (hops < bytes.length) bytes[hops] = Math.max(1, (bytes[hops] ?? 0) - 1);
  return { ...packet, bytes, timestampNs: packet.timestampNs + 20_000n };
}

/** Each TCP payload in segments of `nextLength()` octets. Packets that no simple rule can cut stay whole. */
export function recut(packets: readonly TestPacket[], nextLength: () => number): TestPacket[] {
  return packets.flatMap((packet) => recutPacket(packet, nextLength));
}

function recutPacket(packet: TestPacket, nextLength: () => number): TestPacket[] {
  const segment = locateSegment(packet);
  if (segment === undefined) return [packet];
  const pieces: TestPacket[] = [];
  for (let at = segment.payload; at < segment.end; ) {
    const end = Math.min(segment.end, at + Math.max(1, nextLength()));
    pieces.push(pieceOf(packet, segment, at, end));
    at = end;
  }
  return pieces.length === 0 ? [packet] : pieces;
}

interface LocatedSegment {
  readonly ip: number;
  readonly tcp: number;
  readonly payload: number;
  readonly end: number;
}

const finAndPush = 0x09;

/** Octets `from` … `end` of the packet as a packet of their own. */
function pieceOf(packet: TestPacket, segment: LocatedSegment, from: number, end: number): TestPacket {
  const { ip, tcp, payload } = segment;
  const bytes = Buffer.concat([packet.bytes.subarray(0, payload), packet.bytes.subarray(from, end)]);
  if ((bytes[ip] ?? 0) >> 4 === 6) bytes.writeUInt16BE(bytes.length - ip - 40, ip + 4);
  else bytes.writeUInt16BE(bytes.length - ip, ip + 2);
  bytes.writeUInt32BE((bytes.readUInt32BE(tcp + 4) + from - payload) >>> 0, tcp + 4);
  if (end < segment.end) bytes[tcp + 13] = (bytes[tcp + 13] ?? 0) & ~finAndPush;
  return { ...packet, bytes, originalLength: bytes.length };
}

/** A whole segment without SYN in a plain packet; anything else is left alone. */
function locateSegment(packet: TestPacket): LocatedSegment | undefined {
  const { bytes, originalLength } = packet;
  const ip = ipOffset(packet);
  if (ip === undefined || bytes.length < originalLength || bytes.length < ip + 40) return undefined;
  const isIpv6 = (bytes[ip] ?? 0) >> 4 === 6;
  const protocol = bytes[isIpv6 ? ip + 6 : ip + 9];
  const isFragment = !isIpv6 && (bytes.readUInt16BE(ip + 6) & 0x3fff) !== 0;
  const claimed = isIpv6 ? 40 + bytes.readUInt16BE(ip + 4) : bytes.readUInt16BE(ip + 2);
  if (protocol !== 6 || isFragment || claimed < 40 || ip + claimed > bytes.length) return undefined;
  const tcp = ip + (isIpv6 ? 40 : ((bytes[ip] ?? 0) & 0x0f) * 4);
  const end = ip + claimed;
  if (tcp + 20 > end) return undefined;
  const payload = tcp + ((bytes[tcp + 12] ?? 0) >> 4) * 4;
  const isStart = ((bytes[tcp + 13] ?? 0) & 0x06) !== 0;
  return isStart || payload > end ? undefined : { ip, tcp, payload, end };
}

/** Where IP begins behind a plain link header. */
function ipOffset({ linkType, bytes }: TestPacket): number | undefined {
  const offsets: Readonly<Record<number, number>> = {
    [linkTypes.null]: 4,
    [linkTypes.ethernet]: 14,
    [linkTypes.rawIp]: 0,
    [linkTypes.linuxCooked]: 16,
    [linkTypes.linuxCooked2]: 20,
  };
  const offset = offsets[linkType];
  if (offset === undefined || bytes.length < offset + 20) return undefined;
  const etherTypeAt: Readonly<Record<number, number>> = {
    [linkTypes.ethernet]: 12,
    [linkTypes.linuxCooked]: 14,
    [linkTypes.linuxCooked2]: 0,
  };
  const at = etherTypeAt[linkType];
  const isIp = at === undefined || [0x0800, 0x86dd].includes(bytes.readUInt16BE(at));
  return isIp ? offset : undefined;
}

// ---- files --------------------------------------------------------------------------------------

/** One pcapng file with nanoseconds; the secrets stand in front of the packets. */
export function asPcapng({ packets, secrets }: Traffic, options: CaptureFileOptions = {}): Buffer {
  const file = writePcapng(packets, { nanoseconds: true, ...options });
  if (secrets === '') return file;
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (options.bigEndian === true) bytes.writeUInt32BE(value);
    else bytes.writeUInt32LE(value);
    return bytes;
  };
  const text = Buffer.from(secrets, 'latin1');
  const padding = Buffer.alloc(-text.length & 3);
  const length = number(20 + text.length + padding.length);
  const block = [number(10), length, number(0x544c534b), number(text.length), text, padding, length];
  const sectionEnd = 28;
  return Buffer.concat([file.subarray(0, sectionEnd), ...block, file.subarray(sectionEnd)]);
}

/** A pcap file with nanoseconds; undefined where the packets are of several link types. */
export function asPcap({ packets }: Traffic, options: CaptureFileOptions = {}): Buffer | undefined {
  const isOneType = packets.every(({ linkType }) => linkType === packets[0]?.linkType);
  return isOneType ? writePcap(packets, { nanoseconds: true, ...options }) : undefined;
}

/** The same in `count` files, named and described as dumpcap does; the secrets are in the first. */
export function inFiles({ packets, secrets }: Traffic, count: number): CaptureContent[] {
  const each = Math.ceil(packets.length / count);
  const all = linkTypesOf(packets);
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(5, '0');
    const some = packets.slice(index * each, (index + 1) * each);
    const bytes = asPcapng({ packets: some, secrets: index === 0 ? secrets : '' }, { linkTypes: all });
    return { name: `mail_${number}_202201280930${String(index).padStart(2, '0')}.pcapng`, bytes };
  });
}
