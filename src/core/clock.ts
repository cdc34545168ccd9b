/** Days and times of day in a time zone of the IANA database. */
import { MailprocError } from './errors.ts';

const secondsPerMinute = 60;
const secondsPerDay = 86_400;
export const millisecondsPerDay = secondsPerDay * 1000;

/** `yyyy-MM-dd` in UTC; `ms` counts milliseconds since 1970. */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Times that four digits tell in every zone and that the Gregorian calendar knows; others become the nearest. */
const earliestSeconds = Date.UTC(1600, 0, 2) / 1000;
const latestSeconds = Date.UTC(9999, 11, 30) / 1000;
/** Minutes and days remembered; a day of captures has 1440 minutes. */
const rememberedMax = 4096;

/** Formats nanoseconds since 1970 (UTC) as a clock on the wall of the zone shows them. */
export class ZoneClock {
  readonly timeZone: string;
  readonly #format: Intl.DateTimeFormat;
  /** Offset from UTC in seconds for a minute: no zone of the computer age changes within one. */
  readonly #offsets = new Map<number, number>();
  readonly #days = new Map<number, string>();

  /** Throws a `MailprocError` where there is no such zone. */
  constructor(timeZone: string) {
    this.timeZone = timeZone;
    try {
      this.#format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
        timeZone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    } catch (error) {
      throw new MailprocError('config.time-zone', `use time zone "${timeZone}": there is no such zone`, {
        hint: 'give a name of the IANA time zone database, for example Asia/Shanghai or UTC',
        cause: error,
      });
    }
  }

  /** `yyyy-MM-dd` */
  day(timestampNs: bigint): string {
    return this.#day(Math.floor(this.#localSeconds(timestampNs) / secondsPerDay));
  }

  /** `yyyy-MM-dd HH:mm:ss` */
  dateTime(timestampNs: bigint): string {
    const local = this.#localSeconds(timestampNs);
    const day = Math.floor(local / secondsPerDay);
    const seconds = local - day * secondsPerDay;
    const hour = Math.floor(seconds / 3600);
    const minute = Math.floor(seconds / secondsPerMinute) % 60;
    return `${this.#day(day)} ${twoDigits(hour)}:${twoDigits(minute)}:${twoDigits(seconds % 60)}`;
  }

  /** Seconds since 1970 that a clock running on UTC would show where this zone's clock shows now. */
  #localSeconds(timestampNs: bigint): number {
    const whole = timestampNs / 1_000_000_000n;
    const seconds = Number(timestampNs < whole * 1_000_000_000n ? whole - 1n : whole);
    const shown = Math.min(Math.max(seconds, earliestSeconds), latestSeconds);
    return shown + this.#offset(Math.floor(shown / secondsPerMinute));
  }

  #offset(minute: number): number {
    const known = this.#offsets.get(minute);
    if (known !== undefined) return known;
    const utc = minute * secondsPerMinute;
    const fields = new Map(this.#format.formatToParts(utc * 1000).map(({ type, value }) => [type, value]));
    const field = (type: Intl.DateTimeFormatPartTypes): number => Number(fields.get(type));
    const local = Date.UTC(
      field('year'),
      field('month') - 1,
      field('day'),
      field('hour'),
      field('minute'),
      field('second'),
    );
    return remember(this.#offsets, minute, local / 1000 - utc);
  }

  #day(day: number): string {
    return this.#days.get(day) ?? remember(this.#days, day, utcDay(day * millisecondsPerDay));
  }
}

/** Time stamps come from strangers: what is remembered must not grow with them. */
function remember<Value>(memory: Map<number, Value>, key: number, value: Value): Value {
  if (memory.size >= rememberedMax) memory.clear();
  memory.set(key, value);
  return value;
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
