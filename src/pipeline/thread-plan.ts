/** What the threads of a run do. */

/**
 * For each share of the connections the number of threads that make its mails. Following the packets and making the
 * mails is about the same work, so threads go in pairs: two that read do much of it twice, and each compiles all of
 * the program for itself. A share alone is read in the thread of the run.
 */
export function planThreads(jobs: number): readonly number[] {
  if (jobs < 2) return [0];
  const shares = Math.floor(jobs / 2);
  const makers = jobs - shares;
  return Array.from({ length: shares }, (_, index) => Math.floor((makers + shares - 1 - index) / shares));
}
