/** `mailproc watch <dir>`: follows a directory until it is stopped. */
import { isDeepStrictEqual } from 'node:util';
import { MailprocError } from '../core/errors.ts';
import { watchLimits } from '../core/limits.ts';
import { CaptureWatch, type WatchListener } from '../pipeline/watch.ts';
import { counted } from './counted.ts';
import { jobOf, tellOutcome } from './ingest.ts';
import type { Log } from './log.ts';
import { type Settings, settingNames } from './options.ts';
import { jsonText } from './printable.ts';
import type { WatchRequest } from './watch-arguments.ts';
import { watcherOf } from './watcher.ts';

/** Read once, at the start; the others are of each run. */
const fixed: readonly (keyof Settings)[] = ['log', 'json', 'quiet', 'verbose', 'progress', 'reprocess'];

/** Resolves with 0 when it is told to end: that is the only way it ends well. */
export async function runWatch({ root, pollMs, settings, reload }: WatchRequest, log: Log): Promise<number> {
  checkSettings(settings);
  const stopping = new AbortController();
  const watch = new CaptureWatch(jobOf(root, settings), listenerOf(settings, log), { pollMs });
  let current = settings;
  const hangUp = async (): Promise<void> => {
    current = await reloaded(current, reload, log);
    watch.change(jobOf(root, current));
  };
  process.on('SIGHUP', hangUp);
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.once(name, () => {
      stopping.abort();
      // A server that does not answer must not keep us: whatever is half done then is as if never begun.
      setTimeout(() => process.exit(0), watchLimits.endMsMax).unref();
    });
  }
  try {
    await watch.run(stopping.signal);
  } finally {
    process.off('SIGHUP', hangUp);
  }
  log.event('watch.ended', 'watching has ended');
  return 0;
}

function checkSettings({ store, reprocess }: Settings): void {
  if (reprocess) {
    throw new MailprocError('usage.watch', 'watch: --reprocess would delete and read all at every change', {
      hint: 'run mailproc <dir> <date> --reprocess once, beside it',
    });
  }
  if (store.startsWith('ndjson:')) {
    throw new MailprocError('usage.watch', `watch with ${store}: lines have no ledger of what was read`, {
      hint: 'use a store of the form sqlite:FILE, mysql://…, cluster:FILE or mycat:DIR',
    });
  }
}

function listenerOf({ json }: Settings, log: Log): WatchListener {
  return {
    ...watcherOf(log, () => undefined),
    begins(how, root, day) {
      const text = how === 'told' ? 'told of changes by the system' : 'looking for changes again and again';
      log.event('watch.begins', `watching ${root}, ${text}; the day is ${day}`, { root, how, day });
    },
    day: (day) => log.event('watch.day', `the day is ${day}`, { day }),
    ran(report) {
      if (json) process.stdout.write(`${jsonText(report)}\n`);
      // That it is interrupted is what was asked for.
      tellOutcome({ ...report, interrupted: false }, log);
    },
    finished({ day, tables }) {
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      log.event('watch.finished', `${day} is finished: ${counted(rows, 'row')}`, { day, rows });
    },
    failed({ code, message, hint }, retryMs) {
      const seconds = Math.ceil(retryMs / 1000);
      log.trouble(code, `${message}; trying again in ${seconds} s`, { hint, retrySeconds: seconds });
    },
  };
}

/** What is wrong with the new settings is told, and the old ones are kept. */
async function reloaded(before: Settings, reload: () => Promise<Settings>, log: Log): Promise<Settings> {
  let settings: Settings;
  try {
    settings = await reload();
    checkSettings(settings);
  } catch (error) {
    if (!(error instanceof MailprocError)) throw error;
    const text = `${error.message}; the settings stay as they were`;
    log.trouble(error.code, text, { hint: error.hint });
    return before;
  }
  const different = settingNames.filter((name) => !isDeepStrictEqual(settings[name], before[name]));
  const changed = different.filter((name) => !fixed.includes(name));
  const kept = different.filter((name) => fixed.includes(name));
  const text = `settings read again: ${changed.length === 0 ? 'nothing has changed' : `changed: ${changed.join(', ')}`}`;
  log.event('watch.reloaded', text, { changed: changed.join(' ') });
  if (kept.length > 0) {
    const what = kept.join(', ');
    log.notice('config.warning', `${what} cannot change while it runs: start it again for that`);
  }
  const taken = Object.fromEntries(changed.map((name) => [name, settings[name]]));
  return { ...before, ...taken };
}
