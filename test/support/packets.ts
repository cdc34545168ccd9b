/**
 * Builds packets layer by layer, whole TCP conversations, and the capture files that hold them.
 * Everything has a default: a test names only what it is about.
 */
import type { Packet } from '../../src/capture/types.ts';
import type { Segment } from '../../src/packet/types.ts';
import { TcpFlag } from '../../src/packet/types.ts';
import type { Endpoint, Sender } from '../../src/stream/types.ts';
import { defaultClient, defaultServer, defaultStartNs, type Turn } from './conversation.ts';

/** A packet to be written to a capture file or decoded directly. */
export interface TestPacket {
  readonly linkType: number;
  readonly timestampNs: bigint;
  readonly bytes: Buffer;
  /** Octets on the wire; more than `bytes.length` where the snap length cut the packet. */
  readonly originalLength: number;
}

export const linkTypes = { null: 0, ethernet: 1, rawIp: 101, linuxCooked: 113, linuxCooked2: 276 } as const;

// ---- single layers: each takes its payload last -------------------------------------------------

export interface TcpFields {
  readonly sourcePort?: number;
  readonly targetPort?: number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly flags?: number;
  /** A multiple of four octets. */
  readonly options?: Buffer;
}

/** Without a checksum: captures of offloading hosts have none either. */
export function tcp(fields: TcpFields = {}, payload: Buffer | string = ''): Buffer {
  const options = fields.options ?? Buffer.alloc(0);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(fields.sourcePort ?? defaultClient.port, 0);
  header.writeUInt16BE(fields.targetPort ?? defaultServer.port, 2);
  header.writeUInt32BE((fields.sequence ?? 1000) >>> 0, 4);
  header.writeUInt32BE((fields.acknowledgment ?? 2000) >>> 0, 8);
  header[12] = ((20 + options.length) / 4) << 4;
  header[13] = fields.flags ?? TcpFlag.ack | TcpFlag.psh;
  header.writeUInt16BE(65_535, 14);
  return Buffer.concat([header, options, Buffer.from(payload)]);
}

export function udp(sourcePort: number, targetPort: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sourcePort, 0);
  header.writeUInt16BE(targetPort, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

export interface IpFields {
  readonly source?: string;
  readonly target?: string;
  /** IPv4 protocol or IPv6 next header; TCP by default. */
  readonly protocol?: number;
  readonly ttl?: number;
  readonly identification?: number;
  /** IPv4: octets before this fragment (a multiple of 8) and whether more follow. */
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
  /** A multiple of four octets. */
  readonly options?: Buffer;
  /** What the header claims instead of the true length. */
  readonly claimedLength?: number;
}

export function ipv4(fields: IpFields, payload: Buffer): Buffer {
  const options = fields.options ?? Buffer.alloc(0);
  const header = Buffer.concat([Buffer.alloc(20), options]);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(fields.claimedLength ?? header.length + payload.length, 2);
  header.writeUInt16BE(fields.identification ?? 1, 4);
  header.writeUInt16BE((fields.moreFragments === true ? 0x2000 : 0) | ((fields.fragmentOffset ?? 0) / 8), 6);
  header[8] = fields.ttl ?? 64;
  header[9] = fields.protocol ?? 6;
  addressBytes(fields.source ?? defaultClient.address).copy(header, 12);
  addressBytes(fields.target ?? defaultServer.address).copy(header, 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return Buffer.concat([header, payload]);
}

export function ipv6(fields: IpFields, payload: Buffer): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(fields.claimedLength ?? payload.length, 4);
  header[6] = fields.protocol ?? 6;
  header[7] = fields.ttl ?? 64;
  addressBytes(fields.source ?? '2001:db8::10').copy(header, 8);
  addressBytes(fields.target ?? '2001:db8::25').copy(header, 24);
  return Buffer.concat([header, payload]);
}

/** An IPv6 fragment header (RFC 8200 §4.5) in front of its fragment. */
export function fragmentHeader(
  nextHeader: number,
  offset: number,
  more: boolean,
  identification: number,
  payload: Buffer,
): Buffer {
  const header = Buffer.alloc(8);
  header[0] = nextHeader;
  header.writeUInt16BE(offset | (more ? 1 : 0), 2);
  header.writeUInt32BE(identification, 4);
  return Buffer.concat([header, payload]);
}

export function ethernet(etherType: number, payload: Buffer): Buffer {
  const header = Buffer.from('020000000002020000000001ffff', 'hex');
  header.writeUInt16BE(etherType, 12);
  return Buffer.concat([header, payload]);
}

/** 4 or 16 octets of an IPv4 dotted or IPv6 address (without embedded IPv4). */
export function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const headGroups = head.split(':').filter((group) => group !== '');
  const tailGroups = tail.split(':').filter((group) => group !== '');
  const zeros: string[] = Array(8 - headGroups.length - tailGroups.length).fill('0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...headGroups, ...zeros, ...tailGroups].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  }
  return bytes;
}

/** RFC 1071, of a header whose checksum field is still zero. */
function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

// ---- whole conversations ------------------------------------------------------------------------

export interface ConversationOptions {
  readonly client?: Endpoint;
  readonly server?: Endpoint;
  /** Of the SYN; the first octet of data has the number behind it. */
  readonly clientSequence?: number;
  readonly serverSequence?: number;
  /** Largest payload of one segment. */
  readonly segmentBytes?: number;
  readonly handshake?: boolean;
  readonly end?: 'fin' | 'rst' | 'none';
  readonly startNs?: bigint;
  readonly stepNs?: bigint;
  /** Captured octets of a packet; the rest is cut off. */
  readonly snapLength?: number;
  /** Ethernet by default; see `linkTypes`. */
  readonly linkType?: number;
}

interface SegmentPlan {
  readonly sender: Sender;
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly payload: Buffer;
}

/** A TCP connection with handshake and end that carries the turns; lost turns only move the numbers. */
export function toPackets(turns: readonly Turn[], options: ConversationOptions = {}): TestPacket[] {
  const start = options.startNs ?? defaultStartNs;
  const step = options.stepNs ?? 1_000_000n;
  const linkType = options.linkType ?? linkTypes.ethernet;
  return planSegments(turns, options).map((plan, index) => {
    const frame = linkFrame(linkType, ipPacket(plan, options));
    const bytes = frame.subarray(0, options.snapLength ?? frame.length);
    return { linkType, timestampNs: start + BigInt(index) * step, bytes, originalLength: frame.length };
  });
}

/** The same as the packet stage would tell it. Unlike there, every segment is an object of its own. */
export function toSegments(turns: readonly Turn[], options: ConversationOptions = {}): Segment[] {
  const start = options.startNs ?? defaultStartNs;
  const step = options.stepNs ?? 1_000_000n;
  return planSegments(turns, options).map((plan, index) => {
    const [source, target] = endpointsOf(plan.sender, options);
    const time = start + BigInt(index) * step;
    return {
      sourceAddress: addressBytes(source.address),
      targetAddress: addressBytes(target.address),
      sourcePort: source.port,
      targetPort: target.port,
      sequence: plan.sequence,
      acknowledgment: plan.acknowledgment,
      flags: plan.flags,
      buffer: plan.payload,
      payloadOffset: 0,
      payloadLength: plan.payload.length,
      missingLength: 0,
      ipLength: ipPacket(plan, options).length,
      ttl: 64,
      seconds: Number(time / 1_000_000_000n),
      nanoseconds: Number(time % 1_000_000_000n),
      frame: index + 1,
    };
  });
}

function planSegments(turns: readonly Turn[], options: ConversationOptions): SegmentPlan[] {
  const next = {
    client: (options.clientSequence ?? 1000) >>> 0,
    server: (options.serverSequence ?? 5000) >>> 0,
  };
  const plans: SegmentPlan[] = [];
  const say = (sender: Sender, flags: number, payload: Buffer, captured = true): void => {
    const acknowledgment = (flags & TcpFlag.ack) === 0 ? 0 : next[other(sender)];
    if (captured) plans.push({ sender, flags, sequence: next[sender], acknowledgment, payload });
    const counted = (flags & (TcpFlag.syn | TcpFlag.fin)) === 0 ? 0 : 1;
    next[sender] = (next[sender] + payload.length + counted) >>> 0;
  };
  const nothing = Buffer.alloc(0);
  const handshake = options.handshake ?? true;
  say('client', TcpFlag.syn, nothing, handshake);
  say('server', TcpFlag.syn | TcpFlag.ack, nothing, handshake);
  say('client', TcpFlag.ack, nothing, handshake);
  for (const turn of turns) {
    for (const payload of piecesOf(turn.bytes, options.segmentBytes ?? 1460)) {
      say(turn.sender, TcpFlag.ack | TcpFlag.psh, payload, !turn.lost);
    }
  }
  const end = options.end ?? 'fin';
  if (end === 'rst') say('client', TcpFlag.rst | TcpFlag.ack, nothing);
  if (end === 'fin') {
    say('client', TcpFlag.fin | TcpFlag.ack, nothing);
    say('server', TcpFlag.fin | TcpFlag.ack, nothing);
    say('client', TcpFlag.ack, nothing);
  }
  return plans;
}

function piecesOf(bytes: Buffer, length: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.subarray(at, at + length));
  return pieces;
}

function other(sender: Sender): Sender {
  return sender === 'client' ? 'server' : 'client';
}

function endpointsOf(sender: Sender, options: ConversationOptions): [Endpoint, Endpoint] {
  const client = options.client ?? defaultClient;
  const server = options.server ?? defaultServer;
  return sender === 'client' ? [client, server] : [server, client];
}

function ipPacket(plan: SegmentPlan, options: ConversationOptions): Buffer {
  const [source, target] = endpointsOf(plan.sender, options);
  const { sequence, acknowledgment, flags, payload } = plan;
  const ports = { sourcePort: source.port, targetPort: target.port };
  const segment = tcp({ ...ports, sequence, acknowledgment, flags }, payload);
  const fields = { source: source.address, target: target.address };
  return source.address.includes(':') ? ipv6(fields, segment) : ipv4(fields, segment);
}

/** Puts an IP packet into the frame of a link type. */
export function linkFrame(linkType: number, packet: Buffer): Buffer {
  const isIpv6 = (packet[0] ?? 0) >> 4 === 6;
  const etherType = isIpv6 ? '86dd' : '0800';
  switch (linkType) {
    case linkTypes.null:
      return Buffer.concat([Buffer.from(isIpv6 ? '1e000000' : '02000000', 'hex'), packet]);
    case linkTypes.ethernet:
      return ethernet(isIpv6 ? 0x86dd : 0x0800, packet);
    case linkTypes.rawIp:
      return packet;
    case linkTypes.linuxCooked:
      return Buffer.concat([Buffer.from(`0000000100060200000000010000${etherType}`, 'hex'), packet]);
    case linkTypes.linuxCooked2:
      return Buffer.concat([Buffer.from(`${etherType}000000000002000100060200000000010000`, 'hex'), packet]);
    default:
      throw new Error(`no frame for link type ${linkType}`);
  }
}

/** As the capture stage hands it out, but with a buffer of its own that begins at an odd offset. */
export function asPacket(packet: TestPacket, frame = 1): Packet {
  const offset = 3;
  const buffer = Buffer.concat([Buffer.alloc(offset, 0xee), packet.bytes, Buffer.alloc(5, 0xee)]);
  return {
    linkType: packet.linkType,
    seconds: Number(packet.timestampNs / 1_000_000_000n),
    nanoseconds: Number(packet.timestampNs % 1_000_000_000n),
    originalLength: packet.originalLength,
    frame,
    buffer,
    offset,
    capturedLength: packet.bytes.length,
  };
}

// ---- capture files ------------------------------------------------------------------------------

export interface CaptureFileOptions {
  readonly bigEndian?: boolean;
  /** pcap: nanosecond magic number; pcapng: `if_tsresol` 9. Microseconds otherwise. */
  readonly nanoseconds?: boolean;
  readonly snapLength?: number;
  /** pcapng: those of the interfaces; by default those of the packets, in their order. */
  readonly linkTypes?: readonly number[];
}

/** A classic capture file; all packets must have one link type. */
export function writePcap(packets: readonly TestPacket[], options: CaptureFileOptions = {}): Buffer {
  const { u16, u32 } = writers(options.bigEndian === true);
  const magic = options.nanoseconds === true ? 0xa1b23c4d : 0xa1b2c3d4;
  const linkType = packets[0]?.linkType ?? linkTypes.ethernet;
  const parts = [
    u32(magic),
    u16(2),
    u16(4),
    u32(0),
    u32(0),
    u32(options.snapLength ?? 262_144),
    u32(linkType),
  ];
  for (const packet of packets) {
    if (packet.linkType !== linkType) throw new Error('a pcap file has one link type');
    const fraction = Number(packet.timestampNs % 1_000_000_000n);
    parts.push(
      u32(Number(packet.timestampNs / 1_000_000_000n)),
      u32(options.nanoseconds === true ? fraction : Math.floor(fraction / 1000)),
      u32(packet.bytes.length),
      u32(packet.originalLength),
      packet.bytes,
    );
  }
  return Buffer.concat(parts);
}

/** Each once, in the order of their first packets. */
export function linkTypesOf(packets: readonly TestPacket[]): number[] {
  return [...new Set(packets.map((packet) => packet.linkType))];
}

/** One section with one interface per link type and an Enhanced Packet Block per packet. */
export function writePcapng(packets: readonly TestPacket[], options: CaptureFileOptions = {}): Buffer {
  const { u16, u32 } = writers(options.bigEndian === true);
  const block = (type: number, ...body: Buffer[]): Buffer => {
    const content = Buffer.concat(body);
    const padding = Buffer.alloc((4 - (content.length % 4)) % 4);
    const length = u32(12 + content.length + padding.length);
    return Buffer.concat([u32(type), length, content, padding, length]);
  };
  const resolution = Buffer.concat([
    u16(9),
    u16(1),
    Buffer.from([options.nanoseconds === true ? 9 : 6, 0, 0, 0]),
    u32(0),
  ]);
  const unspecified = u32(0xffffffff);
  const parts = [block(0x0a0d0d0a, u32(0x1a2b3c4d), u16(1), u16(0), unspecified, unspecified)];
  const interfaces = options.linkTypes ?? linkTypesOf(packets);
  for (const linkType of interfaces) {
    parts.push(block(1, u16(linkType), u16(0), u32(options.snapLength ?? 262_144), resolution));
  }
  for (const packet of packets) {
    const ticks = options.nanoseconds === true ? packet.timestampNs : packet.timestampNs / 1000n;
    const interfaceId = u32(interfaces.indexOf(packet.linkType));
    const time = [u32(Number((ticks >> 32n) & 0xffffffffn)), u32(Number(ticks & 0xffffffffn))];
    parts.push(
      block(6, interfaceId, ...time, u32(packet.bytes.length), u32(packet.originalLength), packet.bytes),
    );
  }
  return Buffer.concat(parts);
}

function writers(bigEndian: boolean): { u16(value: number): Buffer; u32(value: number): Buffer } {
  return {
    u16(value) {
      const bytes = Buffer.alloc(2);
      if (bigEndian) bytes.writeUInt16BE(value);
      else bytes.writeUInt16LE(value);
      return bytes;
    },
    u32(value) {
      const bytes = Buffer.alloc(4);
      if (bigEndian) bytes.writeUInt32BE(value >>> 0);
      else bytes.writeUInt32LE(value >>> 0);
      return bytes;
    },
  };
}
