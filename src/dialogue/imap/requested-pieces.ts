/**
 * The pieces `BODY[]<o.n>` that unanswered commands ask for. A response names only the offset; whether its
 * piece is the last one shows in how much was asked for, RFC 9051 §6.4.5.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { PieceRequest } from './section.ts';

/** Different pieces of one command that are remembered; clients ask for one. */
const REQUESTS_MAX = 100;

/** Unanswered commands that ask for the same piece and are compared; clients wait for their answers. */
const SAME_REQUESTS_MAX = 64;

interface Asked {
  readonly tag: string;
  readonly length: number;
}

export class RequestedPieces {
  /** By section and offset. */
  readonly #asked = new Map<string, Asked[]>();
  readonly #keysOfTag = new Map<string, Set<string>>();
  #count = 0;

  add(tag: string, requests: readonly PieceRequest[]): void {
    if (requests.length === 0) return;
    if (this.#count >= dialogueLimits.sectionPiecesMax) this.#clear();
    const keys = new Set<string>();
    for (const { section, origin, length } of requests) {
      const key = `${section}<${origin}>`;
      if (keys.has(key) || keys.size >= REQUESTS_MAX) continue;
      keys.add(key);
      const asked = this.#asked.get(key);
      if (asked === undefined) this.#asked.set(key, [{ tag, length }]);
      else asked.push({ tag, length });
    }
    this.#keysOfTag.set(tag, keys);
    this.#count += keys.size;
  }

  /** The command of `tag` is answered. */
  remove(tag: string): void {
    const keys = this.#keysOfTag.get(tag);
    if (keys === undefined) return;
    this.#keysOfTag.delete(tag);
    this.#count -= keys.size;
    for (const key of keys) {
      const asked = this.#asked.get(key) ?? [];
      const at = asked.findIndex((each) => each.tag === tag);
      if (at >= 0) asked.splice(at, 1);
      if (asked.length === 0) this.#asked.delete(key);
    }
  }

  /**
   * The shortest length that an unanswered command asks for: of a command whose answer was not captured it is
   * not known that it was answered, and a piece as long as another one asked for must not pass as the last.
   */
  lengthOf(section: string, origin: number): number | undefined {
    const asked = this.#asked.get(`${section}<${origin}>`);
    if (asked === undefined || asked.length > SAME_REQUESTS_MAX) return undefined;
    return Math.min(...asked.map(({ length }) => length));
  }

  #clear(): void {
    this.#asked.clear();
    this.#keysOfTag.clear();
    this.#count = 0;
  }
}
