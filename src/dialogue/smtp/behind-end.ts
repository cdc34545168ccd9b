/** What stands behind a place that may be the end of a mail text: only that may tell whether it is. */
import type { Sighting } from '../../stream/types.ts';

export interface Behind {
  readonly bytes: Buffer;
  /** The first of them. */
  readonly seen: Sighting | undefined;
  /** What follows them was lost. */
  readonly endsInHole: boolean;
}

/** Octets that are looked at to tell a command. */
export const commandBytesMax = 1024;

const LF = 0x0a;

/**
 * Tells whether the first line behind the last of these places has come, or as much of it as is looked at. It is
 * told of octets as they come, so that each is searched once.
 */
export class LineBehind {
  #octets = 0;
  #isThere = false;

  get isThere(): boolean {
    return this.#isThere;
  }

  restart(): void {
    this.#octets = 0;
    this.#isThere = false;
  }

  /** Of `bytes` those from `from` on stand behind it. */
  add(bytes: Buffer, from: number): void {
    if (this.#isThere || from >= bytes.length) return;
    this.#octets += bytes.length - from;
    this.#isThere = this.#octets >= commandBytesMax || bytes.indexOf(LF, from) >= 0;
  }
}
