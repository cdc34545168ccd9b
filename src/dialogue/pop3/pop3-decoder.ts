/**
 * Mail in POP3 conversations (RFC 1939, 2449, 2595, 5034, 6856).
 *
 * Answers come in the order of the commands; which of them have several lines depends on the command. So
 * the server's octets wait until the client's command is known, whichever side is heard first. Where the
 * client is not captured, answers are told apart by what they look like.
 */
import type { Connection, Sighting, StreamClose, StreamEvent, StreamGap } from '../../stream/types.ts';
import { added, none, withoutFirst } from '../few.ts';
import { HalfStream, type Line, type Place } from '../half-stream.ts';
import { takeRest } from '../layer-rest.ts';
import { Outbox } from '../outbox.ts';
import { isBefore } from '../sighting-order.ts';
import type { DialogueDecoder, DialogueEvent, DialogueOptions, LayerName } from '../types.ts';
import { answersLost } from './answers-lost.ts';
import { type AnswerForm, answerForm, type Command, parseCommand, withoutSecrets } from './command.ts';
import type { MailText } from './mail-text.ts';
import { areTooMany, isTransmission, letsReadOn, type Pending, pendingCost, pendingOf } from './pending.ts';
import { answers, beginOf, type Reading } from './reading.ts';
import { firstLine, guessAnswerForm, isAnswerLine, secondLine } from './server-only.ts';
import { type Doubt, Session } from './session.ts';
import { ShiftedAnswers } from './shifted-answers.ts';

/** Octets that are looked at to tell what an answer is. */
const lookAheadBytesMax = 4096;

/** How an answer begins, in octets. */
const answerBytesLookedAt = '-ERR'.length;

/** The end of a mail and the beginning of the next answer: enough to know them behind a hole. */
const endAndAnswerBytes = '.\r\n+OK\r\n'.length;

export class Pop3Decoder implements DialogueDecoder {
  readonly #out: Outbox;
  readonly #session: Session;
  readonly #client = new HalfStream();
  readonly #server = new HalfStream();
  #reading: Reading = answers;
  #pending: Pending[] = none;
  /** The server asked for the next line of a SASL exchange. */
  #isSaslTurn = false;
  /** The server asked for a text, which ends in a line of one dot. */
  #isTextTurn = false;
  #isGreeted = false;
  #clientFinished = false;
  #serverFinished = false;
  #closes: StreamClose[] = none;
  #lossy: boolean;
  /** Any octet of the client was captured. */
  #clientHeard = false;
  #limitTold = false;
  readonly #shifted = new ShiftedAnswers();
  /** What the mail that is read could be instead, where it may be the answer to another command. */
  #doubt: Doubt = 'none';

  constructor(connection: Connection, options: DialogueOptions) {
    this.#out = new Outbox(options.trace);
    this.#session = new Session(connection, this.#out, options.memory);
    this.#lossy = !connection.handshakeSeen;
  }

  layerChanged(layer: LayerName): void {
    this.#session.layer = layer;
  }

  get isBetweenMails(): boolean {
    return this.#reading === answers && this.#pending.length === 0 && !this.#isTextTurn;
  }

  get heldBytes(): number {
    const waiting = this.#client.heldBytes + this.#server.heldBytes + this.#pending.length * pendingCost;
    return waiting + this.#session.cost + (this.#reading.kind === 'mail' ? this.#reading.mail.cost : 0);
  }

  receive(event: StreamEvent): readonly DialogueEvent[] {
    switch (event.kind) {
      case 'open':
        this.#session.connection = event.connection;
        break;
      case 'data':
      case 'gap':
        if (event.kind === 'gap') this.#lossy = true;
        else if (event.sender === 'client') this.#clientHeard = true;
        (event.sender === 'client' ? this.#client : this.#server).lend(event);
        break;
      case 'close':
        this.#closes = added(this.#closes, event);
        if (event.side !== 'server') this.#clientFinished = true;
        if (event.side !== 'client') this.#serverFinished = true;
        break;
    }
    while (this.#readClient() || this.#readServer());
    if (event.kind === 'close' && event.side === 'both') this.#finish();
    this.#client.settle();
    this.#server.settle();
    return this.#out.take();
  }

  // ---- the client's side ------------------------------------------------------------------------

  /** Reads one command, unless the answer before it decides what the client's next octets are. */
  #readClient(): boolean {
    const gap = this.#client.takeGap();
    if (gap !== undefined) {
      this.#shifted.noteClientHole();
      for (const { exchange } of this.#pending) exchange?.lose();
      return true;
    }
    if (this.#isSaslTurn) return this.#readSaslResponse();
    if (this.#isTextTurn) return this.#readSentText();
    const last = this.#pending.at(-1);
    const isBlocked = last !== undefined && !letsReadOn(last);
    if (isBlocked || areTooMany(this.#pending.length, this.#session.memory)) return this.#boundClient();
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) return false;
    // What a hole has left of a command may mean anything.
    if (line.end === 'cut' && !this.#client.isEmpty) return true;
    this.#receiveCommand(parseCommand(line));
    return true;
  }

  #receiveCommand(command: Command): void {
    if (this.#out.isTraced) this.#out.trace('client', withoutSecrets(command), command.seen);
    this.#pending = added(this.#pending, pendingOf(command));
    this.#shifted.noteCommand(command);
  }

  #readSaslResponse(): boolean {
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) return false;
    this.#out.trace('client', '***', line.start.seen);
    this.#pending[0]?.exchange?.respond(line.bytes);
    this.#isSaslTurn = false;
    return true;
  }

  /** The text that XTND XMIT sends; its end is answered like a command. */
  #readSentText(): boolean {
    const line = this.#client.takeLineOrRest(this.#clientFinished);
    if (line === undefined) return false;
    if (line.length !== 1 || line.octet(0) !== 0x2e) return true;
    this.#isTextTurn = false;
    const command = { verb: 'XTND', argument: '', seen: line.start.seen };
    this.#pending = added(this.#pending, pendingOf(command));
    return true;
  }

  /** Commands that nobody answers are not kept for ever. */
  #boundClient(): boolean {
    if (this.#client.heldBytes <= this.#session.memory.unreadBytesMax) return false;
    this.#pending = none;
    this.#lossy = true;
    this.#noteLimit(this.#client.place);
    return true;
  }

  // ---- the server's side ------------------------------------------------------------------------

  #readServer(): boolean {
    if (this.#isSaslTurn && !this.#isClientSilent) return false;
    this.#isSaslTurn = false;
    const reading = this.#reading;
    if (reading.kind === 'gap') return this.#resume(reading.gap, reading.within);
    const gap = this.#server.takeGap();
    if (gap !== undefined) {
      this.#shifted.noteServerHole();
      this.#reading = { kind: 'gap', gap, within: reading };
      return true;
    }
    switch (reading.kind) {
      case 'answers':
        return this.#readAnswer();
      case 'mail':
        return this.#readMail(reading.mail);
      case 'listing':
        return this.#readListing(reading.verb);
    }
  }

  #readAnswer(): boolean {
    const { place } = this.#server;
    if (place === undefined) return false;
    if (!this.#isGreeted && !this.#session.connection.handshakeSeen) {
      if (this.#isTooShort(answerBytesLookedAt)) return false;
      if (this.#startsWithin(place)) return true;
      if (!this.#clientReadUpTo(place.seen)) return false;
    }
    const first = this.#pending[0];
    const isUnasked = first === undefined || (this.#lossy && isBefore(place.seen, first.command.seen));
    const isGreeting = !this.#isGreeted && (isUnasked || !this.#lossy);
    if (isUnasked && !isGreeting) {
      // The command may still come; where it was lost, the line behind the answer tells what was asked for.
      if (first === undefined && !this.#isClientSilent) return false;
      if (!this.#nextLineIsThere) return false;
    }
    const line = this.#server.takeLineOrRest(this.#serverFinished);
    if (line === undefined) return false;
    this.#isGreeted = true;
    this.#receiveAnswer(line, isGreeting || isUnasked ? undefined : first, isGreeting);
    return true;
  }

  /** The capture began in the middle of an answer: it may be a mail. */
  #startsWithin(place: Place): boolean {
    const start = this.#server.peek(answerBytesLookedAt).toString('latin1').toUpperCase();
    if (start.length < answerBytesLookedAt || start.startsWith('+') || start === '-ERR') return false;
    this.#isGreeted = true;
    this.#reading = this.#session.beginMail(undefined, place, undefined);
    return true;
  }

  /** Nothing more is to be expected from the client, or too much waits for it. */
  get #isClientSilent(): boolean {
    if (this.#clientFinished && this.#client.isEmpty) return true;
    return this.#server.heldBytes > this.#session.memory.unreadBytesMax;
  }

  /** Fewer octets than that are here, and more of them may follow. */
  #isTooShort(octets: number): boolean {
    const { length } = this.#server.peek(octets);
    return length < octets && !this.#serverFinished && this.#server.unreadBytes === length;
  }

  /** The line behind the next one can be looked at, or never will: it is endless, or a hole stands before it. */
  get #nextLineIsThere(): boolean {
    const start = this.#server.peek(lookAheadBytesMax);
    const isCut = start.length === lookAheadBytesMax || this.#server.unreadBytes > start.length;
    return this.#serverFinished || isCut || secondLine(start) !== undefined;
  }

  #receiveAnswer(line: Line, pending: Pending | undefined, isGreeting: boolean): void {
    const text = line.text(1024);
    this.#out.trace('server', text, line.start.seen);
    if (pending?.exchange !== undefined && /^\+(?:\s|$)/.test(text)) this.#isSaslTurn = true;
    // Whatever is no answer was not asked for.
    if (!isAnswerLine(text) || isGreeting) return;
    const next = this.#pending[1]?.command;
    this.#doubt = this.#shifted.answered(pending?.command, next, line.start.seen);
    const isPositive = text.startsWith('+');
    if (pending !== undefined) {
      this.#pending = withoutFirst(this.#pending);
      if (isPositive) this.#session.commandAnswered(pending.command, pending.exchange, text);
    }
    if (!isPositive) return;
    if (pending?.command.verb === 'STLS') {
      this.#upgrade();
      return;
    }
    this.#isTextTurn = pending !== undefined && isTransmission(pending.command);
    const form = pending ? answerForm(pending.command) : guessAnswerForm(firstLine(this.#server.peek(1024)));
    this.#begin(form, pending?.command, line);
  }

  #begin(form: AnswerForm, command: Command | undefined, answer: Line): void {
    // Right behind the answer's line, whether octets of the mail have come by now or not.
    const begin = { sequence: (answer.start.sequence + answer.wireBytes) >>> 0, seen: answer.last };
    if (form === 'mail') this.#reading = this.#session.beginMail(command, begin, answer);
    if (form === 'listing') {
      this.#reading = { kind: 'listing', verb: command?.verb ?? '', begun: answer.start.seen };
    }
  }

  /** RFC 2595 §4. */
  #upgrade(): void {
    const rest = takeRest(this.#client, this.#server, this.#closes);
    this.#closes = none;
    this.#clientFinished = false;
    this.#serverFinished = false;
    this.#session.restart();
    this.#out.add({ kind: 'upgrade', layer: 'tls', rest });
  }

  #readListing(verb: string): boolean {
    const line = this.#server.takeLineOrRest(this.#serverFinished);
    if (line === undefined) return false;
    const text = line.latin1(1024);
    if (text === '.') {
      this.#reading = answers;
    } else if (isAnswerLine(text)) {
      // QUIRK: listings without their end exist; the next answer is no item of a list.
      this.#reading = answers;
      this.#server.putBack([{ bytes: Buffer.concat([line.bytes, Buffer.from('\r\n')]), start: line.start }]);
    } else if (verb === 'LIST') {
      this.#session.noteListLine(text);
    }
    return true;
  }

  #readMail(mail: MailText): boolean {
    const run = this.#server.takeRun(Number.MAX_SAFE_INTEGER);
    if (run === undefined) {
      if (!this.#serverFinished || !this.#server.isEmpty) return false;
      this.#breakOff(mail);
      return true;
    }
    const { ended, rest } = mail.add(run);
    if (rest !== undefined) this.#server.putBack([rest]);
    if (ended) this.#endMail(mail, true);
    return true;
  }

  #breakOff(mail: MailText): void {
    mail.breakOff();
    this.#endMail(mail, false);
  }

  // ---- after a loss -----------------------------------------------------------------------------

  #resume(gap: StreamGap, within: Reading): boolean {
    const { place } = this.#server;
    if (place === undefined) return this.#resumeWithoutOctets(gap, within);
    if (!this.#clientReadUpTo(place.seen)) return false;
    if (this.#isTooShort(endAndAnswerBytes)) return false;
    const start = this.#server.peek(lookAheadBytesMax);
    const isAnswer = isAnswerLine(start.toString('latin1', 0, 6));
    if (isAnswer && this.#pending.length > 1 && !this.#nextLineIsThere) return false;
    this.#reading = within;
    const answer = isAnswer ? { line: firstLine(start) ?? '', next: secondLine(start) } : undefined;
    const lost = answersLost(this.#pending, place.seen, beginOf(within), answer);
    if (lost === undefined) {
      this.#continueBehindGap(gap, within);
      return true;
    }
    this.#endInGap(gap, within);
    this.#pending.splice(0, lost);
    if (!isAnswer) this.#resumeWithin(place);
    return true;
  }

  /** The hole stands at the end, or behind another hole. */
  #resumeWithoutOctets(gap: StreamGap, within: Reading): boolean {
    const next = this.#server.takeGap();
    if (next !== undefined) {
      this.#reading = { kind: 'gap', gap: { ...gap, length: gap.length + next.length }, within };
      return true;
    }
    if (!this.#serverFinished) return false;
    this.#reading = within;
    if (within.kind === 'mail') this.#breakOff(within.mail);
    return true;
  }

  /** What was read before the hole goes on behind it: nothing speaks against that. */
  #continueBehindGap(gap: StreamGap, within: Reading): void {
    if (within.kind !== 'mail') return;
    within.mail.addGap(gap);
    // Whether the line of one dot began before the hole is lost; one that begins a packet is taken for the end.
    const start = this.#server.peek(endAndAnswerBytes).toString('latin1');
    if (start !== '.\r\n' && !/^\.\r\n(?:\+OK|-ERR)/.test(start)) return;
    for (let left = '.\r\n'.length; left > 0; ) left -= this.#server.takeRun(left)?.bytes.length ?? left;
    this.#endMail(within.mail, true);
  }

  #endInGap(gap: StreamGap, within: Reading): void {
    this.#out.anomaly('dialogue.resynchronised', gap.seen, `${gap.length} octets of answers are missing`);
    if (within.kind === 'mail') this.#breakOff(within.mail);
    this.#reading = answers;
  }

  /** The octets are from the middle of the answer to the oldest command. */
  #resumeWithin(place: Place): void {
    const pending = this.#pending.shift();
    const form = pending === undefined ? 'line' : answerForm(pending.command);
    if (form === 'mail') this.#reading = this.#session.beginMail(pending?.command, place, undefined);
    if (form === 'listing') this.#reading = { kind: 'listing', verb: '', begun: place.seen };
  }

  /** All that the client sent before `seen` has been read, or will not be read before this is answered. */
  #clientReadUpTo(seen: Sighting): boolean {
    if (this.#clientFinished || this.#server.heldBytes > this.#session.memory.unreadBytesMax) return true;
    const last = this.#pending.at(-1);
    if (last !== undefined && !isBefore(last.command.seen, seen)) return true;
    const next = this.#client.place;
    return next !== undefined && isBefore(seen, next.seen);
  }

  // ---- the end ----------------------------------------------------------------------------------

  #endMail(mail: MailText, ended: boolean): void {
    this.#reading = answers;
    // The client asked, but its command was lost: it may have been a TOP.
    const isUnknown = mail.command === undefined && this.#clientHeard;
    const doubt = mail.command === undefined ? 'none' : this.#doubt;
    this.#session.endMail(mail, ended, isUnknown ? 'excerpt' : doubt);
  }

  #finish(): void {
    const reading = this.#reading.kind === 'gap' ? this.#reading.within : this.#reading;
    if (reading.kind === 'mail') this.#breakOff(reading.mail);
    this.#reading = answers;
  }

  #noteLimit(place: Place | undefined): void {
    if (this.#limitTold) return;
    this.#limitTold = true;
    this.#out.anomaly('dialogue.queue-limit', place?.seen, 'too much waits for answers: going on without');
  }
}
