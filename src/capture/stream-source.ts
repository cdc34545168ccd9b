/** A capture that comes through a pipe: standard input, or a named pipe. It can be read once, in order. */
import { createReadStream } from 'node:fs';
import { stdin } from 'node:process';
import { addAbortSignal, type Readable } from 'node:stream';
import { captureLimits } from '../core/limits.ts';
import type { StoredSource } from './byte-source.ts';

export class StreamSource implements StoredSource {
  readonly damage = undefined;
  readonly #stream: Readable;
  readonly #signal: AbortSignal | undefined;
  readonly #chunks: AsyncIterator<Buffer>;
  /** Came, and was not read yet. */
  #waiting: Buffer = Buffer.alloc(0);
  #storedBytes = 0;

  /** `path` is `-` for standard input. Once `signal` is aborted nothing is waited for. */
  constructor(path: string, signal: AbortSignal | undefined) {
    const highWaterMark = captureLimits.compressedReadBytes;
    this.#stream = path === '-' ? stdin : createReadStream(path, { highWaterMark });
    this.#signal = signal;
    if (signal !== undefined) addAbortSignal(signal, this.#stream);
    this.#chunks = this.#stream[Symbol.asyncIterator]();
  }

  get storedBytes(): number {
    return this.#storedBytes;
  }

  async peek(octets: number): Promise<Buffer> {
    while (this.#waiting.length < octets) {
      const chunk = await this.#next();
      if (chunk === undefined) break;
      this.#waiting = Buffer.concat([this.#waiting, chunk]);
    }
    return this.#waiting.subarray(0, octets);
  }

  async read(target: Buffer, offset: number): Promise<number> {
    if (this.#waiting.length === 0) this.#waiting = (await this.#next()) ?? this.#waiting;
    const read = this.#waiting.copy(target, offset);
    this.#waiting = this.#waiting.subarray(read);
    this.#storedBytes += read;
    return read;
  }

  async close(): Promise<void> {
    this.#stream.destroy();
  }

  async #next(): Promise<Buffer | undefined> {
    try {
      const { done, value } = await this.#chunks.next();
      return done === true ? undefined : value;
    } catch (error) {
      throw this.#signal?.aborted === true ? this.#signal.reason : error;
    }
  }
}
