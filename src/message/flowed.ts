/**
 * format=flowed, RFC 3676: a line that ends in a blank goes on in the next one of the same quote depth;
 * with DelSp=yes that blank is not part of the text. A leading blank is stuffing.
 */

import { TextBuilder } from './text-builder.ts';

/** Joins flowed lines. `text` has `\n` line ends. */
export function unflow(text: string, deleteSpace: boolean): string {
  if (!text.includes(' \n') && !text.includes('\n ')) return text;
  const pieces = new TextBuilder();
  let depth = 0;
  let flowing = false;
  let position = 0;
  while (position <= text.length) {
    const feed = text.indexOf('\n', position);
    const end = feed < 0 ? text.length : feed;
    let quotes = position;
    while (text.charCodeAt(quotes) === 0x3e) quotes++;
    const lineDepth = quotes - position;
    const start = text.charCodeAt(quotes) === 0x20 ? quotes + 1 : quotes;
    const continues = flowing && lineDepth === depth;
    if (position > 0 && !continues) pieces.push('\n');
    if (!continues && lineDepth > 0) pieces.push(text.slice(position, quotes), ' ');
    // The signature separator is never flowed (§4.3).
    const isSignature = end - start === 3 && text.startsWith('-- ', start);
    if (continues && isSignature) pieces.push('\n');
    flowing = end > start && text.charCodeAt(end - 1) === 0x20 && !isSignature;
    pieces.push(text.slice(start, flowing && deleteSpace ? end - 1 : end));
    depth = lineDepth;
    if (feed < 0) break;
    position = feed + 1;
  }
  return pieces.toString();
}
