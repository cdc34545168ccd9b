/** The command line as commander reads it. */
import { Command, CommanderError } from 'commander';
import { MailprocError } from '../core/errors.ts';
import { version } from '../core/version.ts';
import { type GivenSettings, readConfigFile, readSettings, settle } from './config-file.ts';
import { addOperatorCommands, type OperatorRequest } from './operator-arguments.ts';
import { definitions, type SettingName, type Settings, settingNames } from './options.ts';
import { addWatchCommand, type WatchRequest } from './watch-arguments.ts';

export type Request =
  | IngestRequest
  | ListRequest
  | { readonly command: 'explain'; readonly files: readonly string[]; readonly settings: Settings }
  | ImagesRequest
  | OperatorRequest
  | WatchRequest;

export interface IngestRequest {
  readonly command: 'ingest';
  readonly root: string;
  readonly date: string;
  readonly settings: Settings;
}

export interface ListRequest {
  readonly command: 'list';
  readonly date: string;
  readonly limit: number;
  readonly settings: Settings;
}

export interface ImagesRequest {
  readonly command: 'images';
  /** A date (`null`, `20220128`), whose images are stored, or captures to be read. */
  readonly source: string;
  /** Which of the captures in a directory. */
  readonly date: string;
  readonly output: string;
  readonly settings: Settings;
}

const dateHelp = 'null for today, or a date as yyyyMMdd, for example 20220128';

/**
 * Undefined where commander has answered already (help, version). Wrong usage throws a `MailprocError` whose
 * code begins with `usage.` or `config.`.
 */
export async function readArguments(argv: readonly string[]): Promise<Request | undefined> {
  let request: Promise<Request> | undefined;
  const program = createProgram((parsed) => {
    request = parsed;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    // What commander suggests stands in a line of its own.
    const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw new MailprocError('usage.arguments', text, {
      hint: 'mailproc <dir> null | mailproc <dir> 20220128; mailproc --help shows all options',
    });
  }
  return request;
}

function createProgram(take: (request: Promise<Request>) => void): Command {
  const program = new Command('mailproc')
    .description('Turns the captured network traffic of a day into a searchable record of the mail in it.')
    .version(version)
    .argument('<dir>', 'directory with captures (searched recursively), or one capture file')
    .argument('<date>', dateHelp)
    .configureOutput({ writeErr: () => undefined })
    .configureHelp({ showGlobalOptions: true })
    .helpCommand(true)
    .exitOverride()
    .showHelpAfterError(false);
  addSettings(program).action((root: string, date: string, options: CommandOptions) => {
    take(gatherSettings(options).then((settings) => ({ command: 'ingest', root, date, settings })));
  });
  const list = program
    .command('list')
    .description('Shows the first rows of a day as a table.')
    .argument('<date>', dateHelp)
    .option('--limit <rows>', 'rows shown', '10')
    .exitOverride();
  list.action((date: string, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<CommandOptions & { limit: string }>();
    const limit = readLimit(options.limit);
    take(gatherSettings(options).then((settings) => ({ command: 'list', date, limit, settings })));
  });
  addWatchCommand(program, gatherSettings, take);
  addOperatorCommands(program, gatherSettings, take);
  addExplain(program, take);
  addImages(program, take);
  return program;
}

function addExplain(program: Command, take: (request: Promise<Request>) => void): void {
  const explain = program
    .command('explain')
    .description(
      'Tells what is in a capture: connections, commands, mails, gaps, and why something is no row.',
    )
    .argument('<capture...>', 'one capture file, or the files of a rotated capture in their order')
    .exitOverride();
  explain.action((files: string[], _: unknown, command: Command) => {
    const options = command.optsWithGlobals<CommandOptions>();
    take(gatherSettings(options).then((settings) => ({ command: 'explain', files, settings })));
  });
}

function addImages(program: Command, take: (request: Promise<Request>) => void): void {
  program
    .command('images')
    .description('Makes a contact sheet of the images of a stored day, or of captures that are not stored.')
    .argument('<source>', `${dateHelp}; or a capture file or directory`)
    .argument('[date]', 'which captures of a directory', 'null')
    .option('--output <file>', 'a .html or .webp file; more than fits goes to numbered ones', 'images.html')
    .exitOverride()
    .action((source: string, date: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommandOptions & { output: string }>();
      const { output } = options;
      take(
        gatherSettings(options).then((settings) => ({ command: 'images', source, date, output, settings })),
      );
    });
}

type CommandOptions = Readonly<Record<string, unknown>>;

function addSettings(command: Command): Command {
  for (const name of settingNames) command.option(definitions[name].flags, definitions[name].help);
  return command.option('--config <file>', 'YAML file with the same settings; the command line wins');
}

/** Command line before configuration file before defaults. */
async function gatherSettings(options: CommandOptions): Promise<Settings> {
  const fromFlags = readSettings(onlySettings(options), flagOf);
  const file = options['config'];
  const fromFile: GivenSettings = typeof file === 'string' ? await readConfigFile(file) : {};
  return settle(fromFlags, fromFile);
}

/** `--mail-max`: what was typed, not what the setting is called in a file. */
function flagOf(name: SettingName): string {
  return definitions[name].flags.replace(/ .*/, '');
}

function onlySettings(options: CommandOptions): Record<string, unknown> {
  const given = settingNames.filter((name) => options[name] !== undefined);
  // commander sets a `--no-` flag to true where it is not given: only false was said by the user.
  const said = given.filter((name) => name !== 'progress' || options[name] === false);
  return Object.fromEntries(said.map((name) => [name, options[name]]));
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1) return limit;
  throw new MailprocError('usage.limit', `read --limit "${text}": a number of rows from 1 expected`);
}
