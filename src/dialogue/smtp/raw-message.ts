/** From a mail and its transaction to the RawMessage that leaves the decoder. */
import type { Connection } from '../../stream/types.ts';
import { collectedMail } from '../collected-mail.ts';
import type { Direction, Envelope, LayerName, RawMessage } from '../types.ts';
import type { HeldMail } from './pending.ts';

/** Message submission, RFC 8314 §3.3 and RFC 6409 §3.1. */
const submissionPorts: readonly number[] = [465, 587];

/** What holds for all mails of a conversation, until it changes. */
export interface Circumstances {
  readonly connection: Connection;
  readonly layer: LayerName;
  readonly helo: string | null;
  readonly user: string | null;
}

/** Undefined where nothing of the mail was captured. */
export function rawMessage(
  circumstances: Circumstances,
  mail: HeldMail,
  envelope: Envelope | null,
  accepted: boolean | null,
): RawMessage | undefined {
  const { connection, layer, helo, user } = circumstances;
  const { message } = mail;
  const isWhole = mail.ended && message.missing.length === 0;
  if (!isWhole && message.octets.length === 0) return undefined;
  return {
    ...collectedMail(message),
    protocol: 'smtp',
    connection,
    direction: directionOf(connection, user),
    method: mail.method,
    layer,
    complete: isWhole,
    accepted,
    envelope,
    helo,
    user,
    wireBytes: mail.wireBytes,
  };
}

/** A mail is submitted if its client has logged in or came to a port for submission, and else relayed. */
function directionOf(connection: Connection, user: string | null): Direction {
  return user !== null || submissionPorts.includes(connection.server.port) ? 'submitted' : 'relayed';
}
