/**
 * Short inputs made of nothing but the words of a target. Where a result depends on how the octets were cut, a few
 * words in a strange order show it: thousands of such inputs are run in the time that a fixture takes.
 */
import type { SeededRandom } from '../support/random.ts';
import type { Input, Piece } from './input.ts';
import type { Vocabulary } from './mutate.ts';

const piecesMax = 12;
const wordsMax = 6;
/** What stands between the words of every protocol of lines. */
const glue = ['\r\n', '\n', '.', ' ', 'x', '\r\n\r\n', 'x\r\n', '\0'].map((each) =>
  Buffer.from(each, 'latin1'),
);

/** Two pieces at least, so that something can stand before something else. */
export function shortInput({ kinds, words }: Vocabulary, random: SeededRandom): Input {
  const length = 2 + random.integer(piecesMax - 1);
  // The first kinds are those of octets; holes and ends are rare between them.
  const common = kinds.slice(0, 2);
  const few = someOf(words, random);
  return Array.from({ length }, (): Piece => {
    const kind = random.pick(random.chance(0.8) ? common : kinds) ?? 0;
    const spoken = Array.from({ length: 1 + random.integer(wordsMax) }, () =>
      random.chance(0.3) ? random.pick(glue) : random.pick(random.chance(0.7) ? few : words),
    );
    return { kind, bytes: Buffer.concat(spoken.map((word) => word ?? Buffer.alloc(0))) };
  });
}

/** One input says the same few words again and again: that they belong together is likelier then. */
function someOf(words: readonly Buffer[], random: SeededRandom): Buffer[] {
  return Array.from({ length: 2 + random.integer(7) }, () => random.pick(words) ?? Buffer.alloc(0));
}
