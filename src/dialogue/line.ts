/** A line of a stream, where it lies in the octets that were captured. */
import type { Sighting } from '../stream/types.ts';
import type { Place } from './data-piece.ts';
import { protocolText } from './text.ts';

/** `cut`: the line ended in a gap, at the end of the stream, or was shortened at the limit. */
export type LineEnd = 'crlf' | 'lf' | 'cut';

/**
 * Its octets may change once the event that is read is over: who keeps them takes a copy. No view is made for
 * it: most lines are read as text, or by a few of their octets.
 */
export class Line {
  /** Holds the line at `from` … `to`, without its line end. */
  readonly source: Buffer;
  readonly from: number;
  readonly to: number;
  readonly end: LineEnd;
  readonly start: Place;
  /** The last octet of the line end. */
  readonly last: Sighting;
  /** Octets the line took in the stream, line end included; of a shortened line those kept. */
  readonly wireBytes: number;

  constructor(
    source: Buffer,
    from: number,
    to: number,
    end: LineEnd,
    start: Place,
    last: Sighting,
    wireBytes: number,
  ) {
    this.source = source;
    this.from = from;
    this.to = to;
    this.end = end;
    this.start = start;
    this.last = last;
    this.wireBytes = wireBytes;
  }

  /** Octets without the line end. */
  get length(): number {
    return this.to - this.from;
  }

  /** A view. */
  get bytes(): Buffer {
    return this.source.subarray(this.from, this.to);
  }

  /** Undefined behind the line's last octet. */
  octet(at: number): number | undefined {
    return this.from + at < this.to ? this.source[this.from + at] : undefined;
  }

  /** Each of the first `octetsMax` octets a character. */
  latin1(octetsMax: number = this.length): string {
    return this.source.toString('latin1', this.from, Math.min(this.from + octetsMax, this.to));
  }

  /** The first `octetsMax` octets as `protocolText` has them. */
  text(octetsMax: number = this.length): string {
    const to = Math.min(this.from + octetsMax, this.to);
    for (let at = this.from; at < to; at++) {
      if ((this.source[at] ?? 0) >= 0x80) return protocolText(this.source.subarray(this.from, to));
    }
    return this.source.toString('latin1', this.from, to);
  }

  /** The same line with octets of its own. */
  copy(): Line {
    const { end, start, last, wireBytes } = this;
    return new Line(Buffer.from(this.bytes), 0, this.length, end, start, last, wireBytes);
  }
}
