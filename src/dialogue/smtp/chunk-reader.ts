/**
 * The octets of one BDAT command, RFC 3030 §2: they follow its line at once, so many as it says, and may
 * be anything.
 */
import type { Sighting, StreamGap } from '../../stream/types.ts';
import type { Place } from '../half-stream.ts';
import type { MessageCollector } from '../message-collector.ts';
import type { ChunkHeader } from './command.ts';
import { fieldBytesLookedAt, mayBecomeField, startsWithField } from './lost-text.ts';
import type { Overheard } from './overheard.ts';
import type { Transaction } from './transaction.ts';

/**
 * `wait`: for more octets. `more`: some were read. `end`: the chunk is whole; `overshot`: a hole reaches
 * beyond it. `brokenOff`: the client ended before the chunk did.
 */
export type ChunkProgress = 'wait' | 'more' | 'end' | 'overshot' | 'brokenOff';

export class ChunkReader {
  readonly header: ChunkHeader;
  /** The line of the command. */
  readonly #begin: Place;
  #left: number;
  #lastSeen: Sighting;

  constructor(header: ChunkHeader, begin: Place) {
    this.header = header;
    this.#begin = begin;
    this.#left = header.length;
    this.#lastSeen = begin.seen;
  }

  /** Octets that are still to come. */
  get left(): number {
    return this.#left;
  }

  get lastSeen(): Sighting {
    return this.#lastSeen;
  }

  /** Reads what one packet brought of the chunk into the transaction. */
  read({ client, clientFinished, memory }: Overheard, transaction: Transaction): ChunkProgress {
    const chunks = transaction.beginChunk(this.#begin, memory);
    if (this.#left === 0) return 'end';
    const run = client.takeRun(this.#left);
    const gap = run === undefined ? client.takeGap() : undefined;
    if (run === undefined && gap === undefined) return clientFinished ? 'brokenOff' : 'wait';
    if (gap !== undefined) return this.#readGap(gap, chunks, transaction);
    if (run !== undefined) {
      chunks.add(run.bytes, run.start);
      this.#lastSeen = run.start.seen;
      this.#count(run.bytes.length, transaction);
    }
    return this.#left === 0 ? 'end' : 'more';
  }

  #readGap(gap: StreamGap, chunks: MessageCollector, transaction: Transaction): ChunkProgress {
    const isOvershot = gap.length > this.#left;
    const taken = Math.min(gap.length, this.#left);
    chunks.addMissing(taken);
    this.#lastSeen = gap.seen;
    this.#count(taken, transaction);
    if (isOvershot) return 'overshot';
    return this.#left === 0 ? 'end' : 'more';
  }

  #count(taken: number, transaction: Transaction): void {
    transaction.countChunkBytes(taken);
    this.#left -= taken;
  }
}

/**
 * Whole chunks may be among lost commands, unless the mail visibly begins with the octets that follow. False
 * while more of them have to come to tell.
 */
export function noteLostChunks(transaction: Transaction, heard: Overheard, begin: Place): boolean {
  if (!transaction.hasChunks) {
    const { client, clientFinished } = heard;
    const start = client.peek(fieldBytesLookedAt);
    const isCut = clientFinished || client.unreadBytes > start.length;
    if (mayBecomeField(start) && !isCut) return false;
    if (startsWithField(start)) return true;
  }
  transaction.beginChunk(begin, heard.memory).addMissing(undefined);
  return true;
}
