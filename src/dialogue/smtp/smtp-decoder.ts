/**
 * Mail in SMTP and LMTP conversations (RFC 5321, 2033, 2920, 3030, 3207, 4954).
 *
 * Commands and replies are matched by order, as the protocol has it, and not by the order of events: the
 * client's octets are read up to the next command whose answer decides what follows (DATA, BDAT, AUTH,
 * STARTTLS) and then wait. So the result does not depend on which side is heard first. Only where octets
 * were lost, the order in which packets were captured decides which reply belongs to which command.
 *
 * Where the server's side is not captured at all, the client alone is followed: once its connection is
 * closed, or it goes on as if it had been answered.
 */
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection, Sighting, StreamEvent } from '../../stream/types.ts';
import type { Line, Place } from '../half-stream.ts';
import { heapMemory } from '../octets.ts';
import { Outbox } from '../outbox.ts';
import { SaslExchange } from '../sasl.ts';
import type { DialogueDecoder, DialogueEvent, DialogueOptions, LayerName } from '../types.ts';
import { ChunkReader, noteLostChunks } from './chunk-reader.ts';
import {
  commandBytesLookedAt,
  looksLikeCommand,
  parseChunkHeader,
  parseCommand,
  withoutSecrets,
} from './command.ts';
import { LossReader } from './loss-reader.ts';
import { Overheard } from './overheard.ts';
import type { HeldEnd, HeldMail, PendingChunk } from './pending.ts';
import { acceptance, isRefusal, isSyntaxError, type Reply } from './reply.ts';
import { Session } from './session.ts';
import { TextReader } from './text-reader.ts';
import { type Answered, Unanswered } from './unanswered.ts';

/** What the client's next octets are. */
type Reading =
  | { readonly kind: 'commands' }
  | { readonly kind: 'text' }
  | { readonly kind: 'chunk'; readonly reader: ChunkReader; readonly begin: Place }
  /** `isCertain`: the server asked for the response. */
  | { readonly kind: 'sasl'; readonly exchange: SaslExchange; readonly isCertain: boolean }
  /** STARTTLS was answered, but not in this capture. */
  | { readonly kind: 'handshake' }
  /** Octets were lost before: commands or the rest of a mail. */
  | { readonly kind: 'lost'; readonly reader: LossReader };

const commands: Reading = { kind: 'commands' };

export class SmtpDecoder implements DialogueDecoder {
  readonly #out: Outbox;
  readonly #heard: Overheard;
  readonly #unanswered: Unanswered;
  readonly #session: Session;
  readonly #text: TextReader;
  #reading: Reading = commands;
  #clientBegan = false;
  /** Commands of this transaction were lost. */
  #commandsLost = false;

  constructor(connection: Connection, options: DialogueOptions) {
    this.#out = new Outbox(options.trace);
    this.#heard = new Overheard(connection, options.memory ?? heapMemory);
    this.#unanswered = new Unanswered(this.#heard, this.#out);
    this.#session = new Session(connection, this.#out);
    this.#text = new TextReader(this.#heard);
  }

  layerChanged(layer: LayerName): void {
    this.#session.layer = layer;
  }

  get isBetweenMails(): boolean {
    const { transaction } = this.#session;
    if (transaction.isOpen || transaction.hasChunks) return false;
    return this.#reading.kind === 'commands' && this.#unanswered.isEmpty;
  }

  get heldBytes(): number {
    const told = this.#unanswered.cost + this.#session.transaction.cost;
    return this.#heard.heldBytes + told + this.#text.cost;
  }

  receive(event: StreamEvent): readonly DialogueEvent[] {
    switch (event.kind) {
      case 'open':
        this.#session.connection = event.connection;
        break;
      case 'data':
      case 'gap':
        this.#heard.receive(event);
        if (!this.#heard.isServerHeard) {
          this.#heard.noteSilence(this.#unanswered.oldest ?? this.#heard.client.place?.seen);
        }
        break;
      case 'close':
        this.#heard.close(event);
        break;
    }
    while (this.#step());
    this.#unanswered.boundReplies();
    if (event.kind === 'close' && event.side === 'both') this.#finish();
    this.#heard.settle();
    return this.#out.take();
  }

  /** Does the next thing that can be done; false when that has to wait for more octets. */
  #step(): boolean {
    if (this.#unanswered.takeGreeting(this.#session.connection)) {
      this.#session.isSmtp = true;
      return true;
    }
    const answered = this.#unanswered.takeAnswered();
    if (answered === undefined) return this.#unanswered.letsReadOn && this.#read();
    this.#apply(answered);
    return true;
  }

  /** The connection is over: what is still open is incomplete. */
  #finish(): void {
    const { transaction } = this.#session;
    if (transaction.hasChunks) this.#session.endTransaction(transaction.breakOffChunks(undefined), null);
  }

  // ---- the server's answers ---------------------------------------------------------------------

  /** What an answer means; `null`: the command was answered, but not in this capture. */
  #apply({ pending, reply }: Answered): void {
    if (reply !== null) this.#session.isSmtp = true;
    switch (pending.kind) {
      case 'command':
        this.#session.commandAnswered(pending.command, reply);
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

  /** RFC 5321 §4.1.1.4: 354 asks for the text. */
  #applyData(reply: Reply | null): void {
    if (reply !== null && reply.code >= 400) {
      this.#out.add({ kind: 'tally', what: 'refused' });
      return;
    }
    this.#text.begin(reply?.code === 354);
    this.#reading = { kind: 'text' };
  }

  /** RFC 5321 §4.1.1.4, or RFC 2033 §4.2: the mail is accepted if it is for any of its recipients. */
  #applyEndOfData(pending: HeldEnd, reply: Reply | null): void {
    const accepted = pending.accepted === true ? true : (acceptance(reply) ?? pending.accepted);
    if (pending.answersLeft > 1) {
      this.#unanswered.addAgain({ ...pending, answersLeft: pending.answersLeft - 1, accepted });
      return;
    }
    // Commands that were torn apart end in a syntax error, the rest of a mail does not.
    const isNoMail = pending.isTail && (isSyntaxError(reply) || !this.#session.isSmtp);
    const { mail } = pending;
    const ended = mail.ended && (mail.isAskedFor || this.#unanswered.takeGoAhead());
    this.#session.endTransaction(isNoMail ? undefined : { ...mail, ended }, accepted);
  }

  /** RFC 3030 §2: a chunk that was refused before the last takes the whole mail with it. */
  #applyChunk({ header, seen }: PendingChunk, reply: Reply | null): void {
    const { transaction } = this.#session;
    if (isRefusal(reply) && (!header.last || transaction.chunkRefused || !transaction.isOpen)) {
      if (!transaction.chunkRefused) this.#out.add({ kind: 'tally', what: 'refused' });
      transaction.chunkRefused = true;
    }
    if (header.last) this.#endChunks(seen, reply);
  }

  /** RFC 2033 §4.2: behind the last chunk LMTP answers once for each recipient, as behind DATA. */
  #endChunks(seen: Sighting, reply: Reply | null): void {
    const mail = this.#session.transaction.endChunks();
    const answersLeft = mail === undefined ? 0 : this.#session.answersToMail - 1;
    const accepted = acceptance(reply);
    if (mail === undefined || answersLeft === 0) this.#session.endTransaction(mail, accepted);
    else this.#unanswered.addAgain({ kind: 'endOfData', mail, isTail: false, seen, answersLeft, accepted });
  }

  /** RFC 4954 §4: 334 asks for one more response. */
  #applySasl(exchange: SaslExchange, reply: Reply | null): void {
    const isOver = reply === null && exchange.isProbablyOver;
    if (reply?.code === 334 || (reply === null && !isOver)) {
      this.#reading = { kind: 'sasl', exchange, isCertain: reply !== null };
    } else if (isOver || reply?.code === 235) {
      this.#session.loggedIn(exchange.user);
    }
  }

  /** RFC 3207 §4; where the answer is not captured, the client's next octets tell. */
  #applyStartTls(reply: Reply | null): void {
    if (reply === null) this.#reading = { kind: 'handshake' };
    else if (reply.code === 220) this.#beginTls();
  }

  #beginTls(): void {
    const rest = this.#heard.takeRest();
    this.#session.restart();
    this.#text.restart();
    this.#out.add({ kind: 'upgrade', layer: 'tls', rest });
  }

  // ---- the client's octets ----------------------------------------------------------------------

  #read(): boolean {
    if (!this.#clientBegan && !this.#heard.client.isEmpty) this.#beginClient();
    const reading = this.#reading;
    switch (reading.kind) {
      case 'commands':
        return this.#readCommand();
      case 'text':
        return this.#readText();
      case 'chunk':
        return this.#unanswered.isEmpty && this.#readChunk(reading.reader, reading.begin);
      case 'sasl':
        return this.#readSasl(reading.exchange, reading.isCertain);
      case 'handshake':
        return this.#readHandshake();
      case 'lost':
        return this.#unanswered.isEmpty && this.#readLost(reading.reader);
    }
  }

  #beginClient(): void {
    this.#clientBegan = true;
    if (!this.#session.connection.handshakeSeen) this.#searchBehind(0);
  }

  #readCommand(): boolean {
    if (this.#skipGap()) return true;
    const { client, clientFinished } = this.#heard;
    const isTorn = client.lineIsCutByGap;
    const line = client.takeLineOrRest(clientFinished);
    if (line === undefined) return false;
    // What is left of a torn line must not be taken for a command: its rest may change the meaning.
    if (isTorn) return true;
    if (line.wireBytes >= dialogueLimits.lineBytesMax) {
      this.#out.anomaly('dialogue.line-limit', line.start.seen, 'a command line was shortened');
    }
    this.#receiveCommand(line);
    return true;
  }

  /** Commands whose answers decide what the client's next octets are, and all others. */
  #receiveCommand(line: Line): void {
    const command = parseCommand(line);
    const { seen, verb, argument } = command;
    if (this.#out.isTraced) this.#out.trace('client', withoutSecrets(command), seen);
    if (verb === 'MAIL' || verb === 'RSET') this.#commandsLost = false;
    this.#session.isSmtp ||= looksLikeCommand(line.text(commandBytesLookedAt));
    const header = verb === 'BDAT' ? parseChunkHeader(argument) : undefined;
    if (header !== undefined) {
      this.#reading = { kind: 'chunk', reader: new ChunkReader(header, line.start), begin: line.start };
    } else if (verb === 'DATA') {
      this.#text.noteCommand(line.end === 'lf');
      this.#unanswered.add({ kind: 'data', seen });
    } else if (verb === 'STARTTLS') {
      this.#unanswered.add({ kind: 'starttls', seen });
    } else if (verb === 'AUTH' && argument !== '') {
      const [mechanism = '', initialResponse] = argument.split(/\s+/, 2);
      this.#unanswered.add({ kind: 'sasl', exchange: new SaslExchange(mechanism, initialResponse), seen });
    } else {
      this.#unanswered.add({ kind: 'command', command, seen });
    }
  }

  #readSasl(exchange: SaslExchange, isCertain: boolean): boolean {
    if (this.#skipGap()) return true;
    const { client, clientFinished, nextIsCommand } = this.#heard;
    if (!isCertain && nextIsCommand !== false) {
      this.#reading = nextIsCommand === undefined ? this.#reading : commands;
      return nextIsCommand !== undefined;
    }
    const line = client.takeLineOrRest(clientFinished);
    if (line === undefined) return false;
    this.#out.trace('client', '***', line.start.seen);
    exchange.respond(line.bytes);
    this.#reading = commands;
    this.#unanswered.add({ kind: 'sasl', exchange, seen: line.start.seen });
    return true;
  }

  #readHandshake(): boolean {
    const { client, clientFinished, clientBeginsTls } = this.#heard;
    if (client.isEmpty && !clientFinished) return false;
    this.#reading = commands;
    if (clientBeginsTls) this.#beginTls();
    return true;
  }

  #readText(): boolean {
    const progress = this.#text.read();
    if (progress === 'wait') return false;
    if (progress === 'more') return true;
    this.#reading = commands;
    if (progress === 'commands') return true;
    if (progress.endIsLost) this.#searchBehind(Number.POSITIVE_INFINITY);
    this.#holdMail(progress.mail, false, progress.seen);
    return true;
  }

  /** Chunks follow their command at once; they are read when the commands before them are answered. */
  #readChunk(reader: ChunkReader, begin: Place): boolean {
    const { transaction } = this.#session;
    if (this.#commandsLost && !noteLostChunks(transaction, this.#heard, begin)) return false;
    this.#commandsLost = false;
    const progress = reader.read(this.#heard, transaction);
    const { header, left, lastSeen: seen } = reader;
    switch (progress) {
      case 'wait':
        return false;
      case 'more':
        return true;
      case 'brokenOff':
        this.#reading = commands;
        this.#session.endTransaction(transaction.breakOffChunks(header.last ? left : undefined), null);
        return true;
      case 'end':
      case 'overshot':
        this.#reading = commands;
        if (progress === 'overshot') this.#searchBehind(Number.POSITIVE_INFINITY);
        this.#unanswered.add({ kind: 'chunk', header, seen });
        return true;
    }
  }

  /** The mail waits for the server's final answer, or for none where it broke off. */
  #holdMail(mail: HeldMail, isTail: boolean, seen: Sighting): void {
    const answersLeft = this.#session.answersToMail;
    if (!mail.ended) this.#session.endTransaction(mail, null);
    else this.#unanswered.add({ kind: 'endOfData', mail, isTail, seen, answersLeft, accepted: null });
  }

  // ---- after a loss -----------------------------------------------------------------------------

  #skipGap(): boolean {
    const gap = this.#heard.client.takeGap();
    if (gap === undefined) return false;
    this.#out.anomaly('dialogue.resynchronised', gap.seen, `${gap.length} octets of commands are missing`);
    this.#searchBehind(gap.length);
    return true;
  }

  #searchBehind(lost: number): void {
    this.#commandsLost = true;
    this.#session.transaction.mayHaveEnded = true;
    this.#reading = { kind: 'lost', reader: new LossReader(lost) };
  }

  /** Of chunks some of which were captured another one is known to be lost. */
  #endTornMail(rest: HeldMail, isBeforeChunk: boolean): void {
    if (isBeforeChunk || this.#session.transaction.hasChunks || !this.#session.isSmtp) {
      rest.message.octets.release();
    } else {
      this.#session.endTransaction(rest, null);
    }
  }

  #readLost(reader: LossReader): boolean {
    const progress = reader.read(this.#heard);
    if (progress === 'wait') return false;
    if (progress === 'more') return true;
    this.#reading = commands;
    switch (progress.kind) {
      case 'text':
        this.#text.resume(progress.text);
        this.#reading = { kind: 'text' };
        break;
      case 'command':
        if (progress.rest !== undefined) {
          this.#endTornMail(progress.rest, parseCommand(progress.line).verb === 'BDAT');
        }
        this.#receiveCommand(progress.line);
        break;
      case 'over': {
        const { mail } = progress;
        const isMail = mail !== undefined && (mail.ended || this.#session.isSmtp);
        if (isMail) this.#holdMail(mail, true, mail.message.last);
        break;
      }
    }
    return true;
  }
}
