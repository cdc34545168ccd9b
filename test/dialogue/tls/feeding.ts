/** Feeds a layer in the ways captures do, and puts together what came out. */
import type { Anomaly } from '../../../src/core/anomaly.ts';
import type { Layer, LayerNote } from '../../../src/dialogue/layer.ts';
import type { Sender, StreamClose, StreamData, StreamEvent, StreamGap } from '../../../src/stream/types.ts';
import { streamGap } from '../../support/stream-events.ts';

export interface Outcome {
  readonly client: Buffer;
  readonly server: Buffer;
  readonly data: readonly StreamData[];
  readonly gaps: readonly StreamGap[];
  readonly notes: readonly LayerNote[];
  readonly anomalies: readonly Anomaly[];
  readonly closes: readonly StreamClose[];
}

export const END: StreamClose = { kind: 'close', side: 'both', reason: 'end' };

/** Everything that `layer` makes of `events`; each event's bytes are overwritten once it has returned. */
export function feed(layer: Pick<Layer, 'receive'>, events: Iterable<StreamEvent>): Outcome {
  const data: StreamData[] = [];
  const gaps: StreamGap[] = [];
  const notes: LayerNote[] = [];
  const anomalies: Anomaly[] = [];
  const closes: StreamClose[] = [];
  for (const event of events) {
    const mine = event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event;
    for (const out of layer.receive(mine)) {
      if (out.kind === 'data') data.push({ ...out, bytes: Buffer.from(out.bytes) });
      else if (out.kind === 'gap') gaps.push(out);
      else if (out.kind === 'note') notes.push(out);
      else if (out.kind === 'anomaly') anomalies.push(out);
      else if (out.kind === 'close') closes.push(out);
    }
    if (mine.kind === 'data') mine.bytes.fill(0xee);
  }
  const of = (sender: Sender) => Buffer.concat(data.filter((e) => e.sender === sender).map((e) => e.bytes));
  return { client: of('client'), server: of('server'), data, gaps, notes, anomalies, closes };
}

export type Way = 'as captured' | 'whole' | 'per octet' | 'server first' | 'client first';

export const WAYS: readonly Way[] = ['as captured', 'whole', 'per octet', 'server first', 'client first'];

/** The same octets cut and ordered in another way, and the end of the connection. */
export function recut(events: readonly StreamData[], way: Way): StreamEvent[] {
  switch (way) {
    case 'as captured':
      return [...events, END];
    case 'per octet':
      return [...events.flatMap(octets), END];
    case 'server first':
      return [...inOrder(events, 'server'), ...inOrder(events, 'client'), END];
    case 'client first':
      return [...inOrder(events, 'client'), ...inOrder(events, 'server'), END];
    case 'whole':
      return [...joined(events, 'client'), ...joined(events, 'server'), END];
  }
}

function inOrder(events: readonly StreamData[], sender: Sender): StreamData[] {
  return events.filter((event) => event.sender === sender);
}

function joined(events: readonly StreamData[], sender: Sender): StreamData[] {
  const mine = inOrder(events, sender);
  const first = mine[0];
  return first ? [{ ...first, bytes: Buffer.concat(mine.map((event) => event.bytes)) }] : [];
}

function octets(event: StreamData): StreamData[] {
  return [...event.bytes].map((octet, index) => ({
    ...event,
    bytes: Buffer.from([octet]),
    sequence: (event.sequence + index) >>> 0,
  }));
}

/** `length` octets of `sender` from `from` on are missing in the capture. */
export function withHole(
  events: readonly StreamData[],
  sender: Sender,
  from: number,
  length: number,
): StreamEvent[] {
  const result: StreamEvent[] = [];
  let at = 0;
  let isReported = false;
  for (const event of events) {
    if (event.sender !== sender) {
      result.push(event);
      continue;
    }
    const start = at;
    at += event.bytes.length;
    const before = event.bytes.subarray(0, Math.max(0, from - start));
    const after = event.bytes.subarray(Math.max(0, Math.min(event.bytes.length, from + length - start)));
    if (before.length > 0) result.push({ ...event, bytes: before });
    if (after.length === 0 || start + event.bytes.length <= from) continue;
    if (!isReported && at > from) {
      isReported = true;
      const sequence = event.sequence - start + from;
      result.push(streamGap(length, { sender, sequence, frame: event.seen.frame }));
    }
    if (start + event.bytes.length > from && before.length < event.bytes.length) {
      const skipped = event.bytes.length - after.length;
      result.push({ ...event, bytes: after, sequence: (event.sequence + skipped) >>> 0 });
    }
  }
  return [...result, END];
}
