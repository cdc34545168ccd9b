/**
 * Makes text of strangers safe for every store and every terminal: no NUL (ends the text in C
 * programs and in SQLite functions), no escape sequences (they steer a terminal), no lone surrogates
 * (they have no UTF-8). Bidirectional and other format characters are content and stay.
 */

/** For a column of one line: line ends and tabs become a space, other control characters go. */
export function cleanLine(text: string): string {
  // Nearly always there is nothing to clean, and to find that out costs a fraction of replacing.
  if (!/[\x00-\x1f\x7f-\x9f\ud800-\udfff]/.test(text)) return text;
  return wellFormed(text.replace(/[\t\n\v\f\r\x85]+/g, ' ').replace(/[\x00-\x1f\x7f-\x9f]/g, ''));
}

/** For running text: line ends become LF; tabs stay; other control characters go. */
export function cleanText(text: string): string {
  if (!/[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]/.test(text)) return text;
  const lines = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  return wellFormed(lines.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, ''));
}

/** U+FFFD in the place of every surrogate that has lost its partner. */
export function wellFormed(text: string): string {
  return text.toWellFormed();
}
