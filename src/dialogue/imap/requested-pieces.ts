/**
 * The pieces `BODY[]<o.n>` that unanswered commands ask for. A response names only the offset; whether its
 * piece is the last one shows in how much was asked for, RFC 9051 §6.4.5.
 */
import { dialogueLimits } from '../../core/limits.ts';
import { type Command, requestedPieces } from './command.ts';
import { type FetchResponse, fetchResponse } from './fetch.ts';
import { type MessageSet, mayHold, messageSet } from './message-set.ts';
import type { Unit } from './unit.ts';

/** Different pieces of one command that are remembered; clients ask for one. */
const REQUESTS_MAX = 100;

/** Unanswered commands that ask for the same piece and are compared; clients wait for their answers. */
const SAME_REQUESTS_MAX = 64;

/** One request beside its command; measured. */
const requestCost = 300;

interface Asked {
  readonly tag: string;
  readonly set: MessageSet;
  readonly length: number;
}

/** The pieces of a response that waits for its command; they do not hold on to its octets. */
interface OpenPieces {
  readonly unit: Unit;
  readonly pieces: readonly AskedPiece[];
}

/** A piece that came: of which message, and where in it. */
export interface AskedPiece {
  readonly section: string;
  readonly origin: number;
  readonly sequence: number;
  readonly uid: number | undefined;
}

export class RequestedPieces {
  /** By section and offset. */
  readonly #asked = new Map<string, Asked[]>();
  readonly #keysOfTag = new Map<string, Set<string>>();
  #count = 0;
  /** How often a command was added or removed. */
  #changes = 0;
  /** The response that was asked about last, where not all of it was known, and the changes until then. */
  #open: OpenPieces | undefined;
  #openAt = 0;

  /** Octets that they take. */
  get cost(): number {
    return this.#count * requestCost;
  }

  add(command: Command): void {
    const requests = requestedPieces(command);
    if (requests.length === 0) return;
    this.#changes++;
    const { tag } = command;
    const set = messageSet(command);
    if (this.#count >= dialogueLimits.sectionPiecesMax) this.#clear();
    const keys = new Set<string>();
    for (const { section, origin, length } of requests) {
      const key = `${section}<${origin}>`;
      if (keys.has(key) || keys.size >= REQUESTS_MAX) continue;
      keys.add(key);
      const asked = this.#asked.get(key);
      if (asked === undefined) this.#asked.set(key, [{ tag, set, length }]);
      else asked.push({ tag, set, length });
    }
    this.#keysOfTag.set(tag, keys);
    this.#count += keys.size;
  }

  /** The command of `tag` is answered. */
  remove(tag: string): void {
    const keys = this.#keysOfTag.get(tag);
    if (keys === undefined) return;
    this.#keysOfTag.delete(tag);
    this.#changes++;
    this.#count -= keys.size;
    for (const key of keys) {
      const asked = this.#asked.get(key) ?? [];
      const at = asked.findIndex((each) => each.tag === tag);
      if (at >= 0) asked.splice(at, 1);
      if (asked.length === 0) this.#asked.delete(key);
    }
  }

  /**
   * The length that an unanswered command asks for; undefined where none does. Of several the shortest: one may have
   * been answered out of the capture's sight, and a piece as long as another one asked for is not the last.
   */
  lengthOf(piece: AskedPiece): number | undefined {
    const { section, origin, sequence, uid } = piece;
    const asked = this.#asked.get(`${section}<${origin}>`);
    if (asked === undefined || asked.length > SAME_REQUESTS_MAX) return undefined;
    const lengths = asked.filter(({ set }) => mayHold(set, sequence, uid)).map(({ length }) => length);
    return lengths.length === 0 ? undefined : Math.min(...lengths);
  }

  /**
   * All pieces in the response `unit` were asked for by commands that are known. It is asked again and again
   * while the response waits for them: only another command changes the answer.
   */
  knowsAll(unit: Unit, uidOf: (sequence: number) => number | undefined): boolean {
    if (this.#open?.unit === unit && this.#openAt === this.#changes) return false;
    const pieces = this.#open?.unit === unit ? this.#open.pieces : piecesOf(fetchResponse(unit), uidOf);
    const isKnown = pieces.every((piece) => this.lengthOf(piece) !== undefined);
    this.#open = isKnown ? undefined : { unit, pieces };
    this.#openAt = this.#changes;
    return isKnown;
  }

  #clear(): void {
    this.#asked.clear();
    this.#keysOfTag.clear();
    this.#count = 0;
  }
}

function piecesOf(
  fetched: FetchResponse | undefined,
  uidOf: (sequence: number) => number | undefined,
): AskedPiece[] {
  if (fetched === undefined) return [];
  const { sequence, contents, cut, uid = uidOf(sequence) } = fetched;
  const items = contents.map(({ item }) => item);
  if (cut !== undefined) items.push(cut);
  return items.flatMap(({ section, origin }) =>
    origin === undefined ? [] : [{ section, origin, sequence, uid }],
  );
}
