/**
 * Where a mail text ended in the server's view. The strict end, CRLF.CRLF, is the end unless a candidate stands
 * before it: a dot line with a bare LF, which some servers take for the end, or a hole that may have swallowed an
 * end. A candidate is the end if the server's replies make sense in no other way.
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
  /** The client has ended: nothing stands behind the lines. */
  readonly isAll: boolean;
  /** More lines may come, and would be looked at. */
  readonly mayGrow: boolean;
}

export interface EndContext {
  readonly text: DataText;
  /** `none`: the client never sends one. Undefined: not known yet. */
  readonly strictEnd: StrictEnd | { readonly kind: 'none' } | undefined;
  readonly client: HalfStream;
  readonly replies: ReplyReader;
  /** The client has no more to say, and all it said was read. */
  readonly clientIsOver: boolean;
  /** No replies are awaited but those that are there. */
  readonly repliesEnd: boolean;
  /** The DATA command itself ended in a bare LF: the client knows no other line end. */
  readonly isLaxClient: boolean;
}

/** Commands behind an end that are compared with the replies: if so many do not tell what was the end, none do. */
export const linesMax = 32;
/** Replies and holes that are looked at ahead: the answer to the text, holes before it, an answer to each command. */
export const repliesMax = holesMax + 1 + linesMax + 1;

/** `none`: no candidate is the end, as far as is known. `wait`: replies to come will tell. */
export type EndVerdict = EndOfData | 'none' | 'wait';

export function judgeCandidates(context: EndContext): EndVerdict {
  const { text, replies, repliesEnd } = context;
  if (text.candidates.length === 0) return 'none';
  const answered = endAnsweredInHole(context);
  if (answered !== undefined) return answered;
  // To the strict end, or to where the client ended without one.
  const allRead = context.strictEnd !== undefined;
  const reply = nextReply(replies);
  if (reply === undefined) {
    if (allRead && !repliesEnd) return 'wait';
    return repliesEnd ? endWithoutReplies(context) : 'none';
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
 * From its 354 to the end of the text a server is silent. So where octets of the server were lost after a hole in
 * the text began and before the client's next octets, they answered an end that lay in that hole.
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

/** So much is there of what follows that more of it would not tell more, until the text is read to its end. */
function isKnown({ bytes, endsInHole }: Behind): boolean {
  return endsInHole || bytes.length >= commandBytesMax || bytes.includes('\n');
}

function judgeCandidate(context: EndContext, end: EndOfData, reply: Reply, allRead: boolean): EndVerdict {
  const behind = peekBehind(context, end);
  const next = behind.seen ?? nextSeen(context, end);
  const answeredFirst = next === undefined ? context.clientIsOver : isBefore(reply.seen, next);
  if (answeredFirst && end.kind === 'gap') return end;
  const lines = commandsBehind(end, completeLines(behind.bytes));
  const startsCommand = startsWithCommand(context, behind, lines);
  if (answeredFirst && (startsCommand || next === undefined)) return end;
  if (!allRead) return 'none';
  if (context.strictEnd?.kind !== 'found') {
    // The client said all it had to say, and the server was content: this was the end.
    const fit = reply.code < 300 ? readingFits(lines, context.replies, false) : 'no';
    if (fit === 'open' && !context.repliesEnd) return 'wait';
    return fit === 'no' ? 'none' : end;
  }
  return startsCommand ? compareWithReplies(context, context.strictEnd, end, lines, reply) : 'none';
}

/** Behind a hole the rest of a line stands first, that of a command perhaps; a dot is an end of its own. */
function commandsBehind({ kind }: EndOfData, lines: readonly string[]): readonly string[] {
  const [first, second] = lines;
  if (kind !== 'gap' || first === undefined || second === undefined) return lines;
  const isTorn = first !== '.' && !looksLikeCommand(first) && looksLikeCommand(second);
  return isTorn ? lines.slice(1) : lines;
}

/** Where the first octets behind a possible end were seen; holes before them are passed over. */
function nextSeen({ text, client }: EndContext, end: EndOfData): Sighting | undefined {
  return text.seenBehind(end) ?? client.placeBehindGaps?.seen;
}

/** What follows a possible end begins with a command. Part of a line is none yet: its rest may make it text. */
function startsWithCommand({ clientIsOver }: EndContext, behind: Behind, [line]: readonly string[]): boolean {
  if (line !== undefined) return looksLikeCommand(line);
  if (!clientIsOver && !isKnown(behind)) return false;
  return looksLikeCommand(behind.bytes.toString('latin1', 0, commandBytesMax));
}

/**
 * The octets behind a candidate, those that were read into the text and those that still wait: how many of them were
 * read depends on how packets were cut, and must not matter.
 */
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

/**
 * Either the text goes on to its strict end, or it ended at the candidate and what follows are commands: both are
 * compared with the replies, and the strict reading wins where both are possible.
 */
function compareWithReplies(
  { replies, repliesEnd }: EndContext,
  strictEnd: StrictEnd,
  end: EndOfData,
  lines: readonly string[],
  reply: Reply,
): EndVerdict {
  const strict = readingFits(strictEnd.lines, replies, strictEnd.isAll);
  const fit = readingFits(lines, replies, false);
  const early = fit === 'no' && end.kind === 'gap' ? laterRepliesFit(lines, replies, repliesEnd) : fit;
  if (early === 'no') return 'none';
  // The server had seen an end before the strict one was sent.
  if (isBefore(reply.seen, strictEnd.seen)) return early === 'maybe' ? 'wait' : end;
  // How many replies stood in a hole is not known: they cannot be counted off.
  if (replies.peek()?.kind === 'gap') return 'none';
  if (early === 'maybe') return strict === 'yes' ? 'none' : 'wait';
  // More replies may show that it is neither.
  if (strict === 'no') return early !== 'open' || repliesEnd ? end : 'wait';
  if (strict === 'yes') return 'none';
  return repliesEnd && !strictEnd.mayGrow ? 'none' : 'wait';
}

/**
 * The text was read to its strict end, and commands stand behind an earlier place that may have been its end,
 * too: the replies that would have told were lost.
 */
export function isEndInDoubt(context: EndContext, strictEnd: StrictEnd): boolean {
  const { text, replies } = context;
  const strict = readingFits(strictEnd.lines, replies, strictEnd.isAll);
  const reply = replies.peek();
  // The next reply must be the answer to the text, or they cannot be counted off: then more of them tell nothing.
  const isCounted = reply?.kind === 'reply' && isFinal(reply);
  if (isCounted && strict === 'yes') return false;
  return text.candidates.some((end) => {
    const lines = completeLines(peekBehind(context, end).bytes);
    if (end.kind !== 'bareLf' || !looksLikeCommand(lines[0] ?? '')) return false;
    return !isCounted || readingFits(lines, replies, false) !== 'no';
  });
}

/** `soFar`: all of the lines were answered, and more lines may come. `open`: answers are still to come. */
type Fit = 'yes' | 'no' | 'soFar' | 'open';

/**
 * In a hole other commands may stand behind the end: their replies come before those to `lines`. `maybe`: more
 * replies may show it.
 */
function laterRepliesFit(
  lines: readonly string[],
  replies: ReplyReader,
  repliesEnd: boolean,
): 'yes' | 'no' | 'maybe' {
  let mayFit = false;
  for (let lost = 1; lost + lines.length < repliesMax; lost++) {
    const fit = readingFits(lines, replies, false, lost);
    if (fit === 'yes') return fit;
    mayFit ||= fit !== 'no';
  }
  return mayFit && !repliesEnd ? 'maybe' : 'no';
}

/** Whether `lines` may be commands that were answered by the replies behind the next one and `lost` others. */
function readingFits(lines: readonly string[], replies: ReplyReader, isAll: boolean, lost = 0): Fit {
  let index = 1 + lost;
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
 * Where no replies are there to tell, a hole is the end if commands follow it. A dot line with a bare LF is the end
 * if the client knows no other line end, and goes on with commands or has no more to say.
 */
function endWithoutReplies(context: EndContext): EndVerdict {
  const { text, clientIsOver, isLaxClient } = context;
  for (const end of text.candidates) {
    const behind = peekBehind(context, end);
    const [line] = completeLines(behind.bytes);
    const isFollowed = line !== undefined && /^(?:MAIL FROM:|RSET$|QUIT$|EHLO )/i.test(line);
    const isLast = clientIsOver && behind.seen === undefined;
    if (end.kind === 'gap' ? isFollowed : isLaxClient && (isFollowed || isLast)) return end;
  }
  return 'none';
}

/** The lines whose line ends are there, `linesMax` at most. */
export function completeLines(bytes: Buffer): string[] {
  const lines = bytes.toString('latin1').split(/\r?\n/, linesMax + 1);
  lines.pop();
  return lines;
}
