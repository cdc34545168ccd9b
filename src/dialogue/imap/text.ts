/** The text of a command or response: a line, or what stands of it before, between and behind literals. */
import type { Line, Place } from '../half-stream.ts';
import { type CommandStart, commandStart, lookedAtOctets } from './recognise.ts';

export class Text {
  readonly kind = 'text';
  readonly start: Place;
  readonly length: number;
  /** Holds the text from `#from` on. */
  #source: Buffer;
  #from: number;
  #isKept = false;
  #head: string | undefined;
  /** `null`: not asked for yet. */
  #command: CommandStart | undefined | null = null;

  constructor(line: Line) {
    this.start = line.start;
    this.length = line.length;
    this.#source = line.source;
    this.#from = line.from;
  }

  /** A view; it dies with the event that brought the text, unless `keep` is called before. */
  get bytes(): Buffer {
    return this.#source.subarray(this.#from, this.#from + this.length);
  }

  octet(at: number): number | undefined {
    return at < this.length ? this.#source[this.#from + at] : undefined;
  }

  /** Octets `from` … `to`, each a character. */
  latin1(from = 0, to: number = this.length): string {
    const end = this.#from + Math.min(to, this.length);
    return this.#source.toString('latin1', Math.min(this.#from + from, end), end);
  }

  /** The first octets, enough to tell what it is. */
  get head(): string {
    this.#head ??= this.latin1(0, lookedAtOctets);
    return this.#head;
  }

  /** Of the text that begins a command. */
  get command(): CommandStart | undefined {
    if (this.#command === null) this.#command = commandStart(this.head);
    return this.#command;
  }

  /** Its octets are its own from now on. */
  keep(): void {
    if (this.#isKept) return;
    this.#isKept = true;
    this.#source = Buffer.from(this.bytes);
    this.#from = 0;
  }
}
