/** The command: reads the arguments, runs what they ask for, and turns the outcome into an exit status. */
import { MailprocError } from '../core/errors.ts';
import { systemReason } from '../core/system-reason.ts';
import { type Request, readArguments } from './arguments.ts';
import { type Log, openLog, textLog } from './log.ts';

/** `argv` without the interpreter and the script; resolves with the exit status, see docs/usage.md. */
export async function main(argv: readonly string[]): Promise<number> {
  // Until the settings are known nobody has asked for anything else.
  let log: Log = textLog({ quiet: false, verbose: false });
  process.stdout.on('error', (error) => endWithoutOutput(error, log));
  // Where nobody hears us any more nobody can be told; the work is done all the same.
  process.stderr.on('error', () => undefined);
  try {
    const request = await readArguments(argv);
    if (request === undefined) return 0;
    log = await openLog(request.settings);
    return await run(request, log);
  } catch (error) {
    if (!(error instanceof MailprocError)) throw error;
    log.error(withoutPasswords(error));
    return statusOf(error);
  }
}

/** A command's code is loaded with its first use: cron starts this program often, and mostly for nothing new. */
async function run(request: Request, log: Log): Promise<number> {
  switch (request.command) {
    case 'ingest': {
      const { runIngest } = await import('./ingest.ts');
      return runIngest(request, log);
    }
    case 'list': {
      const { runList } = await import('./list.ts');
      return runList(request, log);
    }
    case 'images': {
      const { runImages } = await import('./images.ts');
      return runImages(request, log);
    }
    case 'explain': {
      const { runExplain } = await import('./explain.ts');
      return runExplain(request.files, request.settings);
    }
    case 'watch': {
      const { runWatch } = await import('./watch.ts');
      return runWatch(request, log);
    }
    case 'prune': {
      const { runPrune } = await import('./prune.ts');
      return runPrune(request, log);
    }
    default: {
      const { runOperatorRequest } = await import('./operators.ts');
      return runOperatorRequest(request, log);
    }
  }
}

/** A store URL may stand where a path or a date should, and is repeated then. */
function withoutPasswords(error: MailprocError): MailprocError {
  const message = error.message.replace(/(\b[a-z]\w*:\/\/[^\s:/@]*):\S*@/gi, '$1:***@');
  return new MailprocError(error.code, message, error.hint === undefined ? {} : { hint: error.hint });
}

function statusOf(error: MailprocError): number {
  if (error.code === 'store.busy') return 75;
  return /^(?:usage|config)\./.test(error.code) ? 2 : 1;
}

/** Who reads our results may close the pipe early (`| head`): that is no error. */
function endWithoutOutput(error: NodeJS.ErrnoException, log: Log): void {
  if (error.code === 'EPIPE') process.exit(0);
  log.error(new MailprocError('output.failed', `write standard output: ${systemReason(error)}`));
  process.exit(1);
}
