/**
 * A lost answer or command shifts all answers of a pipelined session: each may be that of a neighbour. Other
 * answers do not begin like a mail, but that of TOP does.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import { type Command, topNumbers } from './command.ts';
import type { Doubt } from './session.ts';

export class ShiftedAnswers {
  #clientHasHole = false;
  #serverHasHole = false;
  /** The answer that comes next was paired with its command across a hole. */
  #isAcrossHole = false;
  /** The answer before was that of a lost command, or may have been. */
  #isLostCommandAnswered = false;
  #lastCommand: Command | undefined;
  /** Undefined where there was no hole, as in nearly all conversations. */
  #behindHole: WeakSet<Command> | undefined;
  #nextToHole: WeakSet<Command> | undefined;
  #beforeHole: WeakSet<Command> | undefined;
  #lastAnswer: Sighting | undefined;
  /** Lines that TOPs ask for, and the first that did; two that differ are as good as many. */
  #excerpts: Map<number, Sighting> | undefined;

  /** A hole stands behind the commands noted so far. */
  noteClientHole(): void {
    this.#clientHasHole = true;
    this.#beforeHole ??= new WeakSet();
    if (this.#lastCommand !== undefined) this.#beforeHole.add(this.#lastCommand);
    this.#lastCommand = undefined;
  }

  noteServerHole(): void {
    this.#serverHasHole = true;
    this.#isAcrossHole = true;
  }

  noteCommand(command: Command): void {
    if (this.#clientHasHole) this.#noteBehindHole(command);
    this.#lastCommand = command;
    const lines = excerptOf(command);
    if (lines === undefined) return;
    this.#excerpts ??= new Map();
    if (this.#excerpts.size >= 2 || this.#excerpts.has(lines)) return;
    this.#excerpts.set(lines, command.seen);
  }

  #noteBehindHole(command: Command): void {
    this.#behindHole ??= new WeakSet();
    this.#nextToHole ??= new WeakSet();
    this.#behindHole.add(command);
    if (this.#lastCommand === undefined) this.#nextToHole.add(command);
  }

  /** What the answer to `command` could be instead; `next` is the command behind it. */
  answered(command: Command | undefined, next: Command | undefined, answer: Sighting): Doubt {
    const isOfLostCommand = command !== undefined && this.#mayAnswerLostCommand(command);
    const isShifted = command !== undefined && this.#mayBeOfAnother(command, next, answer);
    this.#lastAnswer = answer;
    this.#isAcrossHole = false;
    this.#isLostCommandAnswered = command === undefined || isOfLostCommand;
    if (isOfLostCommand) return 'excerpt';
    // A mail hardly begins otherwise than with its header, and what was paired in a wrong way may go on so.
    if (!isShifted) return command !== undefined && this.#isLossy(command) ? 'no mail' : 'none';
    const own = excerptOf(command);
    const others = [...(this.#excerpts ?? [])].filter(([lines]) => lines !== own);
    return others.some(([, seen]) => isBefore(seen, answer)) ? 'excerpt' : 'no mail';
  }

  /**
   * `command` was answered in a hole, and this is the answer to one that was lost behind it; or one that was
   * lost right before it was sent in the same flight, and its answer is still to come.
   */
  #mayAnswerLostCommand(command: Command): boolean {
    if (this.#isAcrossHole) return this.#beforeHole?.has(command) === true;
    return this.#nextToHole?.has(command) === true && !this.#isLostCommandAnswered;
  }

  #isLossy(command: Command): boolean {
    return this.#serverHasHole || this.#behindHole?.has(command) === true;
  }

  /** Octets are missing, and the command was asked before the one ahead of it was answered. */
  #mayBeOfAnother(command: Command, next: Command | undefined, answer: Sighting): boolean {
    if (!this.#isLossy(command)) return false;
    const isFollowed = next !== undefined && isBefore(next.seen, answer);
    return isFollowed || (this.#lastAnswer !== undefined && isBefore(command.seen, this.#lastAnswer));
  }
}

/** The lines that a TOP asks for. */
function excerptOf({ verb, argument }: Command): number | undefined {
  return verb === 'TOP' ? topNumbers(argument)?.lines : undefined;
}
