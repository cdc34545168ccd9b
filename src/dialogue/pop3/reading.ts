/** What a Pop3Decoder takes the server's next octets for. */
import type { Sighting, StreamGap } from '../../stream/types.ts';
import type { MailText } from './mail-text.ts';

export type Reading =
  | { readonly kind: 'answers' }
  | { readonly kind: 'mail'; readonly mail: MailText }
  | { readonly kind: 'listing'; readonly verb: string; readonly begun: Sighting }
  /** Octets were lost in the middle of `within`. */
  | { readonly kind: 'gap'; readonly gap: StreamGap; readonly within: Reading };

export const answers: Reading = { kind: 'answers' };

/** Where the mail or listing begins that is read. */
export function beginOf(reading: Reading): Sighting | undefined {
  if (reading.kind === 'mail') return reading.mail.begun;
  return reading.kind === 'listing' ? reading.begun : undefined;
}
