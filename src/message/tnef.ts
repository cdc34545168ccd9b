/**
 * TNEF (winmail.dat), MS-OXTNEF: what Outlook wraps around attachments and formatted text.
 *
 *     signature 0x223E9F78, key; then attributes: level, id, type, length, data, checksum (little-endian)
 *
 * The message and each attachment may carry MAPI properties (MS-OXTNEF §2.1.3.4), which know the long
 * file name, the text in HTML or compressed RTF, and mails attached to the mail.
 */
import type { FoundFile } from './attachment-list.ts';
import { type CharsetContext, decodeText } from './charset.ts';
import { htmlToText } from './html-text.ts';
import { type MapiProperties, readMapiProperties } from './mapi.ts';
import { decompressRtf, rtfToText } from './rtf.ts';

export interface TnefContent {
  readonly files: readonly FoundFile[];
  /** Body text: plain, else from HTML, else from RTF; empty where there is none. */
  readonly text: string;
  readonly damaged: boolean;
}

const signature = 0x223e9f78;
const attributeHeaderBytes = 9;
const checksumBytes = 2;
/** Mails attached to mails attached to mails. */
const nestingMax = 8;
/** An object's octets (an embedded message, an OLE storage) begin with the id of its interface (§2.1.3.4.2). */
const interfaceIdBytes = 16;

/** Attribute ids without their type. */
const Attribute = {
  body: 0x800c,
  attachData: 0x800f,
  attachTitle: 0x8010,
  attachRendData: 0x9002,
  messageProperties: 0x9003,
  attachProperties: 0x9005,
  codePage: 0x9007,
} as const;

/** MAPI property ids. */
const Property = {
  body: 0x1000,
  rtfCompressed: 0x1009,
  bodyHtml: 0x1013,
  attachData: 0x3701,
  attachFileName: 0x3704,
  attachLongFileName: 0x3707,
  attachMimeTag: 0x370e,
  attachContentId: 0x3712,
} as const;

interface AttachmentInProgress {
  title: Buffer | undefined;
  data: Buffer | undefined;
  properties: MapiProperties | undefined;
}

/** Undefined where `bytes` are no TNEF. `mayDecode` is asked before something is decompressed. */
export function readTnef(
  bytes: Buffer,
  context: CharsetContext,
  mayDecode: (length: number) => boolean,
): TnefContent | undefined {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== signature) return undefined;
  return new TnefReader(bytes, context, mayDecode, 0).read();
}

class TnefReader {
  readonly #bytes: Buffer;
  readonly #context: CharsetContext;
  readonly #mayDecode: (length: number) => boolean;
  readonly #depth: number;
  readonly #attachments: AttachmentInProgress[] = [];
  #body: Buffer | undefined;
  #properties: MapiProperties | undefined;
  #codePage: string | undefined;
  #damaged = false;
  /** Text of the first attached mail, for a mail that says nothing itself. */
  #attachedText = '';

  constructor(bytes: Buffer, context: CharsetContext, mayDecode: (length: number) => boolean, depth: number) {
    this.#bytes = bytes;
    this.#context = context;
    this.#mayDecode = mayDecode;
    this.#depth = depth;
  }

  read(): TnefContent {
    const bytes = this.#bytes;
    let offset = 6;
    while (offset + attributeHeaderBytes <= bytes.length) {
      // §2.1.3.1: an attribute is the message's (1) or an attachment's (2); anything else is damage.
      const level = bytes.readUInt8(offset);
      if (level !== 1 && level !== 2) {
        this.#damaged = true;
        break;
      }
      const id = bytes.readUInt16LE(offset + 1);
      const length = bytes.readUInt32LE(offset + 5);
      const start = offset + attributeHeaderBytes;
      if (start + length > bytes.length) this.#damaged = true;
      this.#take(id, bytes.subarray(start, start + length));
      offset = start + length + checksumBytes;
    }
    const files: FoundFile[] = [];
    for (const attachment of this.#attachments) this.#finish(attachment, files);
    const text = this.#text();
    return { files, text: text === '' ? this.#attachedText : text, damaged: this.#damaged };
  }

  #take(id: number, data: Buffer): void {
    const attachment = this.#attachments.at(-1);
    switch (id) {
      case Attribute.codePage:
        if (data.length >= 4) this.#codePage = `cp${data.readUInt32LE(0)}`;
        break;
      case Attribute.body:
        this.#body = data;
        break;
      case Attribute.messageProperties:
        this.#properties = readMapiProperties(data);
        break;
      case Attribute.attachRendData:
        this.#attachments.push({ title: undefined, data: undefined, properties: undefined });
        break;
      case Attribute.attachTitle:
        if (attachment !== undefined) attachment.title = data;
        break;
      case Attribute.attachData:
        if (attachment !== undefined) attachment.data = data;
        break;
      case Attribute.attachProperties:
        if (attachment !== undefined) attachment.properties = readMapiProperties(data);
        break;
      default:
    }
  }

  #finish({ title, data, properties }: AttachmentInProgress, files: FoundFile[]): void {
    const object = properties?.get(Property.attachData);
    const content = object?.isObject ? object.bytes.subarray(interfaceIdBytes) : object?.bytes;
    if (content !== undefined && content.length > 6 && content.readUInt32LE(0) === signature) {
      if (this.#depth >= nestingMax) {
        this.#damaged = true;
        return;
      }
      const inner = new TnefReader(content, this.#context, this.#mayDecode, this.#depth + 1).read();
      for (const file of inner.files) files.push(file);
      if (inner.damaged) this.#damaged = true;
      if (this.#attachedText === '') this.#attachedText = inner.text;
      return;
    }
    const bytes = data ?? content;
    if (bytes === undefined) return;
    const name =
      this.#string(properties, Property.attachLongFileName) ??
      this.#string(properties, Property.attachFileName) ??
      (title === undefined ? undefined : this.#decode(title));
    const declared = this.#string(properties, Property.attachMimeTag)?.toLowerCase();
    files.push({
      name,
      declaredType: declared?.includes('/') ? declared : 'application/octet-stream',
      contentId: this.#string(properties, Property.attachContentId)?.replace(/^<|>$/g, ''),
      bytes,
      origin: 'tnef',
    });
  }

  #text(): string {
    const plain =
      this.#string(this.#properties, Property.body) ??
      (this.#body === undefined ? '' : this.#decode(this.#body));
    if (plain.trim() !== '') return plain.replaceAll('\r\n', '\n').trim();
    const html = this.#properties?.get(Property.bodyHtml);
    if (html !== undefined)
      return htmlToText(html.unicode ? html.bytes.toString('utf16le') : this.#decode(html.bytes));
    const compressed = this.#properties?.get(Property.rtfCompressed);
    if (compressed === undefined) return '';
    const rtf = decompressRtf(compressed.bytes, this.#mayDecode);
    if (rtf === undefined) {
      this.#damaged = true;
      return '';
    }
    return rtfToText(
      rtf,
      (bytes, codePage) => decodeText(bytes, codePage ?? this.#codePage, this.#context).text,
    );
  }

  #string(properties: MapiProperties | undefined, id: number): string | undefined {
    const property = properties?.get(id);
    if (property === undefined) return undefined;
    const text = property.unicode
      ? withoutNul(property.bytes.toString('utf16le'))
      : this.#decode(property.bytes);
    return text === '' ? undefined : text;
  }

  #decode(bytes: Buffer): string {
    const end = bytes.indexOf(0);
    return decodeText(end < 0 ? bytes : bytes.subarray(0, end), this.#codePage, this.#context).text;
  }
}

function withoutNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
