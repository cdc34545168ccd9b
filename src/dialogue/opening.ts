/** What was heard of a conversation while its protocol is not told, to be replayed when it is. */
import { dialogueLimits } from '../core/limits.ts';
import type { Sender, StreamData, StreamEvent } from '../stream/types.ts';
import { HalfStream } from './half-stream.ts';
import type { DialogueMemory } from './octets.ts';
import type { Openings } from './protocol.ts';

/** An event with its copy and its sighting; measured. */
const eventCost = 400;

/** The first octets of both sides. */
const heldBytesMax = dialogueLimits.sniffBytesMax * 2;

const nothing = Buffer.alloc(0);

/** What one side said until something else was heard: one thing, in however many packets it came. */
class Speech {
  readonly kind = 'speech';
  readonly sender: Sender;
  readonly octets = new HalfStream();

  constructor(sender: Sender) {
    this.sender = sender;
  }
}

export class Opening implements Openings {
  readonly #held: (Speech | StreamEvent)[] = [];
  readonly #memory: DialogueMemory;
  #heldBytes = 0;
  /** What speeches hold beside their octets. */
  #overheadBytes = 0;
  #hasGap = false;
  #isOver = false;
  readonly #parts: Record<Sender, Buffer> = { client: nothing, server: nothing };
  /** Octets were lost behind what was heard of this side: what follows does not belong to it. */
  readonly #isEnded: Record<Sender, boolean> = { client: false, server: false };

  constructor(memory: DialogueMemory) {
    this.#memory = memory;
  }

  /** What it holds is replayed, or dropped. */
  release(): void {
    this.#memory.hold(-this.#cost);
  }

  /** Octets, and the objects that they are in. */
  get #cost(): number {
    return this.#heldBytes + this.#overheadBytes + this.#held.length * eventCost;
  }

  /** Copies what it keeps. */
  hold(event: StreamEvent): void {
    this.#memory.hold(-this.#cost);
    this.#keep(event);
    this.#memory.hold(this.#cost);
  }

  #keep(event: StreamEvent): void {
    switch (event.kind) {
      case 'data':
        this.#keepSpeech(event);
        this.#append(event.sender, event.bytes.subarray(0, this.#roomFor(event.bytes)));
        break;
      case 'gap':
        this.#held.push(event);
        this.#hasGap = true;
        this.#isEnded[event.sender] = this.#parts[event.sender].length > 0;
        break;
      default:
        this.#held.push(event);
        if (event.kind === 'close' && event.side === 'both') this.#isOver = true;
    }
  }

  #keepSpeech(event: StreamData): void {
    let speech = this.#held.at(-1);
    if (speech?.kind !== 'speech' || speech.sender !== event.sender) {
      speech = new Speech(event.sender);
      this.#held.push(speech);
    }
    const { octets } = speech;
    this.#overheadBytes -= octets.heldBytes - octets.unreadBytes;
    octets.push(event);
    this.#overheadBytes += octets.heldBytes - octets.unreadBytes;
    this.#heldBytes += event.bytes.length;
  }

  /** In order, as it came; to be taken once. */
  takeHeld(): StreamEvent[] {
    return this.#held.flatMap((each) =>
      each.kind === 'speech' ? each.octets.takeEvents(each.sender) : [each],
    );
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get hasGap(): boolean {
    return this.#hasGap;
  }

  get client(): Buffer {
    return this.#parts.client;
  }

  get server(): Buffer {
    return this.#parts.server;
  }

  /** The conversation is over, or enough of it is held. */
  get final(): boolean {
    return this.#isOver || isEnough(this.#heldBytes, this.#held.length, this.#cost, this.#memory);
  }

  /** Octets of a packet that are still looked at: how much one packet carried must not matter for what is told. */
  #roomFor({ length }: Buffer): number {
    if (this.#held.length >= dialogueLimits.sniffEventsMax) return 0;
    return Math.max(heldBytesMax - (this.#heldBytes - length), 0);
  }

  #append(sender: Sender, bytes: Buffer): void {
    const part = this.#parts[sender];
    const room = this.#isEnded[sender] ? 0 : dialogueLimits.sniffBytesMax - part.length;
    if (room > 0) this.#parts[sender] = Buffer.concat([part, bytes.subarray(0, room)]);
  }
}

/** What `Opening` would say of one event; views of its octets. */
export function firstWords({ sender, bytes }: StreamData, memory: DialogueMemory): Openings {
  const { sniffBytesMax } = dialogueLimits;
  const words = bytes.length > sniffBytesMax ? bytes.subarray(0, sniffBytesMax) : bytes;
  const final = isEnough(bytes.length, 1, bytes.length + eventCost, memory);
  return sender === 'client'
    ? { client: words, server: nothing, final }
    : { client: nothing, server: words, final };
}

/** `things`: speeches and holes; their number does not depend on how packets were cut. */
function isEnough(octets: number, things: number, cost: number, memory: DialogueMemory): boolean {
  return octets >= heldBytesMax || things >= dialogueLimits.sniffEventsMax || cost > memory.unreadBytesMax;
}
