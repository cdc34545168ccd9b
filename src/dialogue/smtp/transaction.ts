/** One mail transaction, RFC 5321 §3.3: who sends to whom, and the chunks of BDAT (RFC 3030). */
import { dialogueLimits } from '../../core/limits.ts';
import { MessageCollector } from '../message-collector.ts';
import type { Envelope } from '../types.ts';

export class Transaction {
  #from: string | undefined;
  #recipients: string[] = [];
  #accepted = 0;
  /** Chunks so far; undefined before the first. */
  #chunks: MessageCollector | undefined;
  #chunkBytes = 0;
  /** The server refused a chunk: the rest of the transaction is lost (RFC 3030 §2). */
  chunkRefused = false;

  setSender(address: string): void {
    this.#from = address;
  }

  addRecipient(address: string): void {
    this.#accepted++;
    if (this.#recipients.length < dialogueLimits.recipientsMax) this.#recipients.push(address);
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

  get chunks(): MessageCollector {
    this.#chunks ??= new MessageCollector();
    return this.#chunks;
  }

  get hasChunks(): boolean {
    return this.#chunks !== undefined;
  }

  get chunkBytes(): number {
    return this.#chunkBytes;
  }

  countChunkBytes(length: number): void {
    this.#chunkBytes += length;
  }
}
