/** What looking after a store found, in the operator's words. */
import { doctorLimits } from '../core/limits.ts';

export interface Finding {
  /** Stable, for scripts: `mysql.binlog-filter`. */
  readonly code: string;
  /** `unreachable`: the store cannot be used. `problem`: rows can be lost, or a run will stop. `note`: good to know. */
  readonly weight: 'unreachable' | 'problem' | 'note';
  /** The server, database, table or file it is about. */
  readonly about: string;
  readonly what: string;
  /** What can be done about it. */
  readonly remedy: string;
}

export interface Diagnosis {
  /** Without a password. */
  readonly store: string;
  /** What was looked at and what it is, a line each. */
  readonly seen: readonly string[];
  readonly findings: readonly Finding[];
}

/** What is the same of many servers or tables is told once. */
export function joined(findings: readonly Finding[]): Finding[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.code, finding.what]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [{ ...first, about: listed(group.map(({ about }) => about)) }];
  });
}

export function listed(names: readonly string[]): string {
  const shown = names.slice(0, doctorLimits.namesMax).join(', ');
  const rest = names.length - doctorLimits.namesMax;
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
