/**
 * What is on a contact sheet: each different image once, with the first mail it came in and how many more
 * there were. A logo in a thousand signatures is one tile.
 */
import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sheetLimits } from '../../core/limits.ts';
import { makeThumbnail, type Thumbnail } from '../../record/thumbnail.ts';
import type { FileDetail } from '../../record/types.ts';
import type { ImageMail } from '../../store/sink.ts';

export interface Tile {
  readonly image: FileDetail;
  /** The first mail with this image, by id. */
  readonly mail: Omit<ImageMail, 'images'>;
  /** How often the image was seen. */
  times: number;
}

/** Why there is no picture: the file is gone, is not what was stored, or is of a kind that is not shown. */
export type NoPicture = 'missing' | 'changed' | 'not-shown';

export const noPictureText: Readonly<Record<NoPicture, string>> = {
  missing: 'the file is not there',
  changed: 'not the file that was stored',
  'not-shown': 'no preview of this image',
};

export interface Picture {
  readonly tile: Tile;
  readonly thumbnail: Thumbnail | NoPicture;
  /** Where the image was found; undefined where it was not. */
  readonly path: string | undefined;
}

export class TileList {
  readonly #tiles = new Map<string, Tile>();
  /** Images, and mails that had some. */
  images = 0;
  mails = 0;
  /** Images beyond the number that is shown. */
  leftOut = 0;

  add({ images, ...mail }: ImageMail): void {
    this.mails++;
    for (const image of images) {
      this.images++;
      const known = this.#tiles.get(image.sha256);
      if (known !== undefined) known.times++;
      else if (this.#tiles.size < sheetLimits.tilesMax)
        this.#tiles.set(image.sha256, { image, mail, times: 1 });
      else this.leftOut++;
    }
  }

  get tiles(): readonly Tile[] {
    return [...this.#tiles.values()];
  }
}

/** The pictures of `tiles` in their order, few at a time. */
export async function loadPictures(tiles: readonly Tile[], imageFolder: string): Promise<readonly Picture[]> {
  const pictures: Picture[] = [];
  for (let index = 0; index < tiles.length; index += sheetLimits.thumbnailsAtOnce) {
    const some = tiles.slice(index, index + sheetLimits.thumbnailsAtOnce);
    pictures.push(...(await Promise.all(some.map((tile) => loadPicture(tile, imageFolder)))));
  }
  return pictures;
}

async function loadPicture(tile: Tile, imageFolder: string): Promise<Picture> {
  const { image } = tile;
  for (const path of placesOf(image, imageFolder)) {
    const status = await lstat(path).catch(() => undefined);
    if (!status?.isFile()) continue;
    // Checked before the file is read: it may have been replaced by anything.
    if (status.size !== image.bytes) return { tile, thumbnail: 'changed', path };
    if (image.bytes > sheetLimits.imageBytesMax) return { tile, thumbnail: 'not-shown', path };
    const bytes = await readFile(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if (sha256 !== image.sha256) return { tile, thumbnail: 'changed', path };
    return { tile, thumbnail: (await makeThumbnail(bytes, image.format)) ?? 'not-shown', path };
  }
  return { tile, thumbnail: 'missing', path: undefined };
}

/** In the folder given now, and where the run that stored it wrote it. */
function placesOf({ path }: FileDetail, imageFolder: string): string[] {
  if (path === null) return [];
  return [...new Set([join(imageFolder, ...path.split('/').slice(-2)), path])];
}
