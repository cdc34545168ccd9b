/** From the answer to DATA to the end of the mail text, RFC 5321 §4.1.1.4. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import { commandBytesMax } from './behind-end.ts';
import { DataText, type EndOfData } from './end-of-data.ts';
import {
  completeLines,
  type EndContext,
  type EndVerdict,
  isEndInDoubt,
  judgeCandidates,
  linesMax,
  repliesMax,
  type StrictEnd,
} from './judge-end.ts';
import type { Overheard } from './overheard.ts';
import type { HeldMail } from './pending.ts';

export interface EndedText {
  readonly mail: HeldMail;
  /** Its last octet. */
  readonly seen: Sighting;
  /** The end was not captured: what follows may be commands or not. */
  readonly endIsLost: boolean;
}

/** `wait`: for more octets or replies. `more`: something was read. `commands`: no text follows. */
export type TextProgress = 'wait' | 'more' | 'commands' | EndedText;

/**
 * A strict end that was found while looking for the end of an earlier text. When the replies show that the earlier
 * text ended at a candidate, what follows that is read again, as commands and the next text: the strict end of the
 * next one is then known already. So thousands of mails in one flight are read twice, and not thousands of times.
 */
type EndAhead = (StrictEnd & StrictEndAhead) | { readonly kind: 'none' };

interface StrictEndAhead {
  readonly sequence: number;
  /** Nothing stands behind it yet. */
  readonly isLast: boolean;
  /** Octets the client had sent when this was found; undefined where more of them change nothing. */
  readonly knownAt: number | undefined;
}

/** Reads one text after the other of a connection. */
export class TextReader {
  readonly #heard: Overheard;
  #text: DataText | undefined;
  /** A text follows, whatever it looks like. */
  #isCertain = false;
  /** The server asked for it, or may have: of a text whose beginning was lost nobody knows. */
  #isAskedFor = false;
  #isLaxClient = false;
  /** Octets that were read once more so far. */
  #rereadBytes = 0;
  /** The next strict end, where the client was read up to it before an earlier end was found. */
  #ahead: EndAhead | undefined;
  /** The last judgement that found no end, and all that it depended on. */
  #judged: { readonly state: string; readonly verdict: 'wait' | 'none' } | undefined;

  constructor(heard: Overheard) {
    this.#heard = heard;
  }

  /** Octets that the objects of the text take. */
  get cost(): number {
    return this.#text?.cost ?? 0;
  }

  /** The connection begins anew, in another layer. */
  restart(): void {
    this.#ahead = undefined;
  }

  /** The DATA command; a client that ends it in a bare LF may know no other line end. */
  noteCommand(isLaxClient: boolean): void {
    this.#isLaxClient = isLaxClient;
  }

  /** A text is to follow, for certain if the server asked for it. */
  begin(isAskedFor: boolean): void {
    this.#text = undefined;
    this.#isCertain = isAskedFor;
    this.#isAskedFor = isAskedFor;
  }

  /** Goes on with a text whose beginning was lost. */
  resume(text: DataText): void {
    this.#goOn(text);
    this.#isAskedFor = true;
  }

  #goOn(text: DataText): void {
    this.#text = text;
    this.#isCertain = true;
  }

  read(): TextProgress {
    if (this.#text !== undefined) return this.#readText(this.#text);
    if (this.#heard.clientIsOver) return 'commands';
    const isCommand = this.#isCertain ? false : this.#heard.nextIsCommand;
    if (isCommand === true) return 'commands';
    const place = this.#heard.client.nextPlace;
    if (isCommand === undefined || place === undefined) return 'wait';
    this.#goOn(new DataText(place, this.#heard.memory));
    return 'more';
  }

  #readText(text: DataText): TextProgress {
    // Nearly every text has one end, and nothing in doubt.
    if (text.candidates.length === 0) {
      return text.strictEnd === undefined ? this.#readOn(text) : this.#end(text, text.strictEnd);
    }
    if (text.doubtfulBytes > dialogueLimits.rereadBytesMax - this.#rereadBytes) text.forgetCandidates();
    const verdict = this.#judge(text);
    if (verdict === 'wait') return verdict;
    const end = verdict === 'none' ? text.strictEnd : verdict;
    return end === undefined ? this.#readOn(text) : this.#end(text, end);
  }

  /** Nothing is judged twice: a text may have many possible ends, and come octet by octet. */
  #judge(text: DataText): EndVerdict {
    const state = this.#stateOf(text);
    if (this.#judged?.state === state) return this.#judged.verdict;
    const verdict = judgeCandidates(this.#contextOf(text));
    this.#judged = verdict === 'wait' || verdict === 'none' ? { state, verdict } : undefined;
    return verdict;
  }

  /** All that a judgement depends on. */
  #stateOf(text: DataText): string {
    const { client, replies, clientFinished, clientIsOver, repliesEnd } = this.#heard;
    replies.peek(repliesMax);
    const flags = [clientFinished, clientIsOver, repliesEnd, this.#endAhead(text) !== undefined];
    const counts = [text.candidates.length, Math.min(replies.readyCount, repliesMax)];
    if (text.strictEnd === undefined) return [...flags, ...counts, this.#behindLast(text)].join();
    const behind = client.peek(dialogueLimits.lookAheadBytesMax);
    return [...flags, ...counts, behind.length > 0, completeLines(behind).length, isEnough(behind)].join();
  }

  /** What is known to stand behind the last candidate, read or not: it is judged before more is read. */
  #behindLast(text: DataText): DataText['behindLast'] {
    if (text.behindLast === 'line') return 'line';
    const waiting = this.#heard.client.peek(commandBytesMax);
    if (waiting.length === 0) return text.behindLast;
    return waiting.length === commandBytesMax || waiting.includes('\n') ? 'line' : 'something';
  }

  #contextOf(text: DataText): EndContext {
    return {
      text,
      strictEnd: this.#strictEnd(text),
      client: this.#heard.client,
      replies: this.#heard.replies,
      clientIsOver: this.#heard.clientIsOver,
      repliesEnd: this.#heard.repliesEnd,
      isLaxClient: this.#isLaxClient,
    };
  }

  #readOn(text: DataText): TextProgress {
    const { client, clientFinished } = this.#heard;
    const run = client.takeRun(Number.MAX_SAFE_INTEGER);
    if (run !== undefined) {
      const rest = text.add(run, this.#endAhead(text) !== undefined);
      if (rest !== undefined) client.putBack([rest]);
      return 'more';
    }
    const gap = client.takeGap();
    if (gap !== undefined) {
      text.addGap(gap);
      return 'more';
    }
    return clientFinished ? this.#end(text, undefined) : 'wait';
  }

  /** `end` undefined: the text broke off. */
  #end(text: DataText, end: EndOfData | undefined): EndedText {
    if (end !== undefined && end.kind !== 'strict') this.#ahead = this.#strictEnd(text);
    this.#judged = undefined;
    this.#text = undefined;
    const isInDoubt = end?.kind === 'strict' && this.#isInDoubt(text);
    const { message, wireBytes, rest } = text.cut(end, isInDoubt);
    if (rest.length > 0) {
      this.#rereadBytes += text.doubtfulBytes;
      this.#heard.client.putBack(rest);
    }
    const ended = end !== undefined;
    const mail: HeldMail = { method: 'DATA', message, wireBytes, ended, isAskedFor: this.#isAskedFor };
    return { mail, seen: end?.seen ?? text.lastSeen, endIsLost: end?.kind === 'gap' };
  }

  /** Where nothing of the server was captured, the strict end is the end. */
  #isInDoubt(text: DataText): boolean {
    if (text.candidates.length === 0 || !this.#heard.isServerHeard) return false;
    const context = this.#contextOf(text);
    return context.strictEnd?.kind === 'found' && isEndInDoubt(context, context.strictEnd);
  }

  #strictEnd(text: DataText): EndAhead | undefined {
    const { client, clientBytes, clientIsOver, clientFinished } = this.#heard;
    if (text.strictEnd === undefined) return clientIsOver ? { kind: 'none' } : this.#endAhead(text);
    const { seen, after } = text.strictEnd;
    const behind = client.peek(dialogueLimits.lookAheadBytesMax);
    const lines = completeLines(behind);
    const isKnown = isEnough(behind, lines);
    const sequence = text.sequenceAt(after);
    const isLast = client.isEmpty;
    const isAll = clientIsOver;
    const knownAt = isKnown ? undefined : clientBytes;
    const mayGrow = !isKnown && !clientFinished;
    return { kind: 'found', seen, lines, isLast, isAll, mayGrow, sequence, knownAt };
  }

  /** The strict end that is known to lie ahead, as long as as much is known of what follows it. */
  #endAhead(text: DataText): EndAhead | undefined {
    const ahead = this.#ahead;
    if (ahead?.kind !== 'found') return ahead;
    const { clientBytes, clientFinished } = this.#heard;
    if (ahead.knownAt !== undefined && ahead.knownAt !== clientBytes) return undefined;
    if (((ahead.sequence - text.sequenceAt(0)) | 0) <= 0) return undefined;
    return { ...ahead, isAll: ahead.isLast && clientFinished, mayGrow: ahead.mayGrow && !clientFinished };
  }
}

/** More behind a strict end would not be looked at. */
function isEnough(behind: Buffer, lines = completeLines(behind)): boolean {
  return behind.length >= dialogueLimits.lookAheadBytesMax || lines.length >= linesMax;
}
