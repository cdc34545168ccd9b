/** Lists of names in MyCat's range syntax: `dn1,dn$2-4` is `dn1`, `dn2`, `dn3`, `dn4`. */
import { clusterLimits } from '../../core/limits.ts';
import { configError } from './config/config-error.ts';

/**
 * Names in their order. `prefix$a-b` is inclusive and decimal without zero padding: `$01-03` gives `1`, `2`,
 * `3`. `prefix$3` is one name; where a is above b there is none. `where` is for errors.
 */
export function expandNames(text: string, where: string): readonly string[] {
  const names: string[] = [];
  for (const piece of pieces(text, ',')) {
    const [first, last, prefix] = piece.includes('$') ? parseRange(piece, where) : [0, 0, undefined];
    if (last - first >= clusterLimits.namesMax - names.length) throw tooMany(where);
    for (let number = first; number <= last; number++) {
      names.push(prefix === undefined ? piece : `${prefix}${number}`);
    }
  }
  return names;
}

/** QUIRK: what follows a second `$`, and numbers between the first and the last, are ignored, as MyCat does. */
function parseRange(piece: string, where: string): readonly [first: number, last: number, prefix: string] {
  const [prefix, scope] = pieces(piece, '$');
  const bounds = pieces(scope ?? '', '-');
  const [first, last] = [bounds[0], bounds.at(-1)];
  if (prefix === undefined || !isNumber(first) || !isNumber(last)) {
    throw configError(where, `"${piece}" is no range`, 'write ranges as prefix$1-31');
  }
  return [Number(first), Number(last), prefix];
}

/** Without empty pieces and the blanks around them. */
function pieces(text: string, separator: string): readonly string[] {
  return text
    .split(separator)
    .filter((piece) => piece !== '')
    .map((piece) => piece.trim());
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,9}$/.test(text);
}

function tooMany(where: string): Error {
  return configError(where, `it stands for more than ${clusterLimits.namesMax} names`);
}
