/**
 * The rows of a capture are a fact of the traffic, not of how it was captured: the same packets in another
 * order, twice, cut otherwise, in other files or formats give the same rows, column by column.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fixtureNames, fixturesFolder } from '../support/fixture.ts';
import { type CaptureContent, ingestCaptures } from '../support/ingest-captures.ts';
import { SeededRandom } from '../support/random.ts';
import {
  asPcap,
  asPcapng,
  behindRouter,
  doubled,
  inFiles,
  readTraffic,
  recut,
  shuffled,
  type Traffic,
} from '../support/rewrite.ts';
import { rowsOfTraffic } from '../support/rows-of-traffic.ts';

/** `MAILPROC_TEST_FULL=1`: every variant of every fixture, not the ones that hardly differ from another. */
const isFull = process.env['MAILPROC_TEST_FULL'] === '1';
const seeds = isFull ? [1, 2, 3] : [1];

/** Packets change places by this much in captures of several queues or interfaces. */
const window = 24;
/** Captures with more payload are cut at random places instead of between all octets. */
const cutEverywhereBytesMax = isFull ? 200_000 : 50_000;

const cutEverywhere = 'cut between all octets';
/** Cut so, packets that have changed places would be thousands of packets from theirs. */
const alreadyShuffled = ['packets-shuffled'];
/** The two copies of a packet have times and hops of their own, and the one captured first counts. */
const copiesAtOtherTimes = ['packets-twice'];
/** The names of the files hold the key. */
const ofTheFirstCopy = ['mail_key', 'timestamp', 'ttl', 'images', 'attachments'];
/** Octets are missing in each packet: what is a gap, and when, depends on the order. */
const holesEverywhere = ['snap-length-1000'];

type Variant = (traffic: Traffic) => readonly CaptureContent[];

const inOneFile = (traffic: Traffic): CaptureContent[] => [
  { name: 'capture.pcapng', bytes: asPcapng(traffic) },
];
const identical = (packet: Traffic['packets'][number]) => packet;

/** What changes only the capture: all columns and details stay, but those that name file and frame. */
const variants: Readonly<Record<string, Variant>> = {
  'every packet twice': ({ packets, secrets }) => {
    return inOneFile({ packets: doubled(packets, 0, identical), secrets });
  },
  'every packet again eight packets later': ({ packets, secrets }) => {
    return inOneFile({ packets: doubled(packets, 8, identical), secrets });
  },
  'every packet again behind a router': ({ packets, secrets }) => {
    return inOneFile({ packets: doubled(packets, 1, behindRouter), secrets });
  },
  'in nine files': (traffic) => inFiles(traffic, 9),
  'every packet again behind a router, in nine files': ({ packets, secrets }) => {
    return inFiles({ packets: doubled(packets, 1, behindRouter), secrets }, 9);
  },
  'in big-endian pcapng': (traffic) => [
    { name: 'capture.pcapng', bytes: asPcapng(traffic, { bigEndian: true }) },
  ],
  'in pcap': (traffic) => pcap(traffic, false),
  ...(isFull ? { 'in big-endian pcap': (traffic) => pcap(traffic, true) } : {}),
};

/** What changes the packets: `len` is the length of the packet that holds the first octet, and changes too. */
const cuts: Readonly<Record<string, Variant>> = {
  [cutEverywhere]: ({ packets, secrets }) => {
    return inOneFile({ packets: recut(packets, lengthsFor(packets)), secrets });
  },
  'cut at random, every piece twice': ({ packets, secrets }) => {
    const random = new SeededRandom(7);
    const pieces = recut(packets, () => 1 + random.integer(700));
    return inOneFile({ packets: doubled(pieces, 3, behindRouter), secrets });
  },
};

for (const [name, path] of capturesOfFixtures()) {
  test(`${name} gives the same rows however its traffic was captured`, async () => {
    const traffic = await readTraffic(path);
    const expected = await ingestCaptures(inOneFile(traffic), traffic.secrets);
    for (const [what, variant] of Object.entries(variants)) {
      const { records } = await ingestCaptures(variant(traffic), traffic.secrets);
      assert.deepEqual(rowsOfTraffic(records), rowsOfTraffic(expected.records), what);
    }
    for (const [what, variant] of Object.entries(cuts)) {
      if (what === cutEverywhere && alreadyShuffled.includes(name)) continue;
      const { records } = await ingestCaptures(variant(traffic), traffic.secrets);
      assert.deepEqual(rowsOfTraffic(records, ['len']), rowsOfTraffic(expected.records, ['len']), what);
    }
    if (holesEverywhere.includes(name)) return;
    // Where octets are missing, which answer was whose is told by the order in which both were captured.
    const order = expected.report.lostOctets > 0 ? ['accepted'] : [];
    if (copiesAtOtherTimes.includes(name)) order.push(...ofTheFirstCopy);
    for (const seed of seeds) {
      const packets = shuffled(traffic.packets, window, new SeededRandom(seed));
      const changed = { ...traffic, packets };
      const ways = { 'one file': inOneFile(changed), 'nine files': inFiles(changed, 9) };
      for (const [files, captures] of Object.entries(ways)) {
        const { records } = await ingestCaptures(captures, traffic.secrets);
        const what = `shuffled within ${window} packets, seed ${seed}, in ${files}`;
        assert.deepEqual(rowsOfTraffic(records, order), rowsOfTraffic(expected.records, order), what);
      }
    }
  });
}

/** A folder of a rotated series is one capture, other folders hold several. */
function capturesOfFixtures(): [string, string][] {
  return fixtureNames().flatMap((name): [string, string][] => {
    const folder = join(fixturesFolder, name);
    const entry = readdirSync(folder).find((each) => each.startsWith('capture')) ?? '';
    const path = join(folder, entry);
    if (entry !== 'captures' || name === 'rotated-series') return [[name, path]];
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.pcap(?:ng)?$/.test(file))
      .map((file) => [`${name} ${file}`, join(path, file)]);
  });
}

function pcap(traffic: Traffic, bigEndian: boolean): CaptureContent[] {
  const bytes = asPcap(traffic, { bigEndian });
  return bytes === undefined ? inOneFile(traffic) : [{ name: 'capture.pcap', bytes }];
}

function lengthsFor(packets: Traffic['packets']): () => number {
  const octets = packets.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const random = new SeededRandom(5);
  return octets <= cutEverywhereBytesMax ? () => 1 : () => 1 + random.integer(random.chance(0.5) ? 20 : 1000);
}
