/** What was heard of a conversation while its protocol is not told, to be replayed when it is. */
import { dialogueLimits } from '../core/limits.ts';
import type { Sender, StreamData, StreamEvent } from '../stream/types.ts';
import type { DialogueMemory } from './octets.ts';
import type { Openings } from './protocol.ts';

/** An event with its copy and its sighting; measured. */
const eventCost = 400;

const nothing = Buffer.alloc(0);

export class Opening implements Openings {
  #held: StreamEvent[] = [];
  readonly #memory: DialogueMemory;
  #heldBytes = 0;
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
    return this.#heldBytes + this.#held.length * eventCost;
  }

  /** Copies what it keeps. */
  hold(event: StreamEvent): void {
    this.#memory.hold(-this.#cost);
    this.#keep(event);
    this.#memory.hold(this.#cost);
  }

  #keep(event: StreamEvent): void {
    switch (event.kind) {
      case 'data': {
        const bytes = Buffer.from(event.bytes);
        this.#held.push({ ...event, bytes });
        this.#heldBytes += bytes.length;
        this.#append(event.sender, bytes);
        break;
      }
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

  /** In order. */
  get held(): readonly StreamEvent[] {
    return this.#held;
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
    return this.#isOver || isEnough(this.#heldBytes, this.#held.length, this.#memory);
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
  const final = isEnough(bytes.length, 1, memory);
  return sender === 'client'
    ? { client: words, server: nothing, final }
    : { client: nothing, server: words, final };
}

function isEnough(octets: number, events: number, memory: DialogueMemory): boolean {
  const { sniffBytesMax, sniffEventsMax } = dialogueLimits;
  if (octets >= sniffBytesMax * 2 || events >= sniffEventsMax) return true;
  return octets + events * eventCost > memory.unreadBytesMax;
}
