/** Files inside the text of a mail: uuencode and yEnc. They are taken out of the text. */
import type { Loss } from './loss.ts';
import { type EmbeddedFile, extractUuencoded } from './uuencode.ts';
import { extractYenc } from './yenc.ts';

export type FoundInText = EmbeddedFile & { readonly origin: 'uuencode' | 'yenc' };

/** A file is announced in a line of its own. */
export function mayHoldFiles(behindLineEnd: Buffer): boolean {
  return behindLineEnd.includes('\nbegin ') || behindLineEnd.includes('\n=ybegin ');
}

const noFiles: readonly FoundInText[] = [];

export function extractEmbeddedFiles(
  content: Buffer,
  loss: Loss,
): { readonly files: readonly FoundInText[]; readonly rest: Buffer } {
  const uuencoded = content.includes('begin ') ? extractUuencoded(content) : undefined;
  const text = uuencoded?.rest ?? content;
  const yenc = text.includes('=ybegin ') ? extractYenc(text) : undefined;
  if (uuencoded === undefined && yenc === undefined) return { files: noFiles, rest: content };
  const files = [
    ...(uuencoded?.files ?? []).map((file) => ({ ...file, origin: 'uuencode' as const })),
    ...(yenc?.files ?? []).map((file) => ({ ...file, origin: 'yenc' as const })),
  ];
  const damaged = files.filter((file) => file.damaged).length;
  if (damaged > 0)
    loss.lost('message.encoding-damaged', 0, `${damaged} files inside the text lack their end`);
  return { files, rest: yenc?.rest ?? text };
}
