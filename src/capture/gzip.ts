/** gzip, RFC 1952, any number of members; unpacked by zlib in small steps. */
import { createGunzip, type Gunzip } from 'node:zlib';
import { captureLimits } from '../core/limits.ts';
import { PackedCut, PackedDamage, type PackedInput } from './byte-source.ts';

export async function* unpackGzip(packed: PackedInput): AsyncGenerator<Uint8Array, void, void> {
  const stepper = new GunzipStepper();
  try {
    // Small steps, and the stream is never paused: all that a step unpacks to is here before damage that
    // comes later can make the stream drop it.
    while (!stepper.isOver) {
      const step = await packed.some(captureLimits.gzipStepBytes);
      await stepper.write(step);
      yield* stepper.takeProduced();
      if (step.length === 0) break;
    }
  } finally {
    stepper.close();
  }
  if (stepper.error !== undefined) throw damageOf(stepper.error);
}

/** A gunzip stream of which one step at a time is awaited. */
class GunzipStepper {
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: captureLimits.compressedReadBytes });
  #produced: Buffer[] = [];
  #settle: () => void = () => {};
  #error: Error | undefined;
  #hasEnded = false;

  constructor() {
    this.#gunzip.on('data', (piece: Buffer) => this.#produced.push(piece));
    this.#gunzip.on('end', () => {
      this.#hasEnded = true;
      this.#settle();
    });
    this.#gunzip.on('error', (error) => {
      this.#error = error;
      this.#settle();
    });
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** Ended, by damage or by the zeros that some tapes put behind the last member. */
  get isOver(): boolean {
    return this.#hasEnded || this.#error !== undefined;
  }

  /** Resolves once all of `step` has come out, or with the end of the stream; an empty `step` ends it. */
  write(step: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      if (step.length === 0) this.#gunzip.end();
      else this.#gunzip.write(step, () => resolve());
    });
  }

  takeProduced(): Buffer[] {
    const produced = this.#produced;
    this.#produced = [];
    return produced;
  }

  close(): void {
    this.#gunzip.destroy();
  }
}

function damageOf(error: Error): PackedDamage {
  return error.message === 'unexpected end of file'
    ? new PackedCut()
    : new PackedDamage(`gzip: ${error.message}`);
}
