/** The command: reads the arguments, runs what they ask for, and turns the outcome into an exit status. */
import { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { type MadeSheet, sheetOfCaptures, sheetOfDay } from '../pipeline/contact-sheet/make-sheet.ts';
import { runJob } from '../pipeline/ingest.ts';
import type { Job, Watcher } from '../pipeline/job.ts';
import { listRows } from '../pipeline/list-rows.ts';
import { exitStatus } from '../pipeline/report.ts';
import { type ImagesRequest, type Request, readArguments } from './arguments.ts';
import { readDay } from './day.ts';
import { runExplain } from './explain.ts';
import { noticeWriter } from './notices.ts';
import { isOperatorRequest, runOperatorRequest } from './operators.ts';
import type { Settings } from './options.ts';
import { printable } from './printable.ts';
import { progressBar } from './progress.ts';
import { renderReport } from './render-report.ts';
import { renderRows } from './render-rows.ts';

/** `argv` without the interpreter and the script; resolves with the exit status, see docs/usage.md. */
export async function main(argv: readonly string[]): Promise<number> {
  // Who reads our output may close it early (`| head`): that is no error.
  process.stdout.on('error', endQuietlyOnClosedPipe);
  process.stderr.on('error', endQuietlyOnClosedPipe);
  try {
    const request = await readArguments(argv);
    return request === undefined ? 0 : await run(request);
  } catch (error) {
    if (!(error instanceof MailprocError)) throw error;
    process.stderr.write(`mailproc: ${printable(error.message)}\n`);
    if (error.hint !== undefined) process.stderr.write(`  ${printable(error.hint)}\n`);
    return statusOf(error);
  }
}

function run(request: Request): Promise<number> {
  if (isOperatorRequest(request)) return runOperatorRequest(request);
  if (request.command === 'explain') return runExplain(request.files, request.settings);
  const clock = new ZoneClock(request.settings.timezone);
  const dayOf = (date: string) => readDay(date, () => clock.day(BigInt(Date.now()) * 1_000_000n));
  switch (request.command) {
    case 'ingest':
      return runIngest(request.root, dayOf(request.date), request.settings);
    case 'list':
      return runList(request.settings, dayOf(request.date), request.limit);
    case 'images':
      return runImages(request, dayOf);
  }
}

async function runIngest(root: string, day: string, settings: Settings): Promise<number> {
  const rowsOnStdout = settings.store === 'ndjson:-';
  if (rowsOnStdout && settings.json) {
    throw new MailprocError(
      'usage.stdout',
      'choose the output: --json and --store ndjson:- both write to stdout',
      {
        hint: 'write the rows to a file with --store ndjson:FILE',
      },
    );
  }
  const job: Job = {
    root,
    day,
    timeZone: settings.timezone,
    store: settings.store,
    imageFolder: settings.images,
    attachmentFolder: settings.attachments,
    messageFolder: settings.messages,
    ports: settings.ports,
    keyLogFile: settings.keylog,
    reprocess: settings.reprocess,
    jobs: settings.jobs,
  };
  const bar = progressBar(settings.progress && !settings.quiet);
  try {
    const report = await runJob(job, watcher(settings, bar.update), untilInterrupted());
    bar.stop();
    if (settings.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else if (!settings.quiet) (rowsOnStdout ? process.stderr : process.stdout).write(renderReport(report));
    return exitStatus(report);
  } finally {
    bar.stop();
  }
}

async function runList(settings: Settings, day: string, limit: number): Promise<number> {
  const listed = await listRows(settings.store, day, limit, { report: noticeWriter(settings) });
  process.stdout.write(renderRows(listed, day));
  return 0;
}

async function runImages(request: ImagesRequest, dayOf: (date: string) => string): Promise<number> {
  const { source, output, settings } = request;
  const sheet = /^(?:null|\d{8})$/.test(source)
    ? await sheetOfDay(settings.store, dayOf(source), settings.images, output)
    : await sheetOfGivenCaptures(source, dayOf(request.date), output, settings);
  if (!settings.quiet) process.stdout.write(`${printable(sheetText(sheet, source))}\n`);
  return 0;
}

async function sheetOfGivenCaptures(
  root: string,
  day: string,
  output: string,
  settings: Settings,
): Promise<MadeSheet> {
  const job = { root, day, timeZone: settings.timezone, ports: settings.ports, keyLogFile: settings.keylog };
  const bar = progressBar(settings.progress && !settings.quiet);
  try {
    return await sheetOfCaptures(job, output, watcher(settings, bar.update), untilInterrupted());
  } finally {
    bar.stop();
  }
}

function sheetText({ files, images, mails, different, leftOut }: MadeSheet, source: string): string {
  if (images === 0) return `no image in ${source}`;
  const left = leftOut > 0 ? `, ${leftOut} not shown` : '';
  return `images: ${images}, different: ${different}, mails with images: ${mails}${left}; see ${files.join(' ')}`;
}

function watcher(settings: Settings, progress: Watcher['progress']): Watcher {
  return {
    progress,
    notice: noticeWriter(settings),
    anomaly(capture, code, at, detail) {
      const place = at.startsWith(capture) ? at : `${capture} ${at}`;
      if (settings.verbose) process.stderr.write(`${printable(`${place}: ${code}: ${detail}`)}\n`);
    },
  };
}

/** Ctrl-C or a stop by the system ends the run after the batch at hand; a second one ends it at once. */
function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

function statusOf(error: MailprocError): number {
  if (error.code === 'store.busy') return 75;
  return /^(?:usage|config)\./.test(error.code) ? 2 : 1;
}

function endQuietlyOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}
