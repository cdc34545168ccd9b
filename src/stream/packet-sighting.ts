/** Where and when a packet was captured. */
import type { Sighting } from './types.ts';

/** The time is put together when it is asked for: of most packets it never is, and bigints cost. */
export class PacketSighting implements Sighting {
  readonly capture: number;
  readonly frame: number;
  readonly ipLength: number;
  readonly ttl: number;
  readonly #seconds: number;
  readonly #nanoseconds: number;

  constructor(
    capture: number,
    frame: number,
    seconds: number,
    nanoseconds: number,
    ipLength: number,
    ttl: number,
  ) {
    this.capture = capture;
    this.frame = frame;
    this.ipLength = ipLength;
    this.ttl = ttl;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
  }

  get timestampNs(): bigint {
    return BigInt(this.#seconds) * 1_000_000_000n + BigInt(this.#nanoseconds);
  }
}
