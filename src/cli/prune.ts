/** `mailproc prune`: takes old days out of the store, or shows what it would take. */
import { MailprocError } from '../core/errors.ts';
import { pruneStore } from '../pipeline/prune.ts';
import { dayOf } from './day.ts';
import type { Log } from './log.ts';
import type { PruneRequest } from './operator-arguments.ts';
import { renderPruned } from './render-pruned.ts';
import { untilInterrupted } from './watcher.ts';

/** Resolves with the exit status: 75 where another run is at some of the captures. */
export async function runPrune({ keep, before, yes, settings }: PruneRequest, log: Log): Promise<number> {
  const { store, timezone, images, attachments, messages } = settings;
  const signal = untilInterrupted();
  const request = {
    store,
    before: await firstKept(keep, before, timezone),
    imageFolder: images,
    attachmentFolder: attachments,
    messageFolder: messages,
    isMeant: yes,
  };
  const report = (code: string, detail: string): void => log.notice(code, detail);
  const pruned = await pruneStore(request, signal, { report });
  if (settings.json) process.stdout.write(`${JSON.stringify(pruned, null, 2)}\n`);
  else if (!settings.quiet) process.stdout.write(renderPruned(pruned, yes));
  const busy = pruned.days.filter(({ state }) => state === 'busy').map(({ day }) => day);
  if (busy.length > 0)
    log.trouble('prune.busy', `left to another run that is at them now: ${busy.join(', ')}`);
  if (signal.aborted) return 130;
  return busy.length > 0 ? 75 : 0;
}

/** The day from which on days are kept; today is always one of them. */
async function firstKept(
  keep: string | undefined,
  before: string | undefined,
  timeZone: string,
): Promise<string> {
  const today = dayOf('null', timeZone);
  const day = before === undefined ? await dayAgo(today, keep ?? '') : dayOf(before, timeZone);
  if (day <= today) return day;
  throw new MailprocError('usage.prune', `prune days before ${day}: today, ${today}, is one of them`, {
    hint: 'today is written to: the newest day that can be dropped is yesterday',
  });
}

/** `90d` keeps today and the 90 days before it, `3m` from the same day three months ago on. */
async function dayAgo(today: string, keep: string): Promise<string> {
  const [, count = '', unit = ''] = /^(\d{1,5})([dwmy])$/.exec(keep) ?? [];
  const name = ({ d: 'days', w: 'weeks', m: 'months', y: 'years' } as const)[unit];
  if (name === undefined) {
    throw new MailprocError('usage.prune', `read --keep "${keep}": a number with d, w, m or y expected`, {
      hint: 'for example 90d for ninety days, 12w for weeks, 3m for months, 2y for years',
    });
  }
  const { sub } = await import('date-fns/sub');
  const [year = 0, month = 0, day = 0] = today.split('-').map(Number);
  // Noon is on the same day in every zone of this machine, whatever the clocks were changed by.
  const then = sub(new Date(year, month - 1, day, 12), { [name]: Number(count) });
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  return `${String(then.getFullYear()).padStart(4, '0')}-${twoDigits(then.getMonth() + 1)}-${twoDigits(then.getDate())}`;
}
