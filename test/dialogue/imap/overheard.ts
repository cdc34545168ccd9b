/** Plays conversations to an ImapDecoder and shows what matters of its events. */
import assert from 'node:assert/strict';
import { ImapDecoder } from '../../../src/dialogue/imap/imap-decoder.ts';
import type { DialogueEvent, RawMessage } from '../../../src/dialogue/types.ts';
import type { StreamEvent } from '../../../src/stream/types.ts';
import { type CutOptions, cuts, play, type Turn } from '../../support/conversation.ts';
import { strictMemory } from '../../support/strict-memory.ts';

export function decode(events: readonly StreamEvent[], trace = false): DialogueEvent[] {
  const found: DialogueEvent[] = [];
  const open = events[0];
  assert.ok(open?.kind === 'open');
  const decoder = new ImapDecoder(open.connection, { trace, memory: strictMemory });
  const consumer = {
    receive(event: StreamEvent): boolean {
      found.push(...decoder.receive(event));
      return true;
    },
  };
  play(consumer, events);
  return found;
}

export function messagesOf(events: readonly DialogueEvent[]): RawMessage[] {
  return events.flatMap((event) => (event.kind === 'message' ? [event] : []));
}

/** The events of `turns`; asserts that every way to cut them finds the same mails, tallies and anomalies. */
export function overhear(turns: readonly Turn[], options: CutOptions = {}): DialogueEvent[] {
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

/** The events of `turns` uncut: for speeches too long to be cut in every way. */
export function uncut(turns: readonly Turn[], close = true): StreamEvent[] {
  const [open, end] = [cuts([])[0]?.[1][0], cuts([])[0]?.[1][1]];
  assert.ok(open !== undefined && end !== undefined);
  const next = { client: 1001, server: 1001 };
  const spoken = turns.map(({ sender, bytes }, frame): StreamEvent => {
    const sequence = next[sender];
    next[sender] += bytes.length;
    const seen = { capture: 0, frame, timestampNs: 0n, ipLength: 1500, ttl: 64 };
    return { kind: 'data', sender, bytes, sequence, seen };
  });
  return [open, ...spoken, ...(close ? [end] : [])];
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
