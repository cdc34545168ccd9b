/** What a run tells while it goes on, and how it is told to end. */
import type { Watcher } from '../pipeline/job.ts';
import type { Log } from './log.ts';

export function watcherOf(log: Log, progress: Watcher['progress']): Watcher {
  return {
    progress,
    notice: (code, detail) => log.notice(code, detail),
    anomaly: (capture, code, at, detail) => log.anomaly(capture, code, at, detail),
  };
}

/** Ctrl-C or a stop by the system ends the run after the batch at hand; a second one ends it at once. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
