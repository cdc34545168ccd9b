/** What both sides had already sent when the conversation goes into another layer. */
import type { StreamData, StreamGap } from '../stream/types.ts';
import type { HalfStream } from './half-stream.ts';
import { isBefore } from './sighting-order.ts';

/** Takes everything unread of both sides, in the order of capture. */
export function takeRest(client: HalfStream, server: HalfStream): readonly (StreamData | StreamGap)[] {
  const rest = [...client.takeEvents('client'), ...server.takeEvents('server')];
  return rest.sort((a, b) => (isBefore(a.seen, b.seen) ? -1 : isBefore(b.seen, a.seen) ? 1 : 0));
}
