/**
 * Mail in SMTP and LMTP conversations (RFC 5321, 2033, 2920, 3030, 3207, 4954).
 *
 * Commands and replies are matched by order, as the protocol has it, and not by the order of events: the
 * client's octets are read up to the next command whose answer decides what follows (DATA, BDAT, AUTH,
 * STARTTLS) and then wait. So the result does not depend on which side is heard first. Only where octets
 * were lost, the order in which packets were captured decides which reply belongs to which command.
 *
 * Where the server's side is not captured at all, the client alone is followed once its connection is
 * closed or too much of it waits.
 */
import { type AnomalyCode, anomaly } from '../../core/anomaly.ts';
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection, Sender, Sighting, StreamEvent } from '../../stream/types.ts';
import { HalfStream, type Line, type Place } from '../half-stream.ts';
import { takeRest } from '../layer-rest.ts';
import { SaslExchange } from '../sasl.ts';
import { isBefore } from '../sighting-order.ts';
import { protocolText } from '../text.ts';
import type { DialogueDecoder, DialogueEvent, DialogueOptions, LayerName } from '../types.ts';
import {
  type ChunkHeader,
  type Command,
  looksLikeCommand,
  parseChunkHeader,
  parseCommand,
  pathAddress,
  withoutSecrets,
} from './command.ts';
import { DataText, type EndOfData } from './end-of-data.ts';
import { judgeCandidates } from './judge-end.ts';
import { LostText, startsWithField } from './lost-text.ts';
import { type HeldMail, letsReadOn, type Pending } from './pending.ts';
import { type Reply, ReplyReader } from './reply.ts';
import { matchReply } from './reply-matching.ts';
import { Transaction } from './transaction.ts';

/** What the client's next octets are. */
type Reading =
  | { readonly kind: 'commands' }
  /** `certain`: the server asked for the text. */
  | { readonly kind: 'text'; readonly text: DataText | undefined; readonly certain: boolean }
  | { readonly kind: 'chunk'; readonly header: ChunkHeader; readonly begin: Place; readonly left: number }
  | { readonly kind: 'sasl'; readonly exchange: SaslExchange; readonly certain: boolean }
  /** Octets were lost before: commands or the rest of a mail. */
  | { readonly kind: 'lost'; readonly tail: LostText };

const commands: Reading = { kind: 'commands' };
const submissionPorts: readonly number[] = [465, 587];
const traceLengthMax = 200;

export class SmtpDecoder implements DialogueDecoder {
  #connection: Connection;
  readonly #isTraced: boolean;
  readonly #client = new HalfStream();
  readonly #replies = new ReplyReader();
  #reading: Reading = commands;
  #pending: Pending[] = [];
  #transaction = new Transaction();
  #helo: string | null = null;
  #user: string | null = null;
  #isLmtp = false;
  #layer: LayerName = 'plain';
  #isGreeted = false;
  /** A reply or a command was heard: what is left of a mail may be taken for one. */
  #isSmtp = false;
  #clientBegan = false;
  #clientFinished = false;
  #serverFinished = false;
  #lossy: boolean;
  /** Since the transaction began. */
  #commandsLost = false;
  /** Commands at the head of the queue whose answers were lost. */
  #missingReplies = 0;
  #rereadBytes = 0;
  /** The last BDAT command. */
  #chunkBegin: Place | undefined;
  #limitTold = false;
  #isLaxClient = false;
  /** What was known when candidates for the end of a text were judged and more had to come. */
  #judged: string | undefined;
  #out: DialogueEvent[] = [];

  constructor(connection: Connection, options: DialogueOptions) {
    this.#connection = connection;
    this.#isTraced = options.trace;
    this.#lossy = !connection.handshakeSeen;
  }

  /** From here on the octets were carried in this layer. */
  layerChanged(layer: LayerName): void {
    this.#layer = layer;
  }

  receive(event: StreamEvent): readonly DialogueEvent[] {
    switch (event.kind) {
      case 'open':
        this.#connection = event.connection;
        break;
      case 'data':
      case 'gap':
        if (event.kind === 'gap') this.#lossy = true;
        if (event.sender === 'client') this.#client.push(event);
        else this.#replies.push(event);
        break;
      case 'close':
        this.#close(event.side);
        break;
    }
    while (this.#step());
    this.#boundReplies();
    if (event.kind === 'close' && event.side === 'both') this.#finish();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #close(side: Sender | 'both'): void {
    if (side !== 'server') this.#clientFinished = true;
    if (side === 'client') return;
    this.#serverFinished = true;
    this.#replies.finish();
  }

  /** Does the next thing that can be done; false when that has to wait for more octets. */
  #step(): boolean {
    if (this.#takeGreeting()) return true;
    if (this.#pending.length > 0 && this.#answer()) return true;
    const last = this.#pending.at(-1);
    if (last !== undefined && !letsReadOn(last)) return false;
    if (this.#pending.length >= dialogueLimits.unansweredMax) return false;
    return this.#read();
  }

  // ---- the server's side ------------------------------------------------------------------------

  /** The server speaks first (RFC 5321 §3.1); a conversation caught later has no greeting. */
  #takeGreeting(): boolean {
    if (this.#isGreeted) return false;
    let reply = this.#replies.peek();
    if (reply?.kind === 'gap') reply = this.#replies.peek(1);
    if (reply?.kind !== 'reply') return false;
    if (!this.#connection.handshakeSeen && !this.#clientReadUpTo(reply.seen)) return false;
    this.#isGreeted = true;
    this.#isSmtp = true;
    const first = this.#pending[0];
    const isEarlier = first === undefined || isBefore(reply.seen, first.seen);
    const isGreeting = reply.code === 220 || (reply.code >= 400 && this.#connection.handshakeSeen);
    if (!isGreeting || (this.#lossy && !isEarlier)) return true;
    while (this.#replies.take()?.kind === 'gap');
    this.#traceReply(reply);
    return true;
  }

  /** No more replies are awaited: the server is silent for good, or too much of the client waits. */
  get #repliesEnd(): boolean {
    return this.#serverFinished || this.#client.heldBytes > dialogueLimits.unreadBytesMax;
  }

  /** Answers the oldest pending command, if that can be done. */
  #answer(): boolean {
    let reply: Reply | null = null;
    if (this.#missingReplies > 0) {
      this.#missingReplies--;
    } else {
      const match = this.#match();
      if (match.kind === 'wait') return false;
      if (match.kind === 'missing') this.#missingReplies = match.count - 1;
      if (match.kind === 'reply') reply = match.reply;
      if (reply === null && !this.#serverFinished) this.#noteMissing();
    }
    const pending = this.#pending.shift() as Pending;
    if (reply !== null) {
      this.#isSmtp = true;
      this.#traceReply(reply);
    }
    this.#apply(pending, reply);
    return true;
  }

  #match(): ReturnType<typeof matchReply> {
    return matchReply({
      pending: this.#pending,
      replies: this.#replies,
      serverFinished: this.#repliesEnd,
      lossy: this.#lossy,
      clientReadUpTo: (seen) => this.#clientReadUpTo(seen),
    });
  }

  #clientReadUpTo(seen: Sighting): boolean {
    const last = this.#pending.at(-1);
    if (this.#clientFinished || (last !== undefined && !letsReadOn(last))) return true;
    const next = this.#client.place;
    return next !== undefined && isBefore(seen, next.seen);
  }

  #noteMissing(): void {
    if (this.#repliesEnd) this.#noteLimit();
    else this.#anomaly('dialogue.reply-missing', this.#pending[0]?.seen, 'a reply is not in the capture');
  }

  #noteLimit(): void {
    this.#lossy = true;
    if (this.#limitTold) return;
    this.#limitTold = true;
    this.#anomaly(
      'dialogue.queue-limit',
      this.#pending[0]?.seen,
      'too much waits for replies: going on without',
    );
  }

  /** Replies without commands, as when the client is not captured, are not kept for ever. */
  #boundReplies(): void {
    if (this.#replies.half.heldBytes <= dialogueLimits.unreadBytesMax) return;
    while (this.#replies.take() !== undefined);
    while (this.#replies.half.takeRun(Number.MAX_SAFE_INTEGER) ?? this.#replies.half.takeGap());
    this.#noteLimit();
  }

  /** What an answer means; `null`: the command was answered, but not in this capture. */
  #apply(pending: Pending, reply: Reply | null): void {
    switch (pending.kind) {
      case 'command':
        this.#applyCommand(pending.command, reply);
        break;
      case 'data':
        this.#applyData(reply);
        break;
      case 'chunk':
        this.#applyChunk(pending, reply);
        break;
      case 'sasl':
        this.#applySasl(pending.exchange, reply);
        break;
      case 'starttls':
        this.#applyStartTls(reply);
        break;
      case 'endOfData':
        this.#applyEndOfData(pending, reply);
        break;
    }
  }

  #applyCommand({ verb, argument }: Command, reply: Reply | null): void {
    const isRefused = reply !== null && reply.code >= 300;
    switch (verb) {
      case 'HELO':
      case 'EHLO':
      case 'LHLO':
        this.#helo = argument.split(/\s/, 1)[0] || this.#helo;
        if (isRefused) break;
        this.#isLmtp = verb === 'LHLO';
        this.#transaction = new Transaction();
        break;
      case 'RSET':
      case 'XCLIENT':
        if (!isRefused) this.#transaction = new Transaction();
        break;
      case 'MAIL':
      case 'SEND':
      case 'SOML':
      case 'SAML': {
        const address = pathAddress(argument, 'FROM');
        if (isRefused || address === undefined) break;
        this.#transaction = new Transaction();
        this.#transaction.setSender(address);
        break;
      }
      case 'RCPT': {
        const address = pathAddress(argument, 'TO');
        if (!isRefused && address !== undefined) this.#transaction.addRecipient(address);
        break;
      }
    }
  }

  #applyData(reply: Reply | null): void {
    const code = reply?.code;
    if (code !== undefined && code >= 400) {
      this.#out.push({ kind: 'tally', what: 'refused' });
      return;
    }
    this.#reading = { kind: 'text', text: undefined, certain: code === 354 };
  }

  #applyChunk(pending: Extract<Pending, { kind: 'chunk' }>, reply: Reply | null): void {
    const transaction = this.#transaction;
    const isRefused = reply !== null && reply.code >= 300;
    if (isRefused && (!pending.header.last || transaction.chunkRefused || !transaction.isOpen)) {
      if (!transaction.chunkRefused) this.#out.push({ kind: 'tally', what: 'refused' });
      transaction.chunkRefused = true;
    }
    if (!pending.header.last) return;
    if (!transaction.chunkRefused) this.#emit(this.#chunkMail(pending.begin, true), acceptance(reply));
    this.#transaction = new Transaction();
  }

  #applySasl(exchange: SaslExchange, reply: Reply | null): void {
    const isOver = reply === null && exchange.isProbablyOver;
    if (reply?.code === 334 || (reply === null && !isOver)) {
      this.#reading = { kind: 'sasl', exchange, certain: reply !== null };
    } else if (isOver || reply?.code === 235) {
      this.#user = exchange.user ?? this.#user;
    }
  }

  /** RFC 3207 §4; where the answer is not captured, the client's next octets tell. */
  #applyStartTls(reply: Reply | null): void {
    const isHandshake = this.#client.peek(1)[0] === 0x16;
    if (reply?.code !== 220 && !(reply === null && isHandshake)) return;
    const rest = takeRest(this.#client, this.#replies.half);
    this.#replies.clear();
    this.#transaction = new Transaction();
    this.#user = null;
    this.#out.push({ kind: 'upgrade', layer: 'tls', rest });
  }

  #applyEndOfData(pending: Extract<Pending, { kind: 'endOfData' }>, reply: Reply | null): void {
    const accepted = pending.accepted === true ? true : (acceptance(reply) ?? pending.accepted);
    if (pending.answersLeft > 1) {
      this.#pending.unshift({ ...pending, answersLeft: pending.answersLeft - 1, accepted });
      return;
    }
    // Commands that were torn apart end in a syntax error, the rest of a mail does not.
    const isSyntaxError = reply !== null && reply.code >= 500 && reply.code <= 504;
    const isNoMail = pending.tail && (isSyntaxError || !this.#isSmtp);
    if (!isNoMail) this.#emit(pending.mail, accepted);
    this.#transaction = new Transaction();
  }

  // ---- the client's side ------------------------------------------------------------------------

  #read(): boolean {
    if (!this.#clientBegan && !this.#client.isEmpty) this.#beginClient();
    const reading = this.#reading;
    switch (reading.kind) {
      case 'commands':
        return this.#readCommand();
      case 'text':
        return this.#readText(reading.text, reading.certain);
      case 'chunk':
        return this.#readChunk(reading);
      case 'sasl':
        return this.#readSasl(reading.exchange, reading.certain);
      case 'lost':
        return this.#readLost(reading.tail);
    }
  }

  #beginClient(): void {
    this.#clientBegan = true;
    if (!this.#connection.handshakeSeen) this.#reading = { kind: 'lost', tail: new LostText(0) };
  }

  #readCommand(): boolean {
    if (this.#skipGap()) return true;
    const isTorn = this.#client.lineIsCutByGap;
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) return false;
    // What is left of a torn line must not be taken for a command: its rest may change the meaning.
    if (isTorn) return true;
    if (line.wireBytes >= dialogueLimits.lineBytesMax) {
      this.#anomaly('dialogue.line-limit', line.start.seen, 'a command line was shortened');
    }
    this.#receiveCommand(parseCommand(line), line);
    return true;
  }

  #skipGap(): boolean {
    const gap = this.#client.takeGap();
    if (gap === undefined) return false;
    this.#anomaly('dialogue.resynchronised', gap.seen, `${gap.length} octets of commands are missing`);
    this.#commandsLost = true;
    this.#reading = { kind: 'lost', tail: new LostText(gap.length) };
    return true;
  }

  #receiveCommand(command: Command, line: Line): void {
    const { seen } = command;
    this.#trace('client', withoutSecrets(command), seen);
    if (command.verb === 'MAIL' || command.verb === 'RSET') this.#commandsLost = false;
    this.#isSmtp ||= looksLikeCommand(protocolText(line.bytes.subarray(0, 1024)));
    const header = command.verb === 'BDAT' ? parseChunkHeader(command.argument) : undefined;
    const [mechanism = '', initialResponse] = command.argument.split(/\s+/, 2);
    if (header !== undefined) {
      this.#chunkBegin = line.start;
      this.#reading = { kind: 'chunk', header, begin: line.start, left: header.length };
    } else if (command.verb === 'DATA') {
      this.#isLaxClient = line.end === 'lf';
      this.#pending.push({ kind: 'data', seen });
    } else if (command.verb === 'STARTTLS') {
      this.#pending.push({ kind: 'starttls', seen });
    } else if (command.verb === 'AUTH' && mechanism !== '') {
      this.#pending.push({ kind: 'sasl', exchange: new SaslExchange(mechanism, initialResponse), seen });
    } else {
      this.#pending.push({ kind: 'command', command, seen });
    }
  }

  #readSasl(exchange: SaslExchange, isCertain: boolean): boolean {
    if (this.#skipGap()) return true;
    if (!isCertain && this.#startsWithCommand() !== false) {
      if (this.#startsWithCommand() === undefined) return false;
      this.#reading = commands;
      return true;
    }
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) return false;
    this.#trace('client', '***', line.start.seen);
    exchange.respond(line.bytes);
    this.#reading = commands;
    this.#pending.push({ kind: 'sasl', exchange, seen: line.start.seen });
    return true;
  }

  /** Undefined while not enough of the client is there to tell. */
  #startsWithCommand(): boolean | undefined {
    const bytes = this.#client.peek(1024);
    if (bytes.length === 0 && !this.#client.isEmpty) return false;
    const lineFeed = bytes.indexOf(0x0a);
    if (lineFeed < 0 && bytes.length < 1024 && !this.#clientFinished) return undefined;
    return looksLikeCommand(bytes.toString('latin1', 0, lineFeed < 0 ? bytes.length : lineFeed).trimEnd());
  }

  // ---- DATA -------------------------------------------------------------------------------------

  #readText(begun: DataText | undefined, isCertain: boolean): boolean {
    const text = begun ?? this.#beginText(isCertain);
    if (text === undefined) return false;
    if (text.doubtfulBytes > dialogueLimits.rereadBytesMax - this.#rereadBytes) text.forgetCandidates();
    if (text.candidates.length > 0 && this.#isJudged()) return false;
    const verdict = judgeCandidates({
      text,
      client: this.#client,
      replies: this.#replies,
      clientFinished: this.#clientFinished && this.#client.isEmpty,
      serverFinished: this.#repliesEnd,
      isLaxClient: this.#isLaxClient,
    });
    if (verdict === 'wait') this.#judged = this.#judgedState;
    if (verdict === 'wait') return false;
    const end = verdict === 'none' ? text.strictEnd : verdict;
    if (end !== undefined) return this.#endText(text, end);
    const run = this.#client.takeRun(Number.MAX_SAFE_INTEGER);
    if (run !== undefined) {
      const rest = text.add(run);
      if (rest !== undefined) this.#client.putBack([rest]);
      return true;
    }
    const gap = this.#client.takeGap();
    if (gap !== undefined) text.addGap(gap);
    else if (this.#clientFinished) this.#endText(text, undefined);
    else return false;
    return true;
  }

  /** Nothing has come since candidates were judged in vain. */
  #isJudged(): boolean {
    this.#replies.peek(this.#replies.readyCount);
    return this.#judged !== undefined && this.#judged === this.#judgedState;
  }

  get #judgedState(): string {
    const { heldBytes } = this.#client;
    return [heldBytes, this.#replies.readyCount, this.#clientFinished, this.#serverFinished].join();
  }

  /** Undefined where the text has not begun, or does not: then `#reading` says what else follows. */
  #beginText(isCertain: boolean): DataText | undefined {
    const isCommand = isCertain ? false : this.#startsWithCommand();
    const place = this.#client.nextPlace;
    const nothingFollows = this.#clientFinished && this.#client.isEmpty;
    if (isCommand === true || nothingFollows) this.#reading = commands;
    if (isCommand !== false || nothingFollows) return undefined;
    if (place === undefined) return undefined;
    const text = new DataText(place);
    this.#reading = { kind: 'text', text, certain: true };
    return text;
  }

  #endText(text: DataText, end: EndOfData | undefined): true {
    this.#judged = undefined;
    const { message, wireBytes, rest } = text.cut(end);
    if (rest.length > 0) {
      this.#rereadBytes += text.doubtfulBytes;
      this.#client.putBack(rest);
    }
    const mail: HeldMail = { method: 'DATA', message, wireBytes, ended: end !== undefined };
    this.#reading =
      end?.kind === 'gap' ? { kind: 'lost', tail: new LostText(Number.POSITIVE_INFINITY) } : commands;
    this.#holdMail(mail, false, end?.seen ?? text.lastSeen);
    return true;
  }

  /** The mail waits for the server's final answer; LMTP gives one for each recipient (RFC 2033 §4.2). */
  #holdMail(mail: HeldMail, tail: boolean, seen: Sighting): void {
    if (!mail.ended) {
      this.#emit(mail, null);
      this.#transaction = new Transaction();
      return;
    }
    const answersLeft = this.#isLmtp ? Math.max(1, this.#transaction.recipientCount) : 1;
    this.#pending.push({ kind: 'endOfData', mail, tail, seen, answersLeft, accepted: null });
  }

  // ---- BDAT -------------------------------------------------------------------------------------

  /** Chunks follow their command at once (RFC 3030 §2); they wait here for the answers before them. */
  #readChunk(reading: Extract<Reading, { kind: 'chunk' }>): boolean {
    if (this.#pending.length > 0) return false;
    const { header, begin, left } = reading;
    if (this.#commandsLost) this.#noteLostChunks();
    const { chunks } = this.#transaction;
    const run = left > 0 ? this.#client.takeRun(left) : undefined;
    const gap = left > 0 && run === undefined ? this.#client.takeGap() : undefined;
    if (left > 0 && run === undefined && gap === undefined) {
      if (this.#clientFinished) this.#breakOffChunk(begin, left, header.last);
      return this.#clientFinished;
    }
    if (run !== undefined) chunks.add(run.bytes, run.start);
    if (gap !== undefined) chunks.addMissing(Math.min(gap.length, left));
    const taken = run?.bytes.length ?? Math.min(gap?.length ?? 0, left);
    this.#transaction.countChunkBytes(taken);
    if (taken < left) {
      this.#reading = { ...reading, left: left - taken };
      return true;
    }
    const isOvershot = gap !== undefined && gap.length > left;
    this.#reading = isOvershot ? { kind: 'lost', tail: new LostText(Number.POSITIVE_INFINITY) } : commands;
    const seen = run?.start.seen ?? gap?.seen ?? begin.seen;
    this.#pending.push({ kind: 'chunk', header, begin, seen });
    return true;
  }

  /** Whole chunks may be among lost commands, unless the mail visibly begins with this one. */
  #noteLostChunks(): void {
    this.#commandsLost = false;
    const isBeginning = !this.#transaction.hasChunks && startsWithField(this.#client.peek(128));
    if (!isBeginning) this.#transaction.chunks.addMissing(undefined);
  }

  #breakOffChunk(begin: Place, left: number, isLast: boolean): void {
    this.#reading = commands;
    const transaction = this.#transaction;
    this.#transaction = new Transaction();
    if (transaction.chunkRefused) return;
    transaction.chunks.addMissing(isLast ? left : undefined);
    this.#emitFrom(transaction, chunkMailOf(transaction, begin, false), null);
  }

  #chunkMail(begin: Place, ended: boolean): HeldMail {
    return chunkMailOf(this.#transaction, begin, ended);
  }

  // ---- after a loss -----------------------------------------------------------------------------

  #readLost(tail: LostText): boolean {
    if (this.#pending.length > 0) return false;
    const gap = this.#client.takeGap();
    if (gap !== undefined) {
      tail.addGap(gap);
      return true;
    }
    const { place } = this.#client;
    if (place !== undefined && !tail.isBegun) {
      this.#dropRepliesBefore(place, tail);
      if (tail.lastAnswer === 354) {
        const text = tail.beginText(place, this.#client.peek(128));
        this.#reading = { kind: 'text', text, certain: true };
        return true;
      }
      // A reply that is still to come may be older than these octets and say what they are.
      const isOpen = this.#replies.peek() === undefined && !this.#repliesEnd;
      if (isOpen && this.#startsWithCommand() !== true) return false;
    }
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) {
      if (this.#clientFinished) this.#endLost(tail);
      return this.#clientFinished && this.#reading.kind !== 'lost';
    }
    const outcome = tail.add(line);
    if (outcome === 'command') {
      this.#reading = commands;
      this.#receiveCommand(parseCommand(line), line);
    } else if (outcome === 'end') {
      this.#endLost(tail);
    }
    return true;
  }

  /** Replies to what was lost; the last of them tells what the client's next octets are. */
  #dropRepliesBefore(place: Place, tail: LostText): void {
    for (
      let next = this.#replies.peek();
      next && isBefore(next.seen, place.seen);
      next = this.#replies.peek()
    ) {
      this.#replies.take();
      if (next.kind === 'reply') tail.noteAnswer(next.code);
    }
  }

  #endLost(tail: LostText): void {
    this.#reading = commands;
    const mail = tail.finish();
    if (mail !== undefined && (mail.ended || this.#isSmtp)) this.#holdMail(mail, true, mail.message.last);
  }

  // ---- what is handed out -----------------------------------------------------------------------

  /** The connection is over: what is still open is incomplete. */
  #finish(): void {
    const transaction = this.#transaction;
    if (!transaction.hasChunks || transaction.chunkRefused || this.#chunkBegin === undefined) return;
    transaction.chunks.addMissing(undefined);
    this.#transaction = new Transaction();
    this.#emitFrom(transaction, chunkMailOf(transaction, this.#chunkBegin, false), null);
  }

  #emit(mail: HeldMail, accepted: boolean | null): void {
    this.#emitFrom(this.#transaction, mail, accepted);
  }

  #emitFrom(transaction: Transaction, mail: HeldMail, accepted: boolean | null): void {
    const { message } = mail;
    const isWhole = mail.ended && message.missing.length === 0;
    if (!isWhole && message.bytes.length === 0) return;
    const isSubmitted = this.#user !== null || submissionPorts.includes(this.#connection.server.port);
    const limit = anomaly('dialogue.message-limit', `frame ${message.first.seen.frame}`, 'the mail was cut');
    this.#out.push({
      kind: 'message',
      protocol: 'smtp',
      connection: this.#connection,
      direction: isSubmitted ? 'submitted' : 'relayed',
      method: mail.method,
      layer: this.#layer,
      bytes: message.bytes,
      exact: true,
      complete: isWhole,
      missing: message.missing,
      accepted,
      envelope: transaction.envelope,
      helo: this.#helo,
      user: this.#user,
      mailbox: null,
      uid: null,
      first: message.first.seen,
      firstSequence: message.first.sequence,
      last: message.last,
      wireBytes: mail.wireBytes,
      anomalies: message.cut ? [limit] : [],
    });
  }

  #anomaly(code: AnomalyCode, seen: Sighting | undefined, detail: string): void {
    this.#out.push(anomaly(code, seen === undefined ? 'connection' : `frame ${seen.frame}`, detail));
  }

  #trace(sender: Sender, text: string, seen: Sighting): void {
    if (this.#isTraced) this.#out.push({ kind: 'trace', sender, text: text.slice(0, traceLengthMax), seen });
  }

  #traceReply(reply: Reply): void {
    this.#trace('server', protocolText(Buffer.from(`${reply.code} ${reply.text}`, 'latin1')), reply.seen);
  }
}

function acceptance(reply: Reply | null): boolean | null {
  return reply === null ? null : reply.code < 300;
}

function chunkMailOf(transaction: Transaction, begin: Place, ended: boolean): HeldMail {
  const message = transaction.chunks.finish(begin);
  return { method: 'BDAT', message, wireBytes: transaction.chunkBytes, ended };
}
