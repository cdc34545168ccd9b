/** The date argument. */
import { isValid } from 'date-fns/isValid';
import { parse } from 'date-fns/parse';
import { MailprocError } from '../core/errors.ts';

const forms = 'use null for today or a date as yyyyMMdd, for example 20220128';

/** `null` is today in the clock's zone, `20220128` that day; returns `yyyy-MM-dd`. */
export function readDay(argument: string, today: () => string): string {
  if (argument === 'null') return today();
  const isNumeral = /^\d{8}$/.test(argument);
  // The calendar decides, in whichever zone: only the digits are used.
  if (!isNumeral || !isValid(parse(argument, 'yyyyMMdd', new Date(0)))) {
    throw new MailprocError('usage.date', `read date "${argument}": not a date`, { hint: forms });
  }
  return `${argument.slice(0, 4)}-${argument.slice(4, 6)}-${argument.slice(6, 8)}`;
}
