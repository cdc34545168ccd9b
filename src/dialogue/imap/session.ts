/**
 * What the commands and responses of one IMAP connection mean: who is logged in, which mailbox is selected,
 * which mails pass. Gets whole units; how they were cut out is the fragmentizer's matter, which side is
 * waited for the decoder's.
 */
import { type Anomaly, anomaly } from '../../core/anomaly.ts';
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection } from '../../stream/types.ts';
import type { Place } from '../half-stream.ts';
import type { DialogueMemory } from '../octets.ts';
import type { DialogueEvent, LayerName } from '../types.ts';
import { type AssembledMail, Assembly } from './assembly.ts';
import { type AppendedMessage, type Command, firstText, startOf } from './command.ts';
import { type FetchedContent, type FetchResponse, fetchResponse } from './fetch.ts';
import { Logins } from './logins.ts';
import { MailboxState } from './mailbox-state.ts';
import type { Orphan } from './orphan.ts';
import {
  anomaliesOf,
  extentOf,
  joinLiterals,
  type MessageParts,
  mismatchAnomaly,
  missingOf,
  orphanParts,
  rawMessage,
} from './raw-message.ts';
import { RequestedPieces } from './requested-pieces.ts';
import type { SectionItem } from './section.ts';
import type { Unit } from './unit.ts';
import { type WaitingCommand, waitingCommand } from './waiting-command.ts';

/** Answers that were captured before their commands; more than these are only in hostile traffic. */
const EARLY_ANSWERS_MAX = 256;

interface CutContent {
  readonly item: SectionItem;
  readonly sequence: number;
  readonly uid: number | undefined;
}

const nothing: readonly DialogueEvent[] = [];

export class Session {
  readonly #connection: Connection;
  readonly #memory: DialogueMemory;
  readonly #mailbox = new MailboxState();
  readonly #assembly: Assembly;
  readonly #unanswered = new Map<string, WaitingCommand>();
  #layer: LayerName = 'plain';
  #events: DialogueEvent[] = [];
  readonly #logins = new Logins();
  readonly #requested = new RequestedPieces();
  /** The mail whose transfer the server had begun to announce when octets were lost. */
  #cut: CutContent | undefined;
  /** Answers that were captured before their commands, by tag. */
  readonly #early = new Map<string, 'OK' | 'NO' | 'BAD'>();
  /** Octets of the mails in unanswered commands, and what else these take. */
  #appendedBytes = 0;
  #unansweredCost = 0;
  #serverIsSilent = false;

  constructor(connection: Connection, memory: DialogueMemory) {
    this.#connection = connection;
    this.#memory = memory;
    this.#assembly = new Assembly(memory);
  }

  set layer(layer: LayerName) {
    this.#layer = layer;
  }

  /** What happened since the last call. */
  takeEvents(): readonly DialogueEvent[] {
    const events = this.#events;
    if (events.length === 0) return nothing;
    this.#events = [];
    return events;
  }

  tell(event: DialogueEvent): void {
    this.#events.push(event);
  }

  /** Octets held beside those of mails. */
  get heldBytes(): number {
    return this.#unansweredCost + this.#requested.cost + this.#mailbox.cost + this.#assembly.heldBytes;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** A command goes on that may carry mail, or pieces of a mail are here that more may follow. */
  get isAmidMail(): boolean {
    for (const { name } of this.#unanswered.values()) if (name !== 'IDLE') return true;
    return this.#assembly.isGathering;
  }

  isUnanswered(tag: string): boolean {
    return this.#unanswered.has(tag);
  }

  /** Octets of the server were lost. */
  serverLost(): void {
    this.#assembly.noteLoss();
  }

  /** An EXPUNGE may have been lost: sequence numbers may mean other messages now. */
  numbersLost(): void {
    for (const mail of this.#assembly.leaveMailbox()) this.#assembled(mail);
    this.#mailbox.loseNumbers();
  }

  /** Nothing of the server is in the capture: no answer needs to be awaited. */
  serverIsSilent(): void {
    this.#serverIsSilent = true;
    for (const [tag, waiting] of this.#unanswered) {
      if (waiting.appended.length > 0) this.#answer(tag, undefined);
    }
  }

  command(command: Command): void {
    if (this.#unanswered.size >= dialogueLimits.unansweredMax) this.#forgetOldest();
    while (this.#unansweredCost > this.#memory.unreadBytesMax) this.#forgetOldest();
    const waiting = waitingCommand(command, this.#logins.begin(command));
    // A tag used again: its first answer was not captured.
    this.#answer(command.tag, undefined);
    this.#unanswered.set(command.tag, waiting);
    this.#requested.add(command);
    this.#appendedBytes += waiting.appendedBytes;
    this.#unansweredCost += waiting.cost;
    const early = this.#early.get(command.tag);
    if (early !== undefined || (this.#serverIsSilent && waiting.appended.length > 0))
      this.#answer(command.tag, early);
    this.#early.delete(command.tag);
    this.#boundAppended();
  }

  /** The pieces that came in `unit` were asked for by commands that are known. */
  knowsRequest(unit: Unit): boolean {
    return this.#requested.knowsAll(unit, (sequence) => this.#mailbox.uidOf(sequence));
  }

  /** One line of the client in an AUTHENTICATE exchange. */
  saslResponse(line: Buffer): void {
    this.#logins.respond(line);
  }

  /** Answers may overtake each other, and where the server's side comes first, the commands too. */
  tagged(tag: string, status: 'OK' | 'NO' | 'BAD'): void {
    this.#cut = undefined;
    if (this.#unanswered.has(tag)) this.#answer(tag, status);
    else if (this.#unanswered.size > 0 && this.#early.size < EARLY_ANSWERS_MAX) this.#early.set(tag, status);
    // Tags may be used again: an answer waits for its command only while others are under way.
    if (this.#unanswered.size === 0) this.#early.clear();
  }

  untagged(unit: Unit): void {
    this.#cut = undefined;
    const fetched = fetchResponse(unit);
    if (fetched !== undefined) {
      this.#fetched(fetched, unit);
      return;
    }
    const mismatch = unit.fragments.some((each) => each.kind === 'literal' && each.mismatch);
    if (mismatch) this.#events.push(mismatchAnomaly(startOf(unit)));
    const text = firstText(unit)?.latin1 ?? '';
    const expunge = /^\* (\d{1,10}) EXPUNGE\b/i.exec(text);
    if (expunge) this.#mailbox.expunge(Number(expunge[1]));
    const vanished = /^\* VANISHED ([\d:,]+)/i.exec(text);
    if (vanished?.[1]) this.#mailbox.vanish(vanished[1]);
    if (/^\* OK \[UIDVALIDITY /i.test(text) && this.#mailbox.name === null) this.#leaveMailbox(null);
  }

  /** What may be the rest of a mail whose beginning was lost. */
  orphan(orphan: Orphan, sender: 'client' | 'server'): void {
    const { content, captured, isSurelyMail } = orphan;
    if (sender === 'server' && this.#cut !== undefined) {
      const { item, sequence, uid } = this.#cut;
      this.#cut = undefined;
      this.#content({ item, content, length: undefined, captured, mismatch: false }, sequence, uid);
      return;
    }
    if (isSurelyMail) {
      this.#message(orphanParts(orphan, sender, this.#mailbox.name, this.#logins.claimedUser));
    } else {
      content.octets.release();
    }
  }

  /** The connection is over: everything still open is handed out. */
  finish(): void {
    for (const tag of [...this.#unanswered.keys()]) this.#answer(tag, undefined);
    for (const mail of this.#assembly.flush()) this.#assembled(mail);
  }

  /** `status` undefined: the answer was not captured. */
  #answer(tag: string, status: 'OK' | 'NO' | 'BAD' | undefined): void {
    const answered = this.#unanswered.get(tag);
    if (answered === undefined) return;
    this.#unanswered.delete(tag);
    this.#requested.remove(tag);
    this.#appendedBytes -= answered.appendedBytes;
    this.#unansweredCost -= answered.cost;
    switch (answered.name) {
      case 'APPEND':
        if (answered.isRefused && status !== 'OK') this.#events.push({ kind: 'tally', what: 'refused' });
        for (const appended of answered.appended) this.#appended(answered, appended, status);
        break;
      case 'LOGIN':
      case 'AUTHENTICATE':
        this.#logins.answered(answered.login, status === undefined ? undefined : status === 'OK');
        break;
      case 'SELECT':
      case 'EXAMINE':
        // A failed SELECT leaves no mailbox selected, RFC 9051 §6.3.2.
        if (status !== undefined) this.#leaveMailbox(status === 'OK' ? answered.mailbox : null);
        break;
      case 'CLOSE':
      case 'UNSELECT':
        if (status === 'OK') this.#leaveMailbox(null);
        break;
      case 'LOGOUT':
        if (status === 'OK') for (const mail of this.#assembly.flush()) this.#assembled(mail);
    }
  }

  #leaveMailbox(next: string | null): void {
    for (const mail of this.#assembly.leaveMailbox()) this.#assembled(mail);
    this.#mailbox.select(next);
  }

  #fetched(response: FetchResponse, unit: Unit): void {
    const { sequence, contents, description } = response;
    const uid = response.uid ?? this.#mailbox.uidOf(sequence);
    const key = this.#mailbox.key(sequence, uid);
    const mailbox = this.#mailbox.name;
    if (response.uid !== undefined) {
      this.#assembly.identify(this.#mailbox.slotKey(sequence), key, response.uid);
      this.#mailbox.learn(sequence, response.uid);
    }
    if (response.limitReached) {
      this.#limit('dialogue.queue-limit', startOf(unit), 'IMAP response with too many values');
    }
    if (response.isListing) this.#events.push({ kind: 'tally', what: 'header-listing' });
    const { size, envelope, structure } = description;
    if (size !== undefined || envelope !== undefined || structure !== undefined) {
      for (const mail of this.#assembly.describe(key, mailbox, uid, description)) this.#assembled(mail);
    }
    for (const content of contents) this.#content(content, sequence, uid);
    this.#cut = response.cut && { item: response.cut, sequence, uid };
  }

  #content(content: FetchedContent, sequence: number, uid: number | undefined): void {
    const key = this.#mailbox.key(sequence, uid);
    const whole = content.item.section === '' && content.item.origin === undefined;
    if (whole) this.#fetchedWhole(content, key, uid);
    else this.#fetchedPiece(content, key, sequence, uid);
  }

  #fetchedWhole(fetched: FetchedContent, key: string, uid: number | undefined): void {
    const { content, mismatch } = fetched;
    const complete = content.missing.length === 0 && !mismatch;
    this.#message({
      direction: 'retrieved',
      method: `FETCH ${fetched.item.name}`,
      octets: content.octets,
      exact: true,
      complete,
      missing: missingOf(content, mismatch),
      accepted: true,
      mailbox: this.#mailbox.name,
      uid: uid ?? null,
      first: content.first,
      last: content.last,
      wireBytes: fetched.captured,
      anomalies: anomaliesOf(content, mismatch),
    });
    if (!complete) return;
    const ready = this.#assembly.fetchedWhole(key, this.#mailbox.name, uid, content.octets);
    for (const mail of ready) this.#assembled(mail);
  }

  #fetchedPiece(fetched: FetchedContent, key: string, sequence: number, uid: number | undefined): void {
    const { item, content, captured, mismatch } = fetched;
    if (mismatch) this.#events.push(mismatchAnomaly(content.first));
    const origin = item.origin ?? 0;
    const requested =
      item.origin === undefined
        ? undefined
        : this.#requested.lengthOf({ section: item.section, origin, sequence, uid });
    const piece = {
      section: item.section,
      partial: item.origin !== undefined,
      origin,
      length: fetched.length ?? requested ?? extentOf(content),
      octets: content.octets,
      missing: missingOf(content, mismatch),
      requested,
      first: content.first,
      last: content.last,
      captured,
    };
    for (const mail of this.#assembly.add(key, this.#mailbox.name, uid, piece)) this.#assembled(mail);
  }

  #assembled(mail: AssembledMail): void {
    const limit = `IMAP sections above ${dialogueLimits.pendingSectionBytesMax} octets`;
    const at = `frame ${mail.last.frame}`;
    this.#message({
      ...mail,
      direction: 'retrieved',
      accepted: true,
      anomalies: mail.evicted ? [anomaly('dialogue.queue-limit', at, limit)] : [],
    });
  }

  #appended(
    answered: WaitingCommand,
    message: AppendedMessage,
    status: 'OK' | 'NO' | 'BAD' | undefined,
  ): void {
    const [first] = message.literals;
    const final = message.literals.at(-1);
    if (first === undefined || final === undefined) return;
    // An empty literal takes the APPEND back, RFC 3502 §6.3.11.
    if (status !== 'OK' && message.literals.every((each) => each.length === 0)) return;
    const joined = joinLiterals(message.literals);
    const missing = [...joined.missing];
    if (message.hasUrls || final.mismatch) missing.push({ offset: joined.length, length: undefined });
    this.#message({
      direction: 'appended',
      method: message.catenated ? 'APPEND CATENATE' : 'APPEND',
      octets: joined.octets,
      exact: !message.hasUrls,
      complete: missing.length === 0,
      missing,
      accepted: status === undefined ? null : status === 'OK',
      mailbox: answered.mailbox,
      uid: null,
      first: first.content.first,
      last: final.content.last,
      wireBytes: message.literals.reduce((sum, each) => sum + each.captured, 0),
      anomalies: message.literals.flatMap((each) => anomaliesOf(each.content, each.mismatch)),
      claimedUser: status === undefined && this.#serverIsSilent ? this.#logins.claimedUser : null,
    });
  }

  #message(parts: MessageParts): void {
    const message = rawMessage(
      this.#connection,
      this.#layer,
      this.#logins.user ?? parts.claimedUser ?? null,
      parts,
    );
    this.#events.push(message);
  }

  #forgetOldest(): void {
    const [oldest] = this.#unanswered.keys();
    if (oldest === undefined) return;
    const place = this.#unanswered.get(oldest)?.begun;
    this.#answer(oldest, undefined);
    const detail = `too many IMAP commands unanswered: going on without the answers`;
    this.#limit('dialogue.queue-limit', place, detail);
  }

  /** Mails whose answer is awaited are kept in memory: too many are handed out without it. */
  #boundAppended(): void {
    if (this.#appendedBytes <= this.#memory.mailBytesMax) return;
    for (const [tag, { appended }] of this.#unanswered) {
      if (appended.length > 0) this.#answer(tag, undefined);
      if (this.#appendedBytes <= this.#memory.mailBytesMax) return;
    }
  }

  #limit(code: Anomaly['code'], place: Place | undefined, detail: string): void {
    this.#events.push(anomaly(code, `frame ${place?.seen.frame ?? 0}`, detail));
  }
}
