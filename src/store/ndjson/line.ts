/** One JSON object a line (https://github.com/ndjson/ndjson-spec): the documented columns, then `detail`. */
import { storeLimits } from '../../core/limits.ts';
import type { MailRecord } from '../../record/types.ts';
import type { KnownMail } from '../mail-index.ts';
import { PackedRecord } from '../packed-record.ts';
import { type Protocol, protocols, recordRank, rowJson } from '../row.ts';

/** With its line feed. */
export function formatLine(id: number, record: MailRecord): string {
  return `${rowJson(id, record)}\n`;
}

/** Adds the line to `target`; returns its octets. */
export function addLine(
  target: { add(text: string): number; addOctets(bytes: Buffer): number },
  id: number,
  record: MailRecord,
): number {
  if (!(record instanceof PackedRecord)) return target.add(formatLine(id, record));
  return target.add(`${lineStart}${id},`) + target.addOctets(record.lineOctets);
}

/** Every line begins so; what begins otherwise was not written by mailproc. */
export const lineStart = '{"id":';

/** undefined where the line is no row of this program. */
export function parseLine(
  line: Buffer,
  offset: number,
): { readonly key: string; readonly mail: KnownMail } | undefined {
  let row: { id?: unknown; insert_time?: unknown; detail?: Record<string, unknown> } | null;
  try {
    row = JSON.parse(line.toString()) as typeof row;
  } catch {
    return undefined;
  }
  const { mail_key: key, protocol, complete, raw_size: rawSize, raw_sha256, accepted } = row?.detail ?? {};
  const { id, insert_time: day } = row ?? {};
  if (!isId(id) || !isDay(day) || typeof key !== 'string') return undefined;
  if (typeof complete !== 'boolean' || typeof rawSize !== 'number') return undefined;
  if (!protocols.includes(protocol as Protocol)) return undefined;
  const rank = recordRank({
    complete,
    raw_size: rawSize,
    raw_sha256: typeof raw_sha256 === 'string' ? raw_sha256 : null,
    accepted: typeof accepted === 'boolean' ? accepted : null,
  });
  const mail = { id, rank, protocol: protocol as Protocol, day, offset };
  return { key, mail };
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= storeLimits.idMax;
}

function isDay(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value);
}
