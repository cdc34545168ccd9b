/**
 * Octets of the server were lost. Clients that do not pipeline ask for more only when they have the whole
 * answer: a command that was captured since tells that the answer before it is over.
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
 * So many commands at the head of the queue were answered in the hole; undefined if what was read before
 * it goes on behind it. `next` is the next octet's sighting, `begun` that of the answer that was read;
 * `answer` are the next two lines, if the first is an answer.
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
