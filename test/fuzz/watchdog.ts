/** Finds hangs: a thread that sees when one input takes too long, keeps that input, and ends the process. */
import { Worker } from 'node:worker_threads';

/** Octets of the longest encoded input that can be kept. */
const bytesMax = 1 << 23;

const source = `
  const { workerData } = require('node:worker_threads');
  const { writeFileSync } = require('node:fs');
  const state = new Int32Array(workerData.memory, 0, 2);
  let last = -1;
  // Time of the processor, of all threads: a machine that does other things is no hang.
  const now = () => process.cpuUsage().user / 1000;
  let since = now();
  setInterval(() => {
    if (state[0] !== last) { last = state[0]; since = now(); return; }
    if (state[1] === 0 || now() - since < workerData.hangMs) return;
    const input = Buffer.from(workerData.memory, 8, state[1]);
    writeFileSync(workerData.file, input);
    console.error('HANG: kept ' + workerData.file);
    process.kill(process.pid, 'SIGKILL');
  }, 500);
`;

export class Watchdog {
  readonly #memory = new SharedArrayBuffer(8 + bytesMax);
  readonly #state = new Int32Array(this.#memory, 0, 2);
  readonly #octets = new Uint8Array(this.#memory, 8);

  constructor(file: string, hangMs: number) {
    const workerData = { memory: this.#memory, file, hangMs };
    new Worker(source, { eval: true, workerData }).unref();
  }

  begin(encoded: Buffer): void {
    if (encoded.length > bytesMax) return;
    this.#octets.set(encoded);
    this.#state[1] = encoded.length;
    this.#state[0] = (this.#state[0] ?? 0) + 1;
  }

  end(): void {
    this.#state[1] = 0;
  }
}
