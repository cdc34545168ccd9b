/** The arguments of the commands that look after a store. */
import type { Command } from 'commander';
import type { Settings } from './options.ts';

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
