/** What the connections of one run share: where events go, what was counted, and what is seen just now. */
import type { streamLimits } from '../core/limits.ts';
import type { Segment } from '../packet/types.ts';
import { AddressBook } from './address-book.ts';
import { emptyCounts } from './counts.ts';
import { PacketSighting } from './packet-sighting.ts';
import type { Sighting, StreamObserver } from './types.ts';

export type StreamLimits = { readonly [Name in keyof typeof streamLimits]: number };

/** Anything that can tell whether mail is expected on a port, for example a `Set`. */
export interface MailPorts {
  has(port: number): boolean;
}

export class RunState {
  readonly observer: StreamObserver;
  readonly mailPorts: MailPorts;
  readonly limits: StreamLimits;
  readonly counts = emptyCounts();
  readonly addresses = new AddressBook();
  /** Octets held in all connections, `heldSegmentBytes` added for each segment. */
  heldCost = 0;
  // Numbers instead of the segment: that is one reused object and shows another packet after the run's end.
  #capture = 0;
  #frame = 0;
  #seconds = 0;
  #nanoseconds = 0;
  #ipLength = 0;
  #ttl = 0;
  #sighting: Sighting | undefined;

  constructor(observer: StreamObserver, mailPorts: MailPorts, limits: StreamLimits) {
    this.observer = observer;
    this.mailPorts = mailPorts;
    this.limits = limits;
  }

  /** `segment` is what `seen` speaks of from now on. */
  look(segment: Segment, capture: number): void {
    this.#capture = capture;
    this.#frame = segment.frame;
    this.#seconds = segment.seconds;
    this.#nanoseconds = segment.nanoseconds;
    this.#ipLength = segment.ipLength;
    this.#ttl = segment.ttl;
    this.#sighting = undefined;
  }

  /** Goes back to something seen before, whose octets were held. */
  lookAgain(sighting: Sighting): void {
    this.#sighting = sighting;
  }

  /** Index of the capture file that is read. */
  get capture(): number {
    return this.#capture;
  }

  /** Made only when an event needs it, and once for a packet. */
  get seen(): Sighting {
    this.#sighting ??= new PacketSighting(
      this.#capture,
      this.#frame,
      this.#seconds,
      this.#nanoseconds,
      this.#ipLength,
      this.#ttl,
    );
    return this.#sighting;
  }
}
