import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialogueLimits } from '../../../src/core/limits.ts';
import { ReplyReader } from '../../../src/dialogue/smtp/reply.ts';
import { streamData } from '../../support/stream-events.ts';

const { readAheadBytesMax } = dialogueLimits;

test('ReplyReader keeps the octets of replies that were read ahead up to readAheadBytesMax, and none of more', () => {
  const replies = new ReplyReader();
  const count = Math.ceil(readAheadBytesMax / 200);
  replies.push(streamData('250 ok\r\n'.repeat(count), { sender: 'server' }));
  let most = 0;
  for (let ahead = 0; ahead < count; ahead++) {
    assert.equal(replies.peek(ahead)?.kind, 'reply');
    if (!replies.half.isEmpty) most = Math.max(most, replies.heldBytes - replies.half.heldBytes);
  }
  assert(most > readAheadBytesMax / 2 && most <= readAheadBytesMax, `${most} octets`);
  assert.equal(replies.heldBytes, 0);
  replies.unread();
  assert(replies.half.isEmpty);
});

test('ReplyReader keeps octets again when all replies were taken that were too many', () => {
  const replies = new ReplyReader();
  const count = Math.ceil(readAheadBytesMax / 200);
  replies.push(streamData('250 ok\r\n'.repeat(count), { sender: 'server' }));
  replies.peek(count - 1);
  for (let taken = 0; taken < count; taken++) replies.take();
  replies.push(streamData('220 go\r\n250 ok\r\n', { sender: 'server' }));
  replies.peek(1);
  replies.take();
  replies.unread();
  assert.equal(replies.half.takeLine()?.bytes.toString(), '250 ok');
});
