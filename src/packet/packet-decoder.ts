/**
 * Packets to TCP segments: link layer, tags, tunnels, IPv4, IPv6, fragments, TCP.
 *
 * A packet is a chain of headers. Each is read by one function, which moves the cursor behind it and
 * names the header that follows, or says what became of the packet.
 */
import type { Packet } from '../capture/types.ts';
import { packetLimits } from '../core/limits.ts';
import { countOne, PacketCounts } from './counts.ts';
import { Cursor, type Header, type Next } from './cursor.ts';
import { decodeBackboneTag, decodeEthernet, decodeLlc, decodeVlan } from './ethernet.ts';
import { decodeErspan2, decodeErspan3, decodeGre } from './gre.ts';
import { decodeExtensions, decodeIpv4, decodeIpv6 } from './ip.ts';
import * as link from './link-layer.ts';
import { decodeMpls, decodeNsh, decodeVxlanGpe } from './mpls.ts';
import { decodeL2tp, decodePpp, decodePppDirection, decodePppoe } from './ppp.ts';
import { Reassembler } from './reassembler.ts';
import { ReusedSegment } from './tcp.ts';
import type { Segment } from './types.ts';
import { decodeGeneve, decodeGtpU, decodeTeredo, decodeUdp, decodeVxlan } from './udp.ts';
import { decodePpi, decodeRadiotap, decodeWireless } from './wireless.ts';

export class PacketDecoder {
  readonly counts = new PacketCounts();
  readonly #cursor = new Cursor();
  readonly #segment = new ReusedSegment();
  readonly #reassembler = new Reassembler(this.counts);
  #lastLinkType = -1;
  #lastHeader: Next;

  /**
   * The TCP segment in a packet, or undefined when there is none (`counts` says why). The segment and its
   * views are valid only until the next call. Where a packet completes a fragmented datagram, time and
   * frame are those of this packet, `ipLength` and `ttl` those of the packet with the first fragment.
   */
  decode(packet: Packet): Segment | undefined {
    const cursor = this.#cursor;
    cursor.start(packet);
    this.counts.all.add(1, packet.capturedLength);
    let next: Next = this.#headerOf(packet.linkType);
    if (next === undefined) {
      countOne(this.counts.unknownLinkTypes, packet.linkType);
      cursor.stop('unknown-link-type');
    }
    for (let depth = 0; next !== undefined; depth++) {
      const header: Header = next;
      next = depth < packetLimits.nestingMax ? this.#decodeHeader(header) : cursor.stop('nesting-limit');
      if (next === undefined) this.#countDamage(header);
    }
    this.counts.classes[cursor.outcome].add(cursor.packets, cursor.octets);
    return cursor.outcome === 'segment' ? this.#handOut(packet) : undefined;
  }

  /** The first header; a capture has one link type, or a few. */
  #headerOf(linkType: number): Next {
    if (linkType !== this.#lastLinkType) {
      this.#lastLinkType = linkType;
      this.#lastHeader = link.headerOfLinkType(linkType);
    }
    return this.#lastHeader;
  }

  /** The capture ends: fragments that still wait are counted as dropped. */
  finish(): void {
    this.#reassembler.giveUpAll();
  }

  #handOut(packet: Packet): Segment {
    const segment = this.#segment;
    segment.locate(packet);
    this.counts.segments++;
    this.counts.payloadOctets += segment.payloadLength;
    this.counts.missingOctets += segment.missingLength;
    return segment;
  }

  #countDamage(header: Header): void {
    const { outcome } = this.#cursor;
    if (outcome === 'malformed') countOne(this.counts.malformedHeaders, header);
    else if (outcome === 'truncated') countOne(this.counts.truncatedHeaders, header);
  }

  /** The headers nearly every packet has; the others have the long way. */
  #decodeHeader(header: Header): Next {
    const cursor = this.#cursor;
    switch (header) {
      case 'ethernet':
        return decodeEthernet(cursor);
      case 'ipv4':
        return decodeIpv4(cursor);
      case 'tcp':
        return this.#segment.read(cursor);
      case 'udp':
        return decodeUdp(cursor);
      case 'ipv6':
        return decodeIpv6(cursor);
      case 'fragment':
        return this.#reassembler.receive(cursor);
      default:
        return decodeRareHeader(header, cursor);
    }
  }
}

type RareHeader = Exclude<Header, 'ethernet' | 'ipv4' | 'tcp' | 'udp' | 'ipv6' | 'fragment'>;

const rareHeaders: Readonly<Record<RareHeader, (cursor: Cursor) => Next>> = {
  'raw-ip': link.decodeRawIp,
  'bsd-loopback': link.decodeBsdLoopback,
  'linux-cooked': link.decodeLinuxCooked,
  'linux-cooked-2': link.decodeLinuxCooked2,
  'cisco-hdlc': link.decodeCiscoHdlc,
  'ppp-direction': decodePppDirection,
  nflog: link.decodeNflog,
  pflog: link.decodePflog,
  enc: link.decodeEnc,
  ipnet: link.decodeIpnet,
  radiotap: decodeRadiotap,
  ppi: decodePpi,
  'ieee802.11': decodeWireless,
  vlan: decodeVlan,
  'backbone-tag': decodeBackboneTag,
  llc: decodeLlc,
  mpls: decodeMpls,
  pppoe: decodePppoe,
  ppp: decodePpp,
  nsh: decodeNsh,
  extension: decodeExtensions,
  gre: decodeGre,
  'erspan-2': decodeErspan2,
  'erspan-3': decodeErspan3,
  vxlan: decodeVxlan,
  'vxlan-gpe': decodeVxlanGpe,
  geneve: decodeGeneve,
  'gtp-u': decodeGtpU,
  teredo: decodeTeredo,
  l2tp: decodeL2tp,
};

function decodeRareHeader(header: RareHeader, cursor: Cursor): Next {
  return rareHeaders[header](cursor);
}
