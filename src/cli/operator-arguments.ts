/** The arguments of the commands that look after a store. */
import type { Command } from 'commander';
import { MailprocError } from '../core/errors.ts';
import type { Settings } from './options.ts';

export type OperatorRequest =
  | { readonly command: 'verify'; readonly date: string | undefined; readonly settings: Settings }
  | { readonly command: 'doctor'; readonly settings: Settings }
  | PruneRequest;

export interface PruneRequest {
  readonly command: 'prune';
  /** `90d`; undefined where `before` is given. */
  readonly keep: string | undefined;
  /** `20220101` */
  readonly before: string | undefined;
  readonly yes: boolean;
  readonly settings: Settings;
}

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
  addPrune(program, gatherSettings, take);
}

function addPrune(
  program: Command,
  gatherSettings: (options: Options) => Promise<Settings>,
  take: (request: Promise<PruneRequest>) => void,
): void {
  program
    .command('prune')
    .description('Drops days from the store, with their images; shows only what it would drop without --yes.')
    .option('--keep <time>', 'keep today and so much before it: 90d, 12w, 3m or 2y')
    .option('--before <date>', 'drop the days before this one, for example 20220101')
    .option('--yes', 'do it')
    .exitOverride()
    .action((_: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options & { keep?: string; before?: string; yes?: boolean }>();
      const { keep, before, yes = false } = options;
      if ((keep === undefined) === (before === undefined)) {
        throw new MailprocError('usage.prune', 'prune: one of --keep and --before expected', {
          hint: 'for example mailproc prune --keep 90d, and once more with --yes',
        });
      }
      const settings = gatherSettings(options);
      take(settings.then((all) => ({ command: 'prune', keep, before, yes, settings: all })));
    });
}
