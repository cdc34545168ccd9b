/** A memory for decoders that finds who asks for octets that are not there, or not any more. */
import assert from 'node:assert/strict';
import { type DialogueMemory, heapMemory, type OctetLog } from '../../src/dialogue/octets.ts';

export const strictMemory: DialogueMemory = { ...heapMemory, begin: () => new StrictLog() };

class StrictLog implements OctetLog {
  readonly #log = heapMemory.begin();
  #isReleased = false;

  get length(): number {
    return this.#log.length;
  }

  append(bytes: Buffer): number {
    assert(!this.#isReleased, 'nothing is added to octets that were released');
    return this.#log.append(bytes);
  }

  read(from = 0, to = this.length): Buffer {
    this.#check(from, to);
    return this.#log.read(from, to);
  }

  copy(target: Buffer, start: number, from: number, to: number): void {
    this.#check(from, to);
    assert(start >= 0 && start + to - from <= target.length, 'there is room for what is copied');
    this.#log.copy(target, start, from, to);
  }

  release(): void {
    this.#isReleased = true;
    this.#log.release();
  }

  #check(from: number, to: number): void {
    assert(!this.#isReleased, 'octets that were released are not read');
    assert(from >= 0 && from <= to && to <= this.length, `octets ${from} to ${to} of ${this.length}`);
  }
}
