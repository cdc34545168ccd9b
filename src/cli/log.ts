/**
 * What the command says beside its results, on standard error: lines for people, or one JSON object a line
 * for what collects logs. Neither holds a password or the text of a mail: what comes in here is free of them.
 */
import type { MailprocError } from '../core/errors.ts';
import type { Settings } from './options.ts';
import { printable } from './printable.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  /** The command cannot do what it was asked for. */
  error(error: MailprocError): void;
  /** Why the exit status is not 0 although there is no error, or what is tried again. */
  trouble(code: string, text: string, fields?: LogFields): void;
  /** What the operator should know: an odd setting, a failover. */
  notice(code: string, detail: string): void;
  /** That things go on. */
  event(code: string, text: string, fields?: LogFields): void;
  /** One of many: told where everything is wanted. `at` is of the capture. */
  anomaly(capture: string, code: string, at: string, detail: string): void;
}

type LogSettings = Pick<Settings, 'quiet' | 'verbose'>;

export async function openLog(settings: LogSettings & Pick<Settings, 'log'>): Promise<Log> {
  if (settings.log === 'text') return textLog(settings);
  const { jsonLog } = await import('./json-log.ts');
  return jsonLog(settings);
}

export function textLog({ quiet, verbose }: LogSettings): Log {
  const print = (text: string): void => {
    process.stderr.write(`${printable(text)}\n`);
  };
  return {
    error({ message, hint }) {
      print(`mailproc: ${message}`);
      if (hint !== undefined) print(`  ${hint}`);
    },
    trouble: (_, text) => print(`mailproc: ${text}`),
    notice(code, detail) {
      const label = code === 'config.warning' ? 'warning' : code;
      if (!quiet) print(`mailproc: ${label}: ${detail}`);
    },
    event(_, text) {
      if (!quiet) print(`mailproc: ${text}`);
    },
    anomaly(capture, code, at, detail) {
      const place = at.startsWith(capture) ? at : `${capture} ${at}`;
      if (verbose) print(`${place}: ${code}: ${detail}`);
    },
  };
}
