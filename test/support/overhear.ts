/** Plays screenplays to a whole conversation, cut in every way, and shows what it made of them. */
import assert from 'node:assert/strict';
import { Conversation, type ConversationSummary } from '../../src/dialogue/conversation.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import type { RawMessage, Trace } from '../../src/dialogue/types.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { type CutOptions, cuts, type Turn } from './conversation.ts';

export interface Overheard {
  readonly summary: ConversationSummary;
  readonly mails: readonly RawMessage[];
  readonly traces: readonly Trace[];
  readonly anomalies: readonly string[];
  /** Octets until there was no more interest; undefined where there was to the end. */
  readonly lostInterestAfter: number | undefined;
}

export interface OverhearOptions extends CutOptions {
  readonly keyLog?: KeyLog;
}

/** An end point at a port of no mail protocol. */
export const elsewhere = { address: '198.51.100.25', port: 4711 };

export function overhear(events: readonly StreamEvent[], keyLog = new KeyLog()): Overheard {
  const [opened] = events;
  assert(opened?.kind === 'open');
  const connection: Connection = opened.connection;
  const conversation = new Conversation(connection, { trace: true, ports: wellKnownPorts, keyLog });
  const mails: RawMessage[] = [];
  const traces: Trace[] = [];
  const anomalies: string[] = [];
  let heard = 0;
  let lostInterestAfter: number | undefined;
  for (const event of events) {
    const mine = event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event;
    if (mine.kind === 'data') heard += mine.bytes.length;
    for (const out of conversation.receive(mine)) {
      if (out.kind === 'message') mails.push(out);
      if (out.kind === 'trace') traces.push(out);
      if (out.kind === 'anomaly') anomalies.push(out.code);
    }
    if (mine.kind === 'data') mine.bytes.fill(0xaa);
    if (!conversation.isOfInterest) {
      lostInterestAfter = heard;
      break;
    }
  }
  const { summary } = conversation;
  const { mail, protocol, encrypted, other } = summary.octets;
  assert.equal(mail + protocol + encrypted + other, heard, 'the octets add up to what was delivered');
  return { summary, mails, traces, anomalies, lostInterestAfter };
}

/** The same turns in all cuts: `check` is called for each. */
export function overhearAll(
  turns: readonly Turn[],
  options: OverhearOptions,
  check: (heard: Overheard, cut: string) => void,
): void {
  for (const [cut, events] of cuts(turns, options)) check(overhear(events, options.keyLog), cut);
}
