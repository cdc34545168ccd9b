/**
 * MyCat's sequence type 2, ids of 63 bits made of time: 41 bits of milliseconds since 4 November 2010, 5 bits
 * datacenter, 5 bits worker and 12 bits that count within a millisecond. No server is asked, but each process
 * that writes at the same time needs a worker number of its own.
 */
import { strict as assert } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { MailprocError } from '../../../core/errors.ts';
import { clusterLimits } from '../../../core/limits.ts';
import { Turns } from './turns.ts';
import type { IdRange, IdSource } from './types.ts';

const epochMs = 1_288_834_974_657;
const idsPerMillisecond = 4096;
const timeShift = 22n;
const datacenterShift = 17n;
const workerShift = 12n;

export interface Clock {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const systemClock: Clock = { now: () => Date.now(), sleep: (milliseconds) => sleep(milliseconds) };

export class TimeSequence implements IdSource {
  readonly idBits = 63;
  readonly #node: bigint;
  readonly #clock: Clock;
  readonly #turns = new Turns();
  #millisecond = 0;
  /** Ids of `#millisecond` that were handed out. */
  #used = 0;

  constructor(place: { readonly datacenter: number; readonly worker: number }, clock: Clock = systemClock) {
    for (const number of [place.datacenter, place.worker]) {
      assert(Number.isInteger(number) && number >= 0 && number <= 31, `${number} does not fit 5 bits`);
    }
    this.#node = (BigInt(place.datacenter) << datacenterShift) | (BigInt(place.worker) << workerShift);
    this.#clock = clock;
  }

  take(count: number): Promise<readonly IdRange[]> {
    assert(Number.isInteger(count) && count > 0 && count <= clusterLimits.idsMax, `${count} ids`);
    return this.#turns.take(() => this.#take(count));
  }

  discard(): void {
    // Nothing is fetched ahead.
  }

  async #take(count: number): Promise<readonly IdRange[]> {
    const ranges: IdRange[] = [];
    for (let missing = count; missing > 0; ) {
      await this.#enterMillisecond();
      const taken = Math.min(missing, idsPerMillisecond - this.#used);
      const base = (BigInt(this.#millisecond - epochMs) << timeShift) | this.#node;
      const first = base + BigInt(this.#used);
      ranges.push({ first, last: first + BigInt(taken - 1) });
      this.#used += taken;
      missing -= taken;
    }
    return ranges;
  }

  /** Waits until the clock shows a millisecond that has ids left. */
  async #enterMillisecond(): Promise<void> {
    for (;;) {
      const now = this.#clock.now();
      if (now > this.#millisecond) {
        assert(now > epochMs, 'the clock shows a time before 2010');
        this.#millisecond = now;
        this.#used = 0;
      }
      const backMs = this.#millisecond - now;
      if (backMs > clusterLimits.clockBackMsMax) throw clockError(backMs);
      if (backMs === 0 && this.#used < idsPerMillisecond) return;
      await this.#clock.sleep(Math.max(backMs, 1));
    }
  }
}

function clockError(backMs: number): MailprocError {
  return new MailprocError('store.clock', `take ids: the clock went back by ${backMs} ms`, {
    hint: 'ids are made of the time and must not repeat: run again once the clock is right',
  });
}
