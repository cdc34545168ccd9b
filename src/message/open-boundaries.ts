/**
 * Boundaries of the multiparts that are open, RFC 2046 §5.1.1. A line is looked up and not compared with each of
 * them: a mail may open hundreds and then hold nothing but lines that begin with `--`.
 */

export interface BoundaryMatch {
  /** Number of the multipart, counted from the outermost. */
  readonly level: number;
  readonly closing: boolean;
}

export class OpenBoundaries {
  /** The levels that each boundary is open at, the innermost last. */
  readonly #levels = new Map<string, number[]>();
  /** How many of the boundaries have each length. */
  readonly #lengths = new Map<number, number>();

  get isEmpty(): boolean {
    return this.#levels.size === 0;
  }

  open(boundary: string, level: number): void {
    const levels = this.#levels.get(boundary);
    if (levels === undefined) this.#levels.set(boundary, [level]);
    else levels.push(level);
    this.#lengths.set(boundary.length, (this.#lengths.get(boundary.length) ?? 0) + 1);
  }

  /** Boundaries are closed in the reverse of the order in which they were opened. */
  close(boundary: string): void {
    const levels = this.#levels.get(boundary);
    levels?.pop();
    if (levels?.length === 0) this.#levels.delete(boundary);
    const left = (this.#lengths.get(boundary.length) ?? 0) - 1;
    if (left > 0) this.#lengths.set(boundary.length, left);
    else this.#lengths.delete(boundary.length);
  }

  /**
   * The innermost multipart that `line`, the text behind `--`, delimits. An exact match counts first; §5.1.1 also
   * takes a boundary that has anything behind it.
   */
  match(line: string): BoundaryMatch | undefined {
    const opening = this.#at(line, false);
    const closing = line.endsWith('--') ? this.#at(line.slice(0, -2), true) : undefined;
    return inner(opening, closing) ?? this.#matchWithMore(line);
  }

  #matchWithMore(line: string): BoundaryMatch | undefined {
    if (!line.includes(' ')) return undefined;
    let found: BoundaryMatch | undefined;
    for (const length of this.#lengths.keys()) {
      if (line[length] === ' ') found = inner(found, this.#at(line.slice(0, length), false));
      else if (line.startsWith('-- ', length)) found = inner(found, this.#at(line.slice(0, length), true));
    }
    return found;
  }

  #at(boundary: string, closing: boolean): BoundaryMatch | undefined {
    const level = this.#levels.get(boundary)?.at(-1);
    return level === undefined ? undefined : { level, closing };
  }
}

function inner(one: BoundaryMatch | undefined, other: BoundaryMatch | undefined): BoundaryMatch | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.level > other.level ? one : other;
}
