import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { readCapture } from '../support/capture-reader.ts';
import { addressBytes } from '../support/packets.ts';
import { sharedCaptures } from '../support/shared-captures.ts';
import type { TestStream } from '../support/streams.ts';
import { assertCountsAddUp, decodeAll } from './support.ts';

interface DirectionTruth {
  readonly bytes: number;
  readonly gaps: readonly (readonly [number, number])[];
  readonly sha256: string;
}

interface StreamTruth {
  readonly client: string;
  readonly server: string;
  readonly c2s: DirectionTruth;
  readonly s2c: DirectionTruth;
}

interface FileTruth {
  readonly file: string;
  readonly tcp_streams: readonly StreamTruth[];
}

const encapsulated = sharedCaptures('public', 'encap-tcp');
const truthFile = sharedCaptures('public-truth', '_encap-tcp-and-variants.json');

if (encapsulated === undefined || truthFile === undefined) {
  test('PacketDecoder finds the streams of real captures', { skip: 'the corpus is not here' }, () => {});
} else {
  const truths: readonly FileTruth[] = JSON.parse(readFileSync(truthFile, 'utf8'));
  for (const truth of truths.filter(({ file }) => file.includes('/encap-tcp/'))) {
    const name = basename(truth.file);
    test(`PacketDecoder finds the streams of ${name}`, () => {
      const { decoder, collector } = decodeAll(readCapture(readFileSync(join(encapsulated, name))));
      assertCountsAddUp(decoder);
      assert.deepEqual(
        collector.streams().map(digest).sort(),
        truth.tcp_streams.flatMap(digestsOfTruth).sort(),
      );
    });
  }
}

/** The truth names the first six holes only. */
function digest({ key, bytes, gaps }: TestStream): string {
  return `${key} ${JSON.stringify(gaps.slice(0, 6))} ${createHash('sha256').update(bytes).digest('hex')}`;
}

function digestsOfTruth({ client, server, c2s, s2c }: StreamTruth): string[] {
  return [digestOfTruth(client, server, c2s), digestOfTruth(server, client, s2c)].flat();
}

function digestOfTruth(source: string, target: string, truth: DirectionTruth): string[] {
  if (truth.bytes === 0 && truth.gaps.length === 0) return [];
  const gaps = JSON.stringify(truth.gaps);
  return [`${endpoint(source)}>${endpoint(target)} ${gaps} ${truth.sha256}`];
}

function endpoint(text: string): string {
  const [address = '', port = ''] = text.split(' ');
  return `${addressBytes(address).toString('hex')}:${port}`;
}

/** Variants of one capture that lost nothing: the same octets under other addresses, tags or tunnels. */
const laboratory = sharedCaptures('lab');
const lossless = `
  badsum dup20 dup_all dup_router erspan gre gretap gro ipfrag ipfrag_reverse ipip iplen0 ipv6 ipv6_frag
  ipv6_hopopts link_null link_raw link_sll link_sll2 midnight mpls ng_be ng_ns ng_oldpb ng_sections ng_spb
  ng_tsres2 no_acks no_fin overlap padding pcap_be pcap_be_ns pcap_ns pcap_us pppoe qinq qinq9100 retrans
  seqwrap shuffle24 swap time_jump vlan vlan_oneway vxlan
`;
/**
 * Without a SYN the stream begins at the lowest number seen: keep-alive probes lie before it in no_syn, and
 * in keepalive a probe may come before the octet that it repeats.
 */
const lossy = `
  drop0_5 drop2 drop_data4 early_end empty garbage keepalive midstream no_syn only_c2s only_s2c port_reuse
  rotate_cap_ rotate_trunc_cap_ snap1000 snap256 snap96 zero zero_tail
`;

if (laboratory === undefined) {
  test('PacketDecoder gives the same payload for all variants', { skip: 'the corpus is not here' }, () => {});
} else {
  const base = payloads(join(laboratory, 'mixed_small.pcapng'));
  for (const file of variantFiles(laboratory)) {
    test(`PacketDecoder gives for ${file} the payload of its base capture`, () => {
      assert.deepEqual(payloads(join(laboratory, file)), base);
    });
  }
  test('PacketDecoder tells for a short snap length how much payload is missing', () => {
    const whole = totalPayload(join(laboratory, 'mixed_small.pcapng'));
    for (const variant of ['v_snap1000', 'v_snap256', 'v_snap96']) {
      const cut = totalPayload(join(laboratory, `${variant}.pcapng`));
      assert.ok(cut.missing > 0, variant);
      assert.equal(cut.payload + cut.missing, whole.payload, variant);
    }
  });
}

/** Every variant must be named in one of the lists, so that a new one is not passed over. */
function variantFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /^v_.*\.pcap(ng)?$/.test(name));
  const expected = new Set(lossless.trim().split(/\s+/));
  const known = lossy.trim().split(/\s+/);
  return names.filter((name) => {
    const variant = name.replace(/^v_|\.pcap(ng)?$/g, '');
    const isLossless = expected.has(variant);
    assert.ok(isLossless || known.some((start) => variant.startsWith(start)), `${name} is in no list`);
    return isLossless;
  });
}

/** Ports and digests of all streams: addresses differ between the variants. */
function payloads(path: string): string[] {
  const { decoder, collector } = decodeAll(readCapture(readFileSync(path)));
  assertCountsAddUp(decoder);
  return collector
    .streams()
    .map((stream) => digest({ ...stream, key: portsOf(stream.key) }))
    .sort();
}

function portsOf(key: string): string {
  return key.replace(/[0-9a-f]+:/g, '');
}

function totalPayload(path: string): { payload: number; missing: number } {
  const { decoder } = decodeAll(readCapture(readFileSync(path)));
  return { payload: decoder.counts.payloadOctets, missing: decoder.counts.missingOctets };
}
