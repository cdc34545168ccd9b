/**
 * Commands and mails that wait for the server's reply, oldest first, and the replies they get: replies
 * come in the order of the commands (RFC 5321 §4.1.1), pipelined ones too (RFC 2920 §3.1).
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection, Sighting } from '../../stream/types.ts';
import { added, none, withoutFirst } from '../few.ts';
import type { Outbox } from '../outbox.ts';
import { isBefore } from '../sighting-order.ts';
import { protocolText } from '../text.ts';
import type { Overheard } from './overheard.ts';
import { letsReadOn, type Pending } from './pending.ts';
import { nextReply, type Reply, type ReplyReader } from './reply.ts';
import { type MatchContext, matchReply } from './reply-matching.ts';

/** What one takes that waits, beside its text; measured. */
const pendingCost = 300;

/** `reply` null: it was answered, but not in this capture. */
export interface Answered {
  readonly pending: Pending;
  readonly reply: Reply | null;
}

export class Unanswered implements MatchContext {
  readonly #heard: Overheard;
  readonly #out: Outbox;
  #pending: Pending[] = none;
  #cost = 0;
  /** Commands at the head of the queue whose answers were lost. */
  #missingReplies = 0;
  /** 354s that were taken for an answer. */
  #goAheadsUsed = 0;
  #isGreeted = false;
  #limitTold = false;

  constructor(heard: Overheard, out: Outbox) {
    this.#heard = heard;
    this.#out = out;
  }

  add(pending: Pending): void {
    this.#pending = added(this.#pending, pending);
    this.#cost += costOf(pending);
  }

  /** What was answered waits for one more answer, before all others. */
  addAgain(pending: Pending): void {
    this.#pending = [pending, ...this.#pending];
    this.#cost += costOf(pending);
  }

  /** Octets that they take. */
  get cost(): number {
    return this.#cost;
  }

  /** Where the oldest of them was seen. */
  get oldest(): Sighting | undefined {
    return this.#pending[0]?.seen;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /** Whatever the answers are, the client's next octets are commands; and there is room for them. */
  get letsReadOn(): boolean {
    const last = this.#pending.at(-1);
    if (last !== undefined && !letsReadOn(last)) return false;
    return (
      this.#pending.length < dialogueLimits.unansweredMax && this.#cost <= this.#heard.memory.unreadBytesMax
    );
  }

  /**
   * The server speaks first (RFC 5321 §3.1); a conversation caught later has no greeting. True once the
   * server has been heard.
   */
  takeGreeting(connection: Connection): boolean {
    if (this.#isGreeted) return false;
    const { replies } = this.#heard;
    const reply = nextReply(replies);
    if (reply === undefined) return false;
    if (!connection.handshakeSeen && !this.clientReadUpTo(reply.seen)) return false;
    this.#isGreeted = true;
    const first = this.#pending[0];
    const isEarlier = first === undefined || isBefore(reply.seen, first.seen);
    const isGreeting = reply.code === 220 || (reply.code >= 400 && connection.handshakeSeen);
    if (!isGreeting || (this.#heard.isLossy && !isEarlier)) return true;
    while (replies.take()?.kind === 'gap');
    this.#trace(reply);
    return true;
  }

  /** The oldest of them with its answer, if that can be told yet. */
  takeAnswered(): Answered | undefined {
    const first = this.#pending[0];
    if (first === undefined) return undefined;
    let reply: Reply | null = null;
    if (this.#missingReplies > 0) {
      this.#missingReplies--;
    } else {
      const match = matchReply(this);
      if (match.kind === 'wait') return undefined;
      if (match.kind === 'missing') this.#missingReplies = match.count - 1;
      if (match.kind === 'reply') reply = match.reply;
      if (reply === null) this.#noteMissing();
    }
    this.#cost -= costOf(first);
    this.#pending = withoutFirst(this.#pending);
    if (reply !== null) this.#trace(reply);
    if (reply?.code === 354) this.#goAheadsUsed++;
    return { pending: first, reply };
  }

  /**
   * Whether the server may have asked for a text although no 354 could be told to be for it. Where all of the server
   * was captured, and there is none to spare, what looked like DATA was none: behind a hole the rest of a mail may
   * quote a whole dialogue.
   */
  takeGoAhead(): boolean {
    if (!this.#heard.isServerWhole || !this.#heard.isClientTorn) return true;
    if (this.replies.goAheadCount <= this.#goAheadsUsed) return false;
    this.#goAheadsUsed++;
    return true;
  }

  /** Replies without commands, as when the client is not captured, are not kept for ever. */
  boundReplies(): void {
    const { replies, memory } = this.#heard;
    if (replies.half.heldBytes <= memory.unreadBytesMax) return;
    while (replies.take() !== undefined);
    while (replies.half.takeRun(Number.MAX_SAFE_INTEGER) ?? replies.half.takeGap());
    this.#noteLimit();
  }

  // ---- what `matchReply` asks for -----------------------------------------------------------------

  get pending(): readonly Pending[] {
    return this.#pending;
  }

  get replies(): ReplyReader {
    return this.#heard.replies;
  }

  get repliesEnd(): boolean {
    return this.#heard.repliesEnd;
  }

  get isLossy(): boolean {
    return this.#heard.isLossy;
  }

  get clientNext(): Sighting | undefined {
    return this.#heard.client.place?.seen;
  }

  get clientBeginsTls(): boolean {
    return this.#heard.clientBeginsTls;
  }

  get clientMayGoOn(): boolean {
    return this.#heard.client.isEmpty && !this.#heard.clientFinished;
  }

  clientReadUpTo(seen: Sighting): boolean {
    const last = this.#pending.at(-1);
    if (this.#heard.clientIsOver || (last !== undefined && !letsReadOn(last))) return true;
    const next = this.#heard.client.place;
    return next !== undefined && isBefore(seen, next.seen);
  }

  #noteMissing(): void {
    const { serverFinished, isOneSided, waitsTooLong } = this.#heard;
    if (serverFinished) return;
    const seen = this.#pending[0]?.seen;
    if (isOneSided) this.#heard.noteLoss();
    else if (waitsTooLong) this.#noteLimit();
    else this.#out.anomaly('dialogue.reply-missing', seen, 'a reply is not in the capture');
  }

  #noteLimit(): void {
    this.#heard.noteLoss();
    if (this.#limitTold) return;
    this.#limitTold = true;
    const seen = this.#pending[0]?.seen;
    this.#out.anomaly('dialogue.queue-limit', seen, 'too much waits for replies: going on without');
  }

  #trace(reply: Reply): void {
    if (!this.#out.isTraced) return;
    const text = protocolText(Buffer.from(`${reply.code} ${reply.text}`, 'latin1'));
    this.#out.trace('server', text, reply.seen);
  }
}

function costOf(pending: Pending): number {
  return pendingCost + (pending.kind === 'command' ? pending.command.argument.length : 0);
}
