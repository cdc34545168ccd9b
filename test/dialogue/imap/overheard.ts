/** Plays conversations to an ImapDecoder and shows what matters of its events. */
import assert from 'node:assert/strict';
import type { DialogueEvent, RawMessage } from '../../../src/dialogue/types.ts';
import type { StreamEvent } from '../../../src/stream/types.ts';
import { type CutOptions, cuts, type Turn } from '../../support/conversation.ts';
import { decode as decodeWith, imap } from '../../support/dialogue.ts';

export function decode(events: readonly StreamEvent[], trace = false): readonly DialogueEvent[] {
  return decodeWith(imap, events, { trace }).events;
}

export function messagesOf(events: readonly DialogueEvent[]): RawMessage[] {
  return events.flatMap((event) => (event.kind === 'message' ? [event] : []));
}

/** The events of `turns`; asserts that every way to cut them finds the same mails, tallies and anomalies. */
export function overhear(turns: readonly Turn[], options: CutOptions = {}): readonly DialogueEvent[] {
  const ways = cuts(turns, options);
  const whole = decode(ways[0]?.[1] ?? []);
  for (const [name, events] of ways.slice(1)) {
    assert.deepEqual(shown(decode(events)), shown(whole), name);
  }
  return whole;
}

/** The mails of `turns`, however they are cut. */
export function mails(turns: readonly Turn[], options: CutOptions = {}): RawMessage[] {
  return messagesOf(overhear(turns, options));
}

/** Order between the two sides may differ with the cut; what was found may not. */
function shown(events: readonly DialogueEvent[]): string[] {
  return events
    .map((event) => JSON.stringify(event.kind === 'message' ? summary(event) : event, numbers))
    .sort();
}

function summary(message: RawMessage) {
  const { first, last, connection, octets, ...rest } = message;
  return { ...rest, bytes: octets.read().toString('latin1'), firstFrame: first.frame, lastFrame: last.frame };
}

function numbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}
