/**
 * A well-formed message from the sections of one that was never sent as a whole: header from BODY[HEADER],
 * else from HEADER.FIELDS and ENVELOPE; content from BODY[TEXT], else from the leaf parts, set into the
 * MIME tree that BODYSTRUCTURE or the parts' own MIME headers tell. RFC 9051 §6.4.5 numbers the parts.
 */
import { createHash } from 'node:crypto';
import type { BodyPart } from './body-structure.ts';
import { type HeaderField, headerFields } from './header-fields.ts';
import type { Pieces } from './pieces.ts';

interface KnownSections {
  readonly sections: ReadonlyMap<string, Pieces>;
  /** Made from ENVELOPE. */
  readonly envelope: readonly HeaderField[];
  readonly structure: BodyPart | undefined;
  /** Header of the same message as it was fetched with the whole of it. */
  readonly header: Buffer | undefined;
  /** Octets of the server were lost: the header may be among them. */
  readonly isLossy: boolean;
}

interface SynthesisedMessage {
  readonly bytes: Buffer;
  /** Every leaf part is there, and enough is known to read it. */
  readonly complete: boolean;
}

interface Composed {
  /** What describes the content: type, encoding, disposition. */
  readonly fields: readonly Buffer[];
  readonly bytes: Buffer;
  /** The transfer encoding was undone by the server. */
  readonly decoded?: boolean;
}

const CRLF = Buffer.from('\r\n');

/** Undefined where nothing but header fields is known. */
export function synthesise(known: KnownSections): SynthesisedMessage | undefined {
  const composer = new Composer(known);
  const header = composer.section('HEADER') ?? known.header;
  const text = composer.section('TEXT', known.structure?.size);
  const structure = known.structure ?? inferredStructure(known, header);
  if (header === undefined) composer.lacksHeader();
  if (text !== undefined) return composer.withText(header, text);
  if (structure === undefined) return undefined;
  return composer.withLeaves(header, structure);
}

class Composer {
  readonly #known: KnownSections;
  #missing = false;
  #contentBytes = 0;

  constructor(known: KnownSections) {
    this.#known = known;
  }

  /** Fields that were fetched instead of a header are all there are only where nothing was lost. */
  lacksHeader(): void {
    if (this.#known.isLossy) this.#missing = true;
  }

  /** What is there of a section; holes in it make the message incomplete. */
  section(name: string, size?: number): Buffer | undefined {
    const pieces = this.#known.sections.get(name);
    if (pieces === undefined) return undefined;
    const { octets, missing } = pieces.join(size);
    if (missing.length > 0) this.#missing = true;
    return octets.read();
  }

  /** TEXT is everything behind the header, with the boundaries of the original. */
  withText(header: Buffer | undefined, text: Buffer): SynthesisedMessage {
    if (header !== undefined) {
      return { bytes: Buffer.concat([withEmptyLine(header), text]), complete: !this.#missing };
    }
    const fields = this.#ownFields(undefined);
    const described = this.#known.structure ?? sniffedMultipart(text);
    const content = described && !has(fields, 'content-type') ? contentFields(described, undefined) : [];
    const complete = !this.#missing && (this.#known.structure !== undefined || fields.length > 0);
    return { bytes: Buffer.concat([...bytesOf(fields), ...content, CRLF, text]), complete };
  }

  withLeaves(header: Buffer | undefined, structure: BodyPart): SynthesisedMessage | undefined {
    if (structure.parts === undefined) {
      // The only part of a message that is no multipart is its text.
      const own = this.#leafContent(structure, '1');
      if (own === undefined) return undefined;
      const fields = this.#ownFields(header);
      // A whole header without a type is that of a plain text, RFC 2045 §5.2.
      if (header === undefined && !has(fields, 'content-type')) {
        const others = fields.filter(({ name }) => !describesContent(name));
        return this.#finish([...bytesOf(others), ...own.fields, CRLF, own.bytes]);
      }
      if (!own.decoded) return this.#finish([...bytesOf(fields), CRLF, own.bytes]);
      const others = fields.filter(({ name }) => name !== 'content-transfer-encoding');
      const encoding = field('Content-Transfer-Encoding', 'binary');
      return this.#finish([...bytesOf(others), encoding, CRLF, own.bytes]);
    }
    const body = this.#multipart(structure, '');
    if (body === undefined) return undefined;
    const fields = this.#ownFields(header).filter(({ name }) => !describesContent(name));
    return this.#finish([...bytesOf(fields), ...body.fields, CRLF, body.bytes]);
  }

  #finish(parts: readonly Buffer[]): SynthesisedMessage | undefined {
    if (this.#contentBytes === 0 && this.#missing) return undefined;
    return { bytes: Buffer.concat(parts), complete: !this.#missing };
  }

  /** The message's fields from the best source, without what describes the content where BINARY changed it. */
  #ownFields(header: Buffer | undefined): HeaderField[] {
    if (header !== undefined) return headerFields(header);
    const fields: HeaderField[] = [];
    const names = new Set<string>();
    const sources = [...this.#known.sections.keys()].filter((name) => name.startsWith('HEADER.FIELDS'));
    for (const source of sources) {
      const fetched = headerFields(this.section(source) ?? Buffer.alloc(0));
      fields.push(...fetched.filter(({ name }) => !names.has(name)));
      for (const { name } of fetched) names.add(name);
    }
    fields.push(...this.#known.envelope.filter(({ name }) => !names.has(name)));
    return fields;
  }

  /** Content and content fields of one part; undefined where none of it is known. */
  #part(part: BodyPart, number: string): Composed | undefined {
    if (part.parts === undefined) return this.#leafContent(part, number);
    // A multipart fetched as one section holds its parts with their own boundary.
    const whole = this.section(number);
    if (whole === undefined) return this.#multipart(part, number);
    this.#contentBytes += whole.length;
    return { fields: this.#mimeFields(part, number, undefined), bytes: whole };
  }

  #multipart(part: BodyPart, number: string): Composed | undefined {
    const bodies: Buffer[] = [];
    for (const [index, child] of (part.parts ?? []).entries()) {
      const composed = this.#part(child, number === '' ? `${index + 1}` : `${number}.${index + 1}`);
      if (composed) bodies.push(Buffer.concat([...composed.fields, CRLF, composed.bytes]));
    }
    if (bodies.length === 0) {
      this.#missing = true;
      return undefined;
    }
    const boundary = boundaryFor(bodies);
    const delimiter = Buffer.from(`--${boundary}\r\n`);
    const pieces = bodies.flatMap((body) => [delimiter, body, CRLF]);
    const bytes = Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
    return { fields: contentFields(part, boundary), bytes };
  }

  #leafContent(part: BodyPart, number: string): Composed | undefined {
    const content = this.section(number, part.size);
    if (content !== undefined && !(content.length === 0 && (part.size ?? 0) > 0)) {
      this.#contentBytes += content.length;
      return { fields: this.#mimeFields(part, number, undefined), bytes: content };
    }
    // BINARY comes with its transfer encoding undone, RFC 3516 §4.
    const binary = this.section(`BINARY ${number}`);
    if (binary !== undefined) {
      this.#contentBytes += binary.length;
      return { fields: this.#mimeFields(part, number, 'binary'), bytes: binary, decoded: true };
    }
    const nested = part.nested && this.#nestedMessage(part.nested, number);
    if (nested) return { fields: this.#mimeFields(part, number, undefined), bytes: nested };
    if (part.size === 0 && content !== undefined) return { fields: [], bytes: content };
    this.#missing = true;
    return undefined;
  }

  /** A message/rfc822 of which only the inside was fetched: `2.HEADER`, `2.TEXT`, `2.1`. */
  #nestedMessage(nested: NonNullable<BodyPart['nested']>, number: string): Buffer | undefined {
    const header = this.section(`${number}.HEADER`);
    const text = this.section(`${number}.TEXT`);
    const fields = header ? headerFields(header) : nested.envelope;
    if (text !== undefined) {
      this.#contentBytes += text.length;
      const described = header ? [] : contentFields(nested.body, undefined);
      return Buffer.concat([...bytesOf(fields), ...described, CRLF, text]);
    }
    const inside =
      nested.body.parts === undefined
        ? this.#leafContent(nested.body, `${number}.1`)
        : this.#multipart(nested.body, number);
    if (inside === undefined) return undefined;
    const kept = bytesOf(fields.filter(({ name }) => !describesContent(name)));
    return Buffer.concat([...kept, ...inside.fields, CRLF, inside.bytes]);
  }

  #mimeFields(part: BodyPart, number: string, encoding: string | undefined): readonly Buffer[] {
    const mime = this.section(`${number}.MIME`);
    if (mime === undefined || mime.length === 0) {
      return contentFields(encoding ? { ...part, encoding } : part, undefined);
    }
    const fields = headerFields(mime);
    if (encoding === undefined) return bytesOf(fields);
    const kept = fields.filter(({ name }) => name !== 'content-transfer-encoding');
    return [...bytesOf(kept), field('Content-Transfer-Encoding', encoding)];
  }
}

/** Without BODYSTRUCTURE: as many parts as were fetched, unless the header says that there is only one. */
function inferredStructure(known: KnownSections, header: Buffer | undefined): BodyPart | undefined {
  const numbers = [...known.sections.keys()].flatMap((name) => {
    const match = /^(?:BINARY )?(\d{1,4})$/.exec(name);
    return match?.[1] === undefined ? [] : [Number(match[1])];
  });
  const last = Math.max(0, ...numbers.slice(0, 1000));
  if (last === 0) return undefined;
  const isMultipart = header !== undefined && multipartHeader(header);
  if (header !== undefined && !isMultipart) return unknownPart('text/plain');
  // One part more than is known, which is missing: how many there are was not told.
  const parts = Array.from({ length: Math.min(last, 1000) + 1 }, () => unknownPart('text/plain'));
  return { ...unknownPart('multipart/mixed'), parts };
}

function unknownPart(mediaType: string): BodyPart {
  const nothing = { contentId: undefined, description: undefined, encoding: undefined, size: undefined };
  const rest = { disposition: undefined, dispositionParameters: [], parts: undefined, nested: undefined };
  return { mediaType, parameters: [], ...nothing, ...rest };
}

function multipartHeader(header: Buffer): boolean {
  const type = headerFields(header).find(({ name }) => name === 'content-type');
  return type !== undefined && /^content-type:\s*multipart\//i.test(type.bytes.toString('latin1', 0, 200));
}

/** A text that begins like a multipart names its boundary in its first delimiter. */
function sniffedMultipart(text: Buffer): BodyPart | undefined {
  const beginning = text.toString('latin1', 0, 8192);
  const boundary = /(?:^|\n)--([^\r\n\s-][^\r\n]{0,69}|-[^\r\n]{1,69})\r?\n[\w-]+:/
    .exec(beginning)?.[1]
    ?.trimEnd();
  if (boundary === undefined || !text.includes(`--${boundary}--`, 0, 'latin1')) return undefined;
  return { ...unknownPart('multipart/mixed'), parameters: [['boundary', boundary]], parts: [] };
}

function contentFields(part: BodyPart, boundary: string | undefined): Buffer[] {
  const own = boundary === undefined ? part.parameters : without(part.parameters, 'boundary');
  const all = boundary === undefined ? own : [...own, ['boundary', boundary] as const];
  const fields = [field('Content-Type', withParameters(part.mediaType, all))];
  if (part.encoding && part.parts === undefined) {
    fields.push(field('Content-Transfer-Encoding', part.encoding));
  }
  if (part.contentId) fields.push(field('Content-ID', part.contentId));
  if (part.disposition) {
    fields.push(field('Content-Disposition', withParameters(part.disposition, part.dispositionParameters)));
  }
  return fields;
}

function withParameters(value: string, parameters: readonly (readonly [string, string])[]): string {
  return [value, ...parameters.map(([name, text]) => `${name}=${parameterValue(name, text)}`)].join(';\r\n ');
}

function parameterValue(name: string, value: string): string {
  const safe = value.replace(/[\r\n\0]+/g, ' ');
  // RFC 2231 extended values are tokens and must not stand in quotes.
  if (name.endsWith('*') && /^[\w'%.!#$&+^`{|}~-]*$/.test(safe)) return safe;
  return `"${safe.replace(/[\\"]/g, '\\$&')}"`;
}

function without(
  parameters: readonly (readonly [string, string])[],
  unwanted: string,
): (readonly [string, string])[] {
  return parameters.filter(([name]) => name.toLowerCase() !== unwanted);
}

function field(name: string, value: string): Buffer {
  // A line end in a value would begin a field of the sender's choice; those of folding are our own.
  const safe = value.replace(/\r\n (?=[^\s])/g, '\x01').replace(/[\r\n\0]+/g, ' ');
  return Buffer.from(`${name}: ${safe.replaceAll('\x01', '\r\n ')}\r\n`, 'latin1');
}

/** Made of the content's own hash, so that the content cannot hold it. */
function boundaryFor(bodies: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const body of bodies) hash.update(body);
  return `=_${hash.digest('hex').slice(0, 48)}`;
}

function withEmptyLine(header: Buffer): Buffer {
  const end = header.subarray(-4).toString('latin1');
  if (header.length === 0 || /\r?\n\r?\n$/.test(end) || /^\r?\n$/.test(header.toString('latin1', 0, 3)))
    return header;
  return Buffer.concat(end.endsWith('\n') ? [header, CRLF] : [header, CRLF, CRLF]);
}

function describesContent(name: string): boolean {
  return name.startsWith('content-');
}

function has(fields: readonly HeaderField[], wanted: string): boolean {
  return fields.some(({ name }) => name === wanted);
}

function bytesOf(fields: readonly HeaderField[]): Buffer[] {
  return fields.map(({ bytes }) => bytes);
}
