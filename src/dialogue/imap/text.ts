/** The text of a command or response: a line, or what stands of it before, between and behind literals. */
import type { Line, Place } from '../half-stream.ts';
import { type CommandStart, commandStart, lookedAtOctets } from './recognise.ts';

/** A part of a longer text is a copy: what is kept of it must not keep all of it. */
const sharedLengthMax = 1024;

export class Text {
  readonly kind = 'text';
  readonly start: Place;
  /** Its octets, each a character; made once, for it is read in many small parts. */
  readonly latin1: string;
  /** `null`: not asked for yet. */
  #command: CommandStart | undefined | null = null;

  constructor(line: Line) {
    this.start = line.start;
    this.latin1 = line.latin1();
  }

  get length(): number {
    return this.latin1.length;
  }

  /** A copy. */
  get bytes(): Buffer {
    return Buffer.from(this.latin1, 'latin1');
  }

  /** Undefined behind the last one. */
  octet(at: number): number | undefined {
    return at < this.latin1.length ? this.latin1.charCodeAt(at) : undefined;
  }

  part(from: number, to: number = this.latin1.length): string {
    const part = this.latin1.slice(from, to);
    return this.latin1.length <= sharedLengthMax ? part : Buffer.from(part, 'latin1').toString('latin1');
  }

  /** The first octets, enough to tell what it is. */
  get head(): string {
    return this.latin1.length <= lookedAtOctets ? this.latin1 : this.part(0, lookedAtOctets);
  }

  /** Of the text that begins a command. */
  get command(): CommandStart | undefined {
    if (this.#command === null) this.#command = commandStart(this.head);
    return this.#command;
  }
}
