/** SMTP replies, RFC 5321 §4.2: three digits, continued while a hyphen follows them. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting, StreamData, StreamGap } from '../../stream/types.ts';
import { added, none, withoutFirst } from '../few.ts';
import { HalfStream, type Line } from '../half-stream.ts';
import { ReadAhead } from './read-ahead.ts';

export interface Reply {
  readonly kind: 'reply';
  readonly code: number;
  /** Texts of its lines, for people, as far as they are kept. */
  readonly text: string;
  /** Its last line. */
  readonly seen: Sighting;
}

/** Octets of the server were lost here, and replies with them perhaps. */
export interface ReplyGap {
  readonly kind: 'gap';
  readonly seen: Sighting;
}

/** Holes in a row behind which the next reply is still looked for. */
export const holesMax = 16;
/** The first digits of replies. */
const TWO = 0x32;
const FIVE = 0x35;
/** Characters of a reply that are shown. */
const textLengthMax = 200;

/** The server's octets as replies, read no further than is asked for. */
export class ReplyReader {
  readonly half = new HalfStream();
  #ready: (Reply | ReplyGap)[] = none;
  /** The octets of what is ready, of the open reply, and of lines that are none. */
  readonly #ahead = new ReadAhead();
  /** A reply whose last line has not come, as its lines so far have it. */
  #open: Reply | undefined;
  #finished = false;
  #goAheadCount = 0;
  /** Octets of the server's first line so far, and where in them packets begin; see `#takeSeam`. */
  #firstLineBytes = 0;
  #seams: number[] = [];
  #firstLineEnded = false;
  #lastSeen: Sighting | undefined;

  push(event: StreamData | StreamGap): void {
    if (event.kind === 'data' && !this.#firstLineEnded) this.#noteSeam(event);
    this.half.lend(event);
  }

  /** Replies taken so far that ask for the text of a mail, RFC 5321 §4.1.1.4. */
  get goAheadCount(): number {
    return this.#goAheadCount;
  }

  /** The server sends no more: a line without end is a line. */
  finish(): void {
    this.#finished = true;
  }

  /** The reply `ahead` of the next one; undefined while it has not come. */
  peek(ahead = 0): Reply | ReplyGap | undefined {
    while (this.#ready.length <= ahead && this.#readLine());
    return this.#ready[ahead];
  }

  /** Replies read and not yet taken: grows as long as the next ones are looked at. */
  get readyCount(): number {
    return this.#ready.length;
  }

  take(): Reply | ReplyGap | undefined {
    this.peek();
    const next = this.#ready[0];
    if (next === undefined) return undefined;
    if (next.kind === 'reply' && next.code === 354) this.#goAheadCount++;
    this.#ready = withoutFirst(this.#ready);
    this.#ahead.taken(this.#ready.length === 0);
    return next;
  }

  /** Octets that wait, read or not. */
  get heldBytes(): number {
    return this.half.heldBytes + this.#ahead.cost;
  }

  /** The octets of the event may change from now on. */
  settle(): void {
    this.half.settle();
    this.#ahead.settle();
  }

  /** What was not taken counts as unread: it and what follows belong to another layer. */
  unread(): void {
    const ahead = this.#ahead.takeAll();
    if (ahead.length > 0) this.half.putBack(ahead);
    this.#ready = none;
    this.#open = undefined;
    this.#finished = false;
  }

  #readLine(): boolean {
    if (this.half.isEmpty) return false;
    const gap = this.half.takeGap();
    if (gap !== undefined) {
      const before = this.#ready.length;
      this.#endOpenReply();
      this.#ready = added<Reply | ReplyGap>(this.#ready, { kind: 'gap', seen: gap.seen });
      this.#ahead.addGap(gap, this.#ready.length - before);
      return true;
    }
    if (this.#mayBeOfLayer) return false;
    const whole = this.half.takeLine();
    const cut = whole === undefined && (this.#finished || this.half.lineIsCutByGap);
    const line = cut ? this.half.takeFragment() : whole;
    if (line === undefined) return false;
    const seam = this.#takeSeam(line);
    if (seam > 0) this.#readPart(line, 0, seam);
    this.#readPart(line, seam, line.wireBytes);
    return true;
  }

  #readPart(line: Line, from: number, to: number): void {
    const before = this.#ready.length;
    const at = line.from + from;
    const end = Math.min(at + 4 + textLengthMax, line.from + to, line.to);
    this.#readReply(line.source.toString('latin1', at, end), line.last);
    this.#ahead.addLine(line, from, to, this.#ready.length - before);
  }

  /** Behind a 220 octets that begin no reply may be TLS: they are left unread until it is known whether TLS began. */
  get #mayBeOfLayer(): boolean {
    const last = this.#ready.at(-1);
    if (last?.kind !== 'reply' || last.code !== 220) return false;
    const octet = this.half.nextOctet;
    return octet !== undefined && (octet < TWO || octet > FIVE);
  }

  #readReply(text: string, seen: Sighting): void {
    const code = codeOf(text);
    if (code === undefined) return;
    const before = this.#open?.code === code ? `${this.#open.text} / ` : '';
    const shown = text.slice(4, 4 + textLengthMax);
    const isOpen = text[3] === '-';
    const reply: Reply = {
      kind: 'reply',
      code,
      text: before === '' ? shown : `${before}${shown}`.slice(0, textLengthMax),
      seen,
    };
    this.#open = isOpen ? reply : undefined;
    if (!isOpen) this.#ready = added(this.#ready, reply);
  }

  /**
   * The last line of a reply was lost: its code is known all the same. If the rest of it follows the hole, that was
   * captured before the next command, and answers nothing.
   */
  #endOpenReply(): void {
    if (this.#open !== undefined) this.#ready = added(this.#ready, this.#open);
    this.#open = undefined;
  }

  /**
   * QUIRK: greetings without CRLF exist: the next reply then stands on the same line, in another packet. Where in
   * `line` it begins; 0 where the line holds one reply.
   */
  #takeSeam(line: Line): number {
    if (this.#seams.length === 0) return 0;
    const text = line.latin1();
    const seam = this.#seams.find((at) => codeOf(text.slice(at)) !== undefined);
    this.#seams = [];
    return seam !== undefined && codeOf(text) !== undefined ? seam : 0;
  }

  #noteSeam(event: StreamData): void {
    const lineEnd = event.bytes.indexOf(0x0a);
    const newPacket = this.#lastSeen !== undefined && this.#lastSeen.frame !== event.seen.frame;
    if (newPacket && this.#seams.length < dialogueLimits.endCandidatesMax)
      this.#seams.push(this.#firstLineBytes);
    this.#lastSeen = event.seen;
    this.#firstLineBytes += event.bytes.length;
    this.#firstLineEnded = lineEnd >= 0;
  }
}

/** The next reply, be there holes before it or not. */
export function nextReply(replies: ReplyReader): Reply | undefined {
  let ahead = 0;
  while (ahead < holesMax && replies.peek(ahead)?.kind === 'gap') ahead++;
  const reply = replies.peek(ahead);
  return reply?.kind === 'reply' ? reply : undefined;
}

/** Three digits, and behind them a space, a hyphen or nothing; undefined where `line` is no reply. */
function codeOf(line: string): number | undefined {
  const [first, second, third] = [line.charCodeAt(0) - 48, line.charCodeAt(1) - 48, line.charCodeAt(2) - 48];
  const isCode = first >= 2 && first <= 5 && second >= 0 && second <= 9 && third >= 0 && third <= 9;
  const mark = line[3];
  if (!isCode || (mark !== undefined && mark !== ' ' && mark !== '-')) return undefined;
  return first * 100 + second * 10 + third;
}

export function isFinal(reply: Reply): boolean {
  return reply.code < 300 || reply.code >= 400;
}

/** The server did not do what the command asked for; a reply that is not captured is taken for consent. */
export function isRefusal(reply: Reply | null): boolean {
  return reply !== null && reply.code >= 300;
}

/** RFC 5321 §4.2.2: 500 to 504. */
export function isSyntaxError(reply: Reply | null): boolean {
  return reply !== null && reply.code >= 500 && reply.code <= 504;
}

/** Whether the server took the mail; null: not known. */
export function acceptance(reply: Reply | null): boolean | null {
  return reply === null ? null : reply.code < 300;
}
