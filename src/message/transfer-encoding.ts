/** Content-Transfer-Encoding undone, RFC 2045 §6. */
import { decodeBase64 } from './base64.ts';
import type { Entity } from './entity.ts';
import { imageFormatOf } from './image-format.ts';
import type { Loss } from './loss.ts';
import { decodeQuotedPrintable } from './quoted-printable.ts';
import { decodeUuencoded } from './uuencode.ts';

/** Octets of a leaf's body; a view of its source where nothing had to be undone. */
export function decodeBody(entity: Entity, loss: Loss): Buffer {
  const { source, bodyStart, bodyEnd } = entity;
  const length = bodyEnd - bodyStart;
  if (entity.encoding === 'identity' || entity.encoding === 'yenc')
    return source.subarray(bodyStart, bodyEnd);
  if (!loss.mayDecode(length, bodyStart)) return Buffer.alloc(0);
  if (entity.encoding === 'quoted-printable') return decodeQuotedPrintable(source, bodyStart, bodyEnd);
  if (entity.encoding === 'uuencode') {
    const { bytes, damaged } = decodeUuencoded(source, bodyStart, bodyEnd);
    if (damaged) loss.lost('message.encoding-damaged', bodyStart, 'uuencoded data without its end');
    return bytes;
  }
  const { bytes, cutOff } = decodeBase64(source, bodyStart, bodyEnd, loss.gapsOf(source));
  if (!entity.delimited && (cutOff || isCutOff(entity, bytes))) {
    loss.lost('message.encoding-damaged', bodyEnd, 'the mail ends inside base64 data');
  } else if (cutOff) {
    loss.note('message.encoding-damaged', bodyEnd, 'base64 data with an incomplete group');
  }
  return bytes;
}

/** At the end of a mail without a closing boundary: an image says itself whether it is complete. */
function isCutOff(entity: Entity, bytes: Buffer): boolean {
  if (entity.depth === 0) return false;
  const tail = bytes.subarray(Math.max(0, bytes.length - 64));
  switch (imageFormatOf(bytes)) {
    case 'jpeg':
      return tail.lastIndexOf('\xff\xd9', undefined, 'latin1') < 0;
    case 'png':
      return !tail.includes('IEND');
    case 'gif':
      return !tail.includes(0x3b);
    default:
      return false;
  }
}
