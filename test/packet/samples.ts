/** One packet for every way to carry TCP, each as the octets in front of an IP packet. */
import { ethernet, ipv4, ipv6, tcp, udp } from '../support/packets.ts';

export interface Sample {
  readonly name: string;
  readonly linkType: number;
  readonly bytes: Buffer;
}

const segment = tcp(
  { sourcePort: 40_000, targetPort: 25, sequence: 7, acknowledgment: 9, flags: 0x18 },
  'hello',
);
/** What all samples carry: source 192.0.2.10 or 2001:db8::10, ports 40000 and 25, payload "hello". */
export const innerIpv4 = ipv4({ ttl: 61 }, segment);
export const innerIpv6 = ipv6({ ttl: 61 }, segment);
/** The same as a frame, with the padding of short frames. */
const innerEthernet = ethernet(0x0800, Buffer.concat([innerIpv4, Buffer.alloc(6, 0xaa)]));

function framed(name: string, linkType: number, hex: string, packet = innerIpv4): Sample {
  return { name, linkType, bytes: Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), packet]) };
}

const macs = '0200000000020200000000 01';

export const linkSamples: readonly Sample[] = [
  framed('Ethernet', 1, `${macs} 0800`),
  framed('Ethernet with IPv6', 1, `${macs} 86dd`, innerIpv6),
  framed('raw IP 101', 101, ''),
  framed('raw IP 12', 12, '', innerIpv6),
  framed('raw IP 14', 14, ''),
  framed('raw IPv4 228', 228, ''),
  framed('raw IPv6 229', 229, '', innerIpv6),
  framed('BSD loopback, little-endian', 0, '02000000'),
  framed('BSD loopback, big-endian', 0, '00000002'),
  framed('BSD loopback, macOS IPv6', 0, '1e000000', innerIpv6),
  framed('BSD loopback, FreeBSD IPv6', 0, '0000001c', innerIpv6),
  framed('OpenBSD loop', 108, '00000018', innerIpv6),
  framed('OpenBSD loop, little-endian', 108, '02000000'),
  framed('Linux cooked', 113, '0000 0001 0006 020000000001 0000 0800'),
  framed('Linux cooked with VLAN', 113, '0000 0001 0006 020000000001 0000 8100 0064 86dd', innerIpv6),
  framed('Linux cooked with LLC', 113, '0000 0001 0006 020000000001 0000 0004 aaaa03 000000 0800'),
  framed('Linux cooked 2', 276, '0800 0000 00000002 0001 00 06 0200000000010000'),
  framed('PPP', 9, '0021'),
  framed('PPP with address and control', 9, 'ff03 0057', innerIpv6),
  framed('PPP with a compressed protocol', 50, '21'),
  framed('PPP in HDLC with MPLS', 50, 'ff03 0281 00010140'),
  framed('PPP with direction', 204, '01 ff03 0021'),
  framed('PPPoE without Ethernet', 51, '1100 0001 002f 0021'),
  framed('Cisco HDLC', 104, '0f00 0800'),
  framed('MPLS without Ethernet', 219, '00010140'),
  framed('NFLOG', 239, '02 00 0000 0800 0100 08000103 0500 0a00 00000000 3100 0900'),
  framed('PFLOG', 117, `3d 02 ${'00'.repeat(62)}`),
  framed('OpenBSD enc', 109, '02000000 00000000 00000000'),
  framed('Solaris ipnet', 226, `01 1a ${'00'.repeat(22)}`, innerIpv6),
  framed('802.11', 105, `0801 0000 ${'02'.repeat(18)} 1000 aaaa03 000000 0800`),
  framed('802.11 with quality of service', 105, `8801 0000 ${'02'.repeat(18)} 1000 0000 aaaa03 000000 0800`),
  framed(
    '802.11 between access points',
    105,
    `0803 0000 ${'02'.repeat(18)} 1000 ${'02'.repeat(6)} aaaa03 000000 0800`,
  ),
  framed(
    'radiotap',
    127,
    `0000 0a00 00000000 0000 0802 0000 ${'02'.repeat(18)} 1000 aaaa03 000000 86dd`,
    innerIpv6,
  ),
  framed('PPI', 192, `00 00 0800 69000000 0802 0000 ${'02'.repeat(18)} 1000 aaaa03 000000 0800`),
];

export const tagSamples: readonly Sample[] = [
  framed('802.1Q', 1, `${macs} 8100 002a 0800`),
  framed('802.1ad and 802.1Q', 1, `${macs} 88a8 0064 8100 002a 0800`),
  framed('QinQ 9100', 1, `${macs} 9100 0064 8100 002a 86dd`, innerIpv6),
  framed('QinQ 9200, three tags', 1, `${macs} 9200 0001 9200 0002 8100 0003 0800`),
  framed('802.1ah', 1, `${macs} 88e7 00000064 ${macs} 0800`),
  framed('LLC and SNAP', 1, `${macs} 0035 aaaa03 000000 0800`),
  framed('LLC with the SAP of IP', 1, `${macs} 0030 060603`),
  framed('two MPLS labels', 1, `${macs} 8847 00010040 00020140`),
  framed('MPLS with IPv6', 1, `${macs} 8848 00020140`, innerIpv6),
  framed('pseudowire with control word', 1, `${macs} 8847 00020140 00000001`, innerEthernet),
  framed('pseudowire without control word', 1, `${macs} 8847 00020140`, innerEthernet),
  framed(
    'pseudowire with control word and a QinQ tag',
    1,
    `${macs} 8847 00020140 00000001 ${macs} 9100 0001 0800`,
  ),
  framed('pseudowire to an address that looks like IPv4', 1, `${macs} 8847 00020140 46${macs.slice(2)} 0800`),
  framed('pseudowire to an address that looks like IPv6', 1, `${macs} 8847 00020140 64${macs.slice(2)} 0800`),
  framed('pseudowire to an address like no IP', 1, `${macs} 8847 00020140 a2${macs.slice(2)} 0800`),
  framed('PPPoE', 1, `${macs} 8864 1100 0001 002f 0021`),
  framed('PPPoE in QinQ', 1, `${macs} 88a8 0001 8100 0002 8864 1100 0001 0043 0057`, innerIpv6),
  framed('NSH', 1, `${macs} 894f 0fc2 0103 00000101`, innerEthernet),
];

function tunnelled(name: string, protocol: number, hex: string, inner: Buffer): Sample {
  const header = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const outer = ipv4(
    { source: '10.9.9.1', target: '10.9.9.2', protocol, ttl: 3 },
    Buffer.concat([header, inner]),
  );
  return { name, linkType: 1, bytes: ethernet(0x0800, outer) };
}

function inUdp(name: string, ports: [number, number], hex: string, inner: Buffer): Sample {
  const header = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const datagram = udp(...ports, Buffer.concat([header, inner]));
  const outer = ipv4({ source: '10.9.9.1', target: '10.9.9.2', protocol: 17, ttl: 3 }, datagram);
  return { name, linkType: 1, bytes: ethernet(0x0800, outer) };
}

export const tunnelSamples: readonly Sample[] = [
  tunnelled('IP in IP', 4, '', innerIpv4),
  tunnelled('6in4', 41, '', innerIpv6),
  { name: '4in6', linkType: 1, bytes: ethernet(0x86dd, ipv6({ protocol: 4 }, innerIpv4)) },
  { name: '6in6', linkType: 1, bytes: ethernet(0x86dd, ipv6({ protocol: 41 }, innerIpv6)) },
  tunnelled('AH in IPv4', 51, '04 04 0000 00000001 00000001 000102030405060708090a0b', innerIpv4),
  tunnelled('MPLS in IP', 137, '00020140', innerIpv4),
  tunnelled('EtherIP', 97, '3000', innerEthernet),
  tunnelled('GRE', 47, '0000 0800', innerIpv4),
  tunnelled('GRE with IPv6', 47, '0000 86dd', innerIpv6),
  tunnelled('GRE with checksum, key and sequence', 47, 'b000 0800 00000000 00000007 00000001', innerIpv4),
  tunnelled('GRE with routing', 47, '4000 0800 00000000 0800 0004 01020304 0000 0000', innerIpv4),
  tunnelled('GRE with key and Ethernet', 47, '2000 6558 00000007', innerEthernet),
  tunnelled('GRE with MPLS', 47, '0000 8847 00020140', innerIpv4),
  tunnelled('GRE with WCCP 1', 47, '0000 883e', innerIpv4),
  tunnelled('GRE with WCCP 2', 47, '0000 883e 00010203', innerIpv4),
  tunnelled('PPTP', 47, '3081 880b 002f 0001 00000001 00000000 ff03 0021', innerIpv4),
  tunnelled('ERSPAN I', 47, '0000 88be', innerEthernet),
  tunnelled('ERSPAN II', 47, '1000 88be 00000001 1064 0001 00000000', innerEthernet),
  tunnelled('ERSPAN III', 47, '1000 22eb 00000001 2064 0001 00000000 0000 0000', innerEthernet),
  tunnelled(
    'ERSPAN III with subheader',
    47,
    '1000 22eb 00000001 2064 0001 00000000 0000 0001 0000000000000000',
    innerEthernet,
  ),
  tunnelled('ERSPAN III with IP', 47, '1000 22eb 00000001 2064 0001 00000000 0000 0800', innerIpv4),
  inUdp('VXLAN', [50_000, 4789], '08000000 00002a00', innerEthernet),
  inUdp('VXLAN of early Linux', [50_000, 8472], '08000000 00002a00', innerEthernet),
  inUdp('VXLAN-GPE', [50_000, 4790], '0c000001 00002a00', innerIpv4),
  inUdp('VXLAN-GPE with NSH', [50_000, 4790], '0c000004 00002a00 0fc2 0101 00000101', innerIpv4),
  inUdp('Geneve', [50_000, 6081], '0000 6558 00002a00', innerEthernet),
  inUdp('Geneve with options', [50_000, 6081], '0200 0800 00002a00 0102030400000000', innerIpv4),
  inUdp('GTP-U', [2152, 2152], '30ff 002d 00000001', innerIpv4),
  inUdp('GTP-U with sequence number', [2152, 2152], '32ff 0031 00000001 00010000', innerIpv6),
  inUdp(
    'GTP-U with extension headers',
    [40_000, 2152],
    '34ff 0031 00000001 00000085 01100185 01100100',
    innerIpv4,
  ),
  inUdp('Teredo', [3544, 50_000], '', innerIpv6),
  inUdp(
    'Teredo with authentication and origin',
    [50_000, 3544],
    '0001 0000 0000000000000000 00 0000 0fff 01020304',
    innerIpv6,
  ),
  inUdp('L2TP', [1701, 1701], '0002 0001 0002 ff03 0021', innerIpv4),
  inUdp(
    'L2TP with all optional fields',
    [50_000, 1701],
    '4a02 0040 0001 0002 0001 0002 0002 ffff 0021',
    innerIpv4,
  ),
  inUdp('MPLS in UDP', [50_000, 6635], '00020140', innerIpv4),
  inUdp('GRE in UDP', [50_000, 4754], '0000 0800', innerIpv4),
];

export const allSamples: readonly Sample[] = [...linkSamples, ...tagSamples, ...tunnelSamples];
