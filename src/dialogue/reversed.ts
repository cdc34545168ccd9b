/** Connections whose client was taken for the server: what their events are with the roles exchanged. */
import type { Sender, StreamEvent } from '../stream/types.ts';
import type { Verdict } from './protocol.ts';

export function isReversed(verdict: Verdict): boolean {
  return (verdict.kind === 'mail' || verdict.kind === 'wrapper') && verdict.reversed;
}

export function reverse(event: StreamEvent): StreamEvent {
  const other: Record<Sender, Sender> = { client: 'server', server: 'client' };
  if (event.kind === 'data' || event.kind === 'gap') return { ...event, sender: other[event.sender] };
  if (event.kind === 'close' && event.side !== 'both') return { ...event, side: other[event.side] };
  return event;
}
