/** Feeds decoders of the dialogue stage and shows what they hand out in few words. */
import assert from 'node:assert/strict';
import { ImapDecoder } from '../../src/dialogue/imap/imap-decoder.ts';
import { Pop3Decoder } from '../../src/dialogue/pop3/pop3-decoder.ts';
import { SmtpDecoder } from '../../src/dialogue/smtp/smtp-decoder.ts';
import type {
  DialogueDecoder,
  DialogueEvent,
  DialogueOptions,
  RawMessage,
  Tally,
  Upgrade,
} from '../../src/dialogue/types.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { type CutOptions, cuts, defaultClient, defaultServer, type Turn } from './conversation.ts';
import { strictMemory } from './strict-memory.ts';

export const connection: Connection = {
  id: 1,
  client: defaultClient,
  server: defaultServer,
  handshakeSeen: true,
};

/** Begins to follow a connection. */
export type Begin = (connection: Connection, options?: Partial<DialogueOptions>) => DialogueDecoder;

const usual: DialogueOptions = { trace: false, memory: strictMemory };
export const smtp: Begin = (known, options) => new SmtpDecoder(known, { ...usual, ...options });
export const pop3: Begin = (known, options) => new Pop3Decoder(known, { ...usual, ...options });
export const imap: Begin = (known, options) => new ImapDecoder(known, { ...usual, ...options });

export interface Heard {
  readonly events: readonly DialogueEvent[];
  readonly messages: readonly RawMessage[];
}

/** What a new decoder makes of `events`, the first of which opens their connection. */
export function decode(
  begin: Begin,
  events: readonly StreamEvent[],
  options?: Partial<DialogueOptions>,
): Heard {
  const [open] = events;
  assert(open?.kind === 'open');
  return hear(begin(open.connection, options), events);
}

/** What decoders make of `turns`: whole, per line, per byte, and one side before the other. */
export function everyWay(
  begin: Begin,
  turns: readonly Turn[],
  check: (heard: Heard, way: string) => void,
  options?: CutOptions,
): void {
  for (const [way, events] of cuts(turns, options)) check(decode(begin, events), way);
}

/** Plays events to a decoder; their bytes are overwritten afterwards, as the stream stage may do. */
export function hear(decoder: DialogueDecoder, played: readonly StreamEvent[]): Heard {
  const events: DialogueEvent[] = [];
  for (const event of played) {
    const copy = event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event;
    for (const heard of decoder.receive(copy)) events.push(heard);
    if (copy.kind === 'data') copy.bytes.fill(0xaa);
  }
  return { events, messages: events.filter((event) => event.kind === 'message') };
}

export function contentOf({ octets }: RawMessage): string {
  return octets.read().toString('latin1');
}

export function tallies(heard: Heard): Tally['what'][] {
  return heard.events.flatMap((event) => (event.kind === 'tally' ? [event.what] : []));
}

export function upgrades(heard: Heard): Upgrade[] {
  return heard.events.filter((event) => event.kind === 'upgrade');
}

export function anomalyCodes(heard: Heard): string[] {
  return heard.events.flatMap((event) => (event.kind === 'anomaly' ? [event.code] : []));
}
