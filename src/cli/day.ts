/** The date argument. */
import { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';

const forms = 'use null for today or a date as yyyyMMdd, for example 20220128';

/** `null` is today in the zone, `20220128` that day; resolves with `yyyy-MM-dd`. */
export async function dayOf(argument: string, timeZone: string): Promise<string> {
  // A zone that is none is told here, whatever the date.
  const clock = new ZoneClock(timeZone);
  if (argument === 'null') return todayOf(clock);
  // The calendar decides, in whichever zone: only the digits are used.
  if (!/^(?!0000)\d{8}$/.test(argument) || !(await isInCalendar(argument))) {
    throw new MailprocError('usage.date', `read date "${argument}": not a date`, { hint: forms });
  }
  return `${argument.slice(0, 4)}-${argument.slice(4, 6)}-${argument.slice(6, 8)}`;
}

export function todayOf(clock: ZoneClock): string {
  return clock.day(BigInt(Date.now()) * 1_000_000n);
}

async function isInCalendar(digits: string): Promise<boolean> {
  const { parseISO } = await import('date-fns/parseISO');
  return !Number.isNaN(parseISO(digits).getTime());
}
