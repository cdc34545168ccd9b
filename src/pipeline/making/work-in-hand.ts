/** A bound on work that goes on at the same time, by its number and by what it holds in memory. */
export class WorkInHand {
  readonly #countMax: number;
  readonly #octetsMax: number;
  #count = 0;
  #octets = 0;
  /** Called whenever some work is done. */
  #wake: () => void = () => undefined;

  /** Work that alone has more octets than `octetsMax` is done while there is no other. */
  constructor(countMax: number, octetsMax: number) {
    this.#countMax = countMax;
    this.#octetsMax = octetsMax;
  }

  /** Resolves when there is room; undefined where there is some now: most have not to wait. One caller at a time. */
  roomFor(octets: number): Promise<void> | undefined {
    return this.#hasRoomFor(octets) ? undefined : this.#waitForRoom(octets);
  }

  /** Counts `work` as in hand until it is done, and hands its result on. */
  add<Result>(octets: number, work: Promise<Result>): Promise<Result> {
    this.#count += 1;
    this.#octets += octets;
    const result = work.finally(() => {
      this.#count -= 1;
      this.#octets -= octets;
      this.#wake();
    });
    // Whoever has the promise hears of it, perhaps later than it is rejected.
    result.catch(() => undefined);
    return result;
  }

  /** Resolves when nothing is in hand. */
  async done(): Promise<void> {
    while (this.#count > 0) await this.#change();
  }

  async #waitForRoom(octets: number): Promise<void> {
    while (!this.#hasRoomFor(octets)) await this.#change();
  }

  #hasRoomFor(octets: number): boolean {
    if (this.#count === 0) return true;
    return this.#count < this.#countMax && this.#octets + octets <= this.#octetsMax;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
