/**
 * Text from mails and file names, safe on a terminal: control characters (escape sequences can do anything
 * to a terminal) and characters that reorder or hide text become visible.
 */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** C0 and C1 controls, bidirectional controls, zero-width characters, line separators, lone surrogates. */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
