/** What the fuzzer drives: one layer or protocol, with what must be true of it whatever the input is. */
import type { SeededRandom } from '../support/random.ts';
import type { Input } from './input.ts';
import type { Vocabulary } from './mutate.ts';

export interface Target extends Vocabulary {
  /** Its words alone make inputs that say something: those of lines, and not those of length fields. */
  readonly hasShortInputs?: boolean;
  /** Well-formed inputs to start from. */
  seeds(): Promise<Input[]>;
  /** What came of `input`, in words that compare; throws where something is wrong. */
  run(input: Input): string | Promise<string>;
  /** The same content handed over in another way (cuts, offsets, read sizes): the result must be that of `run`. */
  runOtherwise?(input: Input, random: SeededRandom): string | Promise<string>;
}
