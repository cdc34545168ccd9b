/** One mail transaction, RFC 5321 §3.3: who sends to whom, and the chunks of BDAT (RFC 3030). */
import { dialogueLimits } from '../../core/limits.ts';
import type { Place } from '../half-stream.ts';
import { MessageCollector } from '../message-collector.ts';
import type { DialogueMemory } from '../octets.ts';
import type { Envelope } from '../types.ts';
import type { HeldMail } from './pending.ts';

/** What a recipient takes beside its characters. */
const recipientCost = 32;

export class Transaction {
  #from: string | undefined;
  #recipients: string[] = [];
  #recipientCharacters = 0;
  #accepted = 0;
  /** Chunks so far; undefined before the first. */
  #chunks: MessageCollector | undefined;
  #chunkBegin: Place | undefined;
  #chunkBytes = 0;
  /** The server refused a chunk: the rest of the transaction is lost (RFC 3030 §2). */
  chunkRefused = false;
  /** Octets behind its last chunk were lost, and its end with them perhaps. */
  mayHaveEnded = false;

  /** Octets that its recipients take. */
  get cost(): number {
    return this.#recipientCharacters + this.#recipients.length * recipientCost;
  }

  setSender(address: string): void {
    this.#from = address;
  }

  /** `address` is no part of a much longer string, which would be kept with it. */
  addRecipient(address: string): void {
    this.#accepted++;
    const characters = this.#recipientCharacters + address.length;
    if (this.#recipients.length >= dialogueLimits.recipientsMax) return;
    if (characters > dialogueLimits.recipientCharactersMax) return;
    this.#recipientCharacters = characters;
    // Most mails have one recipient, and an array that grows has room for many.
    if (this.#recipients.length === 0) this.#recipients = [address];
    else this.#recipients.push(address);
  }

  /** A MAIL command or a recipient was accepted, or may have been. */
  get isOpen(): boolean {
    return this.#from !== undefined || this.#accepted > 0;
  }

  get recipientCount(): number {
    return this.#accepted;
  }

  /** Null where none of it was captured. */
  get envelope(): Envelope | null {
    return this.isOpen ? { from: this.#from ?? '', to: this.#recipients } : null;
  }

  /** A chunk begins; its octets are to be added to what is returned. */
  beginChunk(begin: Place, memory: DialogueMemory): MessageCollector {
    this.#chunkBegin = begin;
    this.#chunks ??= new MessageCollector(memory);
    return this.#chunks;
  }

  get hasChunks(): boolean {
    return this.#chunks !== undefined;
  }

  /** Octets of chunks, lost ones included. */
  countChunkBytes(length: number): void {
    this.#chunkBytes += length;
  }

  /** The mail is over here without its last octets: so many, or an unknown number. */
  breakOffChunks(missing: number | undefined): HeldMail | undefined {
    if (this.chunkRefused) return undefined;
    this.#chunks?.addMissing(missing);
    return this.#chunkMail(false);
  }

  /** The mail that the chunks are together; undefined where there are none, or one was refused. */
  endChunks(): HeldMail | undefined {
    return this.chunkRefused ? undefined : this.#chunkMail(true);
  }

  #chunkMail(ended: boolean): HeldMail | undefined {
    if (this.#chunks === undefined || this.#chunkBegin === undefined) return undefined;
    const message = this.#chunks.finish(this.#chunkBegin);
    return { method: 'BDAT', message, wireBytes: this.#chunkBytes, ended, isAskedFor: true };
  }
}
