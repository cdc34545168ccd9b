/** The outcome of `verify` as text for people. */

import type { Verification } from '../pipeline/verify.ts';
import { counted } from './counted.ts';
import { printable } from './printable.ts';

/** Differences named one by one; the JSON form has all of them. */
const differencesShown = 50;

export function renderVerification(verification: Verification): string {
  const { store, differences, unlike, unasked, others } = verification;
  const known = `${counted(verification.rows, 'row')} in ${counted(verification.tables, 'table')} of ${counted(verification.days.length, 'day')}, ${counted(verification.captures, 'capture')}`;
  const verdict = `${verdictOf(verification)} (${known})`;
  const lines = [
    `${store}: ${verdict}`,
    ...differences
      .slice(0, differencesShown)
      .map(
        ({ table, capture, written, found }) => `  ${table}  ${capture}: ${written} written, ${found} found`,
      ),
    ...(differences.length > differencesShown
      ? [`  and ${differences.length - differencesShown} more, see --json`]
      : []),
    ...(differences.length > 0
      ? ['  to store a day anew from its captures: mailproc <dir> <date> --reprocess']
      : []),
    ...unlike.slice(0, differencesShown).map((copy) => `  ${copy.table}  ${unlikeText(copy)}`),
    ...(unlike.length > 0 ? ['  how servers follow each other: mailproc doctor, and docs/scaling.md'] : []),
    ...unasked.map(({ server, trouble }) => `  besides, ${server} could not be asked: ${trouble}`),
    ...others.map(
      ({ table, rows }) => `  besides, ${counted(rows, 'row')} of ${table} that no run has written`,
    ),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function verdictOf({ differences, unlike }: Verification): string {
  if (differences.length > 0) return 'ledger and tables differ';
  return unlike.length > 0 ? 'ledger and tables agree, servers differ' : 'ledger and tables agree';
}

export function unlikeText({
  server,
  rows,
  activeServer,
  activeRows,
}: Verification['unlike'][number]): string {
  return rows === activeRows
    ? `on ${server}: ${counted(rows, 'row')} as on ${activeServer}, but not the same`
    : `on ${server}: ${counted(rows, 'row')}, on ${activeServer} ${counted(activeRows, 'row')}`;
}
