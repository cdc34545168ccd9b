/** Content-Transfer-Encoding undone, RFC 2045 §6. */
import { messageLimits } from '../core/limits.ts';
import { decodeBase64 } from './base64.ts';
import { mayHoldFiles } from './embedded-file.ts';
import type { Entity } from './entity.ts';
import { imageFormatOf } from './image-format.ts';
import type { Loss } from './loss.ts';
import { decodeQuotedPrintable, quotedPrintablePieces } from './quoted-printable.ts';
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

/** Octets of a text in whose pieces files are looked for: what announces one is shorter. */
const announcementBytes = 16;

/**
 * The same for text that is shown as it is. A text much longer than is read is cut behind that, and never held as a
 * whole, unless files may be in it.
 */
export function decodeTextBody(entity: Entity, loss: Loss): Buffer {
  const { source, bodyStart, bodyEnd } = entity;
  const bytesMax = messageLimits.textBytesMax;
  const isLong = bodyEnd - bodyStart > bytesMax * 2 && entity.encoding === 'quoted-printable';
  if (!isLong) return decodeBody(entity, loss);
  if (!loss.mayDecode(bodyEnd - bodyStart, bodyStart)) return Buffer.alloc(0);
  // More than is read, and no less than a character more: who reads it sees that there was more.
  const kept = Buffer.allocUnsafe(bytesMax + announcementBytes);
  let length = 0;
  let before = '\n';
  for (const piece of quotedPrintablePieces(source, bodyStart, bodyEnd)) {
    const seam = Buffer.from(before + piece.toString('latin1', 0, announcementBytes), 'latin1');
    if (mayHoldFiles(piece) || mayHoldFiles(seam)) return decodeQuotedPrintable(source, bodyStart, bodyEnd);
    length += piece.copy(kept, length);
    before = (before + piece.toString('latin1', Math.max(0, piece.length - announcementBytes))).slice(
      -announcementBytes,
    );
  }
  return kept.subarray(0, length);
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
