/**
 * MyCat's partition function PartitionByDate: which partition a date belongs to. Rows that MyCat wrote must
 * be found and rows that mailproc writes must be found by MyCat, so its arithmetic is kept to the last corner.
 */
import { millisecondsPerDay } from '../../core/clock.ts';
import { MailprocError } from '../../core/errors.ts';
import { clusterLimits } from '../../core/limits.ts';
import { configError } from './config/config-error.ts';
import { DateFormat } from './date-format.ts';

/** MyCat's names; undefined or empty where the configuration has none. */
export interface PartitionByDateProperties {
  readonly dateFormat: string | undefined;
  readonly sBeginDate: string | undefined;
  readonly sEndDate: string | undefined;
  readonly sPartionDay: string | undefined;
  /** `1`: by day of month. */
  readonly sNaturalDay: string | undefined;
  /** The zone in which MyCat's host runs. */
  readonly timeZone: string;
}

/** Months are longer: with fewer partitions there can be no partition for each day of a month. */
const naturalPartitionsMin = 28;

export class PartitionByDate {
  readonly #format: DateFormat;
  readonly #begin: number;
  readonly #end: number;
  readonly #partition: number;
  /** Partitions after which dates behind the end begin again; 0 without an end. */
  readonly #count: number;
  readonly #isNatural: boolean;

  /** `where` is for errors. */
  constructor(properties: PartitionByDateProperties, where: string) {
    const { dateFormat, sBeginDate, sEndDate, sPartionDay } = properties;
    if (isEmpty(dateFormat)) throw configError(where, 'dateFormat is missing', 'for example yyyy-MM-dd');
    this.#format = new DateFormat(dateFormat, properties.timeZone, where);
    const time = (name: string, text: string): number =>
      required(this.#format.parse(text), name, text, where);
    this.#begin = isEmpty(sBeginDate) ? 0 : time('sBeginDate', sBeginDate);
    // QUIRK: MyCat ignores an end where the begin is missing or not after 1970.
    const hasEnd = !isEmpty(sEndDate) && this.#begin > 0;
    this.#end = hasEnd ? time('sEndDate', sEndDate) : 0;
    const count = (days: number): number =>
      hasEnd ? trunc((this.#end - this.#begin) / (days * millisecondsPerDay)) + 1 : 0;
    // QUIRK: with an end that leaves no partition for each day of a month, natural days switch themselves off.
    this.#isNatural = properties.sNaturalDay === '1' && (!hasEnd || count(1) >= naturalPartitionsMin);
    if (!this.#isNatural && isEmpty(sBeginDate)) throw configError(where, 'sBeginDate is missing');
    const days = this.#isNatural ? 1 : daysOf(sPartionDay, where);
    this.#partition = days * millisecondsPerDay;
    this.#count = count(days);
  }

  /** How many partitions there are; -1 where they go on for ever. */
  get partitions(): number {
    return this.#count > 0 ? this.#count : -1;
  }

  /** Partition of a date, from 0. Before the begin it is negative, or 0 within one partition of it. */
  calculate(value: string): number {
    const time = this.#format.parse(value);
    if (time === undefined) {
      throw new MailprocError(
        'config.partition',
        `find the partition of "${value}": the rule's dateFormat differs`,
        {
          hint: 'days are written as 2022-01-28: use the dateFormat yyyy-MM-dd',
        },
      );
    }
    if (this.#isNatural) return new Date(this.#format.wallClock(time)).getUTCDate() - 1;
    const index = trunc((time - this.#begin) / this.#partition);
    // QUIRK: dates before the begin, and those after it up to the end, are not taken modulo.
    return time > this.#end && this.#count !== 0 ? (index % this.#count) + 0 : index;
  }

  /** Partitions of all days from `first` to `last`, each once, in the order of the days. */
  calculateRange(first: string, last: string): readonly number[] {
    const end = this.#format.parse(last);
    let time = this.#format.parse(first);
    if (time === undefined || end === undefined) return [];
    const partitions = new Set<number>();
    for (let days = 0; time <= end; time = this.#format.nextDay(time)) {
      if (++days > clusterLimits.rangeDaysMax) {
        throw new MailprocError(
          'config.partition',
          `find partitions from ${first} to ${last}: too many days`,
        );
      }
      partitions.add(this.calculate(this.#format.format(time)));
    }
    return [...partitions];
  }

  /**
   * Whether clocks of the zone change in the year from the begin: a partition is a multiple of 24 hours, so
   * after the change dates fall into the partition before theirs.
   */
  get slips(): boolean {
    if (this.#isNatural) return false;
    const offset = (time: number): number => this.#format.wallClock(time) - time;
    const months = Array.from({ length: 13 }, (_, month) => this.#begin + month * 30 * millisecondsPerDay);
    return months.some((time) => offset(time) !== offset(this.#begin));
  }
}

function isEmpty(text: string | undefined): text is undefined | '' {
  return text === undefined || text === '';
}

function required(time: number | undefined, name: string, text: string, where: string): number {
  if (time === undefined) throw configError(where, `${name} "${text}" does not have the form of dateFormat`);
  return time;
}

function daysOf(text: string | undefined, where: string): number {
  if (isEmpty(text))
    throw configError(where, 'sPartionDay is missing', 'the days of one partition, for example 1');
  if (!/^\+?0*[1-9]\d{0,5}$/.test(text))
    throw configError(where, `sPartionDay "${text}" is no number of days`);
  return Number(text);
}

/** Toward zero, and never -0. */
function trunc(value: number): number {
  return Math.trunc(value) + 0;
}
