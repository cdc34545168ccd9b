/** The octets of both sides that were overheard and are still to be understood. */
import { dialogueLimits } from '../../core/limits.ts';
import type { Connection, Sender, StreamData, StreamGap } from '../../stream/types.ts';
import { HalfStream } from '../half-stream.ts';
import { commandBytesLookedAt, looksLikeCommand } from './command.ts';
import { ReplyReader } from './reply.ts';

export class Overheard {
  readonly client = new HalfStream();
  readonly replies = new ReplyReader();
  #clientFinished = false;
  #serverFinished = false;
  #isLossy: boolean;

  constructor(connection: Connection) {
    this.#isLossy = !connection.handshakeSeen;
  }

  receive(event: StreamData | StreamGap): void {
    if (event.kind === 'gap') this.#isLossy = true;
    if (event.sender === 'client') this.client.push(event);
    else this.replies.push(event);
  }

  close(side: Sender | 'both'): void {
    if (side !== 'server') this.#clientFinished = true;
    if (side === 'client') return;
    this.#serverFinished = true;
    this.replies.finish();
  }

  /** The client sends no more than what is there. */
  get clientFinished(): boolean {
    return this.#clientFinished;
  }

  /** The client has no more to say, and all it said was read. */
  get clientIsOver(): boolean {
    return this.#clientFinished && this.client.isEmpty;
  }

  get serverFinished(): boolean {
    return this.#serverFinished;
  }

  /** No replies are awaited but those that are there: the server is done, or too much of the client waits. */
  get repliesEnd(): boolean {
    return this.#serverFinished || this.client.heldBytes > dialogueLimits.unreadBytesMax;
  }

  /** Whether the client goes on with a command; undefined while not enough is there to tell. */
  get nextIsCommand(): boolean | undefined {
    const bytes = this.client.peek(commandBytesLookedAt);
    if (bytes.length === 0 && !this.client.isEmpty) return false;
    const lineFeed = bytes.indexOf(0x0a);
    if (lineFeed < 0 && bytes.length < commandBytesLookedAt && !this.#clientFinished) return undefined;
    return looksLikeCommand(bytes.toString('latin1', 0, lineFeed < 0 ? bytes.length : lineFeed).trimEnd());
  }

  /** Octets of either side are missing: commands and replies need not come in pairs. */
  get isLossy(): boolean {
    return this.#isLossy;
  }

  noteLoss(): void {
    this.#isLossy = true;
  }
}
