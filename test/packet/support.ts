/** What the tests of the packet stage share. */
import assert from 'node:assert/strict';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import type { Segment } from '../../src/packet/types.ts';
import { defaultStartNs } from '../support/conversation.ts';
import { asPacket, type TestPacket } from '../support/packets.ts';
import { StreamCollector } from '../support/streams.ts';

/** A copy that outlives the next call, with the payload as text. */
export interface SeenSegment {
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly payload: string;
  readonly missingLength: number;
  readonly ipLength: number;
  readonly ttl: number;
}

export function seen(segment: Segment): SeenSegment {
  const { sourcePort, targetPort, sequence, acknowledgment, flags, missingLength, ipLength, ttl } = segment;
  const { buffer, payloadOffset, payloadLength } = segment;
  const source = segment.sourceAddress.toString('hex');
  const target = segment.targetAddress.toString('hex');
  const payload = buffer.toString('latin1', payloadOffset, payloadOffset + payloadLength);
  const numbers = { sourcePort, targetPort, sequence, acknowledgment, flags };
  return { source, target, ...numbers, payload, missingLength, ipLength, ttl };
}

export function packetOf(linkType: number, bytes: Buffer, originalLength = bytes.length): TestPacket {
  return { linkType, timestampNs: defaultStartNs, bytes, originalLength };
}

/** Decodes one packet with a decoder of its own. */
export function decodeOne(packet: TestPacket): { segment: SeenSegment | undefined; outcome: string } {
  const decoder = new PacketDecoder();
  const segment = decoder.decode(asPacket(packet));
  assertCountsAddUp(decoder);
  return { segment: segment && seen(segment), outcome: outcomes(decoder).join() };
}

/** The classes that have packets. */
export function outcomes(decoder: PacketDecoder): string[] {
  return Object.entries(decoder.counts.classes)
    .filter(([, tally]) => tally.packets > 0)
    .map(([name]) => name);
}

/** Every captured octet is in exactly one class. */
export function assertCountsAddUp(decoder: PacketDecoder): void {
  const { all, classes, payloadOctets } = decoder.counts;
  let packets = 0;
  let octets = 0;
  for (const tally of Object.values(classes)) {
    assert.ok(tally.packets >= 0 && tally.octets >= 0);
    packets += tally.packets;
    octets += tally.octets;
  }
  assert.deepEqual({ packets, octets }, { packets: all.packets, octets: all.octets });
  assert.ok(payloadOctets <= classes.segment.octets);
}

export function decodeAll(packets: readonly TestPacket[]): {
  decoder: PacketDecoder;
  collector: StreamCollector;
} {
  const decoder = new PacketDecoder();
  const collector = new StreamCollector();
  for (const [index, packet] of packets.entries()) {
    const segment = decoder.decode(asPacket(packet, index + 1));
    if (segment !== undefined) collector.add(segment);
  }
  return { decoder, collector };
}
