/** Images made small, within bounds: of pixels, because a few octets can claim many, and of time. */
import { sheetLimits } from '../core/limits.ts';
import { loadSharp } from './images.ts';

export interface Thumbnail {
  /** WebP. */
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
}

/** Formats that are decoded. SVG is not: its renderer follows what the text says. */
const decodedFormats: ReadonlySet<string> = new Set(['jpeg', 'png', 'gif', 'webp', 'tiff', 'heic', 'avif']);

/** undefined where the image cannot be shown; a damaged one is shown as far as it goes. */
export async function makeThumbnail(bytes: Buffer, format: string): Promise<Thumbnail | undefined> {
  if (!decodedFormats.has(format) || bytes.length > sheetLimits.imageBytesMax) return undefined;
  const sharp = await loadSharp();
  const side = sheetLimits.thumbnailPixels;
  try {
    const { data, info } = await sharp(bytes, {
      failOn: 'none',
      limitInputPixels: sheetLimits.imagePixelsMax,
    })
      .timeout({ seconds: sheetLimits.thumbnailSeconds })
      .rotate()
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .webp({ quality: 75, effort: 2 })
      .toBuffer({ resolveWithObject: true });
    return { bytes: data, width: info.width, height: info.height };
  } catch {
    return undefined;
  }
}
