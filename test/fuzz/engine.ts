/**
 * A small fuzzer in the manner of libFuzzer: inputs that run new code are kept and changed further. What must
 * hold of every input is asked here (no throw, bounded and linear time, the same result twice) and in the
 * targets (what each layer promises). Findings are made small and kept as files.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SeededRandom } from '../support/random.ts';
import type { Coverage, LineCount } from './coverage.ts';
import { cpuMs } from './cpu-time.ts';
import { encodeInput, type Input, renderInput, sizeOf } from './input.ts';
import { mutate } from './mutate.ts';
import { shortInput } from './short-input.ts';
import type { Target } from './target.ts';
import { Watchdog } from './watchdog.ts';

/** Inputs run before it is asked whether one of them ran new code: asking is dear. */
const batchSize = 24;
const corpusMax = 3000;
/** As long as a batch with its question takes. */
const shortBatchSize = 100;
/** An input may take so much time of the processor, and so much more for each octet. */
const runMs = 150;
const runMsPerOctet = 0.01;
/** Octets to which a part of an input is repeated for the test of linear time. */
const stretchedBytes = 192 << 10;
const hangMs = 30_000;
/** Findings of one kind that are kept. */
const sameFindingsMax = 2;
/** Ways to cut a short input, and one that is made smaller: few of them show a difference. */
const waysMany = 6;

export interface FuzzOptions {
  /** Where findings are kept. */
  readonly folder: string;
  readonly seed: number;
  /** 0 … 1. */
  readonly shortShare: number;
}

export interface FuzzResult {
  readonly executions: number;
  readonly corpus: number;
  readonly features: number;
  /** Lines of code of each folder of `src`. */
  readonly lines: ReadonlyMap<string, LineCount>;
  readonly findings: ReadonlyMap<string, number>;
}

interface Failure {
  /** The same for the same fault. */
  readonly signature: string;
  readonly detail: string;
}

export class Fuzzer {
  readonly #name: string;
  readonly #target: Target;
  readonly #folder: string;
  readonly #random: SeededRandom;
  /** Of the batches, those of short inputs made of words. */
  readonly #shortShare: number;
  readonly #coverage: Coverage;
  readonly #watchdog: Watchdog;
  readonly #corpus: Input[] = [];
  readonly #findings = new Map<string, number>();
  #executions = 0;
  #isStopped = false;

  constructor(name: string, target: Target, coverage: Coverage, options: FuzzOptions) {
    const { folder, seed, shortShare } = options;
    this.#name = name;
    this.#target = target;
    this.#coverage = coverage;
    this.#folder = folder;
    this.#random = new SeededRandom(seed);
    this.#shortShare = target.hasShortInputs ? shortShare : 0;
    mkdirSync(folder, { recursive: true });
    this.#watchdog = new Watchdog(join(folder, `${name}-hang-${seed}.bin`), hangMs);
  }

  /** Ends `run` before its time, with what was found by then. */
  stop(): void {
    this.#isStopped = true;
  }

  /** `minutes` of the processor's time. */
  async run(minutes: number): Promise<FuzzResult> {
    const until = cpuMs() + minutes * 60_000;
    this.#coverage.fresh(true);
    const seeds = await this.#target.seeds();
    // What only the making of the seeds ran is not reached yet.
    this.#coverage.fresh(false);
    for (const seed of seeds) if (!this.#isStopped) await this.#try(seed, this.#fewWays());
    this.#corpus.push(...seeds);
    this.#coverage.fresh(true);
    while (cpuMs() < until && !this.#isStopped) {
      if (this.#random.chance(this.#shortShare)) await this.#shortBatch();
      else await this.#batch();
      if (this.#random.chance(0.06)) await this.#stretch();
      // Signals are heard between batches.
      await setImmediate();
    }
    return this.result;
  }

  get result(): FuzzResult {
    const [executions, features] = [this.#executions, this.#coverage.size];
    const lines = this.#coverage.folders();
    return { executions, corpus: this.#corpus.length, features, lines, findings: this.#findings };
  }

  async #batch(): Promise<void> {
    const inputs: Input[] = [];
    for (let index = 0; index < batchSize; index++) {
      const input = mutate(this.#choose(), this.#choose(), this.#target, this.#random);
      inputs.push(input);
      await this.#try(input, this.#fewWays());
    }
    if (this.#coverage.fresh(false) === 0) return;
    for (const input of inputs) {
      await this.#execute(input).catch(() => undefined);
      if (this.#coverage.fresh(true) > 0) this.#keep(input);
    }
  }

  /** Nobody asks which code they ran: there are many, and they are not changed further. */
  async #shortBatch(): Promise<void> {
    for (let index = 0; index < shortBatchSize; index++)
      await this.#try(shortInput(this.#target, this.#random), waysMany);
  }

  /** Half of the time one of the newest. */
  #choose(): Input {
    const { length } = this.#corpus;
    const at = this.#random.chance(0.5) ? length - 1 - this.#random.integer(Math.min(length, 50)) : undefined;
    return this.#corpus[at ?? this.#random.integer(length)] ?? [];
  }

  #keep(input: Input): void {
    this.#corpus.push(input);
    if (this.#corpus.length > corpusMax) this.#corpus.splice(this.#random.integer(corpusMax >> 1), 1);
  }

  /** Half of the inputs are cut, and only in a few ways: it takes longer than to run them whole. */
  #fewWays(): number {
    return this.#random.chance(0.5) ? 0 : 2;
  }

  async #try(input: Input, ways: number): Promise<void> {
    const failure = await this.#check(input, ways);
    if (failure) await this.#found(input, failure);
  }

  async #execute(input: Input): Promise<string> {
    this.#executions++;
    this.#watchdog.begin(encodeInput(input));
    try {
      return await this.#target.run(input);
    } finally {
      this.#watchdog.end();
    }
  }

  async #check(input: Input, ways: number): Promise<Failure | undefined> {
    const started = cpuMs();
    let result: string;
    try {
      result = await this.#execute(input);
    } catch (error) {
      return failureOf(error);
    }
    const took = cpuMs() - started;
    const allowed = runMs + runMsPerOctet * sizeOf(input);
    if (took > allowed && (await this.#fastest(input)) > allowed) {
      return { signature: 'slow', detail: `${Math.round(took)} ms for ${sizeOf(input)} octets` };
    }
    return await this.#compare(input, result, ways);
  }

  /** The first time may have been that of the compiler. */
  async #fastest(input: Input): Promise<number> {
    let fastest = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const started = cpuMs();
      await this.#execute(input);
      fastest = Math.min(fastest, cpuMs() - started);
    }
    return fastest;
  }

  /** In so many `ways` to cut the input. */
  async #compare(input: Input, result: string, ways: number): Promise<Failure | undefined> {
    const { runOtherwise } = this.#target;
    try {
      if (this.#random.chance(0.05)) assertSame('twice', result, await this.#execute(input));
      for (let way = 0; way < ways && runOtherwise; way++) {
        const cut = new SeededRandom(this.#random.integer(0x7fff_ffff));
        const other = await runOtherwise.call(this.#target, input, cut);
        assertSame('otherwise', result, other);
      }
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  }

  async #found(input: Input, failure: Failure): Promise<void> {
    const count = (this.#findings.get(failure.signature) ?? 0) + 1;
    this.#findings.set(failure.signature, count);
    if (count > sameFindingsMax) return;
    const small = await this.#minimise(input, failure.signature);
    this.#save(small, failure);
  }

  #save(input: Input, { signature, detail }: Failure): void {
    const encoded = encodeInput(input);
    const digest = createHash('sha256').update(encoded).digest('hex').slice(0, 12);
    const file = join(this.#folder, `${this.#name}-${digest}`);
    writeFileSync(`${file}.bin`, encoded);
    writeFileSync(`${file}.txt`, `${signature}\n${detail}\n\n${renderInput(input)}`);
    process.stdout.write(`FOUND ${file}.bin: ${signature.slice(0, 300)}\n`);
  }

  /** Takes pieces away, then parts of pieces, as long as the same fault is found and time allows. */
  async #minimise(input: Input, signature: string): Promise<Input> {
    const until = cpuMs() + 15_000;
    let best = input;
    const accept = async (smaller: Input): Promise<boolean> => {
      if (cpuMs() > until) return false;
      for (let attempt = 0; attempt < 4; attempt++) {
        if ((await this.#check(smaller, waysMany))?.signature !== signature) continue;
        best = smaller;
        return true;
      }
      return false;
    };
    for (let step = best.length >> 1; step >= 1; step >>= 1) {
      for (let at = 0; at < best.length; ) {
        if (!(await accept([...best.slice(0, at), ...best.slice(at + step)]))) at += step;
      }
    }
    for (let index = 0; index < best.length; index++) {
      for (let step = (best[index]?.bytes.length ?? 0) >> 1; step >= 1; step >>= 1) {
        for (let at = 0; at < (best[index]?.bytes.length ?? 0); ) {
          if (!(await accept(without(best, index, at, step)))) at += step;
        }
      }
    }
    return best;
  }

  /** Repeats a part of an input until it is long: four times as long may take so much longer. */
  async #stretch(): Promise<void> {
    const input = this.#choose();
    const stretched = this.#random.chance(0.5)
      ? stretcherOfPiece(input, this.#target, this.#random)
      : stretcherOfPieces(input, this.#random);
    if (stretched === undefined) return;
    const failure = await this.#judgeGrowth(stretched(stretchedBytes), stretched(stretchedBytes * 4));
    if (failure) await this.#foundSlow(stretched(stretchedBytes * 4), failure);
  }

  async #judgeGrowth(short: Input, long: Input): Promise<Failure | undefined> {
    try {
      const started = cpuMs();
      await this.#execute(long);
      if (cpuMs() - started < 600) return undefined;
      const [one, four] = [await this.#fastest(short), await this.#fastest(long)];
      if (four < 8 * one || four < 600) return undefined;
      return {
        signature: 'grows faster than the input',
        detail: `${Math.round(one)} ms, ${Math.round(four)} ms for four times as much`,
      };
    } catch (error) {
      return failureOf(error);
    }
  }

  async #foundSlow(input: Input, failure: Failure): Promise<void> {
    const count = (this.#findings.get(failure.signature) ?? 0) + 1;
    this.#findings.set(failure.signature, count);
    if (count <= 5 * sameFindingsMax) this.#save(input, failure);
  }
}

type Stretcher = (octets: number) => Input;

/** A few octets of one piece, or words of the protocol, come again and again. */
function stretcherOfPiece(input: Input, { words }: Target, random: SeededRandom): Stretcher | undefined {
  const index = random.integer(input.length);
  const bytes = input[index]?.bytes ?? Buffer.alloc(0);
  const from = random.integer(bytes.length);
  const own = bytes.subarray(from, from + 1 + random.integer(random.chance(0.5) ? 8 : 200));
  const some = Array.from({ length: 1 + random.integer(3) }, () => random.pick(words) ?? own);
  const part = random.chance(0.5) ? own : Buffer.concat(some);
  if (part.length === 0) return undefined;
  return (octets) => {
    const middle = Buffer.concat(Array.from({ length: Math.ceil(octets / part.length) }, () => part));
    const long = Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(from)]);
    return input.map((piece, at) => (at === index ? { ...piece, bytes: long } : piece));
  };
}

/** A few pieces come again and again: commands and their answers, packets. */
function stretcherOfPieces(input: Input, random: SeededRandom): Stretcher | undefined {
  const from = random.integer(input.length);
  const part = input.slice(from, from + 1 + random.integer(4));
  const partOctets = sizeOf(part);
  if (input.length < 2 || partOctets === 0) return undefined;
  return (octets) => {
    const middle = Array.from({ length: Math.ceil(octets / partOctets) }, () => part).flat();
    return [...input.slice(0, from), ...middle, ...input.slice(from)];
  };
}

function without(input: Input, index: number, at: number, octets: number): Input {
  return input.map((piece, each) =>
    each === index
      ? { ...piece, bytes: Buffer.concat([piece.bytes.subarray(0, at), piece.bytes.subarray(at + octets)]) }
      : piece,
  );
}

function assertSame(how: string, one: string, other: string): void {
  if (one === other) return;
  let at = 0;
  while (one[at] === other[at]) at++;
  const around = (text: string): string => text.slice(Math.max(0, at - 300), at + 300);
  const error = new Error(`result differs: ${how}, ${labelAt(one, at)} or ${labelAt(other, at)}`);
  error.stack = `${error.message}\n--- once\n${around(one)}\n--- ${how}\n${around(other)}`;
  throw error;
}

/** What the line at `at` is about, so that different faults are different findings. */
function labelAt(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(start, text.indexOf('\n', start) < 0 ? undefined : text.indexOf('\n', start));
  const [, kind = 'other', , name = ''] =
    /"kind":"(\w+)"(.*?"(?:code|what|method)":"([^"]+)")?/.exec(line) ?? [];
  return `${kind} ${name}`.trim();
}

function failureOf(error: unknown): Failure {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const detail = stack ?? message;
  const place = detail.split('\n').find((line) => line.includes('/dist/src/')) ?? '';
  return { signature: `${message.split('\n')[0]} ${place.trim()}`, detail };
}
