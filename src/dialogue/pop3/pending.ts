/** What the client asked for and the server has still to answer. */
import { dialogueLimits } from '../../core/limits.ts';
import type { DialogueMemory } from '../octets.ts';
import type { SaslExchange } from '../sasl.ts';
import type { Command } from './command.ts';

export interface Pending {
  readonly command: Command;
  /** AUTH: its continuation lines are no commands. */
  readonly exchange: SaslExchange | undefined;
}

/** Octets that one takes: most commands have a few digits for an argument. */
export const pendingCost = 400;

/** So many commands are not kept for answers that do not come. */
export function areTooMany(count: number, memory: DialogueMemory): boolean {
  return count >= dialogueLimits.unansweredMax || count * pendingCost > memory.unreadBytesMax;
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
