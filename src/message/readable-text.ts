/** The text a reader sees: which leaves are shown (RFC 2046 §5.1.4), and what is in them as Unicode. */
import { isAscii } from 'node:buffer';
import { messageLimits } from '../core/limits.ts';
import { type CharsetContext, decodeText, isStateful } from './charset.ts';
import { canonicalCharset } from './charset-label.ts';
import { withoutData } from './data-uri.ts';
import { type Entity, isEmbeddedMail } from './entity.ts';
import { unflow } from './flowed.ts';
import { htmlToText } from './html-text.ts';
import type { Loss } from './loss.ts';
import { asciiLines, utf8Lines } from './utf8-lines.ts';

/** Longest line that is not cut in two where a text is too long. */
const lineBytesMax = 1 << 16;

/** Content of the text leaves, transfer encoding undone and embedded files taken out. */
export type Texts = Map<Entity, Buffer>;

export interface ReadableText {
  readonly text: string;
  /** It holds an inline PGP message (RFC 4880 §6.2). */
  readonly pgp: boolean;
}

/** Parts are joined by a blank line. An attached mail speaks only where the mail around it says nothing. */
export function readableText(root: Entity, texts: Texts, context: CharsetContext, loss: Loss): ReadableText {
  const own = new TextReader(texts, context, loss, false).read(root);
  const text = own !== '' ? own : new TextReader(texts, context, loss, true).read(root);
  const pgp = text.includes('-----BEGIN PGP MESSAGE-----');
  if (text.length <= messageLimits.textLengthMax) return { text, pgp };
  loss.lost('message.size-limit', root.bodyStart, 'the text is longer than is kept');
  return { text: text.slice(0, messageLimits.textLengthMax).replace(/[\ud800-\udbff]$/, ''), pgp };
}

class TextReader {
  readonly #texts: Texts;
  readonly #context: CharsetContext;
  readonly #loss: Loss;
  readonly #withMails: boolean;
  #bytesLeft: number = messageLimits.textBytesMax;

  constructor(texts: Texts, context: CharsetContext, loss: Loss, withMails: boolean) {
    this.#texts = texts;
    this.#context = context;
    this.#loss = loss;
    this.#withMails = withMails;
  }

  read(entity: Entity): string {
    const content = this.#texts.get(entity);
    if (content !== undefined) return this.#readLeaf(entity, content);
    if (isEmbeddedMail(entity) && !this.#withMails && entity.disposition?.value === 'attachment') return '';
    if (entity.mediaType === 'multipart/alternative') return this.#readAlternative(entity);
    return entity.children
      .map((child) => this.read(child))
      .filter((text) => text !== '')
      .join('\n\n');
  }

  /** Plain text if there is any, else the richest form, which is the last. */
  #readAlternative(entity: Entity): string {
    for (const child of entity.children) {
      if (!this.#isPlain(child)) continue;
      const text = this.read(child);
      if (text !== '') return text;
    }
    for (const child of entity.children.toReversed()) {
      if (this.#isPlain(child)) continue;
      const text = this.read(child);
      if (text !== '') return text;
    }
    return '';
  }

  /** The first text inside is no markup. */
  #isPlain(entity: Entity): boolean {
    if (this.#texts.has(entity)) return !isMarkup(entity.mediaType);
    for (const child of entity.children) {
      if (this.#texts.has(child) || child.children.length > 0) return this.#isPlain(child);
    }
    return false;
  }

  /** Of HTML the pictures in it do not count; they are files by now. */
  #shorten(entity: Entity, whole: Buffer): Buffer {
    const bytesMax = this.#bytesLeft;
    const isLong = whole.length > bytesMax;
    const content = isLong && entity.mediaType === 'text/html' ? withoutData(whole, bytesMax + 1) : whole;
    const isCut = content.length > bytesMax;
    if (isCut) this.#loss.lost('message.size-limit', entity.bodyStart, 'the text is longer than is read');
    const read = isCut ? firstLines(content, bytesMax) : content;
    this.#bytesLeft -= read.length;
    return read;
  }

  #readLeaf(entity: Entity, whole: Buffer): string {
    const content = this.#shorten(entity, whole);
    const html = entity.mediaType === 'text/html';
    const label = entity.contentType.get('charset');
    const named = html ? (trusted(label) ?? charsetOfMeta(content) ?? label) : label;
    const usual = html ? undefined : usualText(content, named);
    if (usual !== undefined) return this.#shownText(entity, usual);
    const wide = named !== undefined && /utf-?(?:16|32)|ucs|unicode$/i.test(named);
    const octets = html || wide ? content : withLineFeeds(content);
    const { text, problem } = decodeText(octets, named, this.#context);
    if (problem === 'unknown') {
      this.#loss.note(
        'message.charset-unknown',
        entity.bodyStart,
        'a charset name that means nothing: its text is guessed',
      );
    } else if (problem === 'damaged') {
      this.#loss.note(
        'message.encoding-damaged',
        entity.bodyStart,
        'text with octets that its charset does not have',
      );
    }
    if (html) return trimText(htmlToText(text));
    return this.#shownText(entity, wide ? text.replaceAll('\r\n', '\n') : text);
  }

  /** Of what is no HTML, with `\n` line ends. */
  #shownText(entity: Entity, lines: string): string {
    if (isMarkup(entity.mediaType)) return trimText(htmlToText(enrichedToHtml(lines)));
    const flowed = entity.contentType.get('format')?.toLowerCase() === 'flowed';
    return trimText(flowed ? unflow(lines, entity.contentType.get('delsp')?.toLowerCase() === 'yes') : lines);
  }
}

/** What `decodeText` comes to for the octets without CRs; undefined where it has to look at them more closely. */
function usualText(octets: Buffer, label: string | undefined): string | undefined {
  const charset = label === undefined ? undefined : canonicalCharset(label);
  if (charset === 'utf-8') return isAscii(octets) ? asciiLines(octets) : utf8Lines(octets);
  const isCertain = (charset === undefined || !isStateful(charset)) && isAscii(octets);
  return isCertain ? asciiLines(octets) : undefined;
}

/** The first octets up to a line end: what begins in a charset with states ends there. */
function firstLines(content: Buffer, bytesMax: number): Buffer {
  const lineFeed = content.lastIndexOf(0x0a, bytesMax - 1);
  if (lineFeed >= bytesMax - lineBytesMax) return content.subarray(0, lineFeed + 1);
  // Not inside a character of UTF-8.
  let end = bytesMax;
  while (end > bytesMax - 4 && ((content[end] ?? 0) & 0xc0) === 0x80) end--;
  return content.subarray(0, end);
}

function isMarkup(mediaType: string): boolean {
  return mediaType === 'text/html' || mediaType === 'text/enriched' || mediaType === 'text/richtext';
}

/** Text labelled ASCII is often not, and then the markup knows better. */
function trusted(label: string | undefined): string | undefined {
  return label === undefined || /^"?(?:us-ascii|unknown.*|x-unknown|)"?$/i.test(label) ? undefined : label;
}

/** Octets of HTML in which `<meta … charset=…>` is looked for. */
const metaProbeBytes = 4096;

function charsetOfMeta(content: Buffer): string | undefined {
  const head = content.toString('latin1', 0, metaProbeBytes);
  if (!/<meta\b/i.test(head)) return undefined;
  const label = /\bcharset\s{0,9}=\s{0,9}["']?([\w.:-]+)/i.exec(head)?.[1];
  // Whoever read these octets to find "utf-16" in them has shown that they are not.
  return label === undefined || /^utf-16/i.test(label) ? undefined : label;
}

/** text/enriched, RFC 1896: `<<` is a `<`, one line end is a blank, two are one. */
function enrichedToHtml(text: string): string {
  return text
    .replaceAll('<<', '&lt;')
    .replace(/<param>[^<]{0,500}<\/param>/gi, '')
    .replace(/\n+/g, (ends) => {
      return ends.length === 1 ? ' ' : '<br>'.repeat(ends.length - 1);
    });
}

/**
 * Line ends as `\n`: CRLF, CR alone, and CR CR LF as broken gateways write it. Done on octets, where no charset
 * but UTF-16 and UTF-32 has them inside a character: ten times faster than on text.
 */
function withLineFeeds(content: Buffer): Buffer {
  const first = content.indexOf(0x0d);
  if (first < 0) return content;
  const output = Buffer.allocUnsafe(content.length);
  content.copy(output, 0, 0, first);
  let length = first;
  for (let position = first; position < content.length; position++) {
    const octet = content[position] ?? 0;
    if (octet !== 0x0d) {
      output[length++] = octet;
      continue;
    }
    let behind = position + 1;
    while (content[behind] === 0x0d) behind++;
    if (content[behind] === 0x0a) {
      output[length++] = 0x0a;
      position = behind;
    } else {
      for (; position < behind; position++) output[length++] = 0x0a;
      position--;
    }
  }
  return output.subarray(0, length);
}

/** Without the NULs and empty lines at its end, and the empty lines at its beginning. */
function trimText(text: string): string {
  let end = text.length;
  while (end > 0 && isFiller(text.charCodeAt(end - 1))) end--;
  let start = 0;
  while (start < end && text.charCodeAt(start) === 0x0a) start++;
  return text.slice(start, end);
}

function isFiller(unit: number): boolean {
  return unit === 0 || unit === 0x0a || unit === 0x20 || unit === 0x1a || unit === 0x09;
}
