/** What a command is remembered by until its answer comes. */
import type { Place } from '../half-stream.ts';
import {
  type AppendedMessage,
  appendedMessages,
  type Command,
  costOf,
  mailboxArgument,
  startOf,
} from './command.ts';
import type { Login } from './logins.ts';

export interface WaitingCommand {
  readonly name: string;
  /** Its last literal was refused. */
  readonly isRefused: boolean;
  readonly begun: Place | undefined;
  /** Mailbox of SELECT, EXAMINE and APPEND. */
  readonly mailbox: string | null;
  /** Of LOGIN and AUTHENTICATE: who claims to log in; the answer tells whether it is true. */
  readonly login: Login | undefined;
  readonly appended: readonly AppendedMessage[];
  readonly appendedBytes: number;
  /** Octets that it takes beside those of mails. */
  readonly cost: number;
}

const noMessages: readonly AppendedMessage[] = [];

export function waitingCommand(command: Command, login: Login | undefined): WaitingCommand {
  const { name, unit } = command;
  const isAppend = name === 'APPEND';
  const mailbox = isAppend || name === 'SELECT' || name === 'EXAMINE' ? mailboxArgument(command) : null;
  const appended = isAppend ? appendedMessages(command) : noMessages;
  let appendedBytes = 0;
  for (const { literals } of appended) for (const { captured } of literals) appendedBytes += captured;
  const begun = startOf(unit);
  const cost = costOf(command);
  return { name, isRefused: unit.refused, begun, mailbox, login, appended, appendedBytes, cost };
}
