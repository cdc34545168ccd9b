/** Image formats told by their first octets; the declared type and the file name are not asked. */
import type { ImageFormat } from './types.ts';

/** Octets of text in which an SVG root element must begin. */
const svgProbeBytes = 4096;

export function imageFormatOf(bytes: Buffer): ImageFormat | undefined {
  if (bytes.length < 4) return undefined;
  switch (bytes[0]) {
    case 0xff:
      return bytes[1] === 0xd8 && bytes[2] === 0xff ? 'jpeg' : undefined;
    case 0x89:
      return startsWith(bytes, '\x89PNG\r\n\x1a\n') ? 'png' : undefined;
    case 0x47:
      return startsWith(bytes, 'GIF87a') || startsWith(bytes, 'GIF89a') ? 'gif' : undefined;
    case 0x52:
      return startsWith(bytes, 'RIFF') && bytes.toString('latin1', 8, 12) === 'WEBP' ? 'webp' : undefined;
    case 0x42:
      return isBitmap(bytes) ? 'bmp' : undefined;
    case 0x49:
    case 0x4d:
      return isTiff(bytes) ? 'tiff' : undefined;
    case 0x00:
      return isIcon(bytes) ? 'ico' : brandOf(bytes);
    default:
      return isSvg(bytes) ? 'svg' : undefined;
  }
}

/**
 * A picture of a format that is not among those above: it is what it claims to be, and a file like any other.
 * Metafiles of Windows, Photoshop, JPEG 2000 and JPEG XL, PCX, PostScript, PDF, DjVu, GIMP, AutoCAD, packed SVG.
 */
export function isOtherPicture(bytes: Buffer): boolean {
  const head = bytes.toString('latin1', 0, 44);
  return otherSignatures.some((signature) => head.startsWith(signature)) || head.startsWith(' EMF', 40);
}

const otherSignatures: readonly string[] = [
  ...['\xd7\xcd\xc6\x9a', '\x01\x00\x09\x00', '\x02\x00\x09\x00'],
  ...['8BPS', '\x00\x00\x00\x0cjP  ', '\xff\x4f\xff\x51', '\xff\x0a', '\x00\x00\x00\x0cJXL '],
  ...['\x0a\x05\x01', '%!PS', '\xc5\xd0\xd3\xc6', '%PDF', 'AT&TFORM', 'gimp xcf', 'AC10', '\x1f\x8b'],
];

/** File name endings of the formats that are told above. */
export function namesImage(name: string): boolean {
  return /\.(?:jpe?g|jpe|jfif|png|gif|webp|bmp|dib|tiff?|hei[cf]|avif|ico|svg)$/i.test(
    name.slice(-10).trim(),
  );
}

function startsWith(bytes: Buffer, signature: string): boolean {
  return bytes.toString('latin1', 0, signature.length) === signature;
}

/** Text may begin with "BM": the size of the information header decides. */
function isBitmap(bytes: Buffer): boolean {
  if (bytes[1] !== 0x4d || bytes.length < 26) return false;
  return [12, 16, 40, 52, 56, 64, 108, 124].includes(bytes.readUInt32LE(14));
}

function isTiff(bytes: Buffer): boolean {
  const signature = bytes.toString('latin1', 0, 4);
  return signature === 'II*\0' || signature === 'MM\0*' || signature === 'II+\0' || signature === 'MM\0+';
}

/** ICONDIR: reserved 0, type 1 (icon) or 2 (cursor), count, then 16 octets for each image. */
function isIcon(bytes: Buffer): boolean {
  if (bytes.length < 22 || bytes.readUInt16LE(0) !== 0) return false;
  const type = bytes.readUInt16LE(2);
  const count = bytes.readUInt16LE(4);
  const offset = bytes.readUInt32LE(18);
  return (
    (type === 1 || type === 2) &&
    count > 0 &&
    bytes[9] === 0 &&
    offset >= 6 + 16 * count &&
    offset < bytes.length
  );
}

/** ISO base media file, ISO/IEC 14496-12 §4.3: the brands name the format. */
function brandOf(bytes: Buffer): 'heic' | 'avif' | undefined {
  if (bytes.toString('latin1', 4, 8) !== 'ftyp') return undefined;
  const size = Math.min(bytes.readUInt32BE(0), bytes.length, 128);
  let generic = false;
  for (let offset = 8; offset + 4 <= size; offset += 4) {
    const brand = bytes.toString('latin1', offset, offset + 4);
    if (brand === 'avif' || brand === 'avis') return 'avif';
    if (/^(?:hei[cxms]|hev[cxms])$/.test(brand)) return 'heic';
    if (brand === 'mif1' || brand === 'msf1') generic = true;
  }
  return generic ? 'heic' : undefined;
}

/** SVG is text: an `svg` root element behind declaration, comments and document type. */
function isSvg(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  if (
    first !== 0x3c &&
    first !== 0xef &&
    first !== 0x20 &&
    first !== 0x0a &&
    first !== 0x0d &&
    first !== 0x09
  )
    return false;
  let text = bytes
    .toString('utf8', 0, Math.min(bytes.length, svgProbeBytes))
    .replace(/^\ufeff/, '')
    .trimStart();
  for (;;) {
    if (/^<svg[\s>/]/i.test(text)) return true;
    if (!text.startsWith('<?') && !text.startsWith('<!')) return false;
    const end = text.startsWith('<!--') ? text.indexOf('-->') + 2 : endOfDeclaration(text);
    if (end < 2) return false;
    text = text.slice(end + 1).trimStart();
  }
}

/** A document type may hold declarations of its own in brackets. */
function endOfDeclaration(text: string): number {
  const close = text.indexOf('>');
  const bracket = text.indexOf('[');
  if (bracket < 0 || bracket > close) return close;
  const inner = text.indexOf(']', bracket);
  return inner < 0 ? -1 : text.indexOf('>', inner);
}
