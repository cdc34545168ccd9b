/**
 * Time zones. A TIMESTAMP is kept in UTC: it shows the text that was written to whoever reads in the zone of
 * the server that wrote it, and another text to everybody else.
 */
import { ZoneClock } from '../../../core/clock.ts';
import type { Finding } from '../../finding.ts';
import { nameOf } from './server-findings.ts';
import type { Examined } from './server-status.ts';

/** January and July 2022: a zone with summer time differs in one of them. */
export const zoneInstants: readonly number[] = [Date.UTC(2022, 0, 15) / 1000, Date.UTC(2022, 6, 15) / 1000];

/** `timeZone` is that of the rows. */
export function zoneFindings(posts: readonly Examined[], timeZone: string): Finding[] {
  const [first] = posts;
  if (first === undefined) return [];
  const odd = posts.find((post) => !isSame(post.status.zoneOffsets, first.status.zoneOffsets));
  const among: Finding[] =
    odd === undefined
      ? []
      : [
          {
            code: 'mysql.time-zones-differ',
            weight: 'problem',
            about: `${nameOf(first)} and ${nameOf(odd)}`,
            what: 'their time zones differ: the same row shows another time on each',
            remedy: `set the same default-time-zone in my.cnf of both, best '${offsetText(offsetsOf(timeZone)[0] ?? 0)}'`,
          },
        ];
  return [...among, ...posts.flatMap((post) => ownFindings(post, timeZone))];
}

function ownFindings(post: Examined, timeZone: string): Finding[] {
  const { zoneOffsets, variables } = post.status;
  const wanted = offsetsOf(timeZone);
  if (post.role === 'replica' || isSame(zoneOffsets, wanted)) return [];
  const zone =
    variables.get('time_zone') === 'SYSTEM' ? variables.get('system_time_zone') : variables.get('time_zone');
  const hasSummerTime = new Set(zoneOffsets).size > 1;
  return [
    {
      code: 'mysql.time-zone',
      weight: hasSummerTime ? 'problem' : 'note',
      about: nameOf(post),
      what: hasSummerTime
        ? `its zone ${zone} has summer time and rows are in ${timeZone}: times within the hour that is left out in spring are stored wrong`
        : `its zone is ${zone} and rows are in ${timeZone}: the text of timestamp is right, UNIX_TIMESTAMP(timestamp) and NOW() differ from it`,
      remedy: `set default-time-zone = '${offsetText(wanted[0] ?? 0)}' in my.cnf before the first run, or run mailproc with --timezone`,
    },
  ];
}

function offsetsOf(timeZone: string): number[] {
  const clock = new ZoneClock(timeZone);
  return zoneInstants.map((seconds) => {
    const local = clock.dateTime(BigInt(seconds) * 1_000_000_000n);
    return Date.parse(`${local.replace(' ', 'T')}Z`) / 1000 - seconds;
  });
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  return left.every((offset, index) => offset === right[index]);
}

function offsetText(seconds: number): string {
  const minutes = Math.abs(Math.round(seconds / 60));
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  return `${seconds < 0 ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`;
}
