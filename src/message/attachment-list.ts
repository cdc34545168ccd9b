/** Files of a mail in their order, with what their octets say they are. */
import { messageLimits } from '../core/limits.ts';
import { appleDataFork } from './apple-double.ts';
import { decodeBase64 } from './base64.ts';
import type { CharsetContext } from './charset.ts';
import { decodeRaw } from './encoded-word.ts';
import type { Entity } from './entity.ts';
import { imageFormatOf, isOtherPicture, namesImage } from './image-format.ts';
import type { Loss } from './loss.ts';
import type { Attachment } from './types.ts';
import type { EmbeddedFile } from './uuencode.ts';

export interface FoundFile {
  readonly name: string | undefined;
  readonly declaredType: string;
  readonly bytes: Buffer;
  readonly contentId?: string | undefined;
  readonly disposition?: Attachment['disposition'];
  readonly origin: Attachment['origin'];
}

export class AttachmentList {
  readonly attachments: Attachment[] = [];
  /** Declared or named as an image, but not one by their octets. */
  falseImages = 0;
  readonly #context: CharsetContext;

  readonly #loss: Loss;

  constructor(context: CharsetContext, loss: Loss) {
    this.#context = context;
    this.#loss = loss;
  }

  /** File name of a part: `filename` (RFC 2183), else `name`, else the end of Content-Location. */
  nameOf(entity: Entity): string | undefined {
    const named =
      entity.disposition?.decoded('filename', this.#context) ??
      entity.contentType.decoded('name', this.#context);
    if (named !== undefined && named !== '') return named.replace(/[\x00-\x1f\x7f]/g, '');
    const location = entity.header.first('content-location');
    const last =
      location === undefined ? undefined : /([^/\\?#:\s]+\.\w{2,5})\s*$/.exec(location.slice(-200))?.[1];
    return last === undefined ? undefined : decodeRaw(last, this.#context);
  }

  addPart(entity: Entity, content: Buffer): void {
    const { mediaType, disposition } = entity;
    const name = this.nameOf(entity);
    const id = entity.header.first('content-id')?.trim().replace(/^<|>$/g, '');
    this.add({
      name,
      declaredType: mediaType,
      bytes: appleDataFork(mediaType, content) ?? asImage(mediaType, content) ?? content,
      contentId: id === '' ? undefined : id,
      // An unknown disposition is to be treated as attachment (RFC 2183 §2.8).
      disposition:
        disposition === undefined ? undefined : disposition.value === 'inline' ? 'inline' : 'attachment',
      origin: 'part',
    });
  }

  addEmbedded(files: readonly (EmbeddedFile & { readonly origin: 'uuencode' | 'yenc' })[]): void {
    for (const file of files) {
      const name = file.name === undefined ? undefined : decodeRaw(file.name, this.#context);
      this.add({ name, declaredType: 'application/octet-stream', bytes: file.bytes, origin: file.origin });
    }
  }

  add(file: FoundFile): void {
    if (this.attachments.length >= messageLimits.partsMax) {
      this.#loss.lost('message.part-limit', 0, 'more files than are kept');
      return;
    }
    const imageFormat = imageFormatOf(file.bytes);
    const claimed =
      file.declaredType.startsWith('image/') || (file.name !== undefined && namesImage(file.name));
    // The resource fork of a picture carries the picture's name.
    const isFork = file.declaredType === 'application/applefile';
    if (claimed && imageFormat === undefined && !isFork && !isOtherPicture(file.bytes)) this.falseImages++;
    this.attachments.push({
      name: file.name,
      declaredType: file.declaredType,
      disposition: file.disposition,
      contentId: file.contentId,
      bytes: file.bytes,
      imageFormat,
      origin: file.origin,
    });
  }
}

/** A picture whose base64 is not declared: the octets are text that decodes to an image. */
function asImage(mediaType: string, content: Buffer): Buffer | undefined {
  if (!mediaType.startsWith('image/') || imageFormatOf(content) !== undefined) return undefined;
  if (!/^[A-Za-z0-9+/=\s]{16,}$/.test(content.toString('latin1', 0, 64))) return undefined;
  const { bytes } = decodeBase64(content, 0, content.length);
  return imageFormatOf(bytes) === undefined ? undefined : bytes;
}
