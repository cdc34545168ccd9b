/** Callers of one sequence take turns: what is read and what is written of it must not be torn apart. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `action` after those before it have ended, well or badly. */
  take<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(action, action);
    this.#last = result;
    // Whoever asked handles the rejection; the next in the queue only waits for it.
    result.catch(() => undefined);
    return result;
  }
}
