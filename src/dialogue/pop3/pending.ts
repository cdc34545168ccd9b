/** What the client asked for and the server has still to answer. */
import type { SaslExchange } from '../sasl.ts';
import type { Command } from './command.ts';

export interface Pending {
  readonly command: Command;
  /** AUTH: its continuation lines are no commands. */
  readonly exchange: SaslExchange | undefined;
}

/** What follows from the client is commands, whatever the answer will be. */
export function letsReadOn({ command, exchange }: Pending): boolean {
  return exchange === undefined && command.verb !== 'STLS' && !isTransmission(command);
}

/**
 * QUIRK: `XTND XMIT`, by which some clients send mail in POP3: a text of theirs follows the answer. It is in
 * no RFC, and the text is not handed out.
 */
export function isTransmission({ verb, argument }: Command): boolean {
  return verb === 'XTND' && /^XMIT(?:\s|$)/i.test(argument);
}
