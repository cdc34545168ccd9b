/**
 * `node dist/test/fuzz/lossy.js [--seeds 1000] [--from 1] [--minutes 10]`: captures lose 1 to 5 % of their packets, or two
 * of them, at random. Prints every mail that is called whole although it was never sent so,
 * and counts those that are not although all of their octets are there.
 */
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { LossJudge } from '../support/lost-packets.ts';
import { projectRoot } from '../support/project.ts';
import { SeededRandom } from '../support/random.ts';
import { readTraffic, type Traffic } from '../support/rewrite.ts';
import { captureFiles } from './corpus.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
  },
});

interface Judged {
  readonly name: string;
  readonly traffic: Traffic;
  readonly judge: LossJudge;
}

const captures: Judged[] = [];
for (const file of captureFiles(1 << 18)) {
  const traffic = await readTraffic(file);
  const judge = new LossJudge(traffic);
  if (judge.mails > 0) captures.push({ name: relative(projectRoot, file), traffic, judge });
}

const until = performance.now() + Number(values.minutes) * 60_000;
let runs = 0;
let wrongMails = 0;
let doubtedMails = 0;
const firstSeed = Number(values.from);
const lastSeed = firstSeed + Number(values.seeds) - 1;
for (let seed = firstSeed; seed <= lastSeed && performance.now() < until; seed++) {
  const random = new SeededRandom(seed);
  const capture = random.pick(captures);
  if (capture === undefined) break;
  const lost = lostPackets(capture.traffic.packets.length, random);
  const { wrong, missing } = capture.judge.judge(lost);
  runs++;
  doubtedMails += missing.filter((message) => isUntouched(message, lost)).length;
  wrongMails += wrong.length;
  for (const { method, octets, first } of wrong) {
    const frames = [...lost].map((index) => index + 1);
    const where = `${capture.name} seed ${seed} without ${frames.join(',')}`;
    process.stdout.write(`${where}: ${method} of ${octets.length} octets from frame ${first.frame}\n`);
  }
}
process.stdout.write(`${runs} runs over ${captures.length} captures, ${wrongMails} wrong whole mails\n`);
process.stdout.write(
  `${doubtedMails} mails not called whole although nothing was lost while they were sent\n`,
);
process.exitCode = wrongMails > 0 ? 1 : 0;

/** All packets between its first octet and its last were captured. */
function isUntouched({ first, last }: RawMessage, lost: ReadonlySet<number>): boolean {
  for (let frame = first.frame; frame <= last.frame; frame++) if (lost.has(frame - 1)) return false;
  return true;
}

/** Two packets, or 1 to 5 % of them. */
function lostPackets(count: number, random: SeededRandom): Set<number> {
  if (random.chance(0.3)) return new Set([random.integer(count), random.integer(count)]);
  const probability = 0.01 + random.fraction() * 0.04;
  return new Set(Array.from({ length: count }, (_, index) => index).filter(() => random.chance(probability)));
}
