/**
 * Text from mails and file names, safe on a terminal: control characters (escape sequences can do anything
 * to a terminal) and characters that reorder or hide text become visible.
 */
export function printable(text: string): string {
  return text.replace(unsafe, escaped);
}

/** `value` as JSON for standard output, which may be a terminal: the same value, with the same characters escaped. */
export function jsonText(value: object, indentation = 0): string {
  const json = JSON.stringify(
    value,
    (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each),
    indentation,
  );
  // JSON escapes C0 itself, and line ends between its parts stay.
  return json.replace(unsafeInJson, escaped);
}

/** DEL and C1 controls, soft hyphen, bidirectional controls, zero-width characters, line separators. */
const hidden = '\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff';
/** C0 controls as well, and lone surrogates. */
const unsafe = new RegExp(
  `[\\u0000-\\u001f${hidden}]|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]`,
  'g',
);
const unsafeInJson = new RegExp(`[${hidden}]`, 'g');

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
