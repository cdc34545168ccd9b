/**
 * Which answers may have been paired with the wrong command. Answers are paired by order, so that where a command or
 * an answer was lost in a pipelined session, each of those that follow may belong to a neighbour: what is taken for
 * the mail of a RETR may be the answer to another command. That of a TOP begins like a mail, too, and no other does.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import { type Command, topNumbers } from './command.ts';
import type { Doubt } from './session.ts';

export class ShiftedAnswers {
  #clientHasHole = false;
  #serverHasHole = false;
  /** Octets of the server were lost since the last answer. */
  #isAcrossHole = false;
  /** The last answer was that of a lost command, or may have been. */
  #isLostCommandAnswered = false;
  #lastCommand: Command | undefined;
  /**
   * Commands that came after a hole of the client, of these the first behind each, and the last before each.
   * Undefined where there was no hole, as in nearly all conversations.
   */
  #behindHole: WeakSet<Command> | undefined;
  #firstBehindHole: WeakSet<Command> | undefined;
  #lastBeforeHole: WeakSet<Command> | undefined;
  #lastAnswer: Sighting | undefined;
  /** Numbers of lines that a TOP asked for, and where the first such TOP was seen. Two are enough to find another. */
  #excerpts: Map<number, Sighting> | undefined;

  /** A hole stands behind the commands noted so far. */
  noteClientHole(): void {
    this.#clientHasHole = true;
    this.#lastBeforeHole ??= new WeakSet();
    if (this.#lastCommand !== undefined) this.#lastBeforeHole.add(this.#lastCommand);
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
    this.#firstBehindHole ??= new WeakSet();
    this.#behindHole.add(command);
    if (this.#lastCommand === undefined) this.#firstBehindHole.add(command);
  }

  /** What the answer to `command` could be instead; `next` is the command behind it. */
  answered(command: Command | undefined, next: Command | undefined, answer: Sighting): Doubt {
    const isOfLostCommand = command !== undefined && this.#mayAnswerLostCommand(command);
    const isShifted = command !== undefined && this.#mayBeOfAnother(command, next, answer);
    this.#lastAnswer = answer;
    this.#isAcrossHole = false;
    this.#isLostCommandAnswered = command === undefined || isOfLostCommand;
    if (isOfLostCommand) return 'excerpt';
    // Once octets were lost, an answer is only taken for a mail if it begins like one.
    if (!isShifted) return command !== undefined && this.#isLossy(command) ? 'no mail' : 'none';
    const own = excerptOf(command);
    const others = [...(this.#excerpts ?? [])].filter(([lines]) => lines !== own);
    return others.some(([, seen]) => isBefore(seen, answer)) ? 'excerpt' : 'no mail';
  }

  /**
   * Behind a hole of the server: `command` was answered in the hole, and this is the answer to a command that was lost
   * right behind it. Else: a command was lost right before it, and this is the answer to that one.
   */
  #mayAnswerLostCommand(command: Command): boolean {
    if (this.#isAcrossHole) return this.#lastBeforeHole?.has(command) === true;
    return this.#firstBehindHole?.has(command) === true && !this.#isLostCommandAnswered;
  }

  #isLossy(command: Command): boolean {
    return this.#serverHasHole || this.#behindHole?.has(command) === true;
  }

  /** Octets are missing, and the command was pipelined: sent before the answer to the one before, or followed so. */
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
