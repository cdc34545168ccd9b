/** `mailproc list`: the first rows of a day. */
import { listRows } from '../pipeline/list-rows.ts';
import type { ListRequest } from './arguments.ts';
import { dayOf } from './day.ts';
import type { Log } from './log.ts';
import { renderRows } from './render-rows.ts';

export async function runList({ date, limit, settings }: ListRequest, log: Log): Promise<number> {
  const day = dayOf(date, settings.timezone);
  const report = (code: string, detail: string): void => log.notice(code, detail);
  const listed = await listRows(settings.store, day, limit, { report });
  process.stdout.write(renderRows(listed, day));
  return 0;
}
