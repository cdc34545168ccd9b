/**
 * A contact sheet as one WebP picture: thumbnails in rows, subject and sender below them. The text is drawn
 * from an SVG of our own making, with the fonts of the machine; nothing in it comes from a mail but escaped text.
 */
import type { OverlayOptions } from 'sharp';
import { sheetLimits } from '../../core/limits.ts';
import { loadSharp } from '../../record/images.ts';
import { sizeText } from './size-text.ts';
import { noPictureText, type Picture } from './tiles.ts';

const side = sheetLimits.thumbnailPixels;
const margin = 12;
const lineHeight = 18;
const columns = 6;
const cellWidth = side + margin;
const headHeight = 40;
/** Subject, sender and file stand below the thumbnail. */
const cellHeight = side + 3 * lineHeight + 2 * margin;

export async function renderPicture(pictures: readonly Picture[], title: string): Promise<Buffer> {
  const sharp = await loadSharp();
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * cellWidth + margin;
  const height = headHeight + rows * cellHeight;
  const labels = pictures.flatMap((picture, index) => labelsOf(picture, placeOf(index)));
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`,
    '<g font-family="sans-serif" font-size="13" fill="#222222">',
    text(margin, 26, title, 100, 'bold'),
    ...labels,
    '</g></svg>',
  ].join('');
  const overlays: OverlayOptions[] = [{ input: Buffer.from(svg), left: 0, top: 0 }];
  for (const [index, { thumbnail }] of pictures.entries()) {
    if (typeof thumbnail === 'string') continue;
    const { left, top } = placeOf(index);
    overlays.push({
      input: thumbnail.bytes,
      left: left + Math.floor((side - thumbnail.width) / 2),
      top: top + Math.floor((side - thumbnail.height) / 2),
    });
  }
  return sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite(overlays)
    .webp({ quality: 80, effort: 2 })
    .toBuffer();
}

function placeOf(index: number): { left: number; top: number } {
  return {
    left: margin + (index % columns) * cellWidth,
    top: headHeight + Math.floor(index / columns) * cellHeight,
  };
}

function labelsOf({ tile, thumbnail }: Picture, { left, top }: { left: number; top: number }): string[] {
  const { image, mail, times } = tile;
  const size = image.width === null ? '' : ` ${image.width}×${image.height}`;
  const file = `${image.format.toUpperCase()}${size} ${sizeText(image.bytes)}${times > 1 ? `, ${times} times` : ''}`;
  return [
    `<rect x="${left}" y="${top}" width="${side}" height="${side}" fill="#f4f4f2"/>`,
    ...(typeof thumbnail === 'string'
      ? [text(left + margin, top + side / 2, noPictureText[thumbnail], lineUnits)]
      : []),
    // Clips what is wider than it was thought to be: fonts differ.
    `<svg x="${left}" y="${top + side}" width="${side}" height="${3 * lineHeight + margin}">`,
    text(0, lineHeight, mail.mail_subject ?? '(no subject)', lineUnits, 'bold'),
    text(0, 2 * lineHeight, mail.mail_from ?? '?', lineUnits),
    text(0, 3 * lineHeight, file, lineUnits),
    '</svg>',
  ];
}

/** Narrow characters of 13 pixels that fit below a thumbnail; wide ones count twice. */
const lineUnits = 32;

function text(x: number, y: number, content: string, units: number, weight = 'normal'): string {
  return `<text x="${x}" y="${y}" font-weight="${weight}">${escapeXml(fit(content, units))}</text>`;
}

/** East Asian wide characters and emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** SVG does not break lines: text is cut to the room there is. */
function fit(content: string, units: number): string {
  let used = 0;
  let fitting = '';
  // Controls, format characters, lone surrogates: not allowed in XML, or drawn in another place.
  for (const character of content.slice(0, 1000).replace(/\p{C}/gu, ' ')) {
    used += wide.test(character) ? 2 : 1;
    if (used > units) return `${fitting}…`;
    fitting += character;
  }
  return fitting;
}

function escapeXml(content: string): string {
  return content.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
