/** The outcome of `verify` as text for people. */

import type { Verification } from '../pipeline/verify.ts';
import { counted } from './counted.ts';
import { printable } from './printable.ts';

/** Differences named one by one; the JSON form has all of them. */
const differencesShown = 50;

export function renderVerification(verification: Verification): string {
  const { store, differences, others } = verification;
  const known = `${counted(verification.rows, 'row')} in ${counted(verification.tables, 'table')} of ${counted(verification.days.length, 'day')}, ${counted(verification.captures, 'capture')}`;
  const verdict = differences.length === 0 ? 'ledger and tables agree' : 'ledger and tables differ';
  const lines = [
    `${store}: ${verdict} (${known})`,
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
    ...others.map(
      ({ table, rows }) => `  besides, ${counted(rows, 'row')} of ${table} that no run has written`,
    ),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}
