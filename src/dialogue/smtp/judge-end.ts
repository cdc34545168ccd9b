/**
 * Where a mail text ended in the server's view. A strict end is certain as long as nothing before it may
 * have been one; a candidate is the end if the server's replies can only be understood so.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Sighting } from '../../stream/types.ts';
import type { HalfStream } from '../half-stream.ts';
import { isBefore } from '../sighting-order.ts';
import { type Behind, commandBytesMax } from './behind-end.ts';
import { looksLikeCommand } from './command.ts';
import type { DataText, EndOfData } from './end-of-data.ts';
import { holesMax, isFinal, nextReply, type Reply, type ReplyReader } from './reply.ts';

/** The first strict end of the text, and what the client said behind it. */
export interface StrictEnd {
  readonly kind: 'found';
  readonly seen: Sighting;
  readonly lines: readonly string[];
  /** The client says no more than that. */
  readonly isAll: boolean;
  /** More lines may come. */
  readonly mayGrow: boolean;
}

export interface EndContext {
  readonly text: DataText;
  /** `none`: the client never sends one. Undefined: not known yet. */
  readonly strictEnd: StrictEnd | { readonly kind: 'none' } | undefined;
  readonly client: HalfStream;
  readonly replies: ReplyReader;
  readonly clientFinished: boolean;
  readonly serverFinished: boolean;
  /** The DATA command itself ended in a bare LF: the client knows no other line end. */
  readonly isLaxClient: boolean;
}

/** Commands behind an end that are held against the replies: as many tell what the text was, if any do. */
export const linesMax = 32;
/** Replies and holes that can matter before they were taken. */
export const repliesMax = holesMax + 1 + linesMax + 1;

/** `none`: no candidate is the end, as far as is known. `wait`: replies to come will tell. */
export type EndVerdict = EndOfData | 'none' | 'wait';

export function judgeCandidates(context: EndContext): EndVerdict {
  const { text, replies, serverFinished } = context;
  if (text.candidates.length === 0) return 'none';
  const answered = endAnsweredInHole(context);
  if (answered !== undefined) return answered;
  const allRead = context.strictEnd !== undefined;
  const reply = nextReply(replies);
  if (reply === undefined) {
    if (allRead && !serverFinished) return 'wait';
    return serverFinished ? endWithoutReplies(context) : 'none';
  }
  if (!isFinal(reply)) return 'none';
  for (let index = allRead ? 0 : text.dismissed; index < text.candidates.length; index++) {
    const end = text.candidates[index] as EndOfData;
    if (isBefore(reply.seen, end.seen)) break;
    const verdict = judgeCandidate(context, end, reply, allRead);
    if (verdict !== 'none') return verdict;
    if (allRead || text.dismissed !== index || nextSeen(context, end) === undefined) continue;
    if (isKnown(peekBehind(context, end, commandBytesMax))) text.dismissed++;
  }
  return 'none';
}

/**
 * Between 354 and the end of the text a server says nothing: where octets of its own were lost before the
 * client's octets behind a hole, they answered an end in that hole.
 */
function endAnsweredInHole(context: EndContext): EndOfData | undefined {
  const lost = context.replies.peek();
  if (lost?.kind !== 'gap') return undefined;
  return context.text.candidates.find((end) => {
    if (end.kind !== 'gap' || isBefore(lost.seen, end.seen)) return false;
    const next = peekBehind(context, end, 1).seen;
    return next !== undefined && isBefore(lost.seen, next);
  });
}

/** Enough is known of what follows: more octets change nothing until the text is read to its end. */
function isKnown({ bytes, endsInHole }: Behind): boolean {
  return endsInHole || bytes.length >= commandBytesMax || bytes.includes('\n');
}

function judgeCandidate(context: EndContext, end: EndOfData, reply: Reply, allRead: boolean): EndVerdict {
  const behind = peekBehind(context, end);
  const next = behind.seen ?? nextSeen(context, end);
  const answeredFirst = next === undefined ? context.clientFinished : isBefore(reply.seen, next);
  if (answeredFirst && end.kind === 'gap') return end;
  const lines = completeLines(behind.bytes);
  const startsCommand = startsWithCommand(context, behind, lines);
  if (answeredFirst && (startsCommand || next === undefined)) return end;
  if (!allRead) return 'none';
  if (context.strictEnd?.kind !== 'found') {
    // The client said all it had to say, and the server was content: this was the end.
    const fit = reply.code < 300 ? readingFits(lines, context.replies, false) : 'no';
    if (fit === 'open' && !context.serverFinished) return 'wait';
    return fit === 'no' ? 'none' : end;
  }
  return startsCommand ? compareWithReplies(context, context.strictEnd, end, lines, reply) : 'none';
}

/** What the client said first behind a possible end, be there holes before it or not. */
function nextSeen({ text, client }: EndContext, end: EndOfData): Sighting | undefined {
  return text.seenBehind(end) ?? client.placeBehindGaps?.seen;
}

/** Behind part of a line nobody can tell: more of it may make it something else. */
function startsWithCommand(
  { clientFinished }: EndContext,
  behind: Behind,
  [line]: readonly string[],
): boolean {
  if (line !== undefined) return looksLikeCommand(line);
  if (!clientFinished && !isKnown(behind)) return false;
  return looksLikeCommand(behind.bytes.toString('latin1', 0, commandBytesMax));
}

/** What was read behind a candidate, and what waits to be read behind that: how far was read is a matter of packets. */
function peekBehind(
  { text, client }: EndContext,
  end: EndOfData,
  bytesMax: number = dialogueLimits.lookAheadBytesMax,
): Behind {
  const isRead = end.after < text.length;
  const read = isRead ? text.peekBehind(end, bytesMax) : undefined;
  if (read !== undefined && (read.endsInHole || read.bytes.length >= bytesMax)) return read;
  const wanted = bytesMax - (read?.bytes.length ?? 0);
  const waiting = client.peek(wanted);
  const bytes = read === undefined ? waiting : Buffer.concat([read.bytes, waiting]);
  const endsInHole = waiting.length < wanted && client.unreadBytes > waiting.length;
  return { bytes, seen: read === undefined ? client.place?.seen : read.seen, endsInHole };
}

/** Both readings of what follows, held against the replies; the strict one wins where both are possible. */
function compareWithReplies(
  { replies, serverFinished }: EndContext,
  strictEnd: StrictEnd,
  end: EndOfData,
  lines: readonly string[],
  reply: Reply,
): EndVerdict {
  const strict = readingFits(strictEnd.lines, replies, strictEnd.isAll);
  const early = readingFits(lines, replies, false);
  if (early === 'no') return 'none';
  // Nobody answers an end that is still to be sent.
  if (isBefore(reply.seen, strictEnd.seen)) return end;
  // How many replies stood in a hole is not known: they cannot be counted off.
  if (replies.peek()?.kind === 'gap') return 'none';
  // More replies may show that it is neither.
  if (strict === 'no') return early !== 'open' || serverFinished ? end : 'wait';
  if (strict === 'yes') return 'none';
  return serverFinished && !strictEnd.mayGrow ? 'none' : 'wait';
}

/**
 * The text was read to its strict end, and commands stand behind an earlier place that may have been its end,
 * too: the replies that would have told were lost.
 */
export function isEndInDoubt(context: EndContext, strictEnd: StrictEnd): boolean {
  const { text, replies } = context;
  const strict = readingFits(strictEnd.lines, replies, strictEnd.isAll);
  const reply = replies.peek();
  // Behind one that answers no end, more replies tell nothing: they are not awaited.
  const isCounted = reply?.kind === 'reply' && isFinal(reply);
  if (isCounted && strict === 'yes') return false;
  return text.candidates.some((end) => {
    const lines = completeLines(peekBehind(context, end).bytes);
    if (end.kind !== 'bareLf' || !looksLikeCommand(lines[0] ?? '')) return false;
    return !isCounted || readingFits(lines, replies, false) !== 'no';
  });
}

/** `soFar`: all of the lines were answered, and more may come. `open`: answers are still to come. */
type Fit = 'yes' | 'no' | 'soFar' | 'open';

/** Whether `lines` may be commands that were answered by the replies behind the next one. */
function readingFits(lines: readonly string[], replies: ReplyReader, isAll: boolean): Fit {
  let index = 1;
  for (const line of lines) {
    const reply = replies.peek(index++);
    if (reply?.kind !== 'reply') return 'open';
    const verb = /^[A-Z]*/i.exec(line)?.[0].toUpperCase() ?? '';
    if (verb === 'DATA' && reply.code === 354) return 'yes';
    if (!isPlausible(verb, line, reply.code)) return 'no';
    if (verb === 'QUIT') return 'yes';
  }
  if (!isAll) return 'soFar';
  return replies.peek(index)?.kind === 'reply' ? 'no' : 'open';
}

function isPlausible(verb: string, line: string, code: number): boolean {
  if (code >= 400) return true;
  if (verb === 'QUIT') return code === 221;
  return looksLikeCommand(line) && verb !== 'DATA' && code !== 354 && code !== 221;
}

/**
 * With the server's side missing a hole counts where commands follow it, and a bare LF where the client
 * has used nothing else and goes on with commands or has no more to say.
 */
function endWithoutReplies(context: EndContext): EndVerdict {
  const { text, clientFinished, isLaxClient } = context;
  for (const end of text.candidates) {
    const behind = peekBehind(context, end);
    const [line] = completeLines(behind.bytes);
    const isFollowed = line !== undefined && /^(?:MAIL FROM:|RSET$|QUIT$|EHLO )/i.test(line);
    const isLast = clientFinished && behind.seen === undefined;
    if (end.kind === 'gap' ? isFollowed : isLaxClient && (isFollowed || isLast)) return end;
  }
  return 'none';
}

export function completeLines(bytes: Buffer): string[] {
  const lines = bytes.toString('latin1').split(/\r?\n/, linesMax + 1);
  lines.pop();
  return lines;
}
