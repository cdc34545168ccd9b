/** `mailproc images`: a contact sheet of a stored day, or of captures. */
import { type MadeSheet, sheetOfCaptures, sheetOfDay } from '../pipeline/contact-sheet/make-sheet.ts';
import type { ImagesRequest } from './arguments.ts';
import { dayOf } from './day.ts';
import type { Log } from './log.ts';
import { printable } from './printable.ts';
import { progressBar } from './progress.ts';
import { untilInterrupted, watcherOf } from './watcher.ts';

export async function runImages(request: ImagesRequest, log: Log): Promise<number> {
  const { source, output, settings } = request;
  const sheet = /^(?:null|\d{8})$/.test(source)
    ? await sheetOfDay(settings.store, dayOf(source, settings.timezone), settings.images, output)
    : await sheetOfGivenCaptures(request, log);
  if (!settings.quiet) process.stdout.write(`${printable(sheetText(sheet, source))}\n`);
  return 0;
}

async function sheetOfGivenCaptures(
  { source: root, date, output, settings }: ImagesRequest,
  log: Log,
): Promise<MadeSheet> {
  const { timezone: timeZone, ports, keylog: keyLogFile } = settings;
  const job = { root, day: dayOf(date, timeZone), timeZone, ports, keyLogFile };
  const bar = await progressBar(settings.progress && !settings.quiet);
  try {
    return await sheetOfCaptures(job, output, watcherOf(log, bar.update), untilInterrupted());
  } finally {
    bar.stop();
  }
}

function sheetText({ files, images, mails, different, leftOut }: MadeSheet, source: string): string {
  if (images === 0) return `no image in ${source}`;
  const left = leftOut > 0 ? `, ${leftOut} not shown` : '';
  return `images: ${images}, different: ${different}, mails with images: ${mails}${left}; see ${files.join(' ')}`;
}
