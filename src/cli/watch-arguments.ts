/** The arguments of `mailproc watch`. */
import type { Command } from 'commander';
import { MailprocError } from '../core/errors.ts';
import type { Settings } from './options.ts';

export interface WatchRequest {
  readonly command: 'watch';
  readonly root: string;
  /** undefined: as the system tells. */
  readonly pollMs: number | undefined;
  readonly settings: Settings;
  /** Reads the settings again: the configuration file may have changed. */
  readonly reload: () => Promise<Settings>;
}

type Options = Readonly<Record<string, unknown>>;

/** `take` gets what was asked for, as soon as the settings are read. */
export function addWatchCommand(
  program: Command,
  gatherSettings: (options: Options) => Promise<Settings>,
  take: (request: Promise<WatchRequest>) => void,
): void {
  program
    .command('watch')
    .description(
      'Follows a directory: stores what is captured within seconds, day after day, until it is stopped.',
    )
    .argument('<dir>', 'directory that captures are written to (subdirectories too)')
    .option('--poll <seconds>', 'look every so many seconds instead of waiting for the system to tell')
    .exitOverride()
    .action((root: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options & { poll?: string }>();
      const pollMs = readPoll(options.poll);
      const reload = (): Promise<Settings> => gatherSettings(options);
      take(reload().then((settings) => ({ command: 'watch', root, pollMs, settings, reload })));
    });
}

function readPoll(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && seconds >= 0.1 && seconds <= 3600) return seconds * 1000;
  throw new MailprocError('usage.poll', `read --poll "${text}": seconds from 0.1 to 3600 expected`);
}
