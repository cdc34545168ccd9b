/** Joins very many small strings: a piece of its own for each of millions would cost more than their text. */

const piecesMax = 4096;

export class TextBuilder {
  readonly #chunks: string[] = [];
  #pieces: string[] = [];

  push(...pieces: readonly string[]): void {
    for (const piece of pieces) this.#pieces.push(piece);
    if (this.#pieces.length < piecesMax) return;
    this.#chunks.push(this.#pieces.join(''));
    this.#pieces = [];
  }

  toString(): string {
    return this.#chunks.join('') + this.#pieces.join('');
  }
}
