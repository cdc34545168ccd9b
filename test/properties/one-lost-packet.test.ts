/**
 * One packet of a capture is lost, each in turn. What was not captured may cost the mails it carried, and the
 * one that its command, reply or end of data belonged to; it never makes a wrong mail that is called whole.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { LossJudge } from '../support/lost-packets.ts';
import { readTraffic } from '../support/rewrite.ts';

for (const name of ['smtp-pipelining', 'pop3-operations', 'pop3-pipelined', 'imap-partial']) {
  test(`${name} without any one of its packets gives no wrong whole mail and all other mails`, async () => {
    const traffic = await readTraffic(join(fixturesFolder, name, 'capture.pcapng'));
    const judge = new LossJudge(traffic);
    assert(judge.mails >= 4, 'there is something to lose');
    for (let index = 0; index < traffic.packets.length; index++) {
      const { wrong, missing } = judge.judge(new Set([index]));
      const what = `without frame ${index + 1}`;
      assert.deepEqual(wrong.map(shown), [], what);
      // Answers of a pipelined session that shifted are in doubt to its end.
      if (name === 'pop3-pipelined') continue;
      const others = missing.filter((message) => !isAround(message, index + 1));
      assert(others.length <= 1, `${what}: ${others.map(shown).join(', ')}`);
    }
  });
}

/** The packet was captured while the mail was transferred. */
function isAround({ first, last }: RawMessage, frame: number): boolean {
  return first.frame <= frame && frame <= last.frame;
}

function shown({ method, octets, first }: RawMessage): string {
  return `${method} of ${octets.length} octets from frame ${first.frame}`;
}
