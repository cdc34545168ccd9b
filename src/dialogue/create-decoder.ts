/** The decoder of each protocol. */
import type { Connection } from '../stream/types.ts';
import { ImapDecoder } from './imap/imap-decoder.ts';
import { Pop3Decoder } from './pop3/pop3-decoder.ts';
import { SmtpDecoder } from './smtp/smtp-decoder.ts';
import type { DialogueDecoder, DialogueOptions, MailProtocol } from './types.ts';

export function createDecoder(
  protocol: MailProtocol,
  connection: Connection,
  options: DialogueOptions,
): DialogueDecoder {
  switch (protocol) {
    case 'smtp':
      return new SmtpDecoder(connection, options);
    case 'pop3':
      return new Pop3Decoder(connection, options);
    case 'imap':
      return new ImapDecoder(connection, options);
  }
}
