/**
 * How fast a day of captures becomes rows, beside other programs that take mail out of captures. Run
 * `npm run build && node dist/bench/throughput/main.js [megabytes] [rounds]`; programs that are not
 * installed are left out, and with a folder in place of the size its captures (of 2022-01-28) are read.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../test/support/project.ts';
import { day, makeDay } from './make-day.ts';

interface Contestant {
  readonly name: string;
  readonly program: string;
  /** For one capture at a time where the program takes no folder. */
  readonly argv: (captures: readonly string[], output: string) => readonly (readonly string[])[];
}

interface Run {
  readonly seconds: number;
  readonly peakMegabytes: number;
}

const contestants: readonly Contestant[] = [
  {
    name: 'mailproc --jobs 1',
    program: process.execPath,
    argv: (captures, out) => [mailproc(1, captures, out)],
  },
  {
    name: 'mailproc --jobs 2',
    program: process.execPath,
    argv: (captures, out) => [mailproc(2, captures, out)],
  },
  {
    name: 'tshark --export-objects imf',
    program: 'tshark',
    argv: (captures, out) => captures.map((file) => ['-Q', '-r', file, '--export-objects', `imf,${out}`]),
  },
  {
    name: 'tcpflow (streams only)',
    program: 'tcpflow',
    argv: (captures, out) => captures.map((file) => ['-q', '-o', out, '-r', file]),
  },
];

function mailproc(jobs: number, captures: readonly string[], output: string): readonly string[] {
  const [first = ''] = captures;
  const options = [
    '--store',
    `ndjson:${join(output, 'mails.ndjson')}`,
    '--images',
    join(output, 'image'),
    '--quiet',
  ];
  const root = captures.length === 1 ? first : join(first, '..');
  return [
    join(projectRoot, 'bin/mailproc.js'),
    root,
    day,
    '--timezone',
    'UTC',
    '--jobs',
    `${jobs}`,
    ...options,
  ];
}

const [source = '300', rounds = '5'] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'mailproc-throughput-'));
try {
  const folder = existsSync(source) ? source : join(work, 'captures');
  if (folder !== source) {
    mkdirSync(folder);
    await makeDay(folder, Number(source));
  }
  const names = readdirSync(folder).filter((name) => /\.pcap(?:ng)?$/.test(name));
  const captures = names.sort().map((name) => join(folder, name));
  await compare(captures, Number(rounds));
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** In turn, so that a machine that becomes slower does so for all. */
async function compare(captures: readonly string[], roundCount: number): Promise<void> {
  const runs = new Map<Contestant, Run[]>();
  for (let round = 0; round <= roundCount; round++) {
    for (const contestant of contestants) {
      const run = await measure(contestant, captures);
      // The first round fills the caches.
      if (run !== undefined && round > 0) runs.set(contestant, [...(runs.get(contestant) ?? []), run]);
    }
  }
  const megabytes = captures.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6;
  console.log(`${megabytes.toFixed(0)} MB in ${captures.length} captures, medians of ${roundCount} rounds\n`);
  console.log('| program | seconds | MB/s | peak memory | time compared |\n| --- | --- | --- | --- | --- |');
  const reference = median([...runs.values()][0]?.map(({ seconds }) => seconds) ?? []);
  for (const [{ name }, all] of runs) {
    const seconds = median(all.map((run) => run.seconds));
    const peak = median(all.map((run) => run.peakMegabytes));
    const cells = [seconds.toFixed(2), (megabytes / seconds).toFixed(0), `${peak.toFixed(0)} MB`];
    console.log(`| ${name} | ${cells.join(' | ')} | ${(seconds / reference).toFixed(2)} |`);
  }
}

/** undefined where the program is not installed. */
async function measure({ program, argv }: Contestant, captures: readonly string[]): Promise<Run | undefined> {
  const output = join(work, 'output');
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  const started = performance.now();
  let peakMegabytes = 0;
  for (const each of argv(captures, output)) {
    const peak = await runOnce(program, each);
    if (peak === undefined) return undefined;
    peakMegabytes = Math.max(peakMegabytes, peak);
  }
  return { seconds: (performance.now() - started) / 1000, peakMegabytes };
}

/** Peak memory of the program in megabytes, where GNU time is there to tell it. */
function runOnce(program: string, argv: readonly string[]): Promise<number | undefined> {
  const timer = '/usr/bin/time';
  const isTimed = existsSync(timer);
  const [command, all] = isTimed ? [timer, ['-f', 'peak %M', program, ...argv]] : [program, argv];
  return new Promise((resolve, reject) => {
    const child = spawn(command, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4096);
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (status) => {
      if (status === 127) resolve(undefined);
      else if (status !== 0) reject(new Error(`${program} ended with ${status}: ${said}`));
      else resolve(Number(/peak (\d+)/.exec(said)?.[1] ?? Number.NaN) / 1000);
    });
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
