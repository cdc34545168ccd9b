/** Link layers by their LINKTYPE_ number, https://www.tcpdump.org/linktypes.html. */
import type { Cursor, Header, Next } from './cursor.ts';
import { afterEtherType } from './ethernet.ts';
import { octet, uint16, uint16LittleEndian, uint32, uint32LittleEndian } from './octets.ts';

/** The first header of a packet; undefined where the link type is not known. */
export function headerOfLinkType(linkType: number): Header | undefined {
  switch (linkType) {
    case 1:
      return 'ethernet';
    case 101: // RAW
    case 12: // DLT_RAW of most systems
    case 14: // DLT_RAW of OpenBSD
      return 'raw-ip';
    case 228:
      return 'ipv4';
    case 229:
      return 'ipv6';
    case 0: // NULL
    case 108: // LOOP
      return 'bsd-loopback';
    case 113:
      return 'linux-cooked';
    case 276:
      return 'linux-cooked-2';
    case 9: // PPP
    case 50: // PPP_HDLC
      return 'ppp';
    case 51:
      return 'pppoe';
    case 204:
      return 'ppp-direction';
    case 104:
      return 'cisco-hdlc';
    case 219:
      return 'mpls';
    case 239:
      return 'nflog';
    case 117:
      return 'pflog';
    case 109:
      return 'enc';
    case 226:
      return 'ipnet';
    case 105:
      return 'ieee802.11';
    case 127:
      return 'radiotap';
    case 192:
      return 'ppi';
    default:
      return undefined;
  }
}

export function decodeRawIp(cursor: Cursor): Next {
  if (!cursor.has(1)) return cursor.short();
  const version = octet(cursor.buffer, cursor.offset) >> 4;
  if (version === 4) return 'ipv4';
  return version === 6 ? 'ipv6' : cursor.stop('malformed');
}

/** The address family in the byte order of the capturing host (NULL) or of the network (LOOP). */
export function decodeBsdLoopback(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  const bigEndian = uint32(cursor.buffer, cursor.offset);
  const family = bigEndian <= 0xffff ? bigEndian : uint32LittleEndian(cursor.buffer, cursor.offset);
  cursor.offset += 4;
  return afterAddressFamily(cursor, family);
}

/** AF_INET is 2 everywhere; every system has an AF_INET6 of its own. */
function afterAddressFamily(cursor: Cursor, family: number): Next {
  switch (family) {
    case 2:
      return 'ipv4';
    case 10: // Linux
    case 24: // NetBSD, OpenBSD
    case 26: // Solaris
    case 28: // FreeBSD
    case 30: // macOS
      return 'ipv6';
    default:
      return cursor.stop('not-ip');
  }
}

export function decodeLinuxCooked(cursor: Cursor): Next {
  if (!cursor.has(16)) return cursor.short();
  const protocol = uint16(cursor.buffer, cursor.offset + 14);
  cursor.offset += 16;
  return afterCookedProtocol(cursor, protocol);
}

export function decodeLinuxCooked2(cursor: Cursor): Next {
  if (!cursor.has(20)) return cursor.short();
  const protocol = uint16(cursor.buffer, cursor.offset);
  cursor.offset += 20;
  return afterCookedProtocol(cursor, protocol);
}

/** An EtherType, or a small number of Linux's own: 4 is 802.2. */
function afterCookedProtocol(cursor: Cursor, protocol: number): Next {
  if (protocol === 4) return 'llc';
  return protocol < 0x0600 ? cursor.stop('not-ip') : afterEtherType(cursor, protocol);
}

/** Address, control, EtherType (RFC 1547 §4.3.1). */
export function decodeCiscoHdlc(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  const etherType = uint16(cursor.buffer, cursor.offset + 2);
  cursor.offset += 4;
  return etherType < 0x0600 ? cursor.stop('not-ip') : afterEtherType(cursor, etherType);
}

/** Linux netfilter log: attributes (length, type), one of which is the packet. */
export function decodeNflog(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  const family = octet(cursor.buffer, cursor.offset);
  cursor.offset += 4;
  const payloadAttribute = 9;
  while (cursor.has(4)) {
    const length = uint16LittleEndian(cursor.buffer, cursor.offset);
    const type = uint16LittleEndian(cursor.buffer, cursor.offset + 2) & 0x7fff;
    if (length < 4) return cursor.stop('malformed');
    if (type === payloadAttribute) {
      cursor.offset += 4;
      return afterAddressFamily(cursor, family);
    }
    cursor.offset += (length + 3) & ~3;
  }
  return cursor.short();
}

/** OpenBSD and FreeBSD packet filter log: its length, padded to four octets, and the address family. */
export function decodePflog(cursor: Cursor): Next {
  if (!cursor.has(2)) return cursor.short();
  const length = (octet(cursor.buffer, cursor.offset) + 3) & ~3;
  const family = octet(cursor.buffer, cursor.offset + 1);
  if (length < 4) return cursor.stop('malformed');
  if (!cursor.has(length)) return cursor.short();
  cursor.offset += length;
  return afterAddressFamily(cursor, family);
}

/** OpenBSD IPsec interface: address family in host byte order, SPI, flags. */
export function decodeEnc(cursor: Cursor): Next {
  if (!cursor.has(12)) return cursor.short();
  const bigEndian = uint32(cursor.buffer, cursor.offset);
  const family = bigEndian <= 0xffff ? bigEndian : uint32LittleEndian(cursor.buffer, cursor.offset);
  cursor.offset += 12;
  return afterAddressFamily(cursor, family);
}

/** Solaris: version, address family and 22 more octets. */
export function decodeIpnet(cursor: Cursor): Next {
  if (!cursor.has(24)) return cursor.short();
  const family = octet(cursor.buffer, cursor.offset + 1);
  cursor.offset += 24;
  return afterAddressFamily(cursor, family);
}
