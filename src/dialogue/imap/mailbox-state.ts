/**
 * Which message a FETCH response speaks of: sequence numbers shift with every EXPUNGE (RFC 9051 §7.5.1) and
 * VANISHED (RFC 7162 §3.2.10), UIDs do not. A message keeps its *slot*: the sequence number it would have
 * had nothing been expunged since the mailbox was selected.
 */
import { dialogueLimits } from '../../core/limits.ts';

/** One number in one map; measured. */
const numberCost = 40;

export class MailboxState {
  #name: string | null = null;
  /** Counts selections; tells apart mailboxes of which the name was not captured. */
  #selection = 0;
  /** Counts the times that sequence numbers were given anew. */
  #numbering = 0;
  /** Expunged slots in ascending order. */
  #expunged: number[] = [];
  #uidOfSlot = new Map<number, number>();
  #slotOfUid = new Map<number, number>();

  /** Octets that the numbers take. */
  get cost(): number {
    return (this.#uidOfSlot.size + this.#slotOfUid.size + this.#expunged.length) * numberCost;
  }

  get name(): string | null {
    return this.#name;
  }

  select(name: string | null): void {
    this.#name = name;
    this.#selection++;
    this.#forget();
  }

  /** Octets were lost that may have told of an EXPUNGE: a sequence number may mean another message now. */
  loseNumbers(): void {
    this.#forget();
  }

  learn(sequence: number, uid: number): void {
    if (this.#uidOfSlot.size >= dialogueLimits.sequenceNumbersMax) {
      this.#uidOfSlot.clear();
      this.#slotOfUid.clear();
    }
    const slot = this.#slot(sequence);
    this.#uidOfSlot.set(slot, uid);
    this.#slotOfUid.set(uid, slot);
  }

  uidOf(sequence: number): number | undefined {
    return this.#uidOfSlot.get(this.#slot(sequence));
  }

  /** One name for one message of this connection, by UID where it is known. */
  key(sequence: number, uid: number | undefined): string {
    if (uid === undefined) return this.slotKey(sequence);
    return `uid ${uid} ${this.#name ?? `selection ${this.#selection}`}`;
  }

  /** The message's name while its UID is not known. */
  slotKey(sequence: number): string {
    return `slot ${this.#numbering} ${this.#slot(sequence)}`;
  }

  expunge(sequence: number): void {
    this.#removeSlot(this.#slot(sequence));
  }

  /** `set` is a list of UIDs: `41,43:116`. Without the slots of all of them the numbers are lost. */
  vanish(set: string): void {
    for (const uid of uidsOf(set)) {
      const slot = this.#slotOfUid.get(uid);
      if (slot === undefined) {
        this.#forget();
        return;
      }
      this.#removeSlot(slot);
    }
  }

  #removeSlot(slot: number): void {
    if (this.#expunged.length >= dialogueLimits.sequenceNumbersMax) {
      this.#forget();
      return;
    }
    const uid = this.#uidOfSlot.get(slot);
    this.#uidOfSlot.delete(slot);
    if (uid !== undefined) this.#slotOfUid.delete(uid);
    this.#expunged.splice(firstAbove(this.#expunged, slot), 0, slot);
  }

  /** The slot that has exactly `sequence` slots at or below it that are not expunged. */
  #slot(sequence: number): number {
    let low = 0;
    let high = this.#expunged.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#expunged[middle] ?? 0) - middle <= sequence) low = middle + 1;
      else high = middle;
    }
    return sequence + low;
  }

  #forget(): void {
    this.#numbering++;
    this.#expunged = [];
    this.#uidOfSlot.clear();
    this.#slotOfUid.clear();
  }
}

function firstAbove(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function* uidsOf(set: string): Iterable<number> {
  let left = dialogueLimits.sequenceNumbersMax;
  for (const range of set.split(',')) {
    const [first, last] = range.split(':').map(Number);
    if (first === undefined || !Number.isSafeInteger(first)) continue;
    const end = last !== undefined && Number.isSafeInteger(last) ? last : first;
    for (let uid = Math.min(first, end); uid <= Math.max(first, end); uid++) {
      if (left-- <= 0) return;
      yield uid;
    }
  }
}
