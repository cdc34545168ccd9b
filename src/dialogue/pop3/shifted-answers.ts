/**
 * A lost answer or command shifts all answers of a pipelined session: each may be that of a neighbour. Other
 * answers do not begin like a mail, but that of TOP does.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import { type Command, topNumbers } from './command.ts';
import type { Doubt } from './session.ts';

export class ShiftedAnswers {
  /** Where the first hole of the client begins. */
  #clientHole: Sighting | undefined;
  #serverHasHole = false;
  #lastAnswer: Sighting | undefined;
  /** Lines that TOPs ask for, and the first that did; two that differ are as good as many. */
  readonly #excerpts = new Map<number, Sighting>();

  noteClientHole(seen: Sighting): void {
    this.#clientHole ??= seen;
  }

  noteServerHole(): void {
    this.#serverHasHole = true;
  }

  noteCommand(command: Command): void {
    const lines = excerptOf(command);
    if (lines === undefined || this.#excerpts.size >= 2 || this.#excerpts.has(lines)) return;
    this.#excerpts.set(lines, command.seen);
  }

  /** What the answer to `command` could be instead; `next` is the command behind it. */
  answered(command: Command | undefined, next: Command | undefined, answer: Sighting): Doubt {
    const isShifted = command !== undefined && this.#mayBeOfAnother(command, next, answer);
    this.#lastAnswer = answer;
    if (!isShifted) return 'none';
    const own = excerptOf(command);
    const others = [...this.#excerpts].filter(([lines]) => lines !== own);
    return others.some(([, seen]) => isBefore(seen, answer)) ? 'excerpt' : 'no mail';
  }

  /** Octets are missing, and the command was asked before the one ahead of it was answered. */
  #mayBeOfAnother(command: Command, next: Command | undefined, answer: Sighting): boolean {
    const isLossy = this.#serverHasHole || (this.#clientHole && isBefore(this.#clientHole, answer));
    if (!isLossy) return false;
    const isFollowed = next !== undefined && isBefore(next.seen, answer);
    return isFollowed || (this.#lastAnswer !== undefined && isBefore(command.seen, this.#lastAnswer));
  }
}

/** The lines that a TOP asks for. */
function excerptOf({ verb, argument }: Command): number | undefined {
  return verb === 'TOP' ? topNumbers(argument)?.lines : undefined;
}
