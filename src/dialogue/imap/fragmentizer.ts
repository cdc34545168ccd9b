/**
 * First stage of reading IMAP: one direction is cut into units (a command or a response), a unit into
 * texts and literals. Nothing is parsed here, so that a malformed unit costs that unit alone.
 *
 * After lost octets the next safe place is: inside a literal its known end; otherwise the next line that
 * is surely a command or response.
 */
import { type Anomaly, anomaly } from '../../core/anomaly.ts';
import { dialogueLimits } from '../../core/limits.ts';
import type { Sender, StreamData, StreamGap } from '../../stream/types.ts';
import { added, none } from '../few.ts';
import { HalfStream, type Line, type Place } from '../half-stream.ts';
import { MessageCollector } from '../message-collector.ts';
import type { DialogueMemory } from '../octets.ts';
import { isBefore } from '../sighting-order.ts';
import { seemsLiteral, tellsHowItWentOn, wentOnWithoutCommand } from './going-on.ts';
import { literalMarker, maySucceedLiteral } from './literal-marker.ts';
import { type Orphan, OrphanCollector } from './orphan.ts';
import {
  type CommandStart,
  isSurelyCommand,
  isSurelyResponse,
  isTlsRecord,
  lookedAtOctets,
  mayAnnounceLiteral,
  mayBeTlsRecord,
} from './recognise.ts';
import { Text } from './text.ts';
import type { Literal, Unit } from './unit.ts';

/** A synchronising literal was announced: `acceptLiteral` or `refuseLiteral` must say how it went on. */
interface LiteralAnnounced {
  readonly kind: 'announced';
  /** Of the command that the literal belongs to. */
  readonly command: CommandStart | undefined;
}

/** The client said something that completes nothing: what waits for it may be able to go on. */
interface Passed {
  readonly kind: 'passed';
}

export type Fragmented = Unit | LiteralAnnounced | Orphan | Anomaly | Passed | { readonly kind: 'tls' };

interface OpenLiteral {
  readonly length: number;
  readonly collector: MessageCollector;
  readonly start: Place;
  remaining: number;
  captured: number;
}

/** A text or literal beside its octets; measured. */
const fragmentCost = 500;

const CLOSE_BRACE = 0x7d;
const LINE_END_BYTES = 2;
const passed: Passed = { kind: 'passed' };
const nowhere: Place = { sequence: 0, seen: { capture: 0, frame: 0, timestampNs: 0n, ipLength: 0, ttl: 0 } };

export class Fragmentizer {
  readonly #sender: Sender;
  readonly #memory: DialogueMemory;
  readonly #half = new HalfStream();
  #mode: 'line' | 'literal' | 'behind-literal' | 'announced' | 'resynchronise' = 'line';
  #fragments: (Text | Literal)[] = none;
  /** Octets in the texts and in the literals of the unit so far. */
  #textBytes = 0;
  #literalBytes = 0;
  /** The unit is longer than a unit may be: the rest of it is passed over. */
  #shortened = false;
  #literal: OpenLiteral | undefined;
  #announced: { readonly length: number; readonly start: Place } | undefined;
  #orphan: OrphanCollector | undefined;
  /** A gap of which the first octets were accounted for. */
  #restOfGap: StreamGap | undefined;
  #mayTurnIntoTls = true;
  #lastPlace: Place = nowhere;
  /** Found together with what was handed out last: the next to be handed out. */
  #waiting: Fragmented | undefined;

  constructor(sender: Sender, memory: DialogueMemory) {
    this.#sender = sender;
    this.#memory = memory;
  }

  /** Reads the octets of `event` where they are: `settle` must be called before they change. */
  push(event: StreamData | StreamGap): void {
    this.#half.lend(event);
    this.#lastPlace = { sequence: event.sequence, seen: event.seen };
  }

  /** The octets of the event may change from now on. */
  settle(): void {
    this.#half.settle();
  }

  get unreadBytes(): number {
    return this.#half.unreadBytes;
  }

  /** The next unread octet, or what was lost before it, was captured before `other`. */
  isBehind(other: Place | undefined): boolean {
    const next = this.#half.nextPlace;
    return next !== undefined && other !== undefined && isBefore(next.seen, other.seen);
  }

  /** Octets that wait, and texts of the unit that is not whole yet. */
  get heldBytes(): number {
    const open = this.#literal?.collector.cost ?? 0;
    return this.#half.heldBytes + this.#textBytes + this.#fragments.length * fragmentCost + open;
  }

  /** Nothing was captured of the beginning: the first octets may be the middle of anything. */
  startMidStream(): void {
    this.#resynchronise(true, undefined);
  }

  /** TLS was begun: what looks like its records now is something else. */
  expectNoTls(): void {
    this.#mayTurnIntoTls = false;
  }

  /** The next unit or event; undefined where more octets are needed. `closed`: no more will come. */
  next(closed: boolean): Fragmented | undefined {
    for (;;) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting !== undefined) return waiting;
      if (this.#mode === 'announced') return undefined;
      const step = this.#step(closed);
      if (step !== 'again') return step;
      if (this.#sender === 'client') return passed;
    }
  }

  acceptLiteral(): void {
    if (this.#announced) this.#openLiteral(this.#announced.length, this.#announced.start);
    this.#announced = undefined;
  }

  /** The octets of the announced literal were not sent: the unit ends with its announcement. */
  refuseLiteral(): Unit {
    this.#announced = undefined;
    return { ...this.#finishUnit(false), refused: true };
  }

  /** Without consent in sight: does what the client sent next look like the announced octets? */
  literalSeemsSent(): boolean {
    return seemsLiteral(this.#half, this.#announced?.length ?? 0);
  }

  get nextIsKnown(): boolean {
    return tellsHowItWentOn(this.#half, this.#announced?.length ?? 0);
  }

  get nextIsNoCommand(): boolean {
    return wentOnWithoutCommand(this.#half);
  }

  /** The next octets without taking them; only sensible between units. */
  peek(bytesMax: number): Buffer {
    return this.#half.peek(bytesMax);
  }

  get isBetweenUnits(): boolean {
    return this.#mode === 'line' && this.#fragments.length === 0;
  }

  /** Everything unread, for the layer that takes over. */
  takeEvents(): (StreamData | StreamGap)[] {
    this.#mode = 'line';
    this.#forgetUnit();
    return this.#half.takeEvents(this.#sender);
  }

  #step(closed: boolean): Fragmented | 'again' | undefined {
    switch (this.#mode) {
      case 'literal':
        return this.#readLiteral(closed);
      case 'behind-literal':
        return this.#lookBehindLiteral(closed);
      case 'resynchronise':
        return this.#skipToUnit(closed);
      default:
        return this.#readLine(closed);
    }
  }

  #readLine(closed: boolean): Fragmented | 'again' | undefined {
    if (this.#mayTurnIntoTls && mayBeTlsRecord(this.#half.nextOctet) && this.isBetweenUnits) {
      if (isTlsRecord(this.#half.peek(3))) return { kind: 'tls' };
    }
    const line = this.#half.takeLineOrRest(closed);
    return line === undefined ? this.#endOfOctets(closed) : this.#useLine(line);
  }

  #useLine(line: Line): Fragmented | 'again' {
    if (line.end === 'cut') return this.#cutLine(line);
    // On the client's side an empty line may be a response in an AUTHENTICATE exchange.
    const isEmpty = line.length === 0 && this.#fragments.length === 0;
    if (isEmpty && this.#sender === 'server') return 'again';
    const continues = this.#fragments.length > 0;
    const text = this.#keepText(line);
    const isMarked = line.octet(line.length - 1) === CLOSE_BRACE;
    const marker = isMarked && (continues || this.#opensUnit(text)) ? literalMarker(line.bytes) : undefined;
    if (marker === undefined) return this.#finishUnit(false);
    if (this.#sender === 'client' && marker.synchronising) {
      this.#mode = 'announced';
      this.#announced = { length: marker.length, start: line.start };
      const [first] = this.#fragments;
      return { kind: 'announced', command: (first?.kind === 'text' ? first : text).command };
    }
    this.#openLiteral(marker.length, line.start);
    return 'again';
  }

  #opensUnit(text: Text): boolean {
    return this.#sender === 'server' ? mayAnnounceLiteral(text.head) : text.command !== undefined;
  }

  /** No line stands before the next gap or the end. */
  #endOfOctets(closed: boolean): Fragmented | 'again' | undefined {
    const gap = this.#half.takeGap();
    if (gap === undefined && !closed) return undefined;
    const unit = this.#fragments.length > 0 ? this.#finishUnit(true) : undefined;
    if (gap !== undefined) this.#resynchronise(true, gap);
    return unit ?? (gap === undefined ? undefined : 'again');
  }

  /** A line without its end: cut by a gap, by the end of the stream, or at the limit. */
  #cutLine(line: Line): Fragmented | 'again' {
    const continues = this.#fragments.length > 0;
    const text = this.#keepText(line);
    const opensUnit = continues || this.#opensUnit(text);
    const isBelowLimit = line.length < dialogueLimits.lineBytesMax;
    if (isBelowLimit && opensUnit && this.#literalBeginsInGap(line)) return 'again';
    const unit = this.#finishUnit(true);
    if (isBelowLimit) return unit;
    // What the dropped rest announced is not known: only a sure response is trusted now.
    this.#resynchronise(false, undefined);
    const detail = `IMAP line above ${dialogueLimits.lineBytesMax} octets`;
    this.#waiting = anomaly('dialogue.line-limit', `frame ${line.start.seen.frame}`, detail);
    return unit;
  }

  /** A line that was cut behind a whole announcement lost its line end, and what else was lost is of the literal. */
  #literalBeginsInGap(line: Line): boolean {
    const marker = literalMarker(line.bytes);
    if (marker === undefined || (this.#sender === 'client' && marker.synchronising)) return false;
    const gap = this.#half.takeGap();
    if (gap === undefined) return false;
    this.#openLiteral(marker.length, line.start);
    const length = gap.length - LINE_END_BYTES;
    if (length > 0) this.#restOfGap = { ...gap, length };
    return true;
  }

  #takeGap(): StreamGap | undefined {
    const rest = this.#restOfGap;
    this.#restOfGap = undefined;
    return rest ?? this.#half.takeGap();
  }

  #openLiteral(length: number, start: Place): void {
    const room = this.#shortened ? 0 : Math.max(this.#memory.mailBytesMax - this.#literalBytes, 0);
    const collector = new MessageCollector(this.#memory, room);
    this.#literal = { length, collector, start, remaining: length, captured: 0 };
    this.#mode = 'literal';
  }

  #readLiteral(closed: boolean): Fragmented | 'again' | undefined {
    const literal = this.#literal as OpenLiteral;
    while (literal.remaining > 0) {
      const run = this.#restOfGap === undefined ? this.#half.takeRun(literal.remaining) : undefined;
      if (run !== undefined) {
        literal.collector.add(run.bytes, run.start);
        literal.remaining -= run.bytes.length;
        literal.captured += run.bytes.length;
        continue;
      }
      const gap = this.#takeGap();
      if (gap === undefined && !closed) return undefined;
      const lost = gap === undefined ? literal.remaining : Math.min(gap.length, literal.remaining);
      literal.collector.addMissing(lost);
      literal.remaining -= lost;
      if (gap === undefined || gap.length > lost) return this.#breakLiteralOff(gap);
    }
    this.#mode = 'behind-literal';
    return 'again';
  }

  #lookBehindLiteral(closed: boolean): Fragmented | 'again' | undefined {
    const octet = this.#half.nextOctet;
    if (octet === undefined) {
      const gap = this.#half.takeGap();
      if (gap === undefined && !closed) return undefined;
      return this.#breakLiteralOff(gap);
    }
    const fits = maySucceedLiteral(octet);
    this.#closeLiteral(!fits);
    if (fits) {
      this.#mode = 'line';
      return 'again';
    }
    const unit = this.#finishUnit(true);
    this.#resynchronise(false, undefined);
    return unit;
  }

  #breakLiteralOff(gap: StreamGap | undefined): Unit {
    this.#closeLiteral(false);
    const unit = this.#finishUnit(true);
    if (gap !== undefined) this.#resynchronise(true, gap);
    return unit;
  }

  #closeLiteral(mismatch: boolean): void {
    const literal = this.#literal as OpenLiteral;
    this.#literal = undefined;
    if (this.#shortened) return;
    this.#literalBytes += literal.collector.keptBytes;
    const content = literal.collector.finish(literal.start);
    const { length, captured } = literal;
    const fragment: Literal = { kind: 'literal', length, content, captured, mismatch };
    this.#fragments = added(this.#fragments, fragment);
  }

  #keepText(line: Line): Text {
    const text = new Text(line);
    this.#textBytes += line.length;
    const full =
      this.#fragments.length >= dialogueLimits.fragmentsMax || this.#textBytes > dialogueLimits.lineBytesMax;
    if (full && this.#fragments.length > 0) this.#shortened = true;
    if (!this.#shortened) this.#fragments = added<Text | Literal>(this.#fragments, text);
    return text;
  }

  #finishUnit(damaged: boolean): Unit {
    const unit: Unit = {
      kind: 'unit',
      fragments: this.#fragments,
      damaged: damaged || this.#shortened,
      refused: false,
    };
    this.#forgetUnit();
    this.#mode = 'line';
    return unit;
  }

  #forgetUnit(): void {
    this.#fragments = none;
    this.#textBytes = 0;
    this.#literalBytes = 0;
    this.#shortened = false;
    this.#literal = undefined;
    this.#announced = undefined;
  }

  /** `mayHoldMail`: what is passed over now may be the rest of a mail whose announcement was lost. */
  #resynchronise(mayHoldMail: boolean, gap: StreamGap | undefined): void {
    this.#mode = 'resynchronise';
    this.#orphan = mayHoldMail ? new OrphanCollector(this.#sender, this.#memory) : undefined;
    if (gap === undefined) return;
    const detail = `${gap.length} octets of IMAP ${this.#sender} lines lost`;
    this.#waiting = anomaly('dialogue.resynchronised', `frame ${gap.seen.frame}`, detail);
  }

  #skipToUnit(closed: boolean): Fragmented | 'again' | undefined {
    const line = this.#half.takeLineOrRest(closed);
    if (line === undefined) {
      const gap = this.#half.takeGap();
      if (gap === undefined) {
        return closed ? this.#endOrphan(false) : undefined;
      }
      this.#orphan?.addMissing(gap.length);
      return 'again';
    }
    const begins = this.#sender === 'server' ? isSurelyResponse : isSurelyCommand;
    if (begins(line.latin1(lookedAtOctets))) {
      const orphan = this.#endOrphan(true);
      const next = this.#useLine(line);
      if (orphan === undefined) return next;
      if (next !== 'again') this.#waiting = next;
      return orphan;
    }
    this.#orphan?.add(line);
    return 'again';
  }

  #endOrphan(isFollowed: boolean): Orphan | undefined {
    this.#mode = 'line';
    const orphan = this.#orphan?.finish(this.#lastPlace, isFollowed);
    this.#orphan = undefined;
    return orphan;
  }
}
