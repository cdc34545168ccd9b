/**
 * `node dist/test/fuzz/run.js --target smtp --minutes 10 --seed 1 [--short 0.2] [--out FOLDER]`, or `--replay FILE` for one
 * finding. Minutes are those of the processor; SIGTERM ends them early. Prints what was run, reached and found;
 * the exit status is 1 where there are findings.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/random.ts';
import { Coverage } from './coverage.ts';
import { cpuMs } from './cpu-time.ts';
import { Fuzzer } from './engine.ts';
import { decodeInput } from './input.ts';
import type { Target } from './target.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: '' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    short: { type: 'string', default: '0.2' },
    out: { type: 'string', default: join(tmpdir(), 'mailproc-fuzz') },
    replay: { type: 'string' },
  },
});

const coverage = new Coverage();
// Short inputs are not guided, and run many times faster where nobody counts.
if (values.replay === undefined && values.short !== '1') coverage.start();
const { targets } = await import('./targets.ts');
const target = targets[values.target];
if (target === undefined) {
  process.stderr.write(`--target must be one of ${Object.keys(targets).join(', ')}\n`);
  process.exitCode = 2;
} else if (values.replay !== undefined) {
  await replay(target, values.replay);
} else {
  await fuzz(target);
}

async function fuzz(chosen: Target): Promise<void> {
  const options = { folder: values.out, seed: Number(values.seed), shortShare: Number(values.short) };
  const fuzzer = new Fuzzer(values.target, chosen, coverage, options);
  process.once('SIGTERM', () => fuzzer.stop());
  const started = performance.now();
  const { executions, corpus, features, lines, findings } = await fuzzer.run(Number(values.minutes));
  const wallMinutes = ((performance.now() - started) / 60_000).toFixed(1);
  const reached = [...lines].map(([folder, { run, all }]) => `${folder} ${run}/${all}`);
  process.stdout.write(
    `${values.target} seed ${values.seed}: ${(cpuMs() / 60_000).toFixed(1)} CPU min in ${wallMinutes} min, ` +
      `${executions} executions, corpus ${corpus}, features ${features}, kinds of findings ${findings.size}\n` +
      `lines run: ${reached.sort().join(', ')}\n`,
  );
  for (const [signature, count] of findings) process.stdout.write(`  ${count} x ${signature}\n`);
  process.exitCode = findings.size > 0 ? 1 : 0;
}

async function replay(chosen: Target, file: string): Promise<void> {
  const input = decodeInput(readFileSync(file));
  const started = cpuMs();
  const result = await chosen.run(input);
  process.stdout.write(`${result}\n${(cpuMs() - started).toFixed(1)} ms\n`);
  for (let seed = 0; seed < 40 && chosen.runOtherwise; seed++) {
    const other = await chosen.runOtherwise(input, new SeededRandom(seed));
    if (other === result) continue;
    process.stdout.write(`differs with seed ${seed}:\n${other}\n`);
    return;
  }
}
