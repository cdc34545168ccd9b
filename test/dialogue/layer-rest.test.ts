import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HalfStream } from '../../src/dialogue/half-stream.ts';
import { takeRest } from '../../src/dialogue/layer-rest.ts';
import type { Sender } from '../../src/stream/types.ts';
import { streamData } from '../support/stream-events.ts';

function half(sender: Sender, said: readonly (readonly [frame: number, text: string])[]): HalfStream {
  const stream = new HalfStream();
  let sequence = 1;
  for (const [frame, text] of said) {
    stream.push(streamData(text, { sender, sequence, frame }));
    sequence += text.length;
  }
  return stream;
}

test('takeRest keeps the order of each side where its packets were captured out of order', () => {
  const client = half('client', [
    [7, 'c1'],
    [2, 'c2'],
    [9, 'c3'],
  ]);
  const server = half('server', [
    [8, 's1'],
    [1, 's2'],
    [3, 's3'],
  ]);
  const end = { kind: 'close', side: 'both', reason: 'fin' } as const;
  const rest = takeRest(client, server, [end]);
  const said = rest.map((event) => (event.kind === 'data' ? event.bytes.toString() : event.kind));
  assert.deepEqual(said, ['c1', 'c2', 's1', 's2', 's3', 'c3', 'close']);
});
