/**
 * Octets of the server were lost. Clients that do not pipeline ask for more only when they have the whole
 * answer: a command that was captured since tells that the answer before it is over.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import type { Pending } from './pending.ts';

/**
 * So many commands at the head of the queue were answered in the hole; undefined if what was read before
 * it goes on behind it. `next` is the next octet's sighting, `begun` that of the answer that was read.
 */
export function answersLost(
  pending: readonly Pending[],
  next: Sighting,
  begun: Sighting | undefined,
  nextIsAnswer: boolean,
): number | undefined {
  const asked = pending.filter(({ command }) => !isBefore(next, command.seen));
  const first = asked[0];
  const last = asked.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const isOver = nextIsAnswer || begun === undefined || isBefore(begun, first.command.seen);
  if (!isOver) return undefined;
  const isPipelined = asked.length > 1 && !isBefore(first.command.seen, last.command.seen);
  const lost = isPipelined ? (begun === undefined ? 1 : 0) : asked.length - 1;
  return Math.min(lost, asked.length - 1);
}
