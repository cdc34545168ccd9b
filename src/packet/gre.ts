/** GRE (RFC 2784, RFC 2890; routing RFC 1701; PPTP RFC 2637 §4.1) and the ERSPAN of Cisco switches. */
import type { Cursor, Next } from './cursor.ts';
import { afterEtherType } from './ethernet.ts';
import { octet, uint16 } from './octets.ts';

const checksumFlag = 0x8000;
const routingFlag = 0x4000;
const keyFlag = 0x2000;
const sequenceFlag = 0x1000;
const acknowledgmentFlag = 0x0080;

export function decodeGre(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  const flags = uint16(cursor.buffer, cursor.offset);
  const protocol = uint16(cursor.buffer, cursor.offset + 2);
  const version = flags & 0x0007;
  if (version === 1) return afterPptp(cursor, flags, protocol);
  if (version !== 0) return cursor.stop('not-tcp');
  let length = 4;
  if ((flags & (checksumFlag | routingFlag)) !== 0) length += 4;
  if ((flags & keyFlag) !== 0) length += 4;
  if ((flags & sequenceFlag) !== 0) length += 4;
  if (!cursor.has(length)) return cursor.short();
  cursor.offset += length;
  if ((flags & routingFlag) !== 0 && !skipRouting(cursor)) return cursor.short();
  return afterGreProtocol(cursor, protocol, (flags & sequenceFlag) !== 0);
}

/** Source route entries (family, offset, length) up to an empty one. */
function skipRouting(cursor: Cursor): boolean {
  while (cursor.has(4)) {
    const length = octet(cursor.buffer, cursor.offset + 3);
    cursor.offset += 4 + length;
    if (length === 0) return true;
  }
  return false;
}

function afterGreProtocol(cursor: Cursor, protocol: number, hasSequence: boolean): Next {
  switch (protocol) {
    case 0x88be: // ERSPAN: type I has neither sequence number nor header
      return hasSequence ? 'erspan-2' : 'ethernet';
    case 0x22eb:
      return 'erspan-3';
    case 0x883e:
      return afterWccp(cursor);
    default:
      return protocol < 0x0600 ? cursor.stop('not-tcp') : afterEtherType(cursor, protocol);
  }
}

/** WCCP: its version 2 puts a redirect header of four octets in front of the IPv4 packet. */
function afterWccp(cursor: Cursor): Next {
  if (!cursor.has(4)) return cursor.short();
  return octet(cursor.buffer, cursor.offset) >> 4 === 4 ? 'ipv4' : cursor.skip(4, 'ipv4');
}

/** Version 1 carries PPP: key always, sequence and acknowledgment by flag. */
function afterPptp(cursor: Cursor, flags: number, protocol: number): Next {
  if (protocol !== 0x880b) return cursor.stop('not-tcp');
  let length = 8;
  if ((flags & sequenceFlag) !== 0) length += 4;
  if ((flags & acknowledgmentFlag) !== 0) length += 4;
  if (!cursor.has(length)) return cursor.short();
  // Without a sequence number it only acknowledges.
  return (flags & sequenceFlag) === 0 ? cursor.stop('not-tcp') : cursor.skip(length, 'ppp');
}

export function decodeErspan2(cursor: Cursor): Next {
  return cursor.has(8) ? cursor.skip(8, 'ethernet') : cursor.short();
}

/** Twelve octets, eight more by the last bit; the frame type says what was mirrored. */
export function decodeErspan3(cursor: Cursor): Next {
  if (!cursor.has(12)) return cursor.short();
  const last = uint16(cursor.buffer, cursor.offset + 10);
  const length = (last & 0x0001) !== 0 ? 20 : 12;
  if (!cursor.has(length)) return cursor.short();
  const frameType = (last >> 10) & 0x1f;
  return cursor.skip(length, frameType === 2 ? 'raw-ip' : 'ethernet');
}
