/**
 * Images inside HTML, RFC 2397.
 *
 *     dataurl := "data:" [ mediatype ] [ ";base64" ] "," data
 */
import { messageLimits } from '../core/limits.ts';
import type { FoundFile } from './attachment-list.ts';
import { decodeBase64 } from './base64.ts';
import { decodeEntities } from './html-entity.ts';
import { imageFormatOf } from './image-format.ts';
import type { Loss } from './loss.ts';

/** Octets between `data:` and the comma. */
const headMax = 200;
const doubleQuote = 0x22;
const singleQuote = 0x27;

/** Pictures in the octets of an HTML body, in order; what is no image and does not say so is left. */
export function findDataUris(html: Buffer, loss: Loss): readonly FoundFile[] {
  const found: FoundFile[] = [];
  let position = nextUri(html, 0);
  // One more than are kept: the list of files notes that there were more.
  while (position >= 0 && found.length <= messageLimits.partsMax) {
    const head = html.toString('latin1', position + 5, position + 5 + headMax);
    const comma = head.indexOf(',');
    const parsed =
      comma < 0 ? null : /^([\w.+-]+\/[\w.+-]+)?((?:;[^,;"'<>]*)*)$/i.exec(head.slice(0, comma).trim());
    if (parsed === null) {
      position = nextUri(html, position + 5);
      continue;
    }
    const start = position + 5 + comma + 1;
    const end = endOfUri(html, start, html[position - 1] ?? 0);
    const declaredType = parsed[1]?.toLowerCase() ?? 'text/plain';
    const base64 = /;\s*base64\s*$/i.test(parsed[2] ?? '');
    if ((base64 || declaredType.startsWith('image/')) && loss.mayDecode(end - start, start)) {
      const bytes = base64 ? base64Data(html, start, end) : percentData(html, start, end);
      if (declaredType.startsWith('image/') || imageFormatOf(bytes) !== undefined) {
        found.push({ name: undefined, declaredType, bytes, origin: 'data-uri', disposition: 'inline' });
      }
    }
    position = nextUri(html, end);
  }
  return found;
}

/** The first `bytesMax` octets of `html` that are not the data of such a URI. */
export function withoutData(html: Buffer, bytesMax: number): Buffer {
  const parts: Buffer[] = [];
  let room = bytesMax;
  for (let position = 0; position < html.length && room > 0; ) {
    const uri = nextUri(html, position);
    const comma = uri < 0 ? -1 : html.subarray(uri, uri + headMax).indexOf(',');
    const end = uri < 0 ? html.length : uri + comma + 1;
    const part = html.subarray(position, Math.min(end, position + room));
    parts.push(part);
    room -= part.length;
    position = comma < 0 ? Math.max(end, uri + 5) : endOfUri(html, end, html[uri - 1] ?? 0);
  }
  return Buffer.concat(parts);
}

function nextUri(html: Buffer, from: number): number {
  for (let found = html.indexOf('data:', from); found >= 0; found = html.indexOf('data:', found + 5)) {
    // `metadata:` is no scheme.
    const before = html[found - 1] ?? 0x20;
    if (!/[\w-]/.test(String.fromCharCode(before))) return found;
  }
  return -1;
}

/** The quote that opened the attribute closes the URI; without one it ends where an unquoted value does. */
function endOfUri(html: Buffer, start: number, before: number): number {
  if (before === doubleQuote || before === singleQuote) {
    const close = html.indexOf(before, start);
    if (close >= 0) return close;
  }
  let end = start;
  for (; end < html.length; end++) {
    const octet = html[end] ?? 0;
    // Blank, quotes, `)`, `<`, `>`
    if (
      octet <= 0x20 ||
      octet === doubleQuote ||
      octet === singleQuote ||
      octet === 0x29 ||
      octet === 0x3c ||
      octet === 0x3e
    )
      break;
  }
  return end;
}

function base64Data(html: Buffer, start: number, end: number): Buffer {
  const view = html.subarray(start, end);
  if (!view.includes(0x25) && !view.includes(0x26)) return decodeBase64(html, start, end).bytes;
  const plain = percentData(html, start, end);
  return decodeBase64(plain, 0, plain.length).bytes;
}

function percentData(html: Buffer, start: number, end: number): Buffer {
  const text = decodeEntities(html.toString('utf8', start, end));
  const octets = Buffer.from(text, 'utf8').toString('latin1');
  return Buffer.from(
    octets.replace(/%([0-9A-Fa-f]{2})/g, (_: string, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    ),
    'latin1',
  );
}
