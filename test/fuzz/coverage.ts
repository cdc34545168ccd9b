/** Which blocks of the project's code ran, by the profiler that is part of Node: what guides the fuzzer. */
import { type Profiler, Session } from 'node:inspector';

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Blocks run since the last call that had never run so often before; they count as seen if `keep`. */
  fresh(keep: boolean): number {
    let fresh = 0;
    for (const feature of this.#features()) {
      if (this.#seen.has(feature)) continue;
      fresh++;
      if (keep) this.#seen.add(feature);
    }
    return fresh;
  }

  *#features(): Generator<string> {
    for (const { url, functions } of this.#take()) {
      const source = url.indexOf('/dist/src/');
      if (source < 0) continue;
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          // Powers of four: a loop that runs longer is news, but not each time.
          if (count > 0) yield `${url.slice(source)} ${startOffset} ${endOffset} ${Math.log2(count) >> 1}`;
        }
      }
    }
  }

  #take(): Profiler.ScriptCoverage[] {
    let result: Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error === null) result = taken.result;
    });
    return result;
  }
}
