/**
 * Text of an HTML body as a reader sees it: no head, style or script, entities resolved, white space
 * collapsed, blocks on lines of their own, table cells apart by tabs.
 *
 * One pass and no tree: mail HTML is broken in every way, and a tokenizer cannot be made to backtrack.
 */
import { decodeEntities } from './html-entity.ts';
import { TextBuilder } from './text-builder.ts';

/** Elements that begin and end a line; the number is how many line ends separate them. */
const blocks: ReadonlyMap<string, number> = new Map([
  ...'p h1 h2 h3 h4 h5 h6 blockquote ul ol dl pre table'.split(' ').map((name) => [name, 2] as const),
  ...'div tr li dt dd hr center form fieldset address section article header footer nav main aside figure figcaption caption tbody thead tfoot title option body html legend details summary listing xmp plaintext marquee'
    .split(' ')
    .map((name) => [name, 1] as const),
]);

/** Elements whose content is no text to be seen. `head` is left out on the way to `<body`. */
const hidden: ReadonlySet<string> = new Set(['head', 'title', 'style', 'script', 'template']);

const lessThan = 0x3c;

export function htmlToText(html: string): string {
  const writer = new TextWriter();
  const tags = new TagReader(html);
  let position = 0;
  while (position < html.length) {
    const open = html.indexOf('<', position);
    if (open < 0) {
      writer.text(html.slice(position));
      break;
    }
    if (open > position) writer.text(html.slice(position, open));
    position = tags.read(open, writer);
  }
  return writer.finish();
}

class TagReader {
  readonly #html: string;
  /** Positions behind which there is no more of each: keeps every search from running to the end in vain. */
  readonly #lastGreater: number;
  readonly #lastDouble: number;
  readonly #lastSingle: number;
  readonly #lastComment: number;
  readonly #neverClosed = new Set<string>();
  /** Values in quotes hid every `>` behind some tag: quotes count no more, or each tag would be sought to the end. */
  #quotesCount = true;

  constructor(html: string) {
    this.#html = html;
    this.#lastGreater = html.lastIndexOf('>');
    this.#lastDouble = html.lastIndexOf('"');
    this.#lastSingle = html.lastIndexOf("'");
    this.#lastComment = html.lastIndexOf('-->');
  }

  /** Handles what begins with the `<` at `open`; returns the offset behind it. */
  read(open: number, writer: TextWriter): number {
    const html = this.#html;
    const next = html.charCodeAt(open + 1);
    if (next === 0x21 || next === 0x3f) return this.#readDeclaration(open);
    const closing = next === 0x2f;
    const nameStart = closing ? open + 2 : open + 1;
    const nameEnd = nameEndOf(html, nameStart);
    if (nameEnd === nameStart || open > this.#lastGreater) {
      // A `<` that opens no tag is text: `a < b`. A tag cut off by the end of the mail is none either.
      if (nameEnd > nameStart) return html.length;
      const end = runOfLessThan(html, open);
      writer.text(html.slice(open, end));
      return end;
    }
    const name = html.slice(nameStart, nameEnd).toLowerCase();
    const end = this.#tagEnd(nameEnd);
    if (!closing && hidden.has(name)) return this.#skipElement(name, end);
    writer.tag(name, closing);
    return end;
  }

  #readDeclaration(open: number): number {
    if (this.#html.startsWith('<!--', open)) {
      if (open > this.#lastComment) return this.#html.length;
      const end = this.#html.indexOf('-->', open + 2);
      return end < 0 ? this.#html.length : end + 3;
    }
    if (open > this.#lastGreater) return this.#html.length;
    return this.#html.indexOf('>', open) + 1;
  }

  /** Offset behind the `>` that ends a tag; one inside a quoted attribute does not. */
  #tagEnd(from: number): number {
    const html = this.#html;
    for (let position = from; this.#quotesCount && position <= this.#lastGreater; position++) {
      const unit = html.charCodeAt(position);
      if (unit === 0x3e) return position + 1;
      if (unit !== 0x22 && unit !== 0x27) continue;
      // Only behind `=` a quote opens a value; elsewhere it is a stray character.
      if (!opensValue(html, position)) continue;
      if (position >= (unit === 0x22 ? this.#lastDouble : this.#lastSingle)) continue;
      const close = html.indexOf(unit === 0x22 ? '"' : "'", position + 1);
      if (close > this.#lastGreater) break;
      position = close;
    }
    this.#quotesCount = false;
    return html.indexOf('>', from) + 1;
  }

  /** A search that found nothing is not repeated: a mail may open the same element without end. */
  #skipElement(name: string, from: number): number {
    if (this.#neverClosed.has(name)) return from;
    const end = name === 'head' ? /<\/head\b|<body\b/gi : new RegExp(`</${name}\\b`, 'gi');
    end.lastIndex = from;
    const match = end.exec(this.#html);
    if (match !== null) return match.index;
    this.#neverClosed.add(name);
    // A head or title that never ends has the body inside it; a script that never ends has nothing.
    return name === 'style' || name === 'script' ? this.#html.length : from;
  }
}

function opensValue(html: string, quote: number): boolean {
  let before = quote - 1;
  while (before >= 0 && quote - before < 20 && html.charCodeAt(before) <= 0x20) before--;
  return html.charCodeAt(before) === 0x3d;
}

function nameEndOf(html: string, start: number): number {
  let end = start;
  for (; end < html.length && end - start < 40; end++) {
    const unit = html.charCodeAt(end) | 0x20;
    const letter = unit >= 0x61 && unit <= 0x7a;
    const digit = end > start && ((unit >= 0x30 && unit <= 0x3a) || unit === 0x2d);
    if (!letter && !digit) break;
  }
  return end;
}

function runOfLessThan(html: string, from: number): number {
  let end = from + 1;
  while (html.charCodeAt(end) === lessThan && html.charCodeAt(end + 1) === lessThan) end++;
  return end;
}

class TextWriter {
  readonly #pieces = new TextBuilder();
  /** Line ends and white space that are written before the next text, if one comes. */
  #lineEnds = 0;
  #blank = '';
  #preformatted = 0;
  #empty = true;

  text(raw: string): void {
    if (this.#preformatted > 0) {
      this.#write(decodeEntities(raw).replaceAll('\r\n', '\n'));
      return;
    }
    const collapsed = /[\t\n\f\r]| {2}/.test(raw) ? raw.replace(/[ \t\n\f\r]+/g, ' ') : raw;
    if (collapsed === ' ' || collapsed === '') {
      if (collapsed !== '' && this.#blank === '') this.#blank = ' ';
      return;
    }
    if (collapsed.startsWith(' ') && this.#blank === '') this.#blank = ' ';
    const trailing = collapsed.endsWith(' ');
    this.#write(decodeEntities(collapsed.trim()));
    if (trailing) this.#blank = ' ';
  }

  tag(name: string, closing: boolean): void {
    const lineEnds = blocks.get(name);
    if (name === 'br') {
      this.#lineEnds++;
      this.#blank = '';
    } else if (lineEnds !== undefined) {
      this.#lineEnds = Math.max(this.#lineEnds, lineEnds);
      this.#blank = '';
      if (name === 'pre' || name === 'listing' || name === 'xmp') {
        this.#preformatted = Math.max(0, this.#preformatted + (closing ? -1 : 1));
      } else if (name === 'li' && !closing) {
        this.#write('- ');
      }
    } else if ((name === 'td' || name === 'th') && closing) {
      this.#blank = '\t';
    }
  }

  #write(text: string): void {
    if (!this.#empty) {
      if (this.#lineEnds > 0) this.#pieces.push('\n'.repeat(this.#lineEnds));
      else if (this.#blank !== '') this.#pieces.push(this.#blank);
    }
    this.#lineEnds = 0;
    this.#blank = '';
    this.#empty = false;
    this.#pieces.push(text);
  }

  finish(): string {
    return this.#pieces.toString().replaceAll('\u00a0', ' ').trim();
  }
}
