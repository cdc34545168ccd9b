/** One POP3 command line, RFC 1939 §3, and what its answer looks like. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import type { Line } from '../half-stream.ts';

export interface Command {
  /** In capitals. */
  readonly verb: string;
  readonly argument: string;
  readonly seen: Sighting;
}

/** What follows the line of a positive answer. */
export type AnswerForm = 'line' | 'listing' | 'mail';

/** Listings without argument, single lines with one (RFC 1939 §5, RFC 2449 §5, RFC 6856 §3.2). */
const listsWithoutArgument: ReadonlySet<string> = new Set(['LIST', 'UIDL', 'CAPA', 'AUTH', 'LANG', 'HELP']);

const whiteSpace = /\s/;

export function parseCommand(line: Line): Command {
  // Thousands may wait for their answers: an endless line must not be kept for each.
  const text = line.text(dialogueLimits.commandBytesMax);
  const trimmed = text.trim();
  const end = trimmed.search(whiteSpace);
  const verb = end < 0 ? trimmed : trimmed.slice(0, end);
  return {
    verb: verb.toUpperCase(),
    argument: end < 0 ? '' : trimmed.slice(end).trim(),
    seen: line.start.seen,
  };
}

export function answerForm({ verb, argument }: Command): AnswerForm {
  if (verb === 'RETR' || verb === 'TOP') return 'mail';
  if (verb === 'CAPA') return 'listing';
  return listsWithoutArgument.has(verb) && argument === '' ? 'listing' : 'line';
}

/** `TOP msg n`; undefined where the numbers are none. */
export function topNumbers(argument: string): { message: number; lines: number } | undefined {
  const match = /^(\d{1,15})\s+(\d{1,15})$/.exec(argument);
  return match === null ? undefined : { message: Number(match[1]), lines: Number(match[2]) };
}

/** For the trace: nothing that lets anybody log in. */
export function withoutSecrets({ verb, argument }: Command): string {
  if (verb === 'PASS') return 'PASS ***';
  if (verb === 'APOP' || verb === 'AUTH') return `${verb} ${argument.replace(/\s+\S.*$/s, ' ***')}`.trim();
  return argument === '' ? verb : `${verb} ${argument}`;
}
