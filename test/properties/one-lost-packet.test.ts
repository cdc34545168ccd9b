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

/**
 * Mails that may be doubted beside the one whose transfer lost a packet, because what was lost is all that could
 * prove them whole: SMTP, the end of one mail shares its packet with the commands of the next, and where the
 * text of that begins nobody can tell any more; POP3, a command that was lost may have been a TOP, and in a
 * pipelined session answers without a size may be those of neighbours from there on.
 */
const neighbours: readonly (readonly [name: string, most: number])[] = [
  ['smtp-pipelining', 1],
  ['pop3-operations', 1],
  ['pop3-pipelined', 4],
  ['imap-partial', 0],
  ['imap-pipelined', 0],
];

for (const [name, most] of neighbours) {
  test(`${name} without any one of its packets gives no wrong whole mail and all other mails`, async () => {
    const traffic = await readTraffic(join(fixturesFolder, name, 'capture.pcapng'));
    const judge = new LossJudge(traffic);
    assert(judge.mails >= 4, 'there is something to lose');
    for (let index = 0; index < traffic.packets.length; index++) {
      const { wrong, missing } = judge.judge(new Set([index]));
      const what = `without frame ${index + 1}`;
      assert.deepEqual(wrong.map(shown), [], what);
      const others = missing.filter((message) => !isAround(message, index + 1));
      assert(others.length <= most, `${what}: ${others.map(shown).join(', ')}`);
    }
  });
}

/** Clients that wait for each answer: no packet holds anything of two mails. */
const oneAtATime = ['smtp-nodemailer', 'smtp-auth', 'pop3-operations', 'pop3-fetchmail', 'imap-partial'];

for (const name of oneAtATime) {
  test(`${name} without any one of its packets lacks one mail at most`, async () => {
    const traffic = await readTraffic(join(fixturesFolder, name, 'capture.pcapng'));
    const judge = new LossJudge(traffic);
    assert(judge.mails >= 4, 'there is something to lose');
    let costly = 0;
    for (let index = 0; index < traffic.packets.length; index++) {
      const { wrong, missing } = judge.judge(new Set([index]));
      const what = `without frame ${index + 1}`;
      assert.deepEqual(wrong.map(shown), [], what);
      assert(missing.length <= 1, `${what}: ${missing.map(shown).join(', ')}`);
      costly += missing.length;
    }
    assert(costly >= judge.mails, 'packets of mails were lost');
  });
}

/** The packet was captured while the mail was transferred. */
function isAround({ first, last }: RawMessage, frame: number): boolean {
  return first.frame <= frame && frame <= last.frame;
}

function shown({ method, octets, first }: RawMessage): string {
  return `${method} of ${octets.length} octets from frame ${first.frame}`;
}
