/** Packets to segments, and segments to streams. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import type { Segment } from '../../src/packet/types.ts';
import { Reassembler } from '../../src/stream/reassembler.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { readCapture } from '../support/capture-reader.ts';
import { asPacket, type TestPacket } from '../support/packets.ts';
import { captureFiles } from './corpus.ts';
import type { Input, Piece } from './input.ts';
import type { Target } from './target.ts';

/** The kind of a piece is the index of its link type. */
const linkTypes = [
  1, 0, 101, 113, 276, 9, 12, 50, 104, 105, 107, 108, 109, 117, 127, 192, 204, 228, 229, 239,
];
const words = [
  '0800 86dd 8100 88a8 88e7 8847 8848 8863 8864 6558 894f 880b 22eb 88be',
  '45000028000000004006 6000000000140640 002c0008 2900 0400 1100 2f00',
  '12b5 17c1 0868 0dd8 06a5 12b6 0c0000000000000000',
].flatMap((line) => line.split(' ').map((each) => Buffer.from(each, 'hex')));

export const packetTarget: Target = {
  kinds: linkTypes.map((_, index) => index),
  words,
  seeds: async () => packetsOfCaptures(8),
  run: (input) => decodePackets(input, 0),
  runOtherwise: (input, random) => decodePackets(input, 1 + random.integer(255)),
};

/** First packets of each capture, and of those with strange layers their own. */
export function packetsOfCaptures(count: number): Input[] {
  const inputs: Input[] = [];
  for (const file of captureFiles(1 << 18)) {
    const bytes = readFileSync(file);
    const packets = packetsOf(bytes);
    const pieces = packets.map(({ linkType, bytes: octets }) => {
      return { kind: Math.max(0, linkTypes.indexOf(linkType)), bytes: octets };
    });
    const middle = packets.length >> 1;
    inputs.push(pieces.slice(0, count), pieces.slice(middle, middle + count));
  }
  return inputs.filter((input) => input.length > 0);
}

/** None of files that are damaged or compressed: the small reader of the tests is for others. */
function packetsOf(bytes: Buffer): TestPacket[] {
  try {
    return readCapture(bytes);
  } catch {
    return [];
  }
}

/** `surroundings` fill what lies beside a packet: it must never be read. */
function decodePackets(input: Input, surroundings: number): string {
  const decoder = new PacketDecoder();
  const hash = createHash('sha256');
  let segments = 0;
  input.forEach((piece, index) => {
    const segment = decoder.decode(packetOf(piece, index, surroundings));
    if (segment === undefined) return;
    segments++;
    checkSegment(segment);
    hash.update(shownSegment(segment));
    hash.update(
      segment.buffer.subarray(segment.payloadOffset, segment.payloadOffset + segment.payloadLength),
    );
  });
  decoder.finish();
  const { counts } = decoder;
  const classes = Object.values(counts.classes);
  assert.equal(sum(classes.map((each) => each.packets)), counts.all.packets, 'each packet has its class');
  assert.equal(sum(classes.map((each) => each.octets)), counts.all.octets, 'each octet has its class');
  return `${segments} ${hash.digest('hex')} ${JSON.stringify(counts)}`;
}

function packetOf({ kind, bytes }: Piece, index: number, surroundings: number) {
  const linkType = linkTypes[kind % linkTypes.length] ?? 1;
  const packet = asPacket(
    { linkType, timestampNs: BigInt(index), bytes, originalLength: bytes.length },
    index + 1,
  );
  packet.buffer.fill(surroundings, 0, packet.offset);
  packet.buffer.fill(surroundings, packet.offset + packet.capturedLength);
  return packet;
}

function checkSegment(segment: Segment): void {
  assert(segment.payloadLength >= 0 && segment.missingLength >= 0, 'lengths');
  assert(
    segment.payloadOffset + segment.payloadLength <= segment.buffer.length,
    'the payload is in the buffer',
  );
  assert(segment.ipLength >= 0 && segment.ttl >= 0 && segment.ttl <= 255, 'numbers of the IP header');
}

function shownSegment(segment: Segment): string {
  const { sourceAddress, targetAddress, buffer, payloadOffset, ...rest } = segment;
  const { sourcePort, targetPort, sequence, acknowledgment, flags } = segment;
  const numbers = [
    sourcePort,
    targetPort,
    sequence,
    acknowledgment,
    flags,
    rest.payloadLength,
    rest.missingLength,
  ];
  return `${sourceAddress.toString('hex')} ${targetAddress.toString('hex')} ${numbers} ${rest.ipLength} ${rest.ttl}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, two) => one + two, 0);
}

// ---- reassembly ---------------------------------------------------------------------------------

/**
 * A piece is a segment: connection and sender (1), flags (1), sequence (4), acknowledgment (4), missing (2),
 * seconds (2), and the payload.
 */
const segmentHead = 14;

export const reassemblerTarget: Target = {
  kinds: [0],
  words: ['00', '02', '12', '10', '18', '11', '04', '14', 'ffffffff', '7fffffff', '80000000'].map((each) =>
    Buffer.from(each, 'hex'),
  ),
  seeds: async () => segmentsOfCaptures(),
  run: (input) => reassemble(input),
  runOtherwise: (input) => reassemble(input),
};

function segmentsOfCaptures(): Input[] {
  return packetsOfCaptures(40).map((packets) => {
    const decoder = new PacketDecoder();
    const ports: number[] = [];
    return packets.flatMap((piece, index) => {
      const segment = decoder.decode(packetOf(piece, index, 0));
      if (segment === undefined) return [];
      const isClient = segment.sourcePort > segment.targetPort;
      const port = isClient ? segment.sourcePort : segment.targetPort;
      if (!ports.includes(port)) ports.push(port);
      const head = Buffer.alloc(segmentHead);
      head[0] = ports.indexOf(port) * 2 + (isClient ? 1 : 0);
      head[1] = segment.flags;
      head.writeUInt32BE(segment.sequence, 2);
      head.writeUInt32BE(segment.acknowledgment, 6);
      const start = segment.payloadOffset;
      return [
        {
          kind: 0,
          bytes: Buffer.concat([head, segment.buffer.subarray(start, start + segment.payloadLength)]),
        },
      ];
    });
  });
}

function segmentOf(bytes: Buffer, index: number): Segment | undefined {
  if (bytes.length < segmentHead) return undefined;
  const who = bytes[0] ?? 0;
  const client = { address: Buffer.from([10, 0, 0, 1]), port: 40_000 + ((who >> 1) & 7) };
  const server = { address: Buffer.from([10, 0, 0, 2]), port: 25 };
  const [source, target] = (who & 1) === 1 ? [client, server] : [server, client];
  return {
    sourceAddress: source.address,
    targetAddress: target.address,
    sourcePort: source.port,
    targetPort: target.port,
    sequence: bytes.readUInt32BE(2),
    acknowledgment: bytes.readUInt32BE(6),
    flags: bytes[1] ?? 0,
    missingLength: bytes.readUInt16BE(10),
    seconds: bytes.readUInt16BE(12),
    nanoseconds: 0,
    buffer: bytes,
    payloadOffset: segmentHead,
    payloadLength: bytes.length - segmentHead,
    ipLength: 40 + bytes.length,
    ttl: 64,
    frame: index + 1,
  };
}

function reassemble(input: Input): string {
  const hash = createHash('sha256');
  const checkers: StreamChecker[] = [];
  const accept = (connection: Connection) => {
    const checker = new StreamChecker();
    checkers.push(checker);
    return {
      receive: (event: StreamEvent): boolean => {
        checker.check(event);
        hash.update(`${connection.id} ${shownEvent(event)}`);
        if (event.kind === 'data') hash.update(event.bytes);
        return true;
      },
    };
  };
  const streams = new Reassembler(
    { accept, anomaly: () => undefined },
    { mailPorts: new Map([[25, 'smtp']]) },
  );
  input.forEach(({ bytes }, index) => {
    const segment = segmentOf(bytes, index);
    if (segment) streams.receive(segment, 0);
  });
  streams.end();
  const { counts } = streams;
  const { payloadOctets, deliveredOctets, duplicateOctets, ignoredOctets, discardedOctets, heldOctets } =
    counts;
  assert.equal(heldOctets, 0, 'nothing is held behind the end');
  assert.equal(
    payloadOctets,
    deliveredOctets + duplicateOctets + ignoredOctets + discardedOctets,
    'sum of octets',
  );
  assert.equal(sum(checkers.map((each) => each.octets)), deliveredOctets, 'delivered octets');
  for (const checker of checkers) assert(checker.isClosed, 'every connection ends with close of both');
  return `${hash.digest('hex')} ${JSON.stringify(counts)}`;
}

function shownEvent(event: StreamEvent): string {
  return JSON.stringify(event, (key, value) => {
    if (key === 'bytes') return undefined;
    return typeof value === 'bigint' ? `${value}` : value;
  });
}

/** `open` first, octets in order without a step, nothing behind the close of their side. */
class StreamChecker {
  octets = 0;
  isClosed = false;
  #isOpen = false;
  readonly #next = new Map<string, number>();
  readonly #closedSides = new Set<string>();

  check(event: StreamEvent): void {
    assert(!this.isClosed, 'no event behind the close of both sides');
    assert(this.#isOpen === (event.kind !== 'open'), 'open comes first and once');
    this.#isOpen = true;
    if (event.kind === 'close') {
      if (event.side === 'both') this.isClosed = true;
      else this.#closedSides.add(event.side);
    }
    if (event.kind !== 'data' && event.kind !== 'gap') return;
    const length = event.kind === 'data' ? event.bytes.length : event.length;
    assert(length > 0, 'no empty event');
    assert(!this.#closedSides.has(event.sender), 'no octets behind the close of their side');
    const expected = this.#next.get(event.sender) ?? event.sequence;
    assert.equal(event.sequence, expected, 'octets follow each other');
    this.#next.set(event.sender, (event.sequence + length) >>> 0);
    if (event.kind === 'data') this.octets += length;
  }
}
