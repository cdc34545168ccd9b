/** The lines of one file of code, and which of them ever ran. */
import { readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import type { LineCount } from './coverage.ts';

export class FileLines {
  readonly #source: string;
  /** Characters that ran, in whichever run. */
  readonly #ran: Uint8Array;

  constructor(url: string) {
    this.#source = readFileSync(fileURLToPath(url), 'utf8');
    this.#ran = new Uint8Array(this.#source.length);
  }

  /** What was counted since the last time: outer functions first, and the ranges of each one likewise. */
  mark(functions: readonly Profiler.FunctionCoverage[]): void {
    const now = new Uint8Array(this.#source.length);
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      }
    }
    for (let at = 0; at < now.length; at++) {
      if (now[at] === 1) this.#ran[at] = 1;
    }
  }

  count(): LineCount {
    let [run, all, start] = [0, 0, 0];
    for (const line of this.#source.split('\n')) {
      const first = line.search(/\S/);
      if (/[\w$]/.test(line) && !/^\s*(?:\/\/|\/?\*)/.test(line)) {
        all++;
        if (this.#ran[start + first] === 1) run++;
      }
      start += line.length + 1;
    }
    return { run, all };
  }
}
