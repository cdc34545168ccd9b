/**
 * The MIME tree of a message without its content, RFC 9051 §7.5.2 `body`.
 *
 *     body            = "(" (body-type-1part / body-type-mpart) ")"
 *     body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
 *     body-fields     = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
 */
import { envelopeFields, type HeaderField } from './header-fields.ts';
import { itemsOf, octetsOf, textOf, type Value } from './value.ts';

export interface BodyPart {
  /** `multipart/mixed`, in lower case. */
  readonly mediaType: string;
  /** Name and value in turn, octets as Latin-1. */
  readonly parameters: readonly (readonly [string, string])[];
  readonly contentId: string | undefined;
  readonly description: string | undefined;
  readonly encoding: string | undefined;
  readonly size: number | undefined;
  readonly disposition: string | undefined;
  readonly dispositionParameters: readonly (readonly [string, string])[];
  /** Parts of a multipart; undefined of a leaf. */
  readonly parts: readonly BodyPart[] | undefined;
  /** Envelope and body of a message/rfc822. */
  readonly nested: { readonly envelope: readonly HeaderField[]; readonly body: BodyPart } | undefined;
}

/** Depth is bounded by the reader of values. Undefined where `value` is no body. */
export function bodyPart(value: Value | undefined): BodyPart | undefined {
  const items = itemsOf(value);
  if (items === undefined || items.length === 0) return undefined;
  return items[0]?.kind === 'list' ? multipart(items) : leaf(items);
}

function multipart(items: readonly Value[]): BodyPart {
  let count = 0;
  while (items[count]?.kind === 'list') count++;
  const parts = items.slice(0, count).flatMap((item) => bodyPart(item) ?? []);
  const [subtype, parameters, disposition] = items.slice(count);
  return {
    mediaType: `multipart/${(textOf(subtype) ?? 'mixed').toLowerCase()}`,
    parameters: pairs(parameters),
    contentId: undefined,
    description: undefined,
    encoding: undefined,
    size: undefined,
    ...dispositionOf(disposition),
    parts,
    nested: undefined,
  };
}

function leaf(items: readonly Value[]): BodyPart | undefined {
  const [type, subtype, parameters, contentId, description, encoding, size] = items;
  if (textOf(type) === undefined) return undefined;
  const mediaType = `${textOf(type)}/${textOf(subtype) ?? 'octet-stream'}`.toLowerCase();
  const isMessage = mediaType === 'message/rfc822' || mediaType === 'message/global';
  const nestedBody = isMessage ? bodyPart(items[8]) : undefined;
  const octets = Number(textOf(size));
  // Extensions follow: MD5, disposition; before them a text has its lines, a message three fields more.
  const extension = 7 + (isMessage ? 3 : mediaType.startsWith('text/') ? 1 : 0);
  return {
    mediaType,
    parameters: pairs(parameters),
    contentId: textOf(contentId),
    description: textOf(description),
    encoding: textOf(encoding),
    size: Number.isSafeInteger(octets) && octets >= 0 ? octets : undefined,
    ...dispositionOf(items[extension + 1]),
    parts: undefined,
    nested: nestedBody && { envelope: envelopeFields(items[7]), body: nestedBody },
  };
}

function dispositionOf(value: Value | undefined): Pick<BodyPart, 'disposition' | 'dispositionParameters'> {
  const items = itemsOf(value);
  return { disposition: textOf(items?.[0]), dispositionParameters: pairs(items?.[1]) };
}

function pairs(value: Value | undefined): [string, string][] {
  const items = itemsOf(value) ?? [];
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < items.length; index += 2) {
    const name = textOf(items[index]);
    const octets = octetsOf(items[index + 1]);
    if (name !== undefined && octets !== undefined) found.push([name, octets.toString('latin1')]);
  }
  return found;
}
