/** The log as JSON lines, made by pino: the fields are documented in docs/operations.md. */
import { destination, pino, stdTimeFunctions } from 'pino';
import type { Log } from './log.ts';
import type { Settings } from './options.ts';

export function jsonLog({ quiet, verbose }: Pick<Settings, 'quiet' | 'verbose'>): Log {
  // Written at once: what is said last, why the command ends, must not be lost with it.
  const output = destination({ dest: process.stderr.fd, sync: true });
  output.on('error', (error: Error) => process.stderr.emit('error', error));
  const logger = pino(
    {
      level: quiet ? 'error' : verbose ? 'debug' : 'info',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
  return {
    error: ({ code, message, hint }) => logger.error({ code, hint }, message),
    trouble: (code, text, fields = {}) => logger.error({ code, ...fields }, text),
    notice: (code, detail) => logger.warn({ code }, detail),
    event: (code, text, fields = {}) => logger.info({ code, ...fields }, text),
    anomaly(capture, code, at, detail) {
      const frame = /\bframe (\d+)/.exec(at)?.[1];
      const place = at.startsWith(`${capture} `) ? at.slice(capture.length + 1) : at;
      const where = frame === undefined ? {} : { frame: Number(frame) };
      logger.debug({ code, capture, ...where, at: place }, detail);
    },
  };
}
