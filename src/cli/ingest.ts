/** `mailproc <dir> <date>`: a run, its report, and its reason where the exit status is not 0. */
import { MailprocError } from '../core/errors.ts';
import { runJob } from '../pipeline/ingest.ts';
import type { Job } from '../pipeline/job.ts';
import { exitStatus, type Report } from '../pipeline/report.ts';
import type { IngestRequest } from './arguments.ts';
import { counted } from './counted.ts';
import { dayOf } from './day.ts';
import type { Log } from './log.ts';
import type { Settings } from './options.ts';
import { jsonText } from './printable.ts';
import { progressBar } from './progress.ts';
import { untilInterrupted, watcherOf } from './watcher.ts';

export async function runIngest({ root, date, settings }: IngestRequest, log: Log): Promise<number> {
  const rowsOnStdout = settings.store === 'ndjson:-';
  if (rowsOnStdout && settings.json) {
    throw new MailprocError(
      'usage.stdout',
      'choose the output: --json and --store ndjson:- both write to stdout',
      { hint: 'write the rows to a file with --store ndjson:FILE' },
    );
  }
  const job = { ...jobOf(root, settings), day: dayOf(date, settings.timezone) };
  const bar = await progressBar(settings.progress && !settings.quiet);
  try {
    const report = await runJob(job, watcherOf(log, bar.update), untilInterrupted());
    bar.stop();
    await show(report, settings, rowsOnStdout);
    if (settings.quiet || settings.log === 'json') tellOutcome(report, log);
    return exitStatus(report);
  } finally {
    bar.stop();
  }
}

export function jobOf(root: string, settings: Settings): Omit<Job, 'day'> {
  return {
    root,
    timeZone: settings.timezone,
    store: settings.store,
    imageFolder: settings.images,
    attachmentFolder: settings.attachments,
    messageFolder: settings.messages,
    ports: settings.ports,
    keyLogFile: settings.keylog,
    reprocess: settings.reprocess,
    jobs: settings.jobs,
    mailBytesMax: settings.mailMax,
    spillFolder: settings.spill,
  };
}

async function show(report: Report, settings: Settings, rowsOnStdout: boolean): Promise<void> {
  if (settings.json) process.stdout.write(`${jsonText(report, 2)}\n`);
  else if (!settings.quiet && settings.log === 'text') {
    const { renderReport } = await import('./render-report.ts');
    (rowsOnStdout ? process.stderr : process.stdout).write(renderReport(report));
  }
}

/** One line for each reason why the exit status is not 0, and one that all is done. */
export function tellOutcome(report: Report, log: Log): void {
  const { captures, mails, day, seconds } = report;
  const [first, ...others] = captures.damaged;
  if (first !== undefined) {
    const more = others.length > 0 ? `, and ${others.length} more` : '';
    const what = first.code === 'capture.unreadable' ? 'cannot read' : 'damaged capture';
    const text = `${day}: ${what} ${first.path}: ${first.detail}${more}`;
    const { path: capture, behindFrame: frame } = first;
    const where = { capture, ...(frame === null ? {} : { frame }) };
    log.trouble('run.damaged', text, { day, ...where, captures: captures.damaged.length });
  }
  if (captures.busy > 0) {
    const text = `${day}: ${counted(captures.busy, 'capture')} left to another run that is at them now`;
    log.trouble('run.busy', text, { day, captures: captures.busy });
  }
  if (report.interrupted) {
    log.trouble('run.interrupted', `${day}: interrupted: run it again to go on`, { day });
    return;
  }
  const sum = (field: 'added' | 'replaced') =>
    Object.values(mails).reduce((total, counts) => total + counts[field], 0);
  const [added, completed] = [sum('added'), sum('replaced')];
  const mail = `${counted(added, 'new mail')}${completed > 0 ? `, ${completed} completed` : ''}`;
  const text = `${day}: ${counted(captures.read, 'capture')} read, ${mail}`;
  log.event('run.done', text, { day, captures: captures.read, added, completed, seconds });
}
