/**
 * How many answers were lost with octets of the server. A client that does not pipeline sends its next command when
 * it has the whole answer to the one before: a command that was captured since the loss tells that the answer before
 * it is over.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import { answerForm } from './command.ts';
import type { Pending } from './pending.ts';
import { isAnswerLine } from './server-only.ts';

/** The line of an answer, and the line behind it if there is one. */
export interface AnswerLines {
  readonly line: string;
  readonly next: string | undefined;
}

/**
 * How many of the oldest commands were answered in the hole; undefined if the answer that was being read goes on
 * behind it. `next` is where the first octet behind the hole was seen, `begun` where the answer before it began;
 * `answer` are the two lines behind the hole, if the first of them is an answer.
 */
export function answersLost(
  pending: readonly Pending[],
  next: Sighting,
  begun: Sighting | undefined,
  answer: AnswerLines | undefined,
): number | undefined {
  const asked = pending.filter(({ command }) => !isBefore(next, command.seen));
  const first = asked[0];
  const last = asked.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const isOver = answer !== undefined || begun === undefined || isBefore(begun, first.command.seen);
  if (!isOver) return undefined;
  const isPipelined = asked.length > 1 && !isBefore(first.command.seen, last.command.seen);
  if (!isPipelined) return asked.length - 1;
  // In a hole between answers there was one; a hole within an answer took only the rest of that.
  const guess = begun === undefined ? 1 : 0;
  if (answer === undefined || mayAnswer(asked[guess], answer)) return guess;
  const better = asked.findIndex((each) => mayAnswer(each, answer));
  return better < 0 ? guess : better;
}

/** Whether an answer has the form that the command asks for. */
function mayAnswer(pending: Pending | undefined, { line, next }: AnswerLines): boolean {
  if (pending === undefined) return false;
  const { command } = pending;
  if (!line.startsWith('+')) return true;
  const form = answerForm(command);
  if (form === 'line' && command.verb === 'STAT') return /^\+OK \d+ \d+/i.test(line);
  if (next === undefined) return true;
  return (form === 'line') === isAnswerLine(next);
}
