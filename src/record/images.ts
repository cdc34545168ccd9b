/**
 * The pictures of a mail: which attachments really are images, how large they are and under which name
 * each is written. The octets are written as they were sent.
 */
import { createHash } from 'node:crypto';
import type { AnomalyCode } from '../core/anomaly.ts';
import { recordLimits } from '../core/limits.ts';
import type { Attachment, ImageFormat } from '../message/types.ts';
import { cleanLine } from './clean-text.ts';
import { area, type ImageSize, readImageHeader } from './image-header.ts';
import { lastComponent, safeName } from './safe-name.ts';
import type { FileDetail, ImageFile } from './types.ts';

export interface FoundFiles {
  readonly images: readonly FileDetail[];
  /** What is no image, what only claims to be one included. */
  readonly attachments: readonly FileDetail[];
  readonly files: readonly ImageFile[];
  /** One for each attachment that claimed to be an image and could not be taken as one. */
  readonly rejected: readonly Rejection[];
}

export interface Rejection {
  readonly code: Extract<AnomalyCode, 'record.image-invalid' | 'record.image-limit'>;
  readonly detail: string;
}

/** `captureName` is the file name of the capture, `imageFolder` what the paths in the detail begin with. */
export async function findImages(
  attachments: readonly Attachment[],
  place: { readonly mailKey: string; readonly captureName: string; readonly imageFolder: string },
): Promise<FoundFiles> {
  const images: FileDetail[] = [];
  const others: FileDetail[] = [];
  const files: ImageFile[] = [];
  const rejected: Rejection[] = [];
  const folder = safeName(place.captureName, 'capture', recordLimits.folderNameBytesMax);
  for (const attachment of attachments) {
    const sha256 = createHash('sha256').update(attachment.bytes).digest('hex');
    const image = await judge(attachment, images.length);
    if (image === undefined || 'code' in image) {
      if (image !== undefined) rejected.push(image);
      others.push(fileDetail(attachment, sha256, attachment.declaredType));
      continue;
    }
    const name = imageFileName(attachment.name, place.mailKey, images.length + 1, sha256, image.format);
    const path = `${folder}/${name}`;
    files.push({ path, bytes: attachment.bytes });
    const shownPath = `${place.imageFolder.replace(/\/+$/, '')}/${path}`;
    images.push(fileDetail(attachment, sha256, image.format, image.size, shownPath));
  }
  return { images, attachments: others, files, rejected };
}

/** undefined for what does not claim to be an image. */
async function judge(
  attachment: Attachment,
  imagesBefore: number,
): Promise<{ readonly format: ImageFormat; readonly size: ImageSize } | Rejection | undefined> {
  const format = attachment.imageFormat;
  if (format === undefined) return undefined;
  if (imagesBefore >= recordLimits.imagesMax) {
    return { code: 'record.image-limit', detail: `more than ${recordLimits.imagesMax} images in one mail` };
  }
  const size = await imageSize(format, attachment.bytes);
  if (size === undefined) {
    return { code: 'record.image-invalid', detail: `begins like ${format} but cannot be read as an image` };
  }
  if (area(size) > recordLimits.imagePixelsMax) {
    return { code: 'record.image-limit', detail: `${format} of ${size.width} x ${size.height} pixels` };
  }
  return { format, size };
}

/** Formats read by sharp. SVG is not among them on purpose: its renderer follows what the text says. */
const sharpFormats: ReadonlySet<ImageFormat> = new Set([
  'jpeg',
  'png',
  'gif',
  'webp',
  'tiff',
  'heic',
  'avif',
]);

/**
 * Width and height, undefined where the octets are no image. An image that a gap in the capture has cut
 * short is one as long as its header can be read.
 */
export async function imageSize(format: ImageFormat, bytes: Buffer): Promise<ImageSize | undefined> {
  if (!sharpFormats.has(format)) return readImageHeader(format, bytes);
  const sharp = await loadSharp();
  try {
    // Reads the header alone, so the pixel limit is ours to check: over it the size is wanted too.
    const { width, height } = await sharp(bytes, { failOn: 'none', limitInputPixels: false }).metadata();
    return width > 0 && height > 0 ? { width, height } : undefined;
  } catch {
    return readImageHeader(format, bytes);
  }
}

let sharpModule: Promise<typeof import('sharp')['default']> | undefined;

/** Loaded at the first image, because it costs 60 ms. */
function loadSharp(): Promise<typeof import('sharp')['default']> {
  sharpModule ??= import('sharp').then(({ default: sharp }) => {
    // Every image is looked at once; a cache would only hold memory.
    sharp.cache(false);
    return sharp;
  });
  return sharpModule;
}

const extensions: Readonly<Record<ImageFormat, string>> = {
  jpeg: 'jpg',
  png: 'png',
  gif: 'gif',
  webp: 'webp',
  bmp: 'bmp',
  tiff: 'tiff',
  heic: 'heic',
  avif: 'avif',
  ico: 'ico',
  svg: 'svg',
};

/** Extensions that say no more than the real one, which is put in their place. */
const imageExtension = /\.(?:jpe?g|jpe|jfif|png|gif|webp|bmp|dib|tiff?|hei[cf]|avif|ico|svgz?)$/i;

/**
 * `<sender's name>-<mail key>-<ordinal>-<content>.<extension>`. The mail key keeps mails apart, the
 * ordinal equal images of one mail. The content is in it for mails that were seen with a gap first and
 * whole later: the damaged image and the good one are two files, and neither overwrites the other.
 */
function imageFileName(
  name: string | undefined,
  mailKey: string,
  ordinal: number,
  sha256: string,
  format: ImageFormat,
): string {
  const readable = safeName(lastComponent(name ?? '').replace(imageExtension, ''), 'image');
  return `${readable}-${mailKey.slice(0, 12)}-${ordinal}-${sha256.slice(0, 8)}.${extensions[format]}`;
}

function fileDetail(
  attachment: Attachment,
  sha256: string,
  format: string,
  size: ImageSize = { width: null, height: null },
  path: string | null = null,
): FileDetail {
  return {
    sha256,
    bytes: attachment.bytes.length,
    format: cleanLine(format),
    width: size.width,
    height: size.height,
    name: attachment.name === undefined ? null : cleanLine(attachment.name),
    path: path === null ? null : cleanLine(path),
  };
}
