/**
 * Packet time one may act on: the earliest time stamp among the latest segments. A single wild time stamp
 * moves it nowhere, interfaces with different clocks do not make it run, and it follows a clock set back.
 */
export class PacketClock {
  readonly #window: number;
  #seconds: number | undefined;
  #seen = 0;
  #earliest = Number.POSITIVE_INFINITY;

  /** `window` is the number of segments between two readings. */
  constructor(window: number) {
    this.#window = window;
  }

  get seconds(): number {
    return this.#seconds ?? 0;
  }

  /** Whether this made a new reading. */
  see(seconds: number): boolean {
    this.#seconds ??= seconds;
    this.#seen += 1;
    if (seconds < this.#earliest) this.#earliest = seconds;
    if (this.#seen < this.#window) return false;
    this.#seconds = this.#earliest;
    this.#earliest = Number.POSITIVE_INFINITY;
    this.#seen = 0;
    return true;
  }
}
