/** What a mail text came in: octets in a row, and holes between them. */
import type { Sighting, StreamGap } from '../../stream/types.ts';
import type { Place } from '../half-stream.ts';

/** Octets in a row, and where the first and the last of them were seen. */
export interface Data {
  readonly kind: 'data';
  /** Offset in the log, which holds no lost octets. */
  readonly from: number;
  length: number;
  readonly start: Place;
  last: Sighting;
}

export type Piece = Data | StreamGap;

/**
 * Joins pieces of octets that stand next to each other, but those that hold one of `ends`: where what follows an end
 * was seen must not be lost. The pieces begin at octet `at` of the text.
 */
export function mergeNeighbours(pieces: readonly Piece[], at: number, ends: readonly number[]): Piece[] {
  const merged: Piece[] = [];
  let open: Data | undefined;
  let begin = at;
  let nextEnd = ends.findIndex((end) => end >= begin);
  if (nextEnd < 0) nextEnd = ends.length;
  for (const piece of pieces) {
    const end = begin + piece.length;
    const isEnd = (ends[nextEnd] ?? Number.POSITIVE_INFINITY) <= end;
    while ((ends[nextEnd] ?? Number.POSITIVE_INFINITY) <= end) nextEnd++;
    if (isEnd || piece.kind === 'gap') open = undefined;
    if (piece.kind === 'data' && open !== undefined) {
      open.length += piece.length;
      open.last = piece.last;
    } else {
      merged.push(piece);
      open = piece.kind === 'data' && !isEnd ? piece : undefined;
    }
    begin = end;
  }
  return merged;
}
