/**
 * CMS content (RFC 5652), as far as a reader without keys gets: the mail inside SignedData.
 *
 *     ContentInfo          ::= SEQUENCE { contentType OID, content [0] EXPLICIT ANY }
 *     SignedData           ::= SEQUENCE { version, digestAlgorithms SET, encapContentInfo, … }
 *     EncapsulatedContent  ::= SEQUENCE { eContentType OID, eContent [0] EXPLICIT OCTET STRING OPTIONAL }
 *
 * BER is read, not only DER: Outlook and OpenSSL stream with indefinite lengths and octet strings in pieces.
 */

export type CmsContent =
  | { readonly kind: 'signed'; readonly content: Buffer | undefined }
  | { readonly kind: 'enveloped' }
  | { readonly kind: 'other' };

/** Constructed octet strings nest hardly ever; the bound keeps hostile ones from the stack. */
const nestingMax = 16;

const signedData = '2a864886f70d010702';
const envelopedData = '2a864886f70d010703';
const authEnvelopedData = '2a864886f70d0109100117';

const sequenceTag = 0x30;
const explicitTag = 0xa0;
const octetStringTag = 0x04;
const objectIdentifierTag = 0x06;
const constructedBit = 0x20;

export function readSignedData(bytes: Buffer): CmsContent {
  const info = childrenOf(bytes, elementAt(bytes, 0, bytes.length));
  const type = info[0];
  if (type === undefined || type.tag !== objectIdentifierTag) return { kind: 'other' };
  const identifier = bytes.toString('hex', type.start, Math.min(type.end, type.start + 16));
  if (identifier === envelopedData || identifier === authEnvelopedData) return { kind: 'enveloped' };
  if (identifier !== signedData || info[1]?.tag !== explicitTag) return { kind: 'other' };
  const signed = childrenOf(bytes, childrenOf(bytes, info[1])[0]);
  const encapsulated = childrenOf(bytes, signed[2]);
  const string = encapsulated[1]?.tag === explicitTag ? childrenOf(bytes, encapsulated[1])[0] : undefined;
  if (string === undefined || (string.tag | constructedBit) !== (octetStringTag | constructedBit)) {
    return { kind: 'signed', content: undefined };
  }
  const pieces: Buffer[] = [];
  collectOctets(bytes, string, pieces, 0);
  return { kind: 'signed', content: pieces.length === 1 ? pieces[0] : Buffer.concat(pieces) };
}

interface Element {
  readonly tag: number;
  /** Content. With an indefinite length `end` is where the content may end at most. */
  readonly start: number;
  readonly end: number;
  readonly indefinite: boolean;
}

function elementAt(bytes: Buffer, offset: number, limit: number): Element | undefined {
  if (offset + 2 > limit) return undefined;
  const tag = bytes[offset] ?? 0;
  // Tags of more than one octet do not occur before the content.
  if ((tag & 0x1f) === 0x1f) return undefined;
  const first = bytes[offset + 1] ?? 0;
  if (first === 0x80) return { tag, start: offset + 2, end: limit, indefinite: true };
  if (first < 0x80)
    return { tag, start: offset + 2, end: Math.min(limit, offset + 2 + first), indefinite: false };
  const count = first & 0x7f;
  if (count > 4 || offset + 2 + count > limit) return undefined;
  const length = bytes.readUIntBE(offset + 2, count);
  const start = offset + 2 + count;
  // Cut off: what is there is used.
  return { tag, start, end: Math.min(limit, start + length), indefinite: false };
}

/** The first few elements inside `parent`: all that the path to the content needs. */
function childrenOf(bytes: Buffer, parent: Element | undefined): Element[] {
  const children: Element[] = [];
  if (parent === undefined || (parent.tag & constructedBit) === 0) return children;
  if (parent.tag !== sequenceTag && parent.tag !== explicitTag) return children;
  let offset = parent.start;
  while (children.length < 3) {
    const child = elementAt(bytes, offset, parent.end);
    if (child === undefined || (child.tag === 0 && parent.indefinite)) break;
    children.push(child);
    if (children.length === 3) break;
    offset = endOf(bytes, child, 0);
  }
  return children;
}

/** Offset behind an element; its end-of-contents octets are looked for where its length is indefinite. */
function endOf(bytes: Buffer, element: Element, depth: number): number {
  if (!element.indefinite) return element.end;
  let offset = element.start;
  while (depth < nestingMax) {
    const child = elementAt(bytes, offset, element.end);
    if (child === undefined) return element.end;
    if (child.tag === 0) return child.start;
    offset = endOf(bytes, child, depth + 1);
  }
  return element.end;
}

/** The octets of a string, primitive or in pieces; returns the offset behind it. */
function collectOctets(bytes: Buffer, string: Element, pieces: Buffer[], depth: number): number {
  if ((string.tag & constructedBit) === 0) {
    pieces.push(bytes.subarray(string.start, string.end));
    return string.end;
  }
  let offset = string.start;
  while (offset < string.end && depth < nestingMax) {
    const child = elementAt(bytes, offset, string.end);
    if (child === undefined) return string.end;
    if (child.tag === 0) return child.start;
    offset = collectOctets(bytes, child, pieces, depth + 1);
  }
  return string.end;
}
