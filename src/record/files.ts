/**
 * The files of a mail: which are images, and under which name each is written. The octets are written as they
 * were sent. Images always go to the image folder; the other attachments only where a folder is named for them.
 */
import { hash } from 'node:crypto';
import { recordLimits } from '../core/limits.ts';
import type { Attachment, ImageFormat } from '../message/types.ts';
import { cleanLine } from './clean-text.ts';
import type { ImageSize } from './image-header.ts';
import { judgeImage, type Rejection } from './images.ts';
import { lastComponent, safeName } from './safe-name.ts';
import type { FileDetail, OutputFile } from './types.ts';

export interface FoundFiles {
  readonly images: readonly FileDetail[];
  /** What is no image, what only claims to be one included. */
  readonly attachments: readonly FileDetail[];
  readonly imageFiles: readonly OutputFile[];
  /** Empty where no folder is named for them. */
  readonly attachmentFiles: readonly OutputFile[];
  /** One for each attachment that claimed to be an image and could not be taken as one, or was too many. */
  readonly rejected: readonly Rejection[];
}

export interface FilePlace {
  readonly mailKey: string;
  /** File name of the capture: the folder of the files is named after it. */
  readonly captureName: string;
  /** What the paths in the detail begin with. */
  readonly imageFolder: string;
  /** undefined: attachments that are no image are listed, not written. */
  readonly attachmentFolder: string | undefined;
}

/** Name of the folder that the files of a capture of this file name are in; several captures may share it. */
export function folderOfCapture(captureName: string): string {
  // Mails come capture by capture, and making a name safe takes a sixth of the time of a small mail's record.
  if (lastFolder.captureName !== captureName) {
    const folder = safeName(captureName, 'capture', recordLimits.folderNameBytesMax);
    lastFolder = { captureName, folder };
  }
  return lastFolder.folder;
}

let lastFolder = { captureName: '', folder: 'capture' };

export async function findFiles(attachments: readonly Attachment[], place: FilePlace): Promise<FoundFiles> {
  const images: FileDetail[] = [];
  const others: FileDetail[] = [];
  const imageFiles: OutputFile[] = [];
  const attachmentFiles: OutputFile[] = [];
  const rejected: Rejection[] = [];
  const folder = folderOfCapture(place.captureName);
  for (const attachment of attachments) {
    const { bytes } = attachment;
    const sha256 = hash('sha256', bytes);
    const image = await judgeImage(attachment, images.length);
    if (image !== undefined && !('code' in image)) {
      const identity = { mailKey: place.mailKey, ordinal: images.length + 1, sha256 };
      const path = `${folder}/${imageFileName(attachment, image.format, identity)}`;
      imageFiles.push({ path, bytes });
      images.push(fileDetail(attachment, sha256, image.format, image.size, below(place.imageFolder, path)));
      continue;
    }
    if (image !== undefined) rejected.push(image);
    let shownPath: string | null = null;
    if (place.attachmentFolder !== undefined && others.length < recordLimits.attachmentsMax) {
      const identity = { mailKey: place.mailKey, ordinal: others.length + 1, sha256 };
      const path = `${folder}/${attachmentFileName(attachment, identity)}`;
      attachmentFiles.push({ path, bytes });
      shownPath = below(place.attachmentFolder, path);
    }
    others.push(fileDetail(attachment, sha256, attachment.declaredType, noSize, shownPath));
  }
  const unwritten = others.length - attachmentFiles.length;
  if (place.attachmentFolder !== undefined && unwritten > 0)
    rejected.push({ code: 'record.attachment-limit', detail: `${unwritten} attachments are not written` });
  return { images, attachments: others, imageFiles, attachmentFiles, rejected };
}

const noSize: ImageSize = { width: null, height: null };

function below(folder: string, path: string): string {
  return `${folder.replace(/\/+$/, '')}/${path}`;
}

const extensions: Readonly<Record<ImageFormat, string>> = {
  jpeg: 'jpg',
  png: 'png',
  gif: 'gif',
  webp: 'webp',
  bmp: 'bmp',
  tiff: 'tiff',
  heic: 'heic',
  avif: 'avif',
  ico: 'ico',
  svg: 'svg',
};

/** Extensions that say no more than the real one, which is put in their place. */
const imageExtension = /\.(?:jpe?g|jpe|jfif|png|gif|webp|bmp|dib|tiff?|hei[cf]|avif|ico|svgz?)$/i;

/** What keeps a file's name apart from those of all others. */
interface FileIdentity {
  readonly mailKey: string;
  /** Of the file among the images, or the other attachments, of its mail. */
  readonly ordinal: number;
  readonly sha256: string;
}

/** An image by its real format, whatever the sender's name ends in. */
function imageFileName(attachment: Attachment, format: ImageFormat, identity: FileIdentity): string {
  const stem = safeName(lastComponent(attachment.name ?? '').replace(imageExtension, ''), 'image');
  return fileName(stem, identity, extensions[format]);
}

/** Its own extension stays: it is what the sender called it, and says with which program it opens. */
function attachmentFileName(attachment: Attachment, identity: FileIdentity): string {
  const last = lastComponent(attachment.name ?? '');
  const extension = /\.([A-Za-z0-9]{1,10})\s*$/.exec(last.slice(-20))?.[1]?.toLowerCase();
  const usual = /^message\/(?:rfc822|global)$/.test(attachment.declaredType) ? 'eml' : 'bin';
  const stem = extension === undefined ? last : last.slice(0, last.lastIndexOf('.'));
  return fileName(safeName(stem, 'attachment'), identity, extension ?? usual);
}

/**
 * `<sender's name>-<mail key>-<ordinal>-<content>.<extension>`. The mail key keeps mails apart, the
 * ordinal equal files of one mail. The content is in it for mails that were seen with a gap first and
 * whole later: the damaged file and the good one are two, and neither overwrites the other.
 */
function fileName(stem: string, { mailKey, ordinal, sha256 }: FileIdentity, extension: string): string {
  return `${stem}-${mailKey.slice(0, 12)}-${ordinal}-${sha256.slice(0, 8)}.${extension}`;
}

function fileDetail(
  attachment: Attachment,
  sha256: string,
  format: string,
  size: ImageSize,
  path: string | null,
): FileDetail {
  return {
    sha256,
    bytes: attachment.bytes.length,
    format: cleanLine(format),
    width: size.width,
    height: size.height,
    name: attachment.name === undefined ? null : cleanLine(attachment.name),
    path: path === null ? null : cleanLine(path),
  };
}
