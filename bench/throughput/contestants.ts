/** The programs that are measured, and how one run of each is. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../test/support/project.ts';
import { day } from './capture-writer.ts';

export interface Contestant {
  readonly name: string;
  /** One after the other: some programs take one capture at a time. */
  readonly commands: (captures: readonly string[], output: string) => readonly (readonly string[])[];
  /** Before each run, in time that is not counted. */
  readonly prepare?: () => Promise<void>;
}

export interface Run {
  readonly seconds: number;
  /** In the program and in the system for it; NaN where GNU time is not installed. */
  readonly processorSeconds: number;
  readonly peakMegabytes: number;
}

/** `store` for a folder that is empty before each run. */
export function mailproc(
  name: string,
  jobs: number,
  store: (output: string) => string,
  prepare?: () => Promise<void>,
): Contestant {
  const commands: Contestant['commands'] = ([first = ''], output) => {
    const images = join(output, 'image');
    const where = ['--store', store(output), '--images', images, '--jobs', String(jobs), '--quiet'];
    const program = [process.execPath, join(projectRoot, 'bin/mailproc.js')];
    return [[...program, join(first, '..'), day, '--timezone', 'UTC', ...where]];
  };
  return prepare === undefined ? { name, commands } : { name, commands, prepare };
}

export const tshark: Contestant = {
  name: 'tshark --export-objects imf',
  commands: (captures, output) =>
    captures.map((file) => ['tshark', '-Q', '-r', file, '--export-objects', `imf,${output}`]),
};

export const tcpflow: Contestant = {
  name: 'tcpflow (streams only)',
  commands: (captures, output) => captures.map((file) => ['tcpflow', '-q', '-o', output, '-r', file]),
};

export const reading: Contestant = {
  name: 'cat FILES to wc -c',
  commands: (captures) => [['sh', '-c', 'cat "$@" | wc -c', 'sh', ...captures]],
};

/** undefined where the program is not installed. */
export async function runOnce(
  contestant: Contestant,
  captures: readonly string[],
  output: string,
): Promise<Run | undefined> {
  await contestant.prepare?.();
  let [seconds, processorSeconds, peakMegabytes] = [0, 0, 0];
  for (const command of contestant.commands(captures, output)) {
    const run = await runCommand(command, output);
    if (run === undefined) return undefined;
    seconds += run.seconds;
    processorSeconds += run.processorSeconds;
    peakMegabytes = Math.max(peakMegabytes, run.peakMegabytes);
  }
  return { seconds, processorSeconds, peakMegabytes };
}

const timer = '/usr/bin/time';
const isTimed = existsSync(timer);

function runCommand(command: readonly string[], folder: string): Promise<Run | undefined> {
  const [program = '', ...rest] = isTimed ? [timer, '-f', 'used %U %S %M', ...command] : command;
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4096);
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (status) => {
      const seconds = (performance.now() - started) / 1000;
      const [, user, system, peak] = (/used ([\d.]+) ([\d.]+) (\d+)/.exec(said) ?? []).map(Number);
      const used = { processorSeconds: (user ?? NaN) + (system ?? NaN), peakMegabytes: (peak ?? NaN) / 1024 };
      if (status === 127) resolve(undefined);
      else if (status !== 0) reject(new Error(`${command.join(' ')} ended with ${status}: ${said}`));
      else resolve({ seconds, ...used });
    });
  });
}
