/** The date argument. */
import { utcDay, ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';

const forms = 'use null for today or a date as yyyyMMdd, for example 20220128';

/** `null` is today in the zone, `20220128` that day; as `yyyy-MM-dd`. */
export function dayOf(argument: string, timeZone: string): string {
  // A zone that is none is told here, whatever the date.
  const clock = new ZoneClock(timeZone);
  if (argument === 'null') return todayOf(clock);
  const day = `${argument.slice(0, 4)}-${argument.slice(4, 6)}-${argument.slice(6, 8)}`;
  // The calendar decides, in whichever zone: only the digits are used.
  if (!/^(?!0000)\d{8}$/.test(argument) || !isInCalendar(day)) {
    throw new MailprocError('usage.date', `read date "${argument}": not a date`, { hint: forms });
  }
  return day;
}

export function todayOf(clock: ZoneClock): string {
  return clock.day(BigInt(Date.now()) * 1_000_000n);
}

/** Of the 30th of February the runtime makes another day, or none. */
function isInCalendar(day: string): boolean {
  const time = Date.parse(day);
  return !Number.isNaN(time) && utcDay(time) === day;
}
