/**
 * Text as most mails have it, ASCII or UTF-8, with line ends as `\n`: decoded and rid of its CRs at once. The runtime
 * decodes UTF-8 that is not ASCII at half the speed, and another pass for the line ends takes as long again.
 */
import { isUtf8 } from 'node:buffer';

/** Octets of UTF-8 decoded here; longer ones are left to the runtime. */
const lengthMax = 1 << 16;
const units = new Uint16Array(lengthMax);
const unitOctets = Buffer.from(units.buffer);

/** Text of ASCII; undefined where it holds an escape, or a CR that is no part of a CRLF. */
export function asciiLines(octets: Buffer): string | undefined {
  if (octets.includes(0x1b)) return undefined;
  const text = octets.toString('latin1').replace(/\r\n/g, '\n');
  return text.includes('\r') ? undefined : text;
}

/** Text of UTF-8; undefined where it is none, is long, begins with a mark, or holds a CR that is no part of a CRLF. */
export function utf8Lines(octets: Buffer): string | undefined {
  if (octets.length > lengthMax || !isUtf8(octets)) return undefined;
  const length = decodeLines(octets);
  return length < 0 || units[0] === 0xfeff ? undefined : unitOctets.toString('utf16le', 0, length * 2);
}

/** Puts valid UTF-8 into `units`, and returns how many it took; -1 where there is another CR. */
function decodeLines(octets: Buffer): number {
  let length = 0;
  let position = 0;
  while (position < octets.length) {
    const octet = octets[position++] ?? 0;
    if (octet < 0x80) {
      if (octet !== 0x0d) units[length++] = octet;
      else if (octets[position] !== 0x0a) return -1;
    } else if (octet < 0xe0) {
      units[length++] = ((octet & 0x1f) << 6) | following(octets, position++);
    } else if (octet < 0xf0) {
      units[length++] =
        ((octet & 0x0f) << 12) | (following(octets, position) << 6) | following(octets, position + 1);
      position += 2;
    } else {
      const code =
        ((octet & 0x07) << 18) |
        (following(octets, position) << 12) |
        (following(octets, position + 1) << 6) |
        following(octets, position + 2);
      units[length++] = 0xd7c0 + (code >> 10);
      units[length++] = 0xdc00 | (code & 0x3ff);
      position += 3;
    }
  }
  return length;
}

function following(octets: Buffer, position: number): number {
  return (octets[position] ?? 0) & 0x3f;
}
