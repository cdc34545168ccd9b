/**
 * One direction of a TLS connection: which key opens the next record, what was lost in between, and where
 * the plaintext stands.
 */
import { tlsLimits } from '../../core/limits.ts';
import type { Sender, Sighting, StreamClose, StreamData, StreamGap } from '../../stream/types.ts';
import type { Epoch } from './epoch.ts';
import { HandshakeReader } from './handshake-reader.ts';
import type { OpenedRecord } from './record-opener.ts';
import { CONTENT_TYPE, HEADER_BYTES, RecordReader, type TlsRecord } from './record-reader.ts';

/** A record's content and how much application data was lost right before it. */
export interface Opened extends OpenedRecord {
  readonly carries: Epoch['carries'];
  readonly lostBytes: number;
}

/** What a try costs besides its octets. */
const TRY_COST_BYTES = 1024;

const RECORD_BYTES_MAX = HEADER_BYTES + tlsLimits.recordBytesMax;

export class TlsHalf {
  readonly sender: Sender;
  readonly reader = new RecordReader();
  readonly handshakes = new HandshakeReader();
  /** This side sends no more, and what it sent is not all read yet. */
  pendingClose: StreamClose | undefined;
  /** The next record cannot be read before the other side's hello is known. */
  isWaiting = false;
  /** Too much was deciphered in vain. */
  isGivenUp = false;
  #epoch: Epoch | undefined;
  #successor: Epoch | undefined;
  #sequenceNumber = 0;
  /** Records that opened, and those that did not before the first that did. */
  #openedCount = 0;
  #refusedCount = 0;
  /** Octets deciphered in vain. */
  #wastedBytes = 0;
  /** Octets up to the end of the record that was tried last. */
  #triedUntil = 0;
  /** Up to this offset of the direction every record was read. */
  #readUntil = 0;
  #firstSequence: number | undefined;
  #plainBytes = 0;
  /** Of the loss that stands before the next record: where it was noticed, and its octets reported so far. */
  #lossSeen: Sighting | undefined;
  #lossReported = 0;

  constructor(sender: Sender) {
    this.sender = sender;
  }

  receive(event: StreamData | StreamGap): void {
    this.#firstSequence ??= event.sequence;
    if (event.kind === 'data') {
      this.reader.append(event.bytes, event.seen);
      return;
    }
    this.reader.gap(event.length);
    this.#lossSeen ??= event.seen;
  }

  /** The keys that protect what follows the next ChangeCipherSpec or, in TLS 1.3, the hellos. */
  expect(epoch: Epoch): void {
    this.#successor = epoch;
  }

  get expectsKeys(): boolean {
    return this.#successor !== undefined;
  }

  changeKeys(): void {
    if (this.#successor) this.#enter(this.#successor, 0);
  }

  get isProtected(): boolean {
    return this.#epoch !== undefined;
  }

  get openedCount(): number {
    return this.#openedCount;
  }

  /** Nothing was lost between the last record and this one. */
  follows(record: TlsRecord): boolean {
    return record.offset === this.#readUntil;
  }

  /** The record is read, or of no interest. */
  pass(record: TlsRecord): void {
    this.#readUntil = record.offset + HEADER_BYTES + record.fragment.length;
    this.#lossSeen = undefined;
    this.#lossReported = 0;
    this.reader.accept(record);
  }

  /** Opens the record and passes it; undefined, and nothing changed, where it does not open. */
  open(record: TlsRecord): Opened | undefined {
    const lost = record.offset - this.#readUntil;
    const from = this.#sequenceNumber + Math.floor(lost / RECORD_BYTES_MAX);
    const found = this.#find(record, from, lost);
    if (!found) return undefined;
    const lostBytes = lost > 0 ? this.#lostPlainBytes(lost, found.epoch, found.sequenceNumber) : 0;
    if (lost > 0) this.handshakes.reset();
    this.#enter(found.epoch, found.sequenceNumber + 1);
    this.#openedCount++;
    // Who can be read may also be searched for: long mails lose many records.
    this.#wastedBytes = Math.max(0, this.#wastedBytes - 4 * record.fragment.length);
    const reported = this.#lossReported;
    this.pass(record);
    return { ...found.opened, carries: found.epoch.carries, lostBytes: Math.max(0, lostBytes - reported) };
  }

  /**
   * A record that did not open. `ignored` where it was of no interest, `searching` where it may be no record
   * at all; otherwise it is lost.
   */
  refuse(record: TlsRecord): 'ignored' | 'searching' | 'lost' {
    if (record.isCandidate) {
      this.reader.reject();
      return 'searching';
    }
    if (!this.#epoch && this.#successor?.followsUnreadable) {
      this.pass(record);
      return 'ignored';
    }
    this.#refusedCount++;
    this.#lossSeen ??= record.seen;
    this.reader.accept(record);
    return 'lost';
  }

  /** No record ever opened and too many did not: the secrets are of another session. */
  get secretsAreWrong(): boolean {
    return this.#openedCount === 0 && this.#refusedCount > tlsLimits.recordsRefusedMax;
  }

  get wasteIsExceeded(): boolean {
    const { wastedBytesMax, wastedBytesFree, wastedPerByte } = tlsLimits;
    return this.#wastedBytes > Math.min(wastedBytesMax, wastedBytesFree + this.#triedUntil * wastedPerByte);
  }

  /** Application data in order. */
  data(bytes: Buffer, seen: Sighting): StreamData {
    const sequence = this.#sequence();
    this.#plainBytes += bytes.length;
    return { kind: 'data', sender: this.sender, bytes, sequence, seen };
  }

  gap(length: number, seen: Sighting): StreamGap {
    const sequence = this.#sequence();
    this.#plainBytes += length;
    return { kind: 'gap', sender: this.sender, length, sequence, seen };
  }

  /** Says that something was lost, for those who must know of it before the next record shows how much. */
  takeLoss(): StreamGap | undefined {
    const isDue = this.#lossReported === 0 && !this.isWaiting && this.#epoch?.carries === 'application';
    return isDue && this.#lossSeen ? this.#reportLoss(1, this.#lossSeen) : undefined;
  }

  /**
   * What will never be read now that the direction has ended, a cut record too. How much it is of a direction
   * given up is not known: more may come, and how much came so far is a matter of packets.
   */
  takeRest(): StreamGap | undefined {
    const seen = this.#lossSeen ?? this.reader.seen;
    const unreadBytes = this.reader.received - this.#readUntil;
    if (unreadBytes === 0 || !seen || this.#epoch?.carries !== 'application') return undefined;
    const known = this.isGivenUp ? 1 : Math.max(1, unreadBytes - this.#epoch.opener.overheadBytes);
    const length = known - this.#lossReported;
    return length > 0 ? this.#reportLoss(length, seen) : undefined;
  }

  #reportLoss(length: number, seen: Sighting): StreamGap {
    this.#lossReported += length;
    return this.gap(length, seen);
  }

  /** Without a loss the number is known; with one, how many records and changes of keys were lost is not. */
  #find(record: TlsRecord, from: number, lost: number) {
    const tries = lost > 0 ? tlsLimits.recordNumbersTriedMax : 1;
    const current = this.#epoch && this.#try(this.#epoch, from, tries, record);
    if (current) return current;
    for (let next = this.#successor; next; next = next.next()) {
      const found = this.#try(next, 0, tries, record);
      if (found || lost === 0 || next.carries === 'application') return found;
    }
    return undefined;
  }

  #try(epoch: Epoch, from: number, tries: number, record: TlsRecord) {
    this.#triedUntil = record.offset + HEADER_BYTES + record.fragment.length;
    for (let sequenceNumber = from; sequenceNumber < from + tries; sequenceNumber++) {
      const opened = epoch.opener.open(record, sequenceNumber);
      if (opened) return { opened, epoch, sequenceNumber };
      this.#wastedBytes += TRY_COST_BYTES + record.fragment.length;
    }
    return undefined;
  }

  #enter(epoch: Epoch, sequenceNumber: number): void {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#successor = epoch.next();
    }
    this.#sequenceNumber = sequenceNumber;
  }

  /** Exact where all lost records carried application data and the suite does not pad; otherwise near. */
  #lostPlainBytes(lost: number, epoch: Epoch, sequenceNumber: number): number {
    if (epoch.carries === 'handshake') return 0;
    const isSame = epoch === this.#epoch;
    let first = isSame ? this.#sequenceNumber : 0;
    if (first === 0 && epoch.beginsWithFinished) first = 1;
    const records = sequenceNumber - first;
    const hadData = this.#epoch?.carries === 'application';
    if (records <= 0 && (isSame || !hadData)) return 0;
    return Math.max(1, lost - Math.max(1, records) * epoch.opener.overheadBytes);
  }

  #sequence(): number {
    return ((this.#firstSequence ?? 0) + this.#plainBytes) >>> 0;
  }
}

/** A record that makes sense without keys, for when nobody can check it. */
export function looksPlain(record: TlsRecord): boolean {
  switch (record.type) {
    case CONTENT_TYPE.changeCipherSpec:
      return record.fragment.length === 1 && record.fragment[0] === 1;
    case CONTENT_TYPE.alert:
      return record.fragment.length === 2;
    case CONTENT_TYPE.handshake:
      return record.fragment.length >= 4;
    default:
      return false;
  }
}
