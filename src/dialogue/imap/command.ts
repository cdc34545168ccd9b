/** A client's command, RFC 9051 §6: its tag, name and arguments. */
import type { Place } from '../half-stream.ts';
import { decodeMailboxName } from './modified-utf7.ts';
import { type PieceRequest, pieceRequests } from './section.ts';
import type { Text } from './text.ts';
import type { Literal, Unit } from './unit.ts';
import { octetsOf, textOf, type Value, ValueReader } from './value.ts';

export interface Command {
  readonly tag: string;
  /** In capitals, `UID FETCH` as one name. */
  readonly name: string;
  readonly unit: Unit;
}

/** Arguments that are read; APPEND has none behind these that matter. */
const ARGUMENTS_MAX = 100;

/** Undefined where `unit` is no command: DONE, a line of an authentication exchange, noise. */
export function commandOf(unit: Unit): Command | undefined {
  const first = unit.fragments[0];
  const start = first?.kind === 'text' ? first.command : undefined;
  if (start === undefined) return undefined;
  const name = start.name === 'UID' ? `UID ${secondName(unit)}` : start.name;
  return { tag: start.tag, name, unit };
}

/** The values behind the name. */
export function argumentsOf(command: Command): Value[] {
  const reader = new ValueReader(command.unit);
  for (const _word of ['tag', ...command.name.split(' ')]) {
    reader.atom();
    reader.skipSpaces();
  }
  const values: Value[] = [];
  while (values.length < ARGUMENTS_MAX) {
    const value = reader.value();
    if (value === undefined) break;
    values.push(value);
  }
  return values;
}

/** The first argument as a mailbox name. */
export function mailboxArgument(command: Command): string | null {
  const name = textOf(argumentsOf(command)[0]);
  return name === undefined ? null : canonicalMailbox(decodeMailboxName(name));
}

/** RFC 9051 §5.1: INBOX in any case is one mailbox. */
function canonicalMailbox(name: string): string {
  return name.toUpperCase() === 'INBOX' ? 'INBOX' : name;
}

/** The `<o.n>` pieces that a FETCH asks for. */
export function requestedPieces(command: Command): PieceRequest[] {
  if (!command.name.endsWith('FETCH')) return [];
  let text = '';
  for (const fragment of command.unit.fragments) if (fragment.kind === 'text') text += fragment.latin1;
  return text.includes(']<') ? pieceRequests(text) : [];
}

export interface AppendedMessage {
  /** More than one with CATENATE. */
  readonly literals: readonly Literal[];
  readonly catenated: boolean;
  /** Parts of it were named by URL and not sent, RFC 4469 §3. */
  readonly hasUrls: boolean;
}

/**
 * The messages of an APPEND: every literal but that of the mailbox's name, RFC 3502 §6.3.11; the TEXT parts
 * of one CATENATE are one message.
 *
 *     append         = "APPEND" SP mailbox 1*append-message
 *     append-data    =/ "CATENATE" SP "(" cat-part *(SP cat-part) ")"
 */
export function appendedMessages(command: Command): AppendedMessage[] {
  const mailbox = argumentsOf(command)[0];
  const ofName = mailbox?.kind === 'string' ? mailbox.literal : undefined;
  const found: AppendedMessage[] = [];
  let parts: Literal[] | undefined;
  let hasUrls = false;
  const endCatenation = (): void => {
    if (parts !== undefined && parts.length > 0) found.push({ literals: parts, catenated: true, hasUrls });
    parts = undefined;
  };
  for (const fragment of command.unit.fragments) {
    if (fragment.kind === 'literal') {
      if (fragment === ofName) continue;
      if (parts === undefined) found.push({ literals: [fragment], catenated: false, hasUrls: false });
      else parts.push(fragment);
      continue;
    }
    const text = fragment.latin1;
    if (text.startsWith(')')) endCatenation();
    if (/(?:^| )CATENATE \(/i.test(text)) {
      endCatenation();
      parts = [];
      hasUrls = false;
    }
    hasUrls ||= /[( ]URL /i.test(text);
  }
  endCatenation();
  return found;
}

export function startOf(unit: Unit): Place | undefined {
  const first = unit.fragments[0];
  return first?.kind === 'text' ? first.start : first?.content.first;
}

/** LOGIN's first argument, RFC 9051 §6.2.3; the second is never looked at. */
export function loginUser(command: Command): string | null {
  return octetsOf(argumentsOf(command)[0])?.toString('utf8') ?? null;
}

function secondName(unit: Unit): string {
  const reader = new ValueReader(unit);
  reader.atom();
  reader.skipSpaces();
  reader.atom();
  reader.skipSpaces();
  return reader.atom().toUpperCase().slice(0, 32);
}

/** Octets that a waiting command takes at most, its text and the objects around it, beside literals; measured. */
export function costOf({ unit }: Command): number {
  let cost = 800;
  for (const each of unit.fragments) if (each.kind === 'text') cost += each.length;
  return cost;
}

/** The unit's text up to its end or its first literal. */
export function firstText(unit: Unit): Text | undefined {
  const first = unit.fragments[0];
  return first?.kind === 'text' ? first : undefined;
}
