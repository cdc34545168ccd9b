/** Contact sheets: the images of a stored day, or of captures, on pages to look through. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { MailprocError } from '../../core/errors.ts';
import { sheetLimits } from '../../core/limits.ts';
import { openStore } from '../../store/open-store.ts';
import { fileError } from '../../store/store-error.ts';
import { ingest } from '../ingest.ts';
import type { Job, Watcher } from '../job.ts';
import { renderPage } from './html-page.ts';
import { ImageMailSink } from './image-mail-sink.ts';
import { loadPictures, type Tile, TileList } from './tiles.ts';
import { renderPicture } from './webp-picture.ts';

export interface MadeSheet {
  /** In order; empty where there was no image. */
  readonly files: readonly string[];
  readonly mails: number;
  readonly images: number;
  /** Those that differ: each has one tile. */
  readonly different: number;
  /** Beyond the number that is shown. */
  readonly leftOut: number;
}

/** The images of `day` in `store`; looked for in `imageFolder`, then where they were written. */
export async function sheetOfDay(
  store: string,
  day: string,
  imageFolder: string,
  output: string,
): Promise<MadeSheet> {
  checkOutput(output);
  const tiles = new TileList();
  const sink = await openStore(store, { mustExist: true });
  if (!sink.imageMails) {
    throw new MailprocError('usage.store', `read images of ${store}: this kind of store keeps no details`, {
      hint: 'name a store of the form sqlite:FILE, or a capture file',
    });
  }
  await sink.open();
  try {
    for (let after = 0; ; ) {
      const mails = await sink.imageMails(day, after, sheetLimits.rowsAtOnce);
      for (const mail of mails) tiles.add(mail);
      const last = mails.at(-1);
      if (last === undefined) break;
      after = last.id;
    }
  } finally {
    await sink.close();
  }
  return writeSheets(tiles, { title: `Images of ${day}`, imageFolder, output, linked: true });
}

/** The images in the captures of `job`, which are read for this alone: nothing is stored. */
export async function sheetOfCaptures(
  job: Omit<Job, 'store' | 'imageFolder' | 'reprocess'>,
  output: string,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<MadeSheet> {
  checkOutput(output);
  const imageFolder = await mkdtemp(join(tmpdir(), 'mailproc-images-'));
  try {
    const tiles = new TileList();
    const sink = new ImageMailSink(tiles);
    await ingest({ ...job, store: sink.url, imageFolder, reprocess: false }, sink, watcher, signal);
    const title = `Images of ${basename(job.root)}`;
    return await writeSheets(tiles, { title, imageFolder, output, linked: false });
  } finally {
    await rm(imageFolder, { recursive: true, force: true });
  }
}

function checkOutput(output: string): void {
  if (/\.(?:html?|webp)$/i.test(output)) return;
  throw new MailprocError('usage.output', `write contact sheet ${output}: neither .html nor .webp`, {
    hint: 'the name decides the form: --output sheet.html or --output sheet.webp',
  });
}

interface SheetPlan {
  readonly title: string;
  readonly imageFolder: string;
  readonly output: string;
  /** The images stay: pages may link them. */
  readonly linked: boolean;
}

async function writeSheets(tiles: TileList, plan: SheetPlan): Promise<MadeSheet> {
  const asPicture = /\.webp$/i.test(plan.output);
  const pages = pagesOf(tiles.tiles, asPicture ? sheetLimits.tilesPerPicture : sheetLimits.tilesPerPage);
  const files = pages.map((_, index) => pageFile(plan.output, index));
  const summary = summaryOf(tiles);
  for (const [page, some] of pages.entries()) {
    const pictures = await loadPictures(some, plan.imageFolder);
    const title = pages.length < 2 ? plan.title : `${plan.title}, page ${page + 1} of ${pages.length}`;
    const path = files[page] ?? plan.output;
    const content = asPicture
      ? await renderPicture(pictures, `${title}: ${summary}`)
      : renderPage(pictures, {
          title,
          summary,
          pages: files.map((file) => basename(file)),
          page,
          linkedFrom: plan.linked ? dirname(path) : undefined,
        });
    await writePrivately(path, content);
  }
  const { mails, images, leftOut } = tiles;
  return { files, mails, images, different: tiles.tiles.length, leftOut };
}

function pagesOf(tiles: readonly Tile[], perPage: number): (readonly Tile[])[] {
  const pages: (readonly Tile[])[] = [];
  for (let start = 0; start < tiles.length; start += perPage) pages.push(tiles.slice(start, start + perPage));
  return pages;
}

/** `sheet.html`, `sheet-2.html`, … */
function pageFile(output: string, index: number): string {
  if (index === 0) return output;
  const extension = extname(output);
  return `${output.slice(0, -extension.length)}-${index + 1}${extension}`;
}

function summaryOf(tiles: TileList): string {
  const left = tiles.leftOut > 0 ? `; ${tiles.leftOut} more are not shown` : '';
  return `images: ${tiles.images}, different: ${tiles.tiles.length}, mails with images: ${tiles.mails}${left}`;
}

/** Whole or not at all, and for its owner alone: it shows what is in people's mail. */
async function writePrivately(path: string, content: string | Buffer): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(8).toString('hex')}.part`);
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, `write contact sheet ${path}`);
  }
}
