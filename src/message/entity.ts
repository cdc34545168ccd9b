/** Entities, RFC 2045 §2.4: a header, a body, and what the header says about the body. */
import type { Header } from './header.ts';
import { ParameterizedValue } from './parameter.ts';

export type TransferEncoding = 'identity' | 'base64' | 'quoted-printable' | 'uuencode' | 'yenc';

export interface Entity {
  readonly header: Header;
  /** Lower case, always `type/subtype`. */
  readonly mediaType: string;
  readonly contentType: ParameterizedValue;
  readonly disposition: ParameterizedValue | undefined;
  readonly encoding: TransferEncoding;
  /** Buffer that holds the body at `bodyStart` … `bodyEnd`. */
  readonly source: Buffer;
  readonly bodyStart: number;
  bodyEnd: number;
  /** Multiparts and mails above this entity. */
  readonly depth: number;
  /** Parts of a multipart; the inner mail of a message/rfc822. */
  readonly children: Entity[];
  /** A boundary ended the body; false where it goes to the end of the mail. */
  delimited: boolean;
}

export interface EntityPlace {
  readonly source: Buffer;
  readonly bodyStart: number;
  readonly depth: number;
  /** Media type where the header names none (RFC 2046 §5.1.5: message/rfc822 in a digest). */
  readonly defaultType: string;
}

export function createEntity(header: Header, place: EntityPlace): Entity {
  const contentType = new ParameterizedValue(header.first('content-type') ?? place.defaultType);
  const disposition = header.first('content-disposition');
  return {
    header,
    contentType,
    mediaType: mediaTypeOf(contentType, place.defaultType),
    disposition: disposition === undefined ? undefined : new ParameterizedValue(disposition),
    encoding: transferEncodingOf(header.first('content-transfer-encoding')),
    source: place.source,
    bodyStart: place.bodyStart,
    bodyEnd: place.bodyStart,
    depth: place.depth,
    children: [],
    delimited: false,
  };
}

/** A type without subtype is what RFC 2045 §5.2 says of an unreadable one: plain text, unless it has a boundary. */
function mediaTypeOf(contentType: ParameterizedValue, defaultType: string): string {
  const { value } = contentType;
  const slash = value.indexOf('/');
  if (slash > 0 && slash < value.length - 1 && value.indexOf('/', slash + 1) < 0) return value;
  if (contentType.get('boundary') !== undefined) return 'multipart/mixed';
  if (value === 'html' || value === 'text/') return value === 'html' ? 'text/html' : 'text/plain';
  return value === '' ? defaultType : value === 'multipart' ? 'multipart/mixed' : 'text/plain';
}

/** As RFC 2045 §6.1 has them; what else there is, is looked at more closely. */
const usualEncodings: ReadonlyMap<string, TransferEncoding> = new Map([
  ['7bit', 'identity'],
  ['8bit', 'identity'],
  ['binary', 'identity'],
  ['base64', 'base64'],
  ['quoted-printable', 'quoted-printable'],
]);

/** Spellings met: `BASE64 (x)`, `base 64`, `"base64"`, `quoted/printable`, `quotedprintable`, `x-uue`, `8-bit`. */
function transferEncodingOf(value: string | undefined): TransferEncoding {
  if (value === undefined) return 'identity';
  const usual = usualEncodings.get(value);
  if (usual !== undefined) return usual;
  const name = value
    .slice(0, 80)
    .toLowerCase()
    .replace(/\([^)]*\)/g, '');
  if (/base[\s_-]?64/.test(name)) return 'base64';
  if (/quoted?[\s_/-]?print/.test(name) || name.trim() === 'qp') return 'quoted-printable';
  if (/uu(?:e|code)/.test(name)) return 'uuencode';
  return name.includes('yenc') ? 'yenc' : 'identity';
}

export function isMultipart(entity: Entity): boolean {
  return entity.mediaType.startsWith('multipart/');
}

const embeddedMailTypes: ReadonlySet<string> = new Set(
  ['rfc822', 'global', 'news', 'x-rfc822'].map((subtype) => `message/${subtype}`),
);

/** A mail inside the mail: RFC 2046 §5.2.1, RFC 6532 §3.7, and the news of old. */
export function isEmbeddedMail(entity: Entity): boolean {
  return entity.mediaType.startsWith('message/') && embeddedMailTypes.has(entity.mediaType);
}
