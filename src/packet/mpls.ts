/** MPLS label stacks (RFC 3032 §2.1), pseudowires (RFC 4385, RFC 4448), and NSH (RFC 8300 §2). */
import type { Cursor, Next } from './cursor.ts';
import { octet, uint16 } from './octets.ts';

/** The stack does not say what it carries: its first nibble is a guess that routers make, too. */
export function decodeMpls(cursor: Cursor): Next {
  let bottom = false;
  while (!bottom) {
    if (!cursor.has(4)) return cursor.short();
    bottom = (octet(cursor.buffer, cursor.offset + 2) & 0x01) !== 0;
    cursor.offset += 4;
  }
  if (!cursor.has(1)) return cursor.short();
  if (looksLikeIpv4(cursor)) return 'ipv4';
  switch (octet(cursor.buffer, cursor.offset) >> 4) {
    case 0:
      return announcesIp(cursor, 4) || !announcesIp(cursor, 0) ? afterControlWord(cursor) : 'ethernet';
    case 1: // associated channel: management, no traffic
      return cursor.stop('not-ip');
    case 6:
      return announcesIp(cursor, 0) ? 'ethernet' : 'ipv6';
    default:
      return announcesIp(cursor, 0) ? 'ethernet' : cursor.stop('not-ip');
  }
}

function afterControlWord(cursor: Cursor): Next {
  return cursor.has(4) ? cursor.skip(4, 'ethernet') : cursor.short();
}

function looksLikeIpv4(cursor: Cursor): boolean {
  const first = octet(cursor.buffer, cursor.offset);
  return first >> 4 === 4 && (first & 0x0f) >= 5 && !announcesIp(cursor, 0);
}

/** An Ethernet frame begins `distance` octets on, as far as its EtherType tells. */
function announcesIp(cursor: Cursor, distance: number): boolean {
  if (!cursor.has(distance + 15)) return false;
  switch (uint16(cursor.buffer, cursor.offset + distance + 12)) {
    case 0x0800:
      return octet(cursor.buffer, cursor.offset + distance + 14) >> 4 === 4;
    case 0x86dd:
      return octet(cursor.buffer, cursor.offset + distance + 14) >> 4 === 6;
    case 0x8100:
    case 0x88a8:
    case 0x8864:
      return true;
    default:
      return false;
  }
}

/** Network Service Header: its length in words, then the protocol behind it. */
export function decodeNsh(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const length = (octet(cursor.buffer, cursor.offset + 1) & 0x3f) * 4;
  const nextProtocol = octet(cursor.buffer, cursor.offset + 3);
  if (length < 8) return cursor.stop('malformed');
  if (!cursor.has(length)) return cursor.short();
  cursor.offset += length;
  return afterNextProtocol(cursor, nextProtocol);
}

/** The protocol numbers that NSH and VXLAN-GPE share up to a point: IPv4, IPv6, Ethernet. */
function afterNextProtocol(cursor: Cursor, protocol: number): Next {
  switch (protocol) {
    case 1:
      return 'ipv4';
    case 2:
      return 'ipv6';
    case 3:
      return 'ethernet';
    case 4:
      return 'nsh';
    case 5:
      return 'mpls';
    default:
      return cursor.stop('not-ip');
  }
}

/** VXLAN with a protocol field (draft-ietf-nvo3-vxlan-gpe §3.2). */
export function decodeVxlanGpe(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const flags = octet(cursor.buffer, cursor.offset);
  // Both the instance and the next protocol must be there, in version 0.
  if ((flags & 0x3c) !== 0x0c) return cursor.stop('not-tcp');
  const protocol = octet(cursor.buffer, cursor.offset + 3);
  cursor.offset += 8;
  return afterNextProtocol(cursor, protocol);
}
