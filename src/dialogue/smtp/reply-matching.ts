/**
 * Which reply answers which command. By order, RFC 5321 §4.1.1; where octets of the server were lost, by
 * what the codes can mean and by the order of capture.
 */
import type { Sighting } from '../../stream/types.ts';
import { isBefore } from '../sighting-order.ts';
import { mayAnswer, type Pending, stopsClient } from './pending.ts';
import type { Reply, ReplyReader } from './reply.ts';

export interface MatchContext {
  /** Oldest first; at least one. */
  readonly pending: readonly Pending[];
  readonly replies: ReplyReader;
  /** No replies are awaited but those that are there. */
  readonly repliesEnd: boolean;
  /** Octets of either side were lost on this connection. */
  readonly isLossy: boolean;
  /** Where the client's next octets were seen; undefined where there are none, or a hole stands before them. */
  readonly clientNext: Sighting | undefined;
  /** The client's next octets begin TLS. */
  readonly clientBeginsTls: boolean;
  /** None of the client's octets wait to be read, and more may come. */
  readonly clientMayGoOn: boolean;
  /** All that the client sent before `seen` is among the pending commands, or waits behind them. */
  clientReadUpTo(seen: Sighting): boolean;
}

export type Match =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** The answers to so many commands were lost. */
  | { readonly kind: 'missing'; readonly count: number }
  | { readonly kind: 'wait' };

/** Replies behind a hole that are compared with the commands, and how far these are shifted against each other. */
const comparedMax = 64;

const wait: Match = { kind: 'wait' };

/** Finds the answer to the oldest pending command and takes it; replies to lost commands are dropped. */
export function matchReply(context: MatchContext): Match {
  const { pending, replies } = context;
  const first = pending[0] as Pending;
  for (;;) {
    const next = replies.peek();
    if (next === undefined) return context.repliesEnd ? { kind: 'missing', count: 1 } : wait;
    if (next.kind === 'gap') {
      const match = matchTls(context, next.seen) ?? matchAcrossGap(context);
      if (match === 'again') continue;
      return match;
    }
    if (context.isLossy && stopsClient(first)) {
      if (context.clientMayGoOn) return wait;
      if (!isInTime(first, next, context.clientNext)) return { kind: 'missing', count: 1 };
    }
    const answersLostCommand = context.isLossy && isBefore(next.seen, first.seen);
    if (!answersLostCommand && mayAnswer(first, next.code)) break;
    if (!answersLostCommand) {
      const verdict = judgeUnexpected(context, first, next);
      if (verdict !== 'drop') return verdict;
    }
    replies.take();
  }
  return { kind: 'reply', reply: replies.take() as Reply };
}

/** A code that is no answer to the command: something is out of step, or the server is strange. */
function judgeUnexpected(context: MatchContext, first: Pending, reply: Reply): Match | 'drop' {
  const { pending, replies, repliesEnd } = context;
  if (first.kind === 'data') {
    const following = replies.peek(1);
    if (following === undefined && !repliesEnd) return wait;
    if (following?.kind === 'reply' && following.code === 354) return 'drop';
  }
  // Not a command: servers need not answer it.
  const isNoCommand = first.kind === 'command' && first.command.verb === '';
  const mayBeFor = ({ kind, seen }: Pending): boolean => kind === 'data' && !isBefore(reply.seen, seen);
  const laterFits = reply.code === 354 && pending.slice(1).some(mayBeFor);
  if (isNoCommand || laterFits) return { kind: 'missing', count: 1 };
  // It may be the answer to a DATA that waits to be read.
  if (reply.code === 354 && !repliesEnd && !context.clientReadUpTo(reply.seen)) return wait;
  replies.take();
  return { kind: 'reply', reply };
}

/**
 * The answer to STARTTLS was lost, but the client begins TLS: so it was 220, and what the server said behind the hole
 * is TLS, even where it looks like replies.
 */
function matchTls({ pending, replies, clientBeginsTls }: MatchContext, gapSeen: Sighting): Match | undefined {
  const [first] = pending;
  if (first?.kind !== 'starttls' || !clientBeginsTls || isBefore(gapSeen, first.seen)) return undefined;
  replies.take();
  return { kind: 'missing', count: 1 };
}

/**
 * A hole stands before the next reply: finds how many answers were in it. `again`: the hole is dealt with, and what is
 * behind it is matched as if there had been none.
 */
function matchAcrossGap(context: MatchContext): Match | 'again' {
  const { pending, replies, repliesEnd } = context;
  const behind: Reply[] = [];
  let next = replies.peek(1);
  while (next?.kind === 'reply' && behind.length < Math.min(pending.length, comparedMax)) {
    behind.push(next);
    next = replies.peek(behind.length + 1);
  }
  const moreMayCome = next === undefined && !repliesEnd;
  const [reply] = behind;
  if (reply === undefined) {
    if (moreMayCome) return wait;
    replies.take();
    return next === undefined ? { kind: 'missing', count: pending.length } : 'again';
  }
  if (!repliesEnd && !context.clientReadUpTo(reply.seen)) return wait;
  // As many replies as there are commands tell more than one, and the same however they were cut.
  if (moreMayCome && behind.length < Math.min(pending.length, comparedMax)) return wait;
  const lost = countLost(pending, behind, context.clientNext);
  replies.take();
  return lost === undefined || lost === 0 ? 'again' : { kind: 'missing', count: lost };
}

/**
 * How many commands had their answers in the hole, so that the replies behind it fit the commands that follow.
 * Undefined where the first reply fits none of them, and may answer what the client sent later.
 */
function countLost(
  pending: readonly Pending[],
  behind: readonly Reply[],
  clientNext: Sighting | undefined,
): number | undefined {
  const reply = behind[0] as Reply;
  const isAsked = (each: Pending): boolean => !isBefore(reply.seen, each.seen);
  const firstUnasked = pending.findIndex((each) => !isAsked(each));
  const asked = firstUnasked < 0 ? pending.length : firstUnasked;
  if (asked === 0) return 0;
  const last = pending[asked - 1] as Pending;
  const later = pending[asked]?.seen ?? (stopsClient(last) ? clientNext : undefined);
  // Replies from before the client sent more answer what it had asked for by then: the others were lost.
  const answers = later ? behind.filter(({ seen }) => isBefore(seen, later)).length : behind.length;
  const likely = Math.max(0, asked - answers);
  const most = Math.min(asked, likely + comparedMax);
  const least = Math.max(0, likely - comparedMax);
  for (let lost = likely; lost < most; lost++) if (fits(pending, behind, lost, clientNext)) return lost;
  for (let lost = likely - 1; lost >= least; lost--) if (fits(pending, behind, lost, clientNext)) return lost;
  // None of them can be answered so: the reply is for what the client sent next.
  return firstUnasked < 0 ? asked : undefined;
}

function fits(
  pending: readonly Pending[],
  behind: readonly Reply[],
  lost: number,
  clientNext: Sighting | undefined,
): boolean {
  return behind.every((reply, index) => {
    const asked = pending[lost + index];
    if (asked === undefined) return true;
    return (
      mayAnswer(asked, reply.code) && !isBefore(reply.seen, asked.seen) && isInTime(asked, reply, clientNext)
    );
  });
}

/** The client goes on only when it has been answered: what it sent next is younger than the answer. */
function isInTime(asked: Pending, reply: Reply, clientNext: Sighting | undefined): boolean {
  if (clientNext === undefined || !stopsClient(asked) || !isBefore(asked.seen, clientNext)) return true;
  return !isBefore(clientNext, reply.seen);
}
