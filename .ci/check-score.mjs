// Runs the score over the reference captures and compares it with the floor in score-floor.json.
// The floor may only rise: `node .ci/check-score.mjs --raise` writes today's figures where they are better.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const floorFile = new URL('score-floor.json', import.meta.url);
const floor = JSON.parse(readFileSync(floorFile, 'utf8'));
const file = join(tmpdir(), `mailproc-score-${process.pid}.json`);
execFileSync('node', ['../shared/tools/score.mjs', '--json', file], { stdio: 'inherit' });
const { sum } = JSON.parse(readFileSync(file, 'utf8'));
rmSync(file);

const reached = {
  exact: sum.exact[0],
  decoded: sum.decoded[0],
  flagged: sum.flagged[0],
  spurious: sum.spurious,
  failedRuns: sum.failedRuns,
};
const lowerIsBetter = new Set(['spurious', 'failedRuns']);
const isWorse = (name) => (lowerIsBetter.has(name) ? reached[name] > floor[name] : reached[name] < floor[name]);
const worse = Object.keys(floor).filter(isWorse);
for (const name of worse) console.error(`score: ${name} is ${reached[name]}, the floor is ${floor[name]}`);
if (worse.length > 0) process.exit(1);
if (process.argv.includes('--raise')) writeFileSync(floorFile, `${JSON.stringify(reached, null, 2)}\n`);
