/** Rows of a day as tables for a terminal. */
import Table from 'cli-table3';
import type { ListedDay } from '../pipeline/list-rows.ts';
import { printable } from './printable.ts';

/** Columns shown, and the characters each may take. */
const shownColumns: readonly (readonly [name: keyof ListedDay['rows'][number], width: number])[] = [
  ['id', 4],
  ['timestamp', 20],
  ['dport', 6],
  ['mail_from', 25],
  ['mail_to', 25],
  ['mail_subject', 30],
  ['mail_content', 30],
  ['image_sign', 4],
  ['parse_sign', 4],
];

const headings: Readonly<Record<string, string>> = { image_sign: 'img', parse_sign: 'ok' };

export function renderRows({ total, rows }: ListedDay, day: string): string {
  if (total === 0) return `no mail of ${day} in this store\n`;
  const table = new Table({
    head: shownColumns.map(([column]) => headings[column] ?? column),
    colWidths: shownColumns.map(([, width]) => width),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
    // Rows follow each other without lines between them.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push(shownColumns.map(([column]) => cell(row[column])));
  const count = rows.length < total ? `the first ${rows.length} of ${total} rows` : `${total} rows`;
  return `${day}: ${count}\n${table.toString()}\n`;
}

/** One line: what a mail says must not draw lines of its own. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return printable(String(value).slice(0, 200).replace(/\s+/g, ' ').trim());
}
