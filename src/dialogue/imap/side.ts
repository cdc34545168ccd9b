/** One direction of an IMAP connection, as far as the other one must know of it. */
import type { Sender } from '../../stream/types.ts';
import type { DialogueMemory } from '../octets.ts';
import { Fragmentizer } from './fragmentizer.ts';

export interface Side {
  readonly sender: Sender;
  readonly fragmentizer: Fragmentizer;
  /** Anything of it was captured. */
  seen: boolean;
  /** Nothing of it was captured so far, and it was waited for long enough. */
  givenUp: boolean;
  closed: boolean;
}

export function newSide(sender: Sender, memory: DialogueMemory): Side {
  const fragmentizer = new Fragmentizer(sender, memory);
  return { sender, fragmentizer, seen: false, givenUp: false, closed: false };
}

/** An answer of the server that the client cannot go on without. */
export interface ClientWait {
  readonly reason: 'literal' | 'sasl' | 'idle' | 'starttls' | 'compress';
  readonly tag: string;
}
