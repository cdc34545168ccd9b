/** Whether a file of a mail really is an image, and how large. Nothing is rendered. */
import type { AnomalyCode } from '../core/anomaly.ts';
import { recordLimits } from '../core/limits.ts';
import type { Attachment, ImageFormat } from '../message/types.ts';
import { area, type ImageSize, readImageHeader } from './image-header.ts';

export interface Rejection {
  readonly code: Extract<
    AnomalyCode,
    'record.image-invalid' | 'record.image-limit' | 'record.attachment-limit'
  >;
  readonly detail: string;
}

/** undefined for what does not claim to be an image. */
export async function judgeImage(
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

/** Formats whose size is plain in their header; sharp is asked where that is not as it should be. */
const plainFormats: ReadonlySet<ImageFormat> = new Set(['png', 'jpeg', 'gif', 'webp']);

/**
 * Width and height, undefined where the octets are no image. An image that a gap in the capture has cut
 * short is one as long as its header can be read.
 */
export async function imageSize(format: ImageFormat, bytes: Buffer): Promise<ImageSize | undefined> {
  if (!sharpFormats.has(format)) return readImageHeader(format, bytes);
  const plain = plainFormats.has(format) ? readImageHeader(format, bytes) : undefined;
  if (plain !== undefined) return plain;
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

/** The module is loaded at the first image, because it costs 60 ms. */
export function loadSharp(): Promise<typeof import('sharp')['default']> {
  sharpModule ??= import('sharp').then(({ default: sharp }) => {
    // Every image is looked at once; a cache would only hold memory.
    sharp.cache(false);
    return sharp;
  });
  return sharpModule;
}
