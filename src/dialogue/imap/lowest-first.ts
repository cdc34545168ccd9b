/**
 * Numbers of which the lowest is at hand, in a binary heap: to keep a sorted list, many would move for each that a
 * hostile server sends in the wrong order.
 */
export class LowestFirst {
  /** Each is no higher than the two at twice its index and one or two more. */
  readonly #heap: number[] = [];

  get lowest(): number | undefined {
    return this.#heap[0];
  }

  add(value: number): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >>> 1;
      const other = heap[above] ?? 0;
      if (other <= value) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = value;
  }

  takeLowest(): void {
    const heap = this.#heap;
    const value = heap.pop();
    if (value === undefined || heap.length === 0) return;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      const right = below + 1;
      if ((heap[right] ?? Number.POSITIVE_INFINITY) < (heap[below] ?? 0)) below = right;
      const other = heap[below] ?? 0;
      if (other >= value) break;
      heap[at] = other;
      at = below;
    }
    heap[at] = value;
  }
}
