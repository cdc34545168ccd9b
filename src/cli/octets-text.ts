/** Where the octets of the captures went, as text: the parts add up to the whole. */

import type { OctetAccount, OctetCounts, SkipReason } from '../pipeline/octet-counts.ts';
import { number } from './counted.ts';

const names: Readonly<Record<keyof OctetCounts, string>> = {
  mail: 'of mails',
  protocol: 'of their protocols',
  encrypted: 'encrypted',
  other: 'of other traffic',
  headers: 'of packet headers',
  file: "of the files' format",
  repeated: 'captured again',
  discarded: 'of no place in a stream',
  skipped: 'skipped',
};

const reasons: Readonly<Record<SkipReason, string>> = {
  'damaged-file': 'in damage of the file',
  'malformed-packets': 'in malformed packets',
  'truncated-packets': 'in packets cut within a header',
  'nesting-limit': 'in packets with too many headers',
  'incomplete-fragments': 'in fragments of which others are missing',
};

export function octetsText(total: number, { octets, skippedOctets }: OctetAccount): string {
  const kinds = Object.keys(names) as (keyof OctetCounts)[];
  const parts = kinds.flatMap((kind) => (octets[kind] > 0 ? [`${number(octets[kind])} ${names[kind]}`] : []));
  const skipped = Object.keys(reasons) as SkipReason[];
  const why = skipped.flatMap((reason) => {
    const count = skippedOctets[reason] ?? 0;
    return count > 0 ? [`${number(count)} ${reasons[reason]}`] : [];
  });
  return `${number(total)}: ${parts.join(', ')}${why.length > 0 ? ` (${why.join(', ')})` : ''}`;
}
