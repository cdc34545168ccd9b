/**
 * Date and time, RFC 5322 §3.3 with the obsolete forms of §4.3, and what programs wrote instead: ISO 8601,
 * ctime, zones with a colon. The result keeps the sender's own offset.
 */

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const month = months.join('|');
const dayFirst = new RegExp(
  `\\b(\\d{1,2})(?:st|nd|rd|th)?[\\s.-]*(${month})[a-z]*[\\s.,'-]*(\\d{2,4})\\b`,
  'i',
);

/** Minutes east of Greenwich (§4.3); military letters mean nothing reliable and count as 0. */
const namedZones: ReadonlyMap<string, number> = new Map([
  ['UT', 0],
  ['UTC', 0],
  ['GMT', 0],
  ['EST', -300],
  ['EDT', -240],
  ['CST', -360],
  ['CDT', -300],
  ['MST', -420],
  ['MDT', -360],
  ['PST', -480],
  ['PDT', -420],
  ['BST', 60],
  ['CET', 60],
  ['MET', 60],
  ['CEST', 120],
  ['MEST', 120],
  ['EET', 120],
  ['MSK', 180],
  ['HKT', 480],
  ['JST', 540],
  ['KST', 540],
]);

/** Longer values are no dates. */
const lengthMax = 200;

const time = /(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:[.,]\d+)?(?:\s*([AP]M)\b)?/i;

/** `Fri, 28 Jan 2022 10:20:20 +0800` as `2022-01-28T10:20:20+08:00`; undefined where it cannot be read. */
export function parseDate(value: string): string | undefined {
  return parseUsual(value) ?? parseAny(value);
}

/** As RFC 5322 has it, and nearly every program: the long way comes to the same result. */
const usual =
  /^(?:[A-Z][a-z]{2}, )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} (?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60) [+-](?:0\d|1[0-4])[0-5]\d$/;

/** What stands where is known from the end, so nothing need be captured. */
function parseUsual(value: string): string | undefined {
  if (!usual.test(value)) return undefined;
  const month = monthOf(value.slice(-23, -20));
  const day = dayText(Number(value.slice(-19, -15)), month, Number(value.slice(-26, -24)));
  const offset = `${value.slice(-5, -2)}:${value.slice(-2)}`;
  return day && `${day}T${value.slice(-14, -6)}${offset === '-00:00' ? '+00:00' : offset}`;
}

function parseAny(value: string): string | undefined {
  const text = value
    .slice(0, lengthMax)
    .replace(/\([^()]*\)/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const clock = time.exec(text);
  const day = dayOf(text.slice(0, clock === null ? undefined : clock.index)) ?? dayOf(text);
  if (day === undefined) return undefined;
  const hour = hourOf(clock);
  const minute = Number(clock?.[2] ?? 0);
  const second = Number(clock?.[3] ?? 0);
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = offsetOf(clock === null ? '' : text.slice(clock.index + clock[0].length));
  return `${day}T${two(hour)}:${two(minute)}:${two(second)}${offset}`;
}

function hourOf(clock: RegExpExecArray | null): number {
  const hour = Number(clock?.[1] ?? 0);
  const half = clock?.[4]?.toLowerCase();
  if (half === 'pm' && hour < 12) return hour + 12;
  return half === 'am' && hour === 12 ? 0 : hour;
}

/** `28 Jan 2022`, `Jan 28 [10:20:20] 2022`, `2022-01-28`, `28 1月 2022`, `2022年1月28日`. */
function dayOf(text: string): string | undefined {
  const iso = /\b(\d{4})[-/.年]\s?(\d{1,2})[-/.月]\s?(\d{1,2})/.exec(text);
  if (iso !== null) return dayText(Number(iso[1]), Number(iso[2]), Number(iso[3]));
  const usual = dayFirst.exec(text);
  if (usual !== null) return dayText(yearOf(usual[3] ?? ''), monthOf(usual[2] ?? ''), Number(usual[1]));
  const chinese = /\b(\d{1,2})\s*(\d{1,2})月\s*(\d{4})/.exec(text);
  if (chinese !== null) return dayText(Number(chinese[3]), Number(chinese[2]), Number(chinese[1]));
  const ctime =
    /([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2})\b,?(?:\s+\d{1,2}:\d{2}(?::\d{2})?(?:\s[A-Z]{2,4})?)?,?\s+(\d{4})\b/.exec(
      text,
    );
  return ctime === null ? undefined : dayText(Number(ctime[3]), monthOf(ctime[1] ?? ''), Number(ctime[2]));
}

function monthOf(name: string): number {
  return months.indexOf(name.toLowerCase()) + 1;
}

/** §4.3: two digits below 50 are 20xx, other two or three digits count from 1900. */
function yearOf(digits: string): number {
  const year = Number(digits);
  if (digits.length === 4) return year;
  return digits.length === 2 && year < 50 ? year + 2000 : year + 1900;
}

function dayText(year: number, month: number, day: number): string | undefined {
  const exists = year >= 1900 && day >= 1 && day <= daysIn(year, month);
  return exists ? `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}` : undefined;
}

/** 0 of a month that there is not. */
function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return daysOfMonth[month - 1] ?? 0;
}

const daysOfMonth: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function offsetOf(text: string): string {
  const numeric = /([+-])(\d{1,2}):?(\d{2})?(?!\d)/.exec(text);
  if (numeric !== null) {
    const hours = Number(numeric[2]);
    const minutes = Number(numeric[3] ?? 0);
    // +14:00 is the largest offset in use; 99 is accepted by RFC 5322 and means nothing.
    return hours <= 24 && minutes <= 59
      ? `${numeric[1]}${two(hours)}:${two(minutes)}`.replace('-00:00', '+00:00')
      : '+00:00';
  }
  const zone = /\b([A-Za-z]{2,4})\b/.exec(text)?.[1]?.toUpperCase();
  const minutes = zone === undefined ? 0 : (namedZones.get(zone) ?? 0);
  const hours = Math.trunc(Math.abs(minutes) / 60);
  return `${minutes < 0 ? '-' : '+'}${two(hours)}:${two(Math.abs(minutes) % 60)}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
