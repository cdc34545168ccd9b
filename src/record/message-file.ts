/** A mail's own octets as a file, for those who keep evidence: named by `mail_key`, in a folder of its day. */
import { hash } from 'node:crypto';
import type { RawMessage } from '../dialogue/types.ts';
import type { MailRecord, OutputFile } from './types.ts';

/**
 * `<day>/<mail_key>.eml` for a mail that is whole. One with octets missing is `<mail_key>.partial-<content>.eml`:
 * the same mail seen with other gaps, or whole, is another file, and none overwrites the other. One that was
 * put together from IMAP sections is `<mail_key>.rebuilt-<content>.eml`: nobody sent it in these octets.
 */
export function messageFile(raw: RawMessage, { columns, detail }: MailRecord): OutputFile {
  const name = `${detail.mail_key}${mark(raw)}.eml`;
  return { path: `${columns.insert_time}/${name}`, bytes: raw.octets.read() };
}

function mark(raw: RawMessage): string {
  const whole = raw.complete && raw.missing.length === 0;
  if (whole && raw.exact) return '';
  const content = hash('sha256', raw.octets.read()).slice(0, 8);
  return raw.exact ? `.partial-${content}` : `.rebuilt-${content}`;
}
