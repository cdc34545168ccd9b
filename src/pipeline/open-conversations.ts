/**
 * The conversations that are open while a series is read, and how far back the next run must begin to go on
 * with them. Nothing of their state is kept over a run: it is read again from the captures, so that a run that
 * was killed, another version and another machine all find the same.
 *
 * A connection may be open for days (IMAP IDLE), and each run would read all of them again. So there are bounds
 * in octets: a small one where a conversation can be understood from its middle and merely its login, its
 * mailbox or its HELO is forgotten, a large one where a mail is in progress, or a layer (TLS with secrets,
 * DEFLATE) that nobody can enter later. TLS without secrets has nothing to be read again for.
 */
import type { CaptureFile } from '../capture/types.ts';
import { pipelineLimits } from '../core/limits.ts';
import type { Conversation } from '../dialogue/conversation.ts';

export class OpenConversations {
  readonly #files: readonly CaptureFile[];
  /** With the index of the file in which each was first seen. */
  readonly #open = new Map<Conversation, number>();

  constructor(files: readonly CaptureFile[]) {
    this.#files = files;
  }

  begin(conversation: Conversation, firstCapture: number): void {
    this.#open.set(conversation, firstCapture);
  }

  end(conversation: Conversation): void {
    this.#open.delete(conversation);
  }

  /**
   * Index of the earliest file that the next run must read to go on behind file `index`; `unopened` are the
   * files of connections that have told nothing so far.
   */
  neededFrom(index: number, unopened: ReadonlySet<number>): number {
    const [small, large] = [pipelineLimits.rereadBytesMax, pipelineLimits.rereadMailBytesMax].map((octets) =>
      earliestWithin(this.#files, index, octets),
    );
    let needed = index;
    const need = (capture: number, bound = index): void => {
      if (capture >= bound) needed = Math.min(needed, capture);
    };
    for (const capture of unopened) need(capture, small);
    for (const [conversation, capture] of this.#open) {
      if (capture >= needed || conversation.kind === 'encrypted') continue;
      need(capture, conversation.isAmidMail || conversation.isLayered ? large : small);
    }
    return needed;
  }

  /** Whether a mail is in progress, or may be, that began in file `index` or before. */
  leadOver(index: number): boolean {
    for (const [conversation, capture] of this.#open) {
      if (capture <= index && conversation.isAmidMail) return true;
    }
    return false;
  }
}

/** Index of the earliest file from which on those before file `index` have at most `octetsMax` octets together. */
export function earliestWithin(files: readonly CaptureFile[], index: number, octetsMax: number): number {
  let earliest = index;
  for (let octets = 0; earliest > 0; earliest--) {
    octets += files[earliest - 1]?.bytes ?? 0;
    if (octets > octetsMax) break;
  }
  return earliest;
}
