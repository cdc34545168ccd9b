/** What the client asked for and the server has still to answer. */
import { dialogueLimits } from '../../core/limits.ts';
import type { DialogueMemory } from '../octets.ts';
import { SaslExchange } from '../sasl.ts';
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

export function pendingOf(command: Command): Pending {
  return { command, exchange: command.verb === 'AUTH' ? exchangeOf(command) : undefined };
}

/** Without a mechanism AUTH lists those there are. */
function exchangeOf({ argument }: Command): SaslExchange | undefined {
  const [mechanism = '', initialResponse] = argument.split(/\s+/, 2);
  return mechanism === '' ? undefined : new SaslExchange(mechanism, initialResponse);
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
