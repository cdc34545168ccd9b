/**
 * Width and height out of the headers of formats that sharp does not read (BMP, ICO, HEIC, SVG), or not
 * once their end is missing (GIF, WebP, AVIF), and of the most frequent ones (PNG, JPEG), where asking
 * sharp took a fifth of a run. Nothing is decoded.
 */
import type { ImageFormat } from '../message/types.ts';

export interface ImageSize {
  /** null where the picture has no size of its own, as an SVG without attributes. */
  readonly width: number | null;
  readonly height: number | null;
}

/** undefined where the header is none of `format`, or not all there. */
export function readImageHeader(format: ImageFormat, bytes: Buffer): ImageSize | undefined {
  switch (format) {
    case 'bmp':
      return readBmp(bytes);
    case 'ico':
      return readIco(bytes);
    case 'png':
      return readPng(bytes);
    case 'jpeg':
      return readJpeg(bytes);
    case 'gif':
      return readGif(bytes);
    case 'webp':
      return readWebp(bytes);
    case 'heic':
    case 'avif':
      return readHeif(bytes);
    case 'svg':
      return readSvg(bytes);
    default:
      return undefined;
  }
}

/** BITMAPFILEHEADER, then BITMAPCOREHEADER (12 octets) or BITMAPINFOHEADER and its successors (40 and more). */
function readBmp(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 30 || bytes.toString('latin1', 0, 2) !== 'BM') return undefined;
  const headerBytes = bytes.readUInt32LE(14);
  if (headerBytes === 12) {
    return bytes.readUInt16LE(22) === 1
      ? positive(bytes.readUInt16LE(18), bytes.readUInt16LE(20))
      : undefined;
  }
  if (headerBytes < 16 || headerBytes > 256 || bytes.readUInt16LE(26) !== 1) return undefined;
  // A negative height means that the rows go from top to bottom.
  return positive(bytes.readInt32LE(18), Math.abs(bytes.readInt32LE(22)));
}

/** ICONDIR with its ICONDIRENTRYs; the largest one counts. 0 stands for 256. */
function readIco(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 22 || bytes.readUInt32LE(0) !== 0x00010000) return undefined;
  const directoryEnd = 6 + 16 * bytes.readUInt16LE(4);
  let width = 0;
  let height = 0;
  for (let entry = 6; entry + 16 <= Math.min(directoryEnd, bytes.length); entry += 16) {
    // A picture inside the directory: these octets are no icon.
    if (bytes.readUInt32LE(entry + 8) === 0 || bytes.readUInt32LE(entry + 12) < directoryEnd)
      return undefined;
    width = Math.max(width, bytes.readUInt8(entry) || 256);
    height = Math.max(height, bytes.readUInt8(entry + 1) || 256);
  }
  return positive(width, height);
}

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

/** PNG (third edition) §11.2.1: the IHDR chunk comes first, and its check sum must be right. */
function readPng(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 33 || !bytes.subarray(0, 8).equals(pngSignature)) return undefined;
  if (bytes.readUInt32BE(8) !== 13 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  if (bytes.readUInt32BE(29) !== crc32(bytes.subarray(12, 29))) return undefined;
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  return Math.max(width, height) <= 0x7fff_ffff ? positive(width, height) : undefined;
}

/** PNG (third edition) §5.5; bit by bit, since it is a few octets. */
function crc32(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const octet of bytes) {
    crc ^= octet;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** ITU-T T.81 §B.1.1 and §B.2.2: segments with a marker and a length each, up to the frame header. */
function readJpeg(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 9 <= bytes.length; ) {
    if (bytes.readUInt8(at) !== 0xff) return undefined;
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) at += 1;
    else if (isFrameMarker(marker)) return positive(bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5));
    // Scans come behind the frame header, and markers without a length only in scans.
    else if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return undefined;
    else at += 2 + Math.max(2, bytes.readUInt16BE(at + 2));
  }
  return undefined;
}

/** SOF0 to SOF15; the three that are missing are other tables. */
function isFrameMarker(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** GIF89a §18, the logical screen descriptor. */
function readGif(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 13 || !/^GIF8[79]a$/.test(bytes.toString('latin1', 0, 6))) return undefined;
  return positive(bytes.readUInt16LE(6), bytes.readUInt16LE(8));
}

/** RFC 9649 §2.5 to §2.7: lossy, lossless and extended files. */
function readWebp(bytes: Buffer): ImageSize | undefined {
  if (bytes.length < 30 || bytes.toString('latin1', 8, 12) !== 'WEBP') return undefined;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      // RFC 6386 §9.1: a start code, then 14 bits for each side.
      if (bytes.readUIntBE(23, 3) !== 0x9d012a) return undefined;
      return positive(bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff);
    case 'VP8L': {
      if (bytes.readUInt8(20) !== 0x2f) return undefined;
      const sizes = bytes.readUInt32LE(21);
      return { width: (sizes & 0x3fff) + 1, height: ((sizes >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/**
 * ISO/IEC 23008-12: the largest `ispe` (image spatial extents) of meta/iprp/ipco. Thumbnails and tiles
 * have smaller ones.
 */
function readHeif(bytes: Buffer): ImageSize | undefined {
  const meta = findBox(bytes, 'meta');
  const properties = meta && findBox(meta.subarray(4), 'iprp');
  const container = properties && findBox(properties, 'ipco');
  let largest: ImageSize | undefined;
  for (const box of boxes(container ?? Buffer.alloc(0))) {
    if (box.type !== 'ispe' || box.content.length < 12) continue;
    const size = positive(box.content.readUInt32BE(4), box.content.readUInt32BE(8));
    if (size !== undefined && area(size) > (largest === undefined ? 0 : area(largest))) largest = size;
  }
  return largest;
}

function findBox(bytes: Buffer, type: string): Buffer | undefined {
  for (const box of boxes(bytes)) if (box.type === type) return box.content;
  return undefined;
}

/** ISO/IEC 14496-12 §4.2: size, type, content. A box that is cut off gives what is there. */
function* boxes(bytes: Buffer): Generator<{ type: string; content: Buffer }> {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const size = bytes.readUInt32BE(at) || bytes.length - at;
    // 64-bit sizes (1) are for media data behind the header boxes.
    if (size < 8) return;
    yield { type: bytes.toString('latin1', at + 4, at + 8), content: bytes.subarray(at + 8, at + size) };
    at += size;
  }
}

/** Octets of an SVG looked at: its root element stands in front. */
const svgHeadBytes = 65_536;

/**
 * SVG 2 §8.2, `width` and `height` of the root element in pixels. Never given to an XML parser or a
 * renderer: entities, scripts and links in it stay text.
 */
function readSvg(bytes: Buffer): ImageSize | undefined {
  const head = bytes.toString('utf8', 0, svgHeadBytes);
  const root = /<(?:[A-Za-z][\w.-]{0,30}:)?svg(?=[\s/>])/.exec(head);
  if (root === null) return undefined;
  const tagEnd = head.indexOf('>', root.index);
  const tag = head.slice(root.index, tagEnd < 0 ? undefined : tagEnd);
  return { width: svgLength(tag, 'width'), height: svgLength(tag, 'height') };
}

function svgLength(tag: string, attribute: 'width' | 'height'): number | null {
  const value = new RegExp(`\\s${attribute}\\s?=\\s?["']\\s?(\\d{1,7})(?:\\.\\d{0,20})?(?:px)?\\s?["']`).exec(
    tag,
  );
  return value === null ? null : Number(value[1]);
}

function positive(width: number, height: number): ImageSize | undefined {
  return width > 0 && height > 0 ? { width, height } : undefined;
}

export function area(size: ImageSize): number {
  return (size.width ?? 0) * (size.height ?? 0);
}
