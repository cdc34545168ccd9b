/**
 * UTF-7, RFC 2152: `+` begins base64 of UTF-16BE, any octet outside base64 ends it, a `-` there is
 * swallowed, and `+-` is a plus sign.
 */
import { TextDecoder } from 'node:util';

const utf16 = new TextDecoder('utf-16be');
const plus = 0x2b;
const minus = 0x2d;

export function decodeUtf7(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const pieces: string[] = [];
  let position = 0;
  while (position < text.length) {
    const start = bytes.indexOf(plus, position);
    if (start < 0) break;
    pieces.push(text.slice(position, start));
    let end = start + 1;
    while (isBase64(bytes[end] ?? 0)) end++;
    if (end === start + 1) {
      pieces.push('+');
    } else {
      const units = Buffer.from(text.slice(start + 1, end), 'base64');
      pieces.push(utf16.decode(units.subarray(0, units.length - (units.length % 2))));
    }
    position = bytes[end] === minus ? end + 1 : end;
  }
  pieces.push(text.slice(position));
  return pieces.join('');
}

function isBase64(octet: number): boolean {
  return (
    (octet >= 0x41 && octet <= 0x5a) ||
    (octet >= 0x61 && octet <= 0x7a) ||
    (octet >= 0x2f && octet <= 0x39) ||
    octet === plus
  );
}
