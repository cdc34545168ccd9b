/**
 * The end of multi-line data and its dots, RFC 5321 §4.5.2 and RFC 1939 §3: a line of one dot ends the
 * data, and a line that begins with a dot was sent with one dot more.
 */
import { placeAt, type Run } from './half-stream.ts';

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const lineThenDot = Buffer.from('\n.');
const noBytes = Buffer.alloc(0);

/** A line that begins with a dot: what it turned out to be, at the octet that decided it. */
export interface DotLine {
  readonly kind: 'stuffed' | 'end';
  /** Offset of the dot, counted from the scanner's first octet. */
  readonly dot: number;
  /** The octet behind the dot line's end; of a stuffed line the octet behind the dot. */
  readonly after: number;
  /** The line before ended in CRLF (or the data begins here). */
  readonly afterCrlf: boolean;
  /** The dot line itself ends in CRLF. */
  readonly crlf: boolean;
}

/** CRLF.CRLF, the one end that RFC 5321 §4.1.1.4 knows. */
export function isStrictEnd(line: DotLine): boolean {
  return line.kind === 'end' && line.afterCrlf && line.crlf;
}

/** Finds lines that begin with a dot, whatever the edges between the octets it is given. */
export class DotLineScanner {
  /** `dot`, `dotCr`: these octets of a line were seen and may still be its end. */
  #state: 'lineStart' | 'inLine' | 'dot' | 'dotCr' = 'lineStart';
  /** In the state `inLine`: the last octet was CR. In all others: the line before ended in CRLF. */
  #cr = true;
  #scanned = 0;
  #dot = 0;
  /** What is scanned now, how far it was, and the offset of its first octet. */
  #bytes: Buffer = noBytes;
  #at = 0;
  #base = 0;

  /** Octets given so far. */
  get scanned(): number {
    return this.#scanned;
  }

  /** Octets at the end of the scanned ones that may still belong to an end: 0, 1 or 2. */
  get undecided(): number {
    return this.#state === 'dot' ? 1 : this.#state === 'dotCr' ? 2 : 0;
  }

  /** Octets were lost: the next one may begin a line, but not one that is known to follow a CRLF. */
  skipGap(): void {
    this.#state = 'lineStart';
    this.#cr = false;
  }

  /**
   * `next` tells the dot lines of these octets. The caller asks until there are no more, or stops at an end and
   * goes on by scanning what is behind it.
   */
  scan(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#base = this.#scanned;
  }

  /** The dot line that is decided next, if these octets decide one more. */
  next(): DotLine | undefined {
    const bytes = this.#bytes;
    const base = this.#base;
    let at = this.#at;
    while (at < bytes.length) {
      if (this.#state === 'inLine') {
        at = this.#toNextDot(bytes, at, base);
        continue;
      }
      const octet = bytes[at];
      if (this.#state === 'lineStart') {
        if (octet === DOT) {
          this.#dot = base + at;
          this.#state = 'dot';
          at++;
        } else {
          this.#state = 'inLine';
          this.#cr = false;
        }
        continue;
      }
      if (this.#state === 'dot' && octet === CR) {
        this.#state = 'dotCr';
        at++;
        continue;
      }
      const crlf = this.#state === 'dotCr';
      const afterCrlf = this.#cr;
      if (octet === LF) {
        at++;
        this.#state = 'lineStart';
        this.#cr = crlf;
        this.#scanned = base + at;
        this.#at = at;
        return { kind: 'end', dot: this.#dot, after: base + at, afterCrlf, crlf };
      }
      this.#state = 'inLine';
      this.#cr = crlf;
      this.#at = at;
      return { kind: 'stuffed', dot: this.#dot, after: this.#dot + 1, afterCrlf, crlf: false };
    }
    this.#scanned = base + bytes.length;
    this.#bytes = noBytes;
    this.#at = 0;
    return undefined;
  }

  /** From the middle of a line to the octet behind the next dot that begins one. */
  #toNextDot(bytes: Buffer, from: number, base: number): number {
    const found = bytes.indexOf(lineThenDot, from);
    const lineFeed = found >= 0 ? found : bytes.length - 1;
    const before = lineFeed > from ? bytes[lineFeed - 1] === CR : this.#cr;
    if (found >= 0) {
      this.#state = 'dot';
      this.#cr = before;
      this.#dot = base + found + 1;
      return found + 2;
    }
    const last = bytes[lineFeed];
    if (last === LF) {
      this.#state = 'lineStart';
      this.#cr = before;
    } else {
      this.#cr = last === CR;
    }
    return bytes.length;
  }
}

export interface Unstuffed {
  /** The text without the dots that were added, in order. */
  readonly text: readonly Run[];
  /** Octets of the run that belong to the data, the closing dot line included. */
  readonly taken: number;
  /** Octets of the closing dot line; 0 while it has not come. */
  readonly endBytes: number;
}

/**
 * Undoes the dots run by run. `lineEnds` says which line ends count, for the end and for added dots:
 * CRLF only, or a bare LF too, as senders and receivers have it that are lax about line ends.
 */
export class DotUnstuffer {
  readonly #scanner = new DotLineScanner();
  readonly #lineEnds: 'crlf' | 'any';
  readonly #endIsKnown: boolean;
  /** Octets held back because they may belong to the end. */
  #held: Run[] = [];

  /** `endIsKnown`: what is pushed is text to its end; a line of one dot in it was none to the receiver. */
  constructor(lineEnds: 'crlf' | 'any', endIsKnown = false) {
    this.#lineEnds = lineEnds;
    this.#endIsKnown = endIsKnown;
  }

  /** What comes out are views of the octets of `run`, which may change afterwards. */
  push(run: Run): Unstuffed {
    const scanner = this.#scanner;
    const base = scanner.scanned;
    scanner.scan(run.bytes);
    let line = scanner.next();
    const taken = run.bytes.length;
    // Most octets are text, and nothing was held back before them.
    if (line === undefined && this.#held.length === 0 && scanner.undecided === 0) {
      return { text: [run], taken, endBytes: 0 };
    }
    let heldBytes = 0;
    for (const held of this.#held) heldBytes += held.bytes.length;
    const begin = base - heldBytes;
    const text: Run[] = [];
    const parts = this.#held.length === 0 ? [run] : [...this.#held, run];
    /** Octets before this one are out, or are dots that were added; counted as the scanner does. */
    let done = begin;
    for (; line !== undefined; line = scanner.next()) {
      if (line.kind === 'end' && this.#endIsKnown) continue;
      const isEnd = line.kind === 'end' && (this.#lineEnds === 'any' || isStrictEnd(line));
      // A receiver that knows CRLF only sees a dot behind a bare LF amid a line, and an added dot in CRLF.LF.
      if (!isEnd && this.#lineEnds === 'crlf' && !line.afterCrlf) continue;
      cutTo(parts, begin, done, line.dot, text);
      done = isEnd ? line.after : line.dot + 1;
      if (isEnd) return { text, taken: line.after - base, endBytes: line.after - line.dot };
    }
    const decided = scanner.scanned - scanner.undecided;
    cutTo(parts, begin, done, decided, text);
    const held: Run[] = [];
    cutTo(parts, begin, Math.max(done, decided), scanner.scanned, held);
    this.#held = held.map(({ bytes, start }) => ({ bytes: Buffer.from(bytes), start }));
    return { text, taken, endBytes: 0 };
  }

  /** Octets were lost here. What was held back is dropped: a dot that was added, or half an end. */
  skipGap(): void {
    this.#held = [];
    this.#scanner.skipGap();
  }
}

/** Adds the octets from..to of `parts`, the first of which begins at `begin`, to `text`. */
function cutTo(parts: readonly Run[], begin: number, from: number, to: number, text: Run[]): void {
  let start = begin;
  for (const part of parts) {
    const first = Math.max(from - start, 0);
    const end = Math.min(Math.max(to - start, 0), part.bytes.length);
    if (first < end) text.push({ bytes: part.bytes.subarray(first, end), start: placeAt(part.start, first) });
    start += part.bytes.length;
  }
}
