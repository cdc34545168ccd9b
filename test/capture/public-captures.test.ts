/** Captures of many programs, against what tshark found in them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordCapture } from '../support/recorded-capture.ts';
import { sharedJson, sharedNames, sharedPath } from '../support/shared-captures.ts';

interface Expected {
  readonly file: string;
  readonly blocks?: { readonly CBc?: number; readonly CBn?: number };
  readonly tshark_packets: number;
  readonly first_time: string | null;
  readonly last_time: string | null;
  readonly captured_bytes: number;
  readonly tshark_error: string | null;
}

/** Files of which we rightly read something else. */
const exceptions: ReadonlyMap<string, { readonly packets: number; readonly reason: string }> = new Map([
  [
    'gopacket__be__test901.pcapng',
    { packets: 2, reason: 'the section of version 2.0 is passed over, the one behind it is read' },
  ],
  [
    'gopacket__le__test901.pcapng',
    { packets: 2, reason: 'the section of version 2.0 is passed over, the one behind it is read' },
  ],
  [
    'pcapng__pcapng.org__pcap-ng_Wi-Fi_Bluetooth_USB_Cooked_timestamps_issue_1.ntar',
    {
      packets: 413,
      reason: 'tshark stops at a Bluetooth packet without its pseudo-header; framing is intact',
    },
  ],
  [
    'LightPcapNg__results__blocks.merged.pcapng',
    { packets: 557, reason: 'behind a broken section header lies a whole section' },
  ],
  [
    'tcpdump__tests__timestamp_invalid_nano.pcap',
    { packets: 3, reason: 'nanoseconds beyond the second are carried over, not printed behind a point' },
  ],
  [
    'python-pcapng__test_data__test007.ntar',
    { packets: 1, reason: 'the length without padding is the same at both ends of the block' },
  ],
  ['PcapPlusPlus__PcapExamples__solaris.snoop', { packets: 0, reason: 'snoop is not read' }],
  [
    'sample-captures__general-unsorted__Ethernet_Pause_Frame.cap',
    { packets: 0, reason: 'Sniffer captures are not read' },
  ],
  [
    'sample-captures__point-to-point-ppp__PPPHandshake.cap',
    { packets: 0, reason: 'Network Monitor captures are not read' },
  ],
]);

function timeText(ns: bigint | null): string | null {
  if (ns === null) return null;
  return `${ns / 1_000_000_000n}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}`;
}

for (const [folder, truth] of [
  ['pcapng-conformance', '_pcapng-conformance.json'],
  ['format-variants', '_encap-tcp-and-variants.json'],
] as const) {
  const names = new Set(sharedNames(`public/${folder}`));
  const table = (sharedJson(`public-truth/${truth}`) ?? []) as Expected[];
  for (const expected of table) {
    const name = expected.file.split('/').at(-1) ?? '';
    if (!names.has(name)) continue;
    test(`readCapture reads ${name} as tshark does`, async () => {
      const { summary, packets } = await recordCapture(sharedPath(`public/${folder}/${name}`));
      const custom = (expected.blocks?.CBc ?? 0) + (expected.blocks?.CBn ?? 0);
      const ours = exceptions.get(name);
      // tshark lists custom blocks among the packets; their time and size are then not comparable.
      assert.equal(packets.length, ours?.packets ?? expected.tshark_packets - custom);
      if (ours !== undefined || custom > 0) return;
      assert.equal(summary.packetBytes, expected.captured_bytes);
      // It writes no time for a packet without one, and such a packet is not our first or last.
      if (expected.first_time !== '') assert.equal(timeText(summary.firstPacketNs), expected.first_time);
      if (expected.last_time !== '') assert.equal(timeText(summary.lastPacketNs), expected.last_time);
      if (expected.tshark_error !== null) assert.ok(summary.isDamaged);
    });
  }
}
