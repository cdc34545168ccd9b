/**
 * The rest of a mail whose beginning was lost together with the length of its literal: the capture began
 * in mid-mail, or a gap swallowed the announcement.
 *
 * The octets are a mail's for sure only where they end as a literal ends (on the server's side with a line
 * that closes a FETCH response, on the client's with the empty line that ends an APPEND), a sure response or
 * command follows, and they are more than header fields: a lost header listing must not become a mail.
 * Where the announcement broke off behind what names the mail, session.ts knows that they are one's.
 */
import type { Sender } from '../../stream/types.ts';
import type { Line, Place } from '../half-stream.ts';
import { type CollectedMessage, MessageCollector } from '../message-collector.ts';
import type { DialogueMemory } from '../octets.ts';

/** Octets that may be those of a mail whose beginning was lost. */
export interface Orphan {
  readonly kind: 'orphan';
  readonly content: CollectedMessage;
  readonly captured: number;
  /** They tell by themselves that they are a mail's. */
  readonly isSurelyMail: boolean;
}

const CRLF = Buffer.from('\r\n');
const LF = Buffer.from('\n');
/** Fewer whole lines are rather the rest of a long response. */
const LINES_MIN = 3;
/** `)` or ` UID 5 FLAGS (\Seen))`. */
const endOfFetch = /^(?: [A-Za-z][\w.[\]<>-]* .{1,2000})?\)$/;
const headerField = /^(?:[!-9;-~]{1,80}:|[ \t])/;

export class OrphanCollector {
  readonly #sender: Sender;
  readonly #collector: MessageCollector;
  #held: Line | undefined;
  #lines = 0;
  #blankSeen = false;
  #bodySeen = false;
  #captured = 0;

  constructor(sender: Sender, memory: DialogueMemory) {
    this.#collector = new MessageCollector(memory);
    this.#sender = sender;
    this.#collector.addMissing(undefined);
  }

  add(line: Line): void {
    this.#keepHeld();
    this.#held = line.copy();
  }

  addMissing(length: number): void {
    this.#keepHeld();
    this.#collector.addMissing(length);
  }

  /** `isFollowed`: by a command or response; else by nothing. Undefined where nothing was captured. */
  finish(fallback: Place, isFollowed: boolean): Orphan | undefined {
    const endsAsLiteral = this.#endsAsLiteral();
    if (!endsAsLiteral) this.#keepHeld();
    const isSurelyMail = isFollowed && endsAsLiteral && this.#bodySeen && this.#lines >= LINES_MIN;
    if (this.#captured === 0) return undefined;
    return {
      kind: 'orphan',
      content: this.#collector.finish(fallback),
      captured: this.#captured,
      isSurelyMail,
    };
  }

  #endsAsLiteral(): boolean {
    const last = this.#held;
    if (last === undefined || last.end === 'cut') return false;
    if (this.#sender === 'client') return last.bytes.length === 0;
    return last.bytes.length < 4096 && endOfFetch.test(last.bytes.toString('latin1'));
  }

  #keepHeld(): void {
    const line = this.#held;
    this.#held = undefined;
    if (line === undefined) return;
    this.#collector.add(line.bytes, line.start);
    if (line.end !== 'cut') this.#collector.add(line.end === 'crlf' ? CRLF : LF, line.start);
    this.#captured += line.wireBytes;
    // The first line lost its beginning and tells nothing.
    if (this.#lines > 0) this.#judge(line.bytes);
    this.#lines++;
  }

  #judge(bytes: Buffer): void {
    if (bytes.length === 0) this.#blankSeen = true;
    else if (this.#blankSeen || !headerField.test(bytes.toString('latin1', 0, 82))) this.#bodySeen = true;
  }
}
