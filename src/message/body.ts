/**
 * The body of a mail: which leaves are the text a reader sees, and which are files (RFC 2046, 2183, 2387).
 *
 * Two walks over the tree. The first decodes every leaf, settles its role and collects files in their order;
 * encoded mails and other containers are opened on the way and become part of the tree. The second puts
 * together the text. Both recurse no deeper than `messageLimits.depthMax` allows the tree to be.
 */
import { messageLimits } from '../core/limits.ts';
import { AttachmentList } from './attachment-list.ts';
import type { CharsetContext } from './charset.ts';
import { readSignedData } from './cms.ts';
import { findDataUris } from './data-uri.ts';
import { extractEmbeddedFiles } from './embedded-file.ts';
import { type Entity, isEmbeddedMail, isMultipart } from './entity.ts';
import type { Loss } from './loss.ts';
import { guessBoundary, readEntity, readParts } from './multipart.ts';
import { readableText, type Texts } from './readable-text.ts';
import { readTnef } from './tnef.ts';
import { decodeBody, decodeTextBody } from './transfer-encoding.ts';
import type { Message } from './types.ts';

export type Body = Pick<Message, 'text' | 'attachments' | 'falseImages' | 'encrypted'>;

export function readBody(root: Entity, context: CharsetContext, loss: Loss): Body {
  const reader = new BodyReader(context, loss);
  reader.visit(root, undefined);
  const text = readableText(root, reader.texts, context, loss);
  const { attachments, falseImages } = reader.files;
  return {
    text: text.text === '' ? reader.tnefText : text.text,
    attachments,
    falseImages,
    encrypted: reader.encrypted ?? (text.pgp ? 'pgp' : undefined),
  };
}

class BodyReader {
  /** Content of the leaves that are text. */
  readonly texts: Texts = new Map();
  readonly files: AttachmentList;
  encrypted: Message['encrypted'];
  /** Body of a winmail.dat, for a mail without other text. */
  tnefText = '';
  /** Inside a mail that is listed as a file. */
  #inAttachedMail = false;
  readonly #context: CharsetContext;
  readonly #loss: Loss;

  constructor(context: CharsetContext, loss: Loss) {
    this.#context = context;
    this.#loss = loss;
    this.files = new AttachmentList(context, loss);
  }

  visit(entity: Entity, parent: Entity | undefined): void {
    if (isMultipart(entity) && entity.children.length === 0) this.#splitAgain(entity);
    if (entity.mediaType === 'multipart/encrypted') this.#noteEncryption(entity);
    if (entity.children.length > 0) {
      this.#visitChildren(entity, entity.source.subarray(entity.bodyStart, entity.bodyEnd));
      return;
    }
    const isShown = isText(entity, parent, this.texts.size);
    const isPlain = isShown && entity.mediaType !== 'text/html';
    const content = isPlain ? decodeTextBody(entity, this.#loss) : decodeBody(entity, this.#loss);
    if (entity.mediaType === 'message/partial') this.#notePartial(entity);
    if (isEmbeddedMail(entity) && this.#openMail(entity, content)) return;
    if (isShown) this.#visitText(entity, content);
    else this.#visitFile(entity, content);
  }

  /** A multipart without parts: its body is encoded against the rules, or its boundary is wrong or missing. */
  #splitAgain(entity: Entity): void {
    if (entity.depth >= messageLimits.depthMax) return;
    const encoded = entity.encoding !== 'identity';
    const body = encoded ? decodeBody(entity, this.#loss) : entity.source;
    const [start, end] = encoded ? [0, body.length] : [entity.bodyStart, entity.bodyEnd];
    const place = { start, end, depth: entity.depth };
    const boundary = entity.contentType.get('boundary');
    if (encoded && boundary !== undefined) readParts(body, entity, { ...place, boundary }, this.#loss.tree);
    if (entity.children.length > 0) return;
    const guessed = guessBoundary(body, start, end);
    if (guessed === undefined) return;
    readParts(body, entity, { ...place, boundary: guessed }, this.#loss.tree);
    this.#loss.note('message.structure-damaged', entity.bodyStart, 'the boundary was found in the body only');
  }

  /** RFC 2046 §5.2.2: a piece of a mail that was sent as several; only a single piece is all there is. */
  #notePartial(entity: Entity): void {
    if (entity.contentType.get('total') === '1') return;
    this.#loss.lost('message.structure-damaged', entity.bodyStart, 'one piece of a mail sent in pieces');
  }

  /** True where `content` was read as a mail of its own. */
  #openMail(entity: Entity, content: Buffer): boolean {
    if (entity.depth >= messageLimits.depthMax || content.length === 0) return false;
    const place = { start: 0, end: content.length, depth: entity.depth + 1 };
    const inner = readEntity(content, place, this.#loss.tree);
    if (inner.header.size === 0) return false;
    entity.children.push(inner);
    this.#visitChildren(entity, content);
    return true;
  }

  /**
   * A mail attached as a file is listed itself, because its text is not shown; mails attached to it are inside
   * what is listed. `content` is the entity's body.
   */
  #visitChildren(entity: Entity, content: Buffer): void {
    const isFile = isEmbeddedMail(entity) && entity.disposition?.value === 'attachment';
    const isListed = isFile && !this.#inAttachedMail;
    if (isListed) {
      this.#inAttachedMail = true;
      this.files.addPart(entity, content);
    }
    for (const child of entity.children) this.visit(child, entity);
    if (isListed) this.#inAttachedMail = false;
  }

  #visitText(entity: Entity, content: Buffer): void {
    const html = entity.mediaType === 'text/html';
    if (html) {
      this.texts.set(entity, content);
      this.#addPictures(content);
      return;
    }
    const embedded = extractEmbeddedFiles(content, this.#loss);
    this.texts.set(entity, embedded.rest);
    this.files.addEmbedded(embedded.files);
  }

  #visitFile(entity: Entity, content: Buffer): void {
    const { mediaType } = entity;
    if (/^application\/(?:x-)?pkcs7-mime$/.test(mediaType) && this.#openPkcs7(entity, content)) return;
    const named = this.files.nameOf(entity);
    if (/^application\/(?:vnd\.)?ms-tnef$/.test(mediaType) || named?.toLowerCase() === 'winmail.dat') {
      if (this.#openTnef(entity, content)) return;
    }
    if (mediaType === 'text/html') this.#addPictures(content);
    this.files.addPart(entity, content);
  }

  #addPictures(html: Buffer): void {
    for (const picture of findDataUris(html, this.#loss)) this.files.add(picture);
  }

  /** S/MIME, RFC 8551 §3: signed data is unwrapped, enveloped data is only noted. */
  #openPkcs7(entity: Entity, content: Buffer): boolean {
    const cms = readSignedData(content);
    const type = entity.contentType.get('smime-type')?.toLowerCase();
    if (cms.kind === 'enveloped' || (cms.kind === 'other' && type === 'enveloped-data'))
      this.encrypted = 'smime';
    if (cms.kind !== 'signed' || cms.content === undefined || entity.depth >= messageLimits.depthMax)
      return false;
    if (!this.#loss.mayDecode(cms.content.length, entity.bodyStart)) return false;
    const place = { start: 0, end: cms.content.length, depth: entity.depth + 1 };
    const inner = readEntity(cms.content, place, this.#loss.tree);
    entity.children.push(inner);
    this.visit(inner, entity);
    return true;
  }

  /**
   * True where the files inside stand for the winmail.dat. One that is damaged, or that gave nothing, is listed
   * as well: its octets are all that was sent, so nothing is lost with it.
   */
  #openTnef(entity: Entity, content: Buffer): boolean {
    const { bodyStart } = entity;
    const tnef = readTnef(content, this.#context, (length) => this.#loss.mayDecode(length, bodyStart));
    if (tnef === undefined) {
      this.#loss.note('message.tnef-damaged', bodyStart, 'winmail.dat without the TNEF signature');
      return false;
    }
    if (tnef.damaged) this.#loss.note('message.tnef-damaged', bodyStart, 'winmail.dat is cut off or damaged');
    if (this.tnefText === '') this.tnefText = tnef.text;
    for (const file of tnef.files) this.files.add(file);
    return !tnef.damaged && (tnef.files.length > 0 || tnef.text !== '');
  }

  #noteEncryption(entity: Entity): void {
    const protocol = entity.contentType.get('protocol')?.toLowerCase() ?? '';
    const pgp =
      protocol.includes('pgp') || entity.children.some(({ mediaType }) => mediaType.includes('pgp'));
    this.encrypted ??= pgp ? 'pgp' : 'smime';
  }
}

/** Types beside text/plain and text/html whose content a reader sees. */
const otherReadableText = /^text\/(?:enriched|richtext|x-[\w-]*markdown|markdown|rfc822-headers)$/;
const readableMessage =
  /^message\/(?:delivery-status|disposition-notification|feedback-report|global-delivery-status|partial)$/;

/** Text to be seen, not a file: by type, then disposition, then whether it is the first text of the mail. */
function isText(entity: Entity, parent: Entity | undefined, textsBefore: number): boolean {
  const { mediaType, disposition } = entity;
  const isUsual = mediaType === 'text/plain' || mediaType === 'text/html';
  const readable = isUsual || otherReadableText.test(mediaType) || readableMessage.test(mediaType);
  // A multipart that cannot be split is shown as it is, unless only the bound on depth keeps it closed.
  if (!readable) return isMultipart(entity) && entity.depth < messageLimits.depthMax;
  if (disposition?.value === 'attachment')
    return parent === undefined && disposition.get('filename') === undefined;
  // Only the root of multipart/related is shown; the other parts belong to it (RFC 2387).
  if (parent?.mediaType === 'multipart/related' && parent.children[0] !== entity && textsBefore > 0)
    return false;
  const named = disposition?.get('filename') ?? entity.contentType.get('name');
  return named === undefined || textsBefore === 0 || parent?.mediaType === 'multipart/alternative';
}
