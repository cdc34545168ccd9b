/**
 * File names out of strangers' hands, safe on every system: the limits of POSIX, Windows and macOS
 * together. https://learn.microsoft.com/windows/win32/fileio/naming-a-file
 */
import { recordLimits } from '../core/limits.ts';
import { wellFormed } from './clean-text.ts';

/**
 * A single path component with the readable part of `name`: never empty, `.` or `..`, never hidden, an
 * option (`-rf`) or a Windows device, at most `bytesMax` octets of UTF-8. `fallback` is for names with
 * nothing readable in them and must be safe itself. Chinese, accents and emoji stay.
 */
export function safeName(
  name: string,
  fallback: string,
  bytesMax: number = recordLimits.fileNameBytesMax,
): string {
  const visible = wellFormed(name.slice(0, nameUnitsRead).normalize('NFC'))
    .replace(invisible, '')
    .replace(/\p{Z}+/gu, ' ')
    .replace(/[\u0080-\u{10ffff}]/gu, withoutLookAlike)
    .replace(reservedCharacters, '_');
  const trimmed = trimEnds(cutToBytes(trimEnds(visible), bytesMax));
  if (trimmed === '') return fallback;
  return windowsDevice.test(trimmed) ? trimEnds(cutToBytes(`_${trimmed}`, bytesMax)) : trimmed;
}

/** The last component of a path as mail programs write it: some send `C:\Users\me\photo.jpg`. */
export function lastComponent(path: string): string {
  let end = path.length;
  while (end > 0 && /[/\\\s]/.test(path[end - 1] ?? '')) end--;
  const trimmed = path.slice(0, end);
  return trimmed.slice(Math.max(trimmed.lastIndexOf('/'), trimmed.lastIndexOf('\\')) + 1);
}

/** No name needs more; a sender may give a parameter of a megabyte. */
const nameUnitsRead = 1024;

/** Controls, bidirectional and zero-width characters, private use, noncharacters: they hide what a name is. */
const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;

/** Reserved on Windows; the slash everywhere. */
const reservedCharacters = /[<>:"/\\|?*]/g;

/** Slashes that have no compatibility decomposition, and the two signs legacy Windows code pages turn into `\`. */
const slashLookAlike = /[\u00a5\u20a9\u2044\u2215\u2216\u27cb\u27cd\u29f5\u29f8\u29f9\u3033]/;

/** Reserved also with an extension behind: `nul.png`. */
const windowsDevice =
  /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\.|$)/i;

/** `_` for what some file system or code page would turn into a dot or a reserved character: `／`, `‥`, `：`. */
function withoutLookAlike(character: string): string {
  if (slashLookAlike.test(character)) return '_';
  const compatible = character.normalize('NFKC');
  return compatible !== character && /[\x00-\x1f.<>:"/\\|?*]/.test(compatible) ? '_' : character;
}

/** Windows drops dots and spaces at the end; a dot in front hides, a dash makes an option, `~` a home. */
function trimEnds(name: string): string {
  let start = 0;
  let end = name.length;
  while (start < end && ' .-~'.includes(name.charAt(start))) start++;
  while (end > start && ' .'.includes(name.charAt(end - 1))) end--;
  return name.slice(start, end);
}

/** Cuts between characters, combining marks included. */
function cutToBytes(name: string, bytesMax: number): string {
  if (Buffer.byteLength(name) <= bytesMax) return name;
  let bytes = 0;
  let end = 0;
  for (const { segment } of new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(name)) {
    bytes += Buffer.byteLength(segment);
    if (bytes > bytesMax) break;
    end += segment.length;
  }
  return name.slice(0, end);
}
