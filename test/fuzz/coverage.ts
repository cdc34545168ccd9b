/** Which blocks of the project's code ran, by the profiler that is part of Node: what guides the fuzzer. */
import { type Profiler, Session } from 'node:inspector';
import { FileLines } from './file-lines.ts';

export interface LineCount {
  readonly run: number;
  readonly all: number;
}

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();
  readonly #files = new Map<string, FileLines>();
  #isStarted = false;

  /** To be called before the code that is watched is loaded: what never ran is known only then. */
  start(): void {
    this.#isStarted = true;
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
    for (const { url, functions } of this.#take()) {
      const source = url.indexOf('/dist/src/');
      if (source < 0) continue;
      const file = url.slice(source + '/dist/src/'.length);
      const features = featuresOf(file, functions).filter((feature) => !this.#seen.has(feature));
      fresh += features.length;
      if (!keep || features.length === 0) continue;
      for (const feature of features) this.#seen.add(feature);
      this.#linesOf(file, url).mark(functions);
    }
    return fresh;
  }

  /** Lines of code in the files that were loaded, by the folder of `src` they are in. */
  folders(): ReadonlyMap<string, LineCount> {
    const folders = new Map<string, LineCount>();
    for (const [file, lines] of this.#files) {
      const folder = file.split('/')[0] ?? '';
      const sum = folders.get(folder) ?? { run: 0, all: 0 };
      const { run, all } = lines.count();
      folders.set(folder, { run: sum.run + run, all: sum.all + all });
    }
    return folders;
  }

  #linesOf(file: string, url: string): FileLines {
    const lines = this.#files.get(file) ?? new FileLines(url);
    this.#files.set(file, lines);
    return lines;
  }

  /** Nothing where it was not started. */
  #take(): Profiler.ScriptCoverage[] {
    if (!this.#isStarted) return [];
    let result: Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error === null) result = taken.result;
    });
    return result;
  }
}

/** Powers of four: a loop that runs longer is news, but not each time. */
function featuresOf(file: string, functions: readonly Profiler.FunctionCoverage[]): string[] {
  return functions.flatMap(({ ranges }) =>
    ranges.flatMap(({ startOffset, endOffset, count }) =>
      count > 0 ? [`${file} ${startOffset} ${endOffset} ${Math.log2(count) >> 1}`] : [],
    ),
  );
}
