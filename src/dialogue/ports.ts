/** Well-known ports. They are only a hint: the greeting and the first commands decide. */
import type { MailProtocol } from './types.ts';

export type PortTable = ReadonlyMap<number, MailProtocol>;

/** IANA service names smtp, submission, submissions, lmtp (by habit 24), pop3, pop3s, imap, imaps. */
export const wellKnownPorts: PortTable = new Map<number, MailProtocol>([
  [24, 'smtp'],
  [25, 'smtp'],
  [465, 'smtp'],
  [587, 'smtp'],
  [110, 'pop3'],
  [995, 'pop3'],
  [143, 'imap'],
  [993, 'imap'],
]);
