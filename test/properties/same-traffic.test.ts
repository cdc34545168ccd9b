/**
 * The rows of a capture are a fact of the traffic, not of how it was captured: the same packets in another
 * order, twice, cut otherwise, in other files or formats give the same rows, column by column.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { FileDetail, MailRecord } from '../../src/record/types.ts';
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

/** Packets change places by this much in captures of several queues or interfaces. */
const window = 24;
/** Captures with more payload are cut at random places instead of between all octets. */
const cutEverywhereBytesMax = 60_000;

type Variant = (traffic: Traffic) => readonly CaptureContent[];

const inOneFile = (traffic: Traffic): CaptureContent[] => [
  { name: 'capture.pcapng', bytes: asPcapng(traffic) },
];
const identical = (packet: Traffic['packets'][number]) => packet;

/** What changes only the capture: all columns and details stay, but those that name file and frame. */
const variants: readonly (readonly [name: string, variant: Variant])[] = [
  ['written anew', inOneFile],
  ...[1, 2, 3].map((seed): [string, Variant] => [
    `shuffled within ${window} packets, seed ${seed}`,
    ({ packets, secrets }) =>
      inOneFile({ packets: shuffled(packets, window, new SeededRandom(seed)), secrets }),
  ]),
  [
    'every packet twice',
    ({ packets, secrets }) => inOneFile({ packets: doubled(packets, 0, identical), secrets }),
  ],
  [
    'every packet again eight packets later',
    ({ packets, secrets }) => inOneFile({ packets: doubled(packets, 8, identical), secrets }),
  ],
  [
    'every packet again behind a router',
    ({ packets, secrets }) => inOneFile({ packets: doubled(packets, 1, behindRouter), secrets }),
  ],
  ['in nine files', (traffic) => inFiles(traffic, 9)],
  ['in three files', (traffic) => inFiles(traffic, 3)],
  [
    'in big-endian pcapng',
    (traffic) => [{ name: 'capture.pcapng', bytes: asPcapng(traffic, { bigEndian: true }) }],
  ],
  ['in pcap', (traffic) => pcap(traffic, false)],
  ['in big-endian pcap', (traffic) => pcap(traffic, true)],
];

/** What changes the packets: `len` is the length of the packet that holds the first octet, and changes too. */
const cutVariants: readonly (readonly [name: string, variant: Variant])[] = [
  [
    'cut between all octets',
    ({ packets, secrets }) => inOneFile({ packets: recut(packets, lengthsFor(packets)), secrets }),
  ],
  [
    'cut at random, shuffled and twice',
    ({ packets, secrets }) => {
      const random = new SeededRandom(7);
      const pieces = recut(packets, () => 1 + random.integer(700));
      return inOneFile({ packets: doubled(shuffled(pieces, window, random), 3, behindRouter), secrets });
    },
  ],
];

for (const [name, path] of capturesOfFixtures()) {
  test(`${name} gives the same rows however its traffic was captured`, async () => {
    const traffic = await readTraffic(path);
    const expected = rows((await ingestCaptures(inOneFile(traffic), traffic.secrets)).records);
    for (const [what, variant] of variants) {
      const { records } = await ingestCaptures(variant(traffic), traffic.secrets);
      assert.deepEqual(rows(records), expected, what);
    }
    for (const [what, variant] of cutVariants) {
      const { records } = await ingestCaptures(variant(traffic), traffic.secrets);
      assert.deepEqual(rows(records).map(withoutLength), expected.map(withoutLength), what);
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

/** Sorted by key, without what names a file or a frame. Ids are handed out in the order of completion. */
function rows(records: readonly MailRecord[]) {
  return records
    .map(({ columns, detail }) => {
      const { file_path: _path, ...sameColumns } = columns;
      const { first_frame: _first, last_frame: _last, images, attachments, ...same } = detail;
      return {
        ...sameColumns,
        ...same,
        images: images.map(inNoFolder),
        attachments: attachments.map(inNoFolder),
      };
    })
    .sort((one, two) => (one.mail_key < two.mail_key ? -1 : 1));
}

/** The folder of an image is named after its capture. */
function inNoFolder(file: FileDetail): FileDetail {
  return { ...file, path: file.path === null ? null : (file.path.split('/').at(-1) ?? '') };
}

function withoutLength<Row extends { readonly len: number }>(row: Row): Omit<Row, 'len'> {
  const { len: _len, ...rest } = row;
  return rest;
}
