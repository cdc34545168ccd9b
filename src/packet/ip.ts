/** IPv4 (RFC 791 §3.1) and IPv6 (RFC 8200 §3, §4). */
import { packetLimits } from '../core/limits.ts';
import type { Cursor, Next } from './cursor.ts';
import { octet, uint16, uint32 } from './octets.ts';

/** Checksums are not looked at: on the sending host the network card computes them after the capture. */
export function decodeIpv4(cursor: Cursor): Next {
  if (!cursor.has(20)) return cursor.short();
  const { buffer, offset } = cursor;
  const first = octet(buffer, offset);
  const headerLength = (first & 0x0f) << 2;
  if (first >> 4 !== 4 || headerLength < 20) return cursor.stop('malformed');
  const totalLength = uint16(buffer, offset + 2);
  if (totalLength !== 0) {
    if (totalLength < headerLength) return cursor.stop('malformed');
    cursor.limit(totalLength);
  }
  // QUIRK: a total length of 0 is written by hosts that leave segmentation to the network card; such a
  // packet reaches as far as its frame does.
  if (!cursor.has(headerLength)) return cursor.short();
  cursor.ipLength = totalLength === 0 ? cursor.wireEnd - offset : totalLength;
  cursor.ttl = octet(buffer, offset + 8);
  cursor.addressBuffer = buffer;
  cursor.addressOffset = offset + 12;
  cursor.addressLength = 4;
  cursor.protocol = octet(buffer, offset + 9);
  cursor.offset = offset + headerLength;
  const fragmentation = uint16(buffer, offset + 6);
  if ((fragmentation & 0x3fff) === 0) return afterProtocol(cursor, cursor.protocol);
  cursor.fragmentOffset = (fragmentation & 0x1fff) << 3;
  cursor.moreFragments = (fragmentation & 0x2000) !== 0;
  cursor.identification = uint16(buffer, offset + 4);
  return isOfInterest(cursor.protocol) ? 'fragment' : cursor.stop('not-tcp');
}

export function decodeIpv6(cursor: Cursor): Next {
  if (!cursor.has(40)) return cursor.short();
  const { buffer, offset } = cursor;
  if (octet(buffer, offset) >> 4 !== 6) return cursor.stop('malformed');
  const payloadLength = uint16(buffer, offset + 4);
  // 0 is a jumbogram (RFC 2675) or left to the network card: the packet reaches as far as its frame does.
  if (payloadLength !== 0) cursor.limit(40 + payloadLength);
  cursor.ipLength = payloadLength === 0 ? cursor.wireEnd - offset : 40 + payloadLength;
  cursor.ttl = octet(buffer, offset + 7);
  cursor.addressBuffer = buffer;
  cursor.addressOffset = offset + 8;
  cursor.addressLength = 16;
  cursor.protocol = octet(buffer, offset + 6);
  cursor.offset = offset + 40;
  return afterProtocol(cursor, cursor.protocol);
}

/** What an IPv4 protocol or IPv6 next header number announces at the cursor. */
export function afterProtocol(cursor: Cursor, protocol: number): Next {
  switch (protocol) {
    case 6:
      return 'tcp';
    case 17:
      return 'udp';
    case 4:
      return 'ipv4';
    case 41:
      return 'ipv6';
    case 47:
      return 'gre';
    case 97: // EtherIP, RFC 3378
      return cursor.has(2) ? cursor.skip(2, 'ethernet') : cursor.short();
    case 137: // MPLS in IP, RFC 4023
      return 'mpls';
    case 51: // authentication header: in IPv4, too
      return 'extension';
    default:
      return isExtension(protocol) && cursor.addressLength === 16 ? 'extension' : cursor.stop('not-tcp');
  }
}

/** Fragments of other protocols are not worth waiting for. */
function isOfInterest(protocol: number): boolean {
  switch (protocol) {
    case 4:
    case 6:
    case 17:
    case 41:
    case 47:
    case 51:
    case 97:
    case 137:
      return true;
    default:
      return false;
  }
}

const fragmentHeader = 44;

/** Hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, shim6. */
function isExtension(protocol: number): boolean {
  switch (protocol) {
    case 0:
    case 43:
    case fragmentHeader:
    case 51:
    case 60:
    case 135:
    case 139:
    case 140:
      return true;
    default:
      return false;
  }
}

/** Extension headers up to the first that is none; `protocol` says which comes first. */
export function decodeExtensions(cursor: Cursor): Next {
  for (let count = 0; isExtension(cursor.protocol); count++) {
    // A packet of thousands of empty extension headers would cost more than its size.
    if (count === packetLimits.extensionHeadersMax) return cursor.stop('nesting-limit');
    if (!cursor.has(8)) return cursor.short();
    if (cursor.protocol === fragmentHeader) {
      if (decodeFragmentHeader(cursor)) return 'fragment';
      continue;
    }
    const units = octet(cursor.buffer, cursor.offset + 1);
    const length = cursor.protocol === 51 ? (units + 2) * 4 : (units + 1) * 8;
    if (!cursor.has(length)) return cursor.short();
    cursor.protocol = octet(cursor.buffer, cursor.offset);
    cursor.offset += length;
  }
  return afterProtocol(cursor, cursor.protocol);
}

/** False for an atomic fragment, which is a whole datagram (RFC 6946). */
function decodeFragmentHeader(cursor: Cursor): boolean {
  const { buffer, offset } = cursor;
  const place = uint16(buffer, offset + 2);
  cursor.protocol = octet(buffer, offset);
  cursor.fragmentOffset = place & 0xfff8;
  cursor.moreFragments = (place & 0x0001) !== 0;
  cursor.identification = uint32(buffer, offset + 4);
  cursor.offset += 8;
  return (place & 0xfff9) !== 0;
}
