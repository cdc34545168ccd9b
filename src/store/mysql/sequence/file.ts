/**
 * MyCat's sequence type 0, a counter in `sequence_conf.properties`: `NAME.CURID` is the last id handed out, ids go
 * up to `NAME.MAXID`; then the next period of the same length begins and the old one is noted in `NAME.HISIDS`.
 * MyCat rewrites the file in place and unlocked; here runs take turns and a killed one leaves a whole file.
 */
import { strict as assert } from 'node:assert';
import { MailprocError } from '../../../core/errors.ts';
import { clusterLimits, storeLimits } from '../../../core/limits.ts';
import { type Properties, updateProperties } from '../properties-file.ts';
import { Turns } from './turns.ts';
import type { IdRange, IdSource } from './types.ts';

export class FileSequence implements IdSource {
  readonly idBits = 31;
  readonly #path: string;
  readonly #name: string;
  readonly #turns = new Turns();

  constructor(settings: { readonly path: string; readonly name: string }) {
    this.#path = settings.path;
    this.#name = settings.name;
  }

  /** The new counter is durable before the ids are given out: a crash loses ids and never repeats them. */
  take(count: number): Promise<readonly IdRange[]> {
    assert(Number.isInteger(count) && count > 0 && count <= clusterLimits.idsMax, `${count} ids`);
    return this.#turns.take(async () => {
      let first = 0;
      await updateProperties(this.#path, (now) => {
        const period = this.#period(now);
        first = period.current + 1;
        return this.#changes(advance(period, count));
      });
      return [{ first: BigInt(first), last: BigInt(first + count - 1) }];
    });
  }

  discard(): void {
    // Nothing is fetched ahead.
  }

  #period(properties: Properties): Period {
    const number = (key: string): number => {
      const text = properties.get(`${this.#name}.${key}`)?.trim();
      if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
      throw this.#error(`${this.#name}.${key} is ${text === undefined ? 'missing' : `"${text}", no number`}`);
    };
    const period: Period = {
      history: properties.get(`${this.#name}.HISIDS`)?.trim() ?? '',
      min: number('MINID'),
      max: number('MAXID'),
      current: number('CURID'),
    };
    if (period.max < period.min) throw this.#error(`${this.#name}.MAXID is below ${this.#name}.MINID`);
    // Going on from there would hand out ids of a later period twice.
    if (period.current > period.max) throw this.#error(`${this.#name}.CURID is above ${this.#name}.MAXID`);
    return period;
  }

  #changes(period: Period): Properties {
    if (period.current > storeLimits.idMax) {
      throw new MailprocError(
        'store.ids-exhausted',
        `take ids from ${this.#path}: ids of 31 bits are used up`,
        {
          hint: 'use a sequence of kind time, with a BIGINT id',
        },
      );
    }
    const values = { HISIDS: period.history, MINID: period.min, MAXID: period.max, CURID: period.current };
    return new Map(Object.entries(values).map(([key, value]) => [`${this.#name}.${key}`, String(value)]));
  }

  #error(problem: string): MailprocError {
    return new MailprocError('config.sequence', `take ids from ${this.#path}: ${problem}`, {
      hint: `for example ${this.#name}.HISIDS=, ${this.#name}.MINID=1, ${this.#name}.MAXID=1000000000, ${this.#name}.CURID=0, one a line`,
    });
  }
}

interface Period {
  /** Periods before this one: `1-10000,20001-30000`. */
  readonly history: string;
  readonly min: number;
  readonly max: number;
  readonly current: number;
}

/** Periods follow one another without a gap, so ids do, too. */
function advance(period: Period, count: number): Period {
  const current = period.current + count;
  if (current <= period.max) return { ...period, current };
  const length = period.max - period.min + 1;
  const passed = Math.ceil((current - period.max) / length);
  const min = period.min + passed * length;
  return { history: addRange(period.history, period.min, min - 1), min, max: min + length - 1, current };
}

/** A range that follows the last one is joined to it, so that the line does not grow for ever. */
function addRange(history: string, first: number, last: number): string {
  const [, before = '', start, end] = /^((?:.*,)?)(\d+)-(\d+)$/.exec(history) ?? [];
  if (start !== undefined && Number(end) + 1 === first) return `${before}${start}-${last}`;
  return history === '' ? `${first}-${last}` : `${history},${first}-${last}`;
}
