/** Lines of a file with their places, one at a time: a file may be larger than memory. */
import type { FileHandle } from 'node:fs/promises';
import { storeLimits } from '../../core/limits.ts';

export interface FileLine {
  readonly offset: number;
  /** Without the line feed; valid until the next line is asked for. */
  readonly bytes: Buffer;
  /** False for what stands behind the last line feed of the file. */
  readonly ended: boolean;
}

/** Ends early, with `bytes` cut, at a line longer than `storeLimits.lineBytesMax`. */
export async function* readLines(file: FileHandle): AsyncGenerator<FileLine> {
  const buffer = Buffer.allocUnsafe(storeLimits.blockBytes);
  let carried: Buffer[] = [];
  let carriedBytes = 0;
  let position = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    let start = 0;
    for (let end = lineFeed(buffer, 0, bytesRead); end >= 0; end = lineFeed(buffer, start, bytesRead)) {
      const piece = buffer.subarray(start, end);
      const bytes = carriedBytes === 0 ? piece : Buffer.concat([...carried, piece]);
      yield { offset: position + start - carriedBytes, bytes, ended: true };
      carried = [];
      carriedBytes = 0;
      start = end + 1;
    }
    carried.push(Buffer.from(buffer.subarray(start, bytesRead)));
    carriedBytes += bytesRead - start;
    position += bytesRead;
    if (carriedBytes > storeLimits.lineBytesMax) break;
  }
  if (carriedBytes > 0) {
    yield { offset: position - carriedBytes, bytes: Buffer.concat(carried), ended: false };
  }
}

function lineFeed(buffer: Buffer, from: number, end: number): number {
  const at = buffer.indexOf(10, from);
  return at < end ? at : -1;
}
