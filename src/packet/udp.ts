/**
 * UDP (RFC 768) and the tunnels in it: VXLAN (RFC 7348 §5), Geneve (RFC 8926 §3), GTP-U (3GPP TS 29.281
 * §5), Teredo (RFC 4380 §5.1.1). A port is only a hint: what does not look like the tunnel is just UDP.
 */
import type { Cursor, Header, Next } from './cursor.ts';
import { afterEtherType } from './ethernet.ts';
import { octet, uint16 } from './octets.ts';

export function decodeUdp(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const { buffer, offset } = cursor;
  const tunnel = tunnelOfPort(uint16(buffer, offset + 2)) ?? answeringTunnel(uint16(buffer, offset));
  return tunnel === undefined ? cursor.stop('not-tcp') : cursor.skip(8, tunnel);
}

function tunnelOfPort(port: number): Header | undefined {
  switch (port) {
    case 4789:
    case 8472: // Linux, before the port was assigned
      return 'vxlan';
    case 4790:
      return 'vxlan-gpe';
    case 6081:
      return 'geneve';
    case 2152:
      return 'gtp-u';
    case 3544:
      return 'teredo';
    case 1701:
      return 'l2tp';
    case 6635: // RFC 7510
      return 'mpls';
    case 4754: // RFC 8086
      return 'gre';
    default:
      return undefined;
  }
}

/** Tunnels whose two ends use one pair of ports; the others choose the source port as a hash of the flow. */
function answeringTunnel(port: number): Header | undefined {
  const tunnel = tunnelOfPort(port);
  return tunnel === 'gtp-u' || tunnel === 'teredo' || tunnel === 'l2tp' ? tunnel : undefined;
}

/** The flag "instance valid", and the last octet reserved. */
export function decodeVxlan(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const isPlausible =
    (octet(cursor.buffer, cursor.offset) & 0x08) !== 0 && octet(cursor.buffer, cursor.offset + 7) === 0;
  return isPlausible ? cursor.skip(8, 'ethernet') : cursor.stop('not-tcp');
}

export function decodeGeneve(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const first = octet(cursor.buffer, cursor.offset);
  const protocol = uint16(cursor.buffer, cursor.offset + 2);
  const isPlausible = first >> 6 === 0 && octet(cursor.buffer, cursor.offset + 7) === 0 && protocol >= 0x0600;
  if (!isPlausible) return cursor.stop('not-tcp');
  const length = 8 + (first & 0x3f) * 4;
  if (!cursor.has(length)) return cursor.short();
  cursor.offset += length;
  return afterEtherType(cursor, protocol);
}

/** Version 1, protocol type GTP, message type G-PDU: a user packet behind optional fields and extensions. */
export function decodeGtpU(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const flags = octet(cursor.buffer, cursor.offset);
  const isUserPacket = (flags & 0xf0) === 0x30 && octet(cursor.buffer, cursor.offset + 1) === 0xff;
  if (!isUserPacket) return cursor.stop('not-tcp');
  const hasOptionalFields = (flags & 0x07) !== 0;
  if (!hasOptionalFields) {
    cursor.offset += 8;
    return afterUserPlane(cursor);
  }
  if (!cursor.has(12)) return cursor.short();
  let hasExtension = (flags & 0x04) !== 0 && octet(cursor.buffer, cursor.offset + 11) !== 0;
  cursor.offset += 12;
  while (hasExtension) {
    const length = cursor.has(1) ? octet(cursor.buffer, cursor.offset) * 4 : 0;
    if (length === 0 || !cursor.has(length)) return cursor.short();
    cursor.offset += length;
    hasExtension = octet(cursor.buffer, cursor.offset - 1) !== 0;
  }
  return afterUserPlane(cursor);
}

/** The header does not say whether it carries IP or (in 5G) Ethernet. */
function afterUserPlane(cursor: Cursor): Next {
  if (!cursor.has(1)) return cursor.short();
  const version = octet(cursor.buffer, cursor.offset) >> 4;
  if (version === 4) return 'ipv4';
  return version === 6 ? 'ipv6' : 'ethernet';
}

/** IPv6 behind an optional authentication and an optional origin indication. */
export function decodeTeredo(cursor: Cursor): Next {
  if (cursor.has(4) && uint16(cursor.buffer, cursor.offset) === 0x0001) {
    const identifiers = octet(cursor.buffer, cursor.offset + 2) + octet(cursor.buffer, cursor.offset + 3);
    cursor.offset += 13 + identifiers;
  }
  if (cursor.has(8) && uint16(cursor.buffer, cursor.offset) === 0x0000) cursor.offset += 8;
  if (!cursor.has(40)) return cursor.stop('not-tcp');
  return octet(cursor.buffer, cursor.offset) >> 4 === 6 ? 'ipv6' : cursor.stop('not-tcp');
}
