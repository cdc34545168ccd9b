/** What both sides had already sent when the conversation goes into another layer. */
import type { StreamClose, StreamData, StreamGap } from '../stream/types.ts';
import type { HalfStream } from './half-stream.ts';
import { isBefore } from './sighting-order.ts';

type Rest = readonly (StreamData | StreamGap | StreamClose)[];

/**
 * Takes everything unread of both sides, in order. `closes`: what was heard of the connection's end, which the
 * layer has not heard and hands on.
 */
export function takeRest(client: HalfStream, server: HalfStream, closes: readonly StreamClose[]): Rest {
  return [...inOrder(client.takeEvents('client'), server.takeEvents('server')), ...closes];
}

/**
 * The events of both sides in the order of capture as far as the order of each side allows: packets that were
 * captured out of order carry earlier frames behind later ones.
 */
export function inOrder(
  fromClient: readonly (StreamData | StreamGap)[],
  fromServer: readonly (StreamData | StreamGap)[],
): (StreamData | StreamGap)[] {
  const rest: (StreamData | StreamGap)[] = [];
  let taken = 0;
  for (const event of fromServer) {
    for (let next = fromClient[taken]; next && isBefore(next.seen, event.seen); next = fromClient[taken]) {
      rest.push(next);
      taken++;
    }
    rest.push(event);
  }
  return [...rest, ...fromClient.slice(taken)];
}
