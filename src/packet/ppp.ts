/** PPP (RFC 1661 §2, RFC 1662 §3.1) and what carries it: PPPoE (RFC 2516 §4) and L2TP (RFC 2661 §3.1). */
import type { Cursor, Next } from './cursor.ts';
import { octet, uint16 } from './octets.ts';

/** Address and control (ff 03) may be left out, and so may the first octet of the protocol. */
export function decodePpp(cursor: Cursor): Next {
  if (cursor.has(2) && uint16(cursor.buffer, cursor.offset) === 0xff03) cursor.offset += 2;
  if (!cursor.has(1)) return cursor.short();
  let protocol = octet(cursor.buffer, cursor.offset);
  // The last octet of a protocol number is odd, those before it are even.
  if ((protocol & 0x01) !== 0) {
    cursor.offset += 1;
  } else {
    if (!cursor.has(2)) return cursor.short();
    protocol = uint16(cursor.buffer, cursor.offset);
    cursor.offset += 2;
  }
  return afterPppProtocol(cursor, protocol);
}

function afterPppProtocol(cursor: Cursor, protocol: number): Next {
  switch (protocol) {
    case 0x0021:
      return 'ipv4';
    case 0x0057:
      return 'ipv6';
    case 0x0281:
    case 0x0283:
      return 'mpls';
    default:
      return cursor.stop('not-ip');
  }
}

/** Some captures put the direction in front: one octet. */
export function decodePppDirection(cursor: Cursor): Next {
  return cursor.has(1) ? cursor.skip(1, 'ppp') : cursor.short();
}

export function decodePppoe(cursor: Cursor): Next {
  if (!cursor.has(6)) return cursor.short();
  if (octet(cursor.buffer, cursor.offset) !== 0x11) return cursor.stop('malformed');
  // Any other code belongs to the discovery stage.
  if (octet(cursor.buffer, cursor.offset + 1) !== 0) return cursor.stop('not-ip');
  // Behind it Ethernet may have padded; and there are IP headers that count this padding.
  cursor.limit(6 + uint16(cursor.buffer, cursor.offset + 4));
  return cursor.skip(6, 'ppp');
}

/** L2TP version 2 in UDP: data messages carry PPP. */
export function decodeL2tp(cursor: Cursor): Next {
  if (!cursor.has(6)) return cursor.short();
  const flags = uint16(cursor.buffer, cursor.offset);
  const isControl = (flags & 0x8000) !== 0;
  if (isControl || (flags & 0x000f) !== 2) return cursor.stop('not-tcp');
  let length = 6;
  if ((flags & 0x4000) !== 0) length += 2; // length
  if ((flags & 0x0800) !== 0) length += 4; // sequence numbers
  if ((flags & 0x0200) !== 0) {
    if (!cursor.has(length + 2)) return cursor.short();
    length += 2 + uint16(cursor.buffer, cursor.offset + length); // offset and its padding
  }
  return cursor.has(length) ? cursor.skip(length, 'ppp') : cursor.short();
}
