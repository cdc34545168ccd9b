/** The date that a capture's path tells: `20220128…`, `2022-01-28`, `2022_01_28`, `2022/01/28`. */

/** Eight digits, alone or with a time behind them as in dumpcap's `_00001_20220128123456`. */
const compact = /(?<!\d)(\d{4})(\d{2})(\d{2})(?:([01]\d|2[0-3])([0-5]\d(?:[0-5]\d|60)?)?)?(?!\d)/g;
const separated = /(?<!\d)(\d{4})([-_])(\d{2})\2(\d{2})(?!\d)/g;
/** Year and month are folders, the day is a folder or begins the file name. */
const folders = /(?<=^|\/)(\d{4})\/(\d{2})\/(\d{2})(?!\d)/g;

/** There were no captures earlier, and eight digits that tell a later year are some other number. */
const yearMin = 1970;
const yearMax = 2199;

/**
 * `yyyy-MM-dd` of the date that begins last in `relativePath` (written with `/`): a file's own name says more
 * than its folder's. Undefined where there is none that the calendar knows.
 */
export function dateInPath(relativePath: string): string | undefined {
  const found: { readonly day: string; readonly begin: number }[] = [];
  const add = (match: RegExpMatchArray, year = '', month = '', day = ''): void => {
    if (isDate(Number(year), Number(month), Number(day))) {
      found.push({ day: `${year}-${month}-${day}`, begin: match.index ?? 0 });
    }
  };
  for (const match of relativePath.matchAll(compact)) add(match, match[1], match[2], match[3]);
  for (const match of relativePath.matchAll(separated)) add(match, match[1], match[3], match[4]);
  for (const match of relativePath.matchAll(folders)) add(match, match[1], match[2], match[3]);
  return found.sort((one, other) => one.begin - other.begin).at(-1)?.day;
}

function isDate(year: number, month: number, day: number): boolean {
  if (year < yearMin || year > yearMax || month < 1 || month > 12 || day < 1) return false;
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}
