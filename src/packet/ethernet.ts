/** Ethernet and what stands between it and IP: tags, LLC/SNAP. IEEE 802.3, 802.1Q, 802.1ad, 802.1ah. */
import type { Cursor, Next } from './cursor.ts';
import { octet, uint16 } from './octets.ts';

/** Values up to this are an 802.3 length, values from 1536 an EtherType. */
const lengthMax = 1500;

export function decodeEthernet(cursor: Cursor): Next {
  if (!cursor.has(14)) return cursor.short();
  const etherType = uint16(cursor.buffer, cursor.offset + 12);
  cursor.offset += 14;
  // The common case without a call.
  return etherType === 0x0800 ? 'ipv4' : afterEtherType(cursor, etherType);
}

/** What an EtherType (or an 802.3 length) announces at the cursor. */
export function afterEtherType(cursor: Cursor, etherType: number): Next {
  switch (etherType) {
    case 0x0800:
      return 'ipv4';
    case 0x86dd:
      return 'ipv6';
    case 0x8100: // 802.1Q
    case 0x88a8: // 802.1ad
    case 0x9100: // QinQ before 802.1ad
    case 0x9200:
    case 0x9300:
    case 0x8926: // VN-Tag, of the same shape
      return 'vlan';
    case 0x88e7:
      return 'backbone-tag';
    case 0x8847:
    case 0x8848:
      return 'mpls';
    case 0x8864:
      return 'pppoe';
    case 0x880b:
      return 'ppp';
    case 0x894f:
      return 'nsh';
    case 0x6558: // transparent Ethernet bridging
      return 'ethernet';
    default:
      return afterLength(cursor, etherType);
  }
}

function afterLength(cursor: Cursor, length: number): Next {
  if (length > lengthMax) return cursor.stop('not-ip');
  if (cursor.offset + length <= cursor.wireEnd) cursor.limit(length);
  return 'llc';
}

/** 802.1Q tag: two octets of control information, then the next EtherType. */
export function decodeVlan(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  const etherType = uint16(cursor.buffer, cursor.offset + 2);
  cursor.offset += 4;
  return afterEtherType(cursor, etherType);
}

/** 802.1ah service tag: four octets, then a whole Ethernet frame. */
export function decodeBackboneTag(cursor: Cursor): Next {
  return cursor.has(4) ? cursor.skip(4, 'ethernet') : cursor.short();
}

/** 802.2 LLC, with SNAP (RFC 1042) or with the SAP of IP. */
export function decodeLlc(cursor: Cursor): Next {
  if (!cursor.has(3)) return cursor.short();
  const accessPoints = uint16(cursor.buffer, cursor.offset);
  if (octet(cursor.buffer, cursor.offset + 2) !== 0x03) return cursor.stop('not-ip');
  if (accessPoints === 0x0606) return cursor.skip(3, 'ipv4');
  if (accessPoints !== 0xaaaa) return cursor.stop('not-ip');
  if (!cursor.has(8)) return cursor.short();
  const organization =
    (octet(cursor.buffer, cursor.offset + 3) << 16) | uint16(cursor.buffer, cursor.offset + 4);
  // 0000f8 is the bridge tunnel encapsulation of 802.1H.
  if (organization !== 0 && organization !== 0x0000f8) return cursor.stop('not-ip');
  const etherType = uint16(cursor.buffer, cursor.offset + 6);
  cursor.offset += 8;
  return etherType > lengthMax ? afterEtherType(cursor, etherType) : cursor.stop('not-ip');
}
