import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import type { Segment } from '../../src/packet/types.ts';
import { asPacket } from '../support/packets.ts';
import { allSamples } from './samples.ts';
import { assertCountsAddUp, packetOf } from './support.ts';

const linkTypes = [...new Set(allSamples.map(({ linkType }) => linkType)), 147];

/** Whatever the octets are, a segment lies within its buffer and its lengths make sense. */
function assertWithinBounds(segment: Segment | undefined, octets: number): void {
  if (segment === undefined) return;
  const { buffer, payloadOffset, payloadLength, missingLength, sequence, ttl, ipLength } = segment;
  assert.ok(
    payloadOffset >= 0 && payloadLength >= 0 && missingLength >= 0 && missingLength <= 65_535 + octets,
  );
  assert.ok(payloadOffset + payloadLength <= buffer.length);
  assert.ok(sequence >= 0 && sequence <= 0xffffffff);
  assert.ok(ttl >= 0 && ttl <= 255 && ipLength >= 28);
  assert.equal(segment.sourceAddress.length, segment.targetAddress.length);
}

test('PacketDecoder never throws on random octets of any link type, and its counts add up', () => {
  const decoder = new PacketDecoder();
  const anyPacket = fc.tuple(fc.constantFrom(...linkTypes), fc.uint8Array({ maxLength: 200 }), fc.nat(300));
  fc.assert(
    fc.property(anyPacket, ([linkType, octets, more]) => {
      const packet = asPacket(packetOf(linkType, Buffer.from(octets), octets.length + more));
      assertWithinBounds(decoder.decode(packet), octets.length);
      assertCountsAddUp(decoder);
    }),
    { numRuns: 3000 },
  );
});

test('PacketDecoder never throws on damaged packets, and its counts add up', () => {
  const decoder = new PacketDecoder();
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.constantFrom(...allSamples), damage, ({ linkType, bytes }, changes) => {
      const damaged = Buffer.from(bytes);
      for (const [at, value] of changes) damaged[at % damaged.length] = value;
      assertWithinBounds(decoder.decode(asPacket(packetOf(linkType, damaged))), damaged.length);
      assertCountsAddUp(decoder);
    }),
    { numRuns: 5000 },
  );
  decoder.finish();
  assertCountsAddUp(decoder);
});

test('PacketDecoder tells of a packet cut at any length nothing that the whole packet does not have', () => {
  for (const { name, linkType, bytes } of allSamples) {
    for (let length = 0; length < bytes.length; length++) {
      const decoder = new PacketDecoder();
      const segment = decoder.decode(asPacket(packetOf(linkType, bytes.subarray(0, length), bytes.length)));
      assertWithinBounds(segment, length);
      assertCountsAddUp(decoder);
      if (segment === undefined) continue;
      const { buffer, payloadOffset, payloadLength, missingLength } = segment;
      assert.equal(payloadLength + missingLength, 5, `${name} at ${length}`);
      assert.equal(
        buffer.toString('latin1', payloadOffset, payloadOffset + payloadLength),
        'hello'.slice(0, payloadLength),
        name,
      );
    }
  }
});

test('PacketDecoder never reads behind the captured octets', () => {
  for (const { name, linkType, bytes } of allSamples) {
    for (let length = 0; length < bytes.length; length++) {
      // The same packet again, with the cut octets still lying in the buffer behind it.
      const cut = { ...asPacket(packetOf(linkType, bytes)), capturedLength: length };
      const alone = {
        ...asPacket(packetOf(linkType, bytes.subarray(0, length))),
        originalLength: bytes.length,
      };
      assert.deepEqual(outcomeOf(cut), outcomeOf(alone), `${name} at ${length}`);
    }
  }
});

function outcomeOf(packet: Parameters<PacketDecoder['decode']>[0]): unknown {
  const decoder = new PacketDecoder();
  const segment = decoder.decode(packet);
  return [
    decoder.counts.classes,
    segment && [segment.sequence, segment.payloadLength, segment.missingLength],
  ];
}
