/** The octets of both sides that were overheard and are still to be understood. */
import { dialogueLimits } from '../../core/limits.ts';
import type {
  Connection,
  Sender,
  Sighting,
  StreamClose,
  StreamData,
  StreamEvent,
  StreamGap,
} from '../../stream/types.ts';
import { HalfStream } from '../half-stream.ts';
import { takeRest } from '../layer-rest.ts';
import type { DialogueMemory } from '../octets.ts';
import { commandBytesLookedAt, looksLikeCommand } from './command.ts';
import { ReplyReader } from './reply.ts';

export class Overheard {
  readonly memory: DialogueMemory;
  readonly client = new HalfStream();
  readonly replies = new ReplyReader();
  #clientFinished = false;
  #serverFinished = false;
  #isLossy: boolean;
  readonly #isHeardFromStart: boolean;
  /** Octets of it were lost. */
  readonly #isTorn: Record<Sender, boolean> = { client: false, server: false };
  #clientBytes = 0;
  #clientSeen: Sighting | undefined;
  #serverWasHeard = false;
  /** The client went on as if it had heard a server that the capture has not. */
  #isOneSided = false;
  #closes: StreamClose[] = [];

  constructor(connection: Connection, memory: DialogueMemory) {
    this.memory = memory;
    this.#isLossy = !connection.handshakeSeen;
    this.#isHeardFromStart = connection.handshakeSeen;
  }

  /** Reads the octets of `event` where they are: `settle` must be called before they change. */
  receive(event: StreamData | StreamGap): void {
    if (event.kind === 'gap') {
      this.#isLossy = true;
      this.#isTorn[event.sender] = true;
    }
    if (event.sender === 'server') {
      if (event.kind === 'data') {
        this.#serverWasHeard = true;
        this.#isOneSided = false;
      }
      this.replies.push(event);
      return;
    }
    this.client.lend(event);
    this.#clientSeen = event.seen;
    this.#clientBytes += event.kind === 'gap' ? event.length : event.bytes.length;
  }

  /** Octets of both sides that wait. */
  get heldBytes(): number {
    return this.client.heldBytes + this.replies.heldBytes;
  }

  /** The octets of the event may change from now on. */
  settle(): void {
    this.client.settle();
    this.replies.settle();
  }

  /** Octets the client has sent so far, lost ones included. */
  get clientBytes(): number {
    return this.#clientBytes;
  }

  close(event: StreamClose): void {
    const { side } = event;
    this.#closes.push(event);
    if (side !== 'server') this.#clientFinished = true;
    if (side === 'client') return;
    this.#serverFinished = true;
    this.replies.finish();
  }

  /** All that was not understood, and the end of the connection if it was heard: for the layer that begins. */
  takeRest(): readonly StreamEvent[] {
    this.replies.unread();
    const rest = takeRest(this.client, this.replies.half, this.#closes);
    this.#closes = [];
    this.#clientFinished = false;
    this.#serverFinished = false;
    return rest;
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

  /** Anything of the server was captured. */
  get isServerHeard(): boolean {
    return this.#serverWasHeard;
  }

  /** Nothing that the server has said was lost. */
  get isServerWhole(): boolean {
    return this.#isHeardFromStart && this.#serverWasHeard && !this.#isTorn.server;
  }

  /** Octets of the client were lost. */
  get isClientTorn(): boolean {
    return this.#isTorn.client;
  }

  /** No replies are awaited but those that are there. */
  get repliesEnd(): boolean {
    return this.#serverFinished || this.#isOneSided || this.waitsTooLong;
  }

  /** Too much of the client waits for replies. */
  get waitsTooLong(): boolean {
    return this.client.heldBytes > this.memory.unreadBytesMax;
  }

  /** Only the client is captured, as far as can be told. */
  get isOneSided(): boolean {
    return this.#isOneSided;
  }

  /**
   * A server that sent nothing, not even a greeting, is not captured where the client goes on all the same:
   * after a time in which it must have heard something, or with more than it sends on its own. `waiting` is
   * the oldest of what waits for a reply.
   */
  noteSilence(waiting: Sighting | undefined): void {
    if (this.#serverWasHeard || this.#clientSeen === undefined || waiting === undefined) return;
    const { unheardServerBytesMax, unheardServerSeconds } = dialogueLimits;
    const waitedNs = this.#clientSeen.timestampNs - waiting.timestampNs;
    this.#isOneSided ||=
      this.client.unreadBytes > unheardServerBytesMax ||
      waitedNs > BigInt(unheardServerSeconds) * 1_000_000_000n;
  }

  /** Whether the client goes on with a command; undefined while not enough is there to tell. */
  get nextIsCommand(): boolean | undefined {
    const bytes = this.client.peek(commandBytesLookedAt);
    if (bytes.length === 0 && !this.client.isEmpty) return false;
    const lineFeed = bytes.indexOf(0x0a);
    if (lineFeed < 0 && bytes.length < commandBytesLookedAt && !this.#clientFinished) return undefined;
    return looksLikeCommand(bytes.toString('latin1', 0, lineFeed < 0 ? bytes.length : lineFeed).trimEnd());
  }

  /** The client goes on with a record of a TLS handshake, RFC 8446 §5.1. */
  get clientBeginsTls(): boolean {
    return this.client.nextOctet === 0x16;
  }

  /** Octets of either side are missing: commands and replies need not come in pairs. */
  get isLossy(): boolean {
    return this.#isLossy;
  }

  noteLoss(): void {
    this.#isLossy = true;
  }
}
