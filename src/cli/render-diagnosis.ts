/** The outcome of `doctor` as text for people. */
import type { Diagnosis, Finding } from '../pipeline/doctor.ts';
import { printable } from './printable.ts';

const order: readonly Finding['weight'][] = ['unreachable', 'problem', 'note'];
const labels: Readonly<Record<Finding['weight'], string>> = {
  unreachable: 'UNREACHABLE',
  problem: 'PROBLEM',
  note: 'note',
};

export function renderDiagnosis({ store, seen, findings }: Diagnosis): string {
  const sorted = order.flatMap((weight) => findings.filter((finding) => finding.weight === weight));
  const problems = findings.filter(({ weight }) => weight !== 'note').length;
  const notes = findings.length - problems;
  const lines = [
    `mailproc doctor ${store}`,
    ...seen.map((line) => `  ${line}`),
    ...sorted.flatMap(({ weight, about, what, remedy }) => [
      '',
      `${labels[weight]}  ${about}: ${what}`,
      `  -> ${remedy}`,
    ]),
    '',
    problems === 0
      ? `nothing is wrong${notesText(notes)}`
      : `${counted(problems, 'problem')}${notesText(notes)}`,
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function notesText(notes: number): string {
  return notes === 0 ? '' : `, ${counted(notes, 'note')}`;
}

function counted(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}
