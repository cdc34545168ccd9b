/** What the fragmentizer cuts a direction into: commands or responses, which are texts and literals in turn. */
import type { CollectedMessage } from '../message-collector.ts';
import type { Text } from './text.ts';

export interface Literal {
  readonly kind: 'literal';
  /** The length that was announced. */
  readonly length: number;
  readonly content: CollectedMessage;
  /** Octets of it that were captured, kept or not. */
  readonly captured: number;
  /** What follows the literal cannot follow one: its announced length lies. */
  readonly mismatch: boolean;
}

/** One command or response: texts and literals in turn. */
export interface Unit {
  readonly kind: 'unit';
  readonly fragments: readonly (Text | Literal)[];
  /** It ended in a gap, at the end of the stream, at a limit or at a literal whose length lies. */
  readonly damaged: boolean;
  /** Its last literal was announced and refused: the octets were never sent. */
  readonly refused: boolean;
}
