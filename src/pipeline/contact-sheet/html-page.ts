/**
 * A contact sheet as one HTML file that needs nothing else: thumbnails as `data:` URIs, no script, and a policy
 * that lets nothing be loaded. All text in it was written by strangers and is escaped.
 */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { sizeText } from './size-text.ts';
import { noPictureText, type Picture } from './tiles.ts';

export interface PageFrame {
  readonly title: string;
  /** What was counted, for below the title. */
  readonly summary: string;
  /** Files of all pages, this one included, relative to it. */
  readonly pages: readonly string[];
  /** Index in `pages`. */
  readonly page: number;
  /** The images stay where they are: they are linked, relative to this folder. undefined where they do not. */
  readonly linkedFrom: string | undefined;
}

const style = `
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; background: #f4f4f2; color: #222 }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 1rem }
figure { margin: 0; padding: 10px; background: #fff; border: 1px solid #ddd; border-radius: 4px; overflow-wrap: anywhere }
.picture { height: 240px; display: grid; place-items: center; background: #fafafa; color: #777 }
img { max-width: 100%; max-height: 240px }
figcaption > * { display: block }
strong { margin-top: 8px }
small { color: #666 }
code { font-size: 10px; color: #888 }
nav a, nav b { margin-right: .5rem }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } figure { background: #262626; border-color: #3a3a3a } .picture { background: #202020 } small, code { color: #999 } a { color: #8ab4f8 } }
`;

const policy = [
  "default-src 'none'",
  'img-src data:',
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export function renderPage(pictures: readonly Picture[], frame: PageFrame): string {
  const navigation = navigationOf(frame);
  return [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${escapeHtml(frame.title)}</title><style>${style}</style></head><body>`,
    `<h1>${escapeHtml(frame.title)}</h1><p>${escapeHtml(frame.summary)}</p>${navigation}<main>`,
    ...pictures.map((picture) => figureOf(picture, frame.linkedFrom)),
    `</main>${navigation}</body></html>`,
    '',
  ].join('\n');
}

function navigationOf({ pages, page }: PageFrame): string {
  if (pages.length < 2) return '';
  const links = pages.map((file, index) =>
    index === page ? `<b>${index + 1}</b>` : `<a href="${encodeURIComponent(file)}">${index + 1}</a>`,
  );
  return `<nav>Page ${links.join(' ')}</nav>`;
}

function figureOf({ tile, thumbnail, path }: Picture, linkedFrom: string | undefined): string {
  const { image, mail, times } = tile;
  const picture = typeof thumbnail === 'string' ? noPictureText[thumbnail] : imageElement(thumbnail.bytes);
  const link = linkTo(path, image.format, linkedFrom);
  const shown = link === undefined ? picture : `<a href="${escapeHtml(link)}">${picture}</a>`;
  const people = [mail.mail_from ?? '?', ...(mail.mail_to === null ? [] : [mail.mail_to])].join(' → ');
  const size = image.width === null ? '' : ` ${image.width} × ${image.height},`;
  const again = times > 1 ? `<small>seen ${times} times; this is the first mail</small>` : '';
  return [
    `<figure><div class="picture">${shown}</div><figcaption>`,
    `<strong>${textOf(mail.mail_subject ?? '(no subject)')}</strong>`,
    `<span>${textOf(people)}</span><small>${textOf(mail.timestamp)}, row ${mail.id}</small>${again}`,
    `<small>${textOf(image.name ?? '(no name)')}: ${escapeHtml(image.format.toUpperCase())}${size} ${sizeText(image.bytes)}</small>`,
    `<code>${escapeHtml(image.sha256)}</code></figcaption></figure>`,
  ].join('');
}

function imageElement(webp: Buffer): string {
  return `<img alt="" loading="lazy" src="data:image/webp;base64,${webp.toString('base64')}">`;
}

/** An SVG is not linked: opened from a disk it may run scripts. */
function linkTo(
  path: string | undefined,
  format: string,
  linkedFrom: string | undefined,
): string | undefined {
  if (path === undefined || linkedFrom === undefined || format === 'svg') return undefined;
  return relative(linkedFrom, path).split(/[/\\]/).map(encodeURIComponent).join('/');
}

/** Characters of one field; a subject may have a megabyte. */
const textMax = 300;

/** `bdi` keeps text that runs from right to left, or pretends to, within its place. */
function textOf(text: string): string {
  const cut = text.length > textMax ? `${text.slice(0, textMax).replace(/[\ud800-\udbff]$/, '')}…` : text;
  return `<bdi>${escapeHtml(cut)}</bdi>`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}
