/** Everything: packets of a capture, changed, through the whole run into a store in memory. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ingest } from '../../src/pipeline/ingest.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { writePcapng } from '../support/packets.ts';
import { scratchFile, scratchFolder } from './capture-targets.ts';
import type { Input } from './input.ts';
import { packetsOfCaptures, packetTarget } from './packet-targets.ts';
import type { Target } from './target.ts';

const linkTypes = [1, 0, 101, 113, 276];

export const pipelineTarget: Target = {
  kinds: [0],
  words: packetTarget.words,
  seeds: async () => packetsOfCaptures(60),
  run: runAll,
};

async function runAll(input: Input): Promise<string> {
  const packets = input.map(({ kind, bytes }, index) => {
    const linkType = linkTypes[kind % linkTypes.length] ?? 1;
    return { linkType, timestampNs: BigInt(index) * 1000n, bytes, originalLength: bytes.length };
  });
  const sink = new MemorySink();
  const job = {
    root: scratchFile('packets.pcapng', writePcapng(packets)),
    day: '1970-01-01',
    timeZone: 'UTC',
    store: 'memory',
    imageFolder: join(scratchFolder(), 'image'),
    ports: new Map(),
    keyLogFile: undefined,
    reprocess: false,
  };
  const silent = { progress: () => undefined, anomaly: () => undefined };
  const report = await ingest(job, sink, silent, new AbortController().signal);
  const octets = Object.values(report.octets).reduce((sum, count) => sum + count, 0);
  assert.equal(octets, report.captures.octets, 'the octets of the capture add up');
  const { seen, added, replaced, known } = report.mails.smtp;
  assert.equal(seen, added + replaced + known, 'the mails add up');
  return JSON.stringify(sink.mails);
}
