/** 802.11 data frames (IEEE 802.11 §9.2) and the capture headers in front of them: radiotap and PPI. */
import type { Cursor, Next } from './cursor.ts';
import { headerOfLinkType } from './link-layer.ts';
import { octet, uint16LittleEndian, uint32LittleEndian } from './octets.ts';

/** https://www.radiotap.org: version, padding, length of the whole header. */
export function decodeRadiotap(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const length = uint16LittleEndian(cursor.buffer, cursor.offset + 2);
  if (octet(cursor.buffer, cursor.offset) !== 0 || length < 8) return cursor.stop('malformed');
  return cursor.has(length) ? cursor.skip(length, 'ieee802.11') : cursor.short();
}

/** Per-Packet Information names the link type of what follows. */
export function decodePpi(cursor: Cursor): Next {
  if (!cursor.has(8)) return cursor.short();
  const length = uint16LittleEndian(cursor.buffer, cursor.offset + 2);
  const linkType = uint32LittleEndian(cursor.buffer, cursor.offset + 4);
  if (length < 8) return cursor.stop('malformed');
  if (!cursor.has(length)) return cursor.short();
  cursor.offset += length;
  const next = headerOfLinkType(linkType);
  return next === undefined ? cursor.stop('not-ip') : next;
}

/** Management, control, empty, encrypted and aggregated frames are passed over. */
export function decodeWireless(cursor: Cursor): Next {
  if (!cursor.has(2)) return cursor.short();
  const frameControl = octet(cursor.buffer, cursor.offset);
  const flags = octet(cursor.buffer, cursor.offset + 1);
  const isData = (frameControl & 0x0f) === 0x08 && (frameControl & 0x40) === 0;
  const isProtected = (flags & 0x40) !== 0;
  if (!isData || isProtected) return cursor.stop('not-ip');
  if (!cursor.has(24)) return cursor.short();
  const hasQualityOfService = (frameControl & 0x80) !== 0;
  let length = (flags & 0x03) === 0x03 ? 30 : 24; // a fourth address between two access points
  if (hasQualityOfService) {
    if (!cursor.has(length + 2)) return cursor.short();
    const isAggregate = (octet(cursor.buffer, cursor.offset + length) & 0x80) !== 0;
    if (isAggregate) return cursor.stop('not-ip');
    length += (flags & 0x80) !== 0 ? 6 : 2; // with the HT control field
  }
  return cursor.has(length) ? cursor.skip(length, 'llc') : cursor.short();
}
