/** A progress bar on stderr, shown on a terminal only. */
import type { Watcher } from '../pipeline/job.ts';

export interface ProgressBar {
  readonly update: Watcher['progress'];
  stop(): void;
}

export async function progressBar(shown: boolean): Promise<ProgressBar> {
  if (!shown || !process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({
    stream: process.stderr,
    format: '{bar} {percentage}% of {total} MB, {eta_formatted} left',
    clearOnComplete: true,
    hideCursor: true,
    fps: 5,
  });
  let started = false;
  return {
    update(done, total) {
      if (!started) bar.start(toMegabytes(total), 0);
      started = true;
      bar.update(toMegabytes(done));
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function toMegabytes(octets: number): number {
  return Math.ceil(octets / 1e6);
}
