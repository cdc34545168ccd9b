/** Everything: packets of a capture, changed, through the whole run into a store in memory. */
import assert from 'node:assert/strict';
import { type CaptureContent, ingestCaptures } from '../support/ingest-captures.ts';
import type { TestPacket } from '../support/packets.ts';
import { asPcapng, inFiles } from '../support/rewrite.ts';
import { rowsOfTraffic } from '../support/rows-of-traffic.ts';
import type { Input } from './input.ts';
import { packetsOfCaptures, packetTarget } from './packet-targets.ts';
import type { Target } from './target.ts';

const linkTypes = [1, 0, 101, 113, 276];

/** 2022-01-28 in every time zone that a run of this may have. */
const startNs = 1_643_362_200_000_000_000n;

export const pipelineTarget: Target = {
  kinds: [0, 1, 2, 3, 4],
  words: packetTarget.words,
  seeds: async () => packetsOfCaptures(60),
  run: (input) => ingestAll([{ name: 'capture.pcapng', bytes: asPcapng(trafficOf(input)) }]),
  runOtherwise: (input, random) => {
    const traffic = trafficOf(input);
    const bytes = asPcapng(traffic, { bigEndian: true });
    // Files of different interfaces are no series.
    const isOneInterface = traffic.packets.every(({ linkType }) => linkType === traffic.packets[0]?.linkType);
    if (!isOneInterface || random.chance(0.2)) return ingestAll([{ name: 'capture.pcapng', bytes }]);
    return ingestAll(inFiles(traffic, 2 + random.integer(8)));
  },
};

function trafficOf(input: Input) {
  const packets = input.map(({ kind, bytes }, index): TestPacket => {
    const linkType = linkTypes[kind % linkTypes.length] ?? 1;
    const timestampNs = startNs + BigInt(index) * 1000n;
    return { linkType, timestampNs, bytes, originalLength: bytes.length };
  });
  return { packets, secrets: '' };
}

async function ingestAll(captures: readonly CaptureContent[]): Promise<string> {
  const { report, records } = await ingestCaptures(captures);
  const octets = Object.values(report.octets).reduce((sum, count) => sum + count, 0);
  assert.equal(octets, report.captures.octets, 'the octets of the capture add up');
  for (const { seen, added, replaced, known } of Object.values(report.mails)) {
    assert.equal(seen, added + replaced + known, 'the mails add up');
  }
  return JSON.stringify(rowsOfTraffic(records), null, 1);
}
