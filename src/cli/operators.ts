/** The commands that look after a store: `verify` and `doctor`. */
import type { Command } from 'commander';
import { ZoneClock } from '../core/clock.ts';
import { diagnoseStore } from '../pipeline/doctor.ts';
import { verifyStore } from '../pipeline/verify.ts';
import { readDay } from './day.ts';
import { noticeWriter } from './notices.ts';
import type { Settings } from './options.ts';
import { renderDiagnosis } from './render-diagnosis.ts';
import { renderVerification } from './render-verification.ts';

export type OperatorRequest =
  | { readonly command: 'verify'; readonly date: string | undefined; readonly settings: Settings }
  | { readonly command: 'doctor'; readonly settings: Settings };

type Options = Readonly<Record<string, unknown>>;

/** `take` gets what was asked for, as soon as the settings are read. */
export function addOperatorCommands(
  program: Command,
  gatherSettings: (options: Options) => Promise<Settings>,
  take: (request: Promise<OperatorRequest>) => void,
): void {
  const verify = program
    .command('verify')
    .description(
      'Compares the rows of each capture in the store with what was written; exit status 3 if they differ.',
    )
    .argument('[date]', 'null for today, or a date as yyyyMMdd; all days where it is left out')
    .exitOverride();
  verify.action((date: string | undefined, _: unknown, command: Command) => {
    const settings = gatherSettings(command.optsWithGlobals());
    take(settings.then((all) => ({ command: 'verify', date, settings: all })));
  });
  const doctor = program
    .command('doctor')
    .description('Looks for what is wrong with the store and its servers; exit status 3 if something is.')
    .exitOverride();
  doctor.action((_: unknown, command: Command) => {
    const settings = gatherSettings(command.optsWithGlobals());
    take(settings.then((all) => ({ command: 'doctor', settings: all })));
  });
}

export function isOperatorRequest(request: { readonly command: string }): request is OperatorRequest {
  return request.command === 'verify' || request.command === 'doctor';
}

export function runOperatorRequest(request: OperatorRequest): Promise<number> {
  return request.command === 'verify'
    ? runVerify(request.date, request.settings)
    : runDoctor(request.settings);
}

async function runVerify(date: string | undefined, settings: Settings): Promise<number> {
  const clock = new ZoneClock(settings.timezone);
  const today = () => clock.day(BigInt(Date.now()) * 1_000_000n);
  const day = date === undefined ? undefined : readDay(date, today);
  const verification = await verifyStore(settings.store, day, { report: noticeWriter(settings) });
  print(settings, verification, renderVerification);
  return verification.differences.length > 0 ? 3 : 0;
}

async function runDoctor(settings: Settings): Promise<number> {
  const { store, timezone } = settings;
  const diagnosis = await diagnoseStore({ store, timeZone: timezone, report: noticeWriter(settings) });
  print(settings, diagnosis, renderDiagnosis);
  const weights = new Set(diagnosis.findings.map(({ weight }) => weight));
  if (weights.has('unreachable')) return 1;
  return weights.has('problem') ? 3 : 0;
}

function print<Result>({ json, quiet }: Settings, result: Result, render: (result: Result) => string): void {
  if (json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (!quiet) process.stdout.write(render(result));
}
