/** The messages that a command names, RFC 9051 §9 `sequence-set`. */
import type { Command } from './command.ts';
import { argumentsOf } from './command.ts';
import { textOf } from './value.ts';

/** Longer sets are not looked into: they may hold any message. */
const SET_CHARACTERS_MAX = 4096;

export interface MessageSet {
  /** The numbers are UIDs. */
  readonly isUid: boolean;
  /** First and last in turn; undefined where the set may hold any message. */
  readonly ranges: readonly (readonly [number, number])[] | undefined;
}

export function messageSet(command: Command): MessageSet {
  const text = textOf(argumentsOf(command)[0]) ?? '';
  const isReadable = /^[\d:,]+$/.test(text) && text.length <= SET_CHARACTERS_MAX;
  return { isUid: command.name.startsWith('UID '), ranges: isReadable ? rangesOf(text) : undefined };
}

/** `uid` undefined: it is not known. */
export function mayHold({ isUid, ranges }: MessageSet, sequence: number, uid: number | undefined): boolean {
  const number = isUid ? uid : sequence;
  if (ranges === undefined || number === undefined) return true;
  return ranges.some(([first, last]) => first <= number && number <= last);
}

function rangesOf(text: string): [number, number][] {
  return text.split(',').map((each) => {
    const [one = '', other = one] = each.split(':');
    return Number(one) <= Number(other) ? [Number(one), Number(other)] : [Number(other), Number(one)];
  });
}
