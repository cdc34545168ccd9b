/** The outcome of `prune` as text for people. */

import type { Pruned, PrunedDay } from '../pipeline/prune.ts';
import { counted } from './counted.ts';
import { printable } from './printable.ts';

export function renderPruned({ store, before, days, freeBytes }: Pruned, isMeant: boolean): string {
  const head =
    days.length === 0 ? `nothing before ${before}` : `${counted(days.length, 'day')} before ${before}`;
  const lines = [`${store}: ${head}`, ...days.flatMap(dayLines)];
  if (days.length > 0 && !isMeant) lines.push('nothing was dropped: add --yes to do so');
  if (isMeant && freeBytes !== null && freeBytes > 0) {
    lines.push(`${size(freeBytes)} inside the file are free for days to come`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

const states: Readonly<Record<PrunedDay['state'], string>> = {
  listed: '',
  dropped: ', dropped',
  busy: ', left to another run that is at its captures now',
};

function dayLines({ day, tables, captures, folders, state }: PrunedDay): string[] {
  const files = folders.reduce((sum, folder) => sum + folder.files, 0);
  const bytes = folders.reduce((sum, folder) => sum + folder.bytes, 0);
  const inFolders =
    folders.length === 0
      ? ''
      : `, ${counted(folders.length, 'folder')} with ${counted(files, 'file')} of ${size(bytes)}`;
  return [
    `  ${day}: ${counted(captures, 'capture')}${inFolders}${states[state]}`,
    ...tables.map(({ name, rows, bytes }) => {
      return `    ${name}  ${counted(rows, 'row')}${bytes === null ? '' : `, ${size(bytes)}`}`;
    }),
  ];
}

function size(octets: number): string {
  const [unit, power] = octets < 1e6 ? (['kB', 1e3] as const) : (['MB', 1e6] as const);
  return `${(octets / power).toLocaleString('en-US', { maximumFractionDigits: 1 })} ${unit}`;
}
