/** Reads a series by as many shares as it is worth, and brings what they find together again. */
import { strict as assert } from 'node:assert';
import type { MailRecord } from '../record/types.ts';
import type { Job } from './job.ts';
import type { ShareMemory } from './memory/share-memory.ts';
import type { ShareCounts } from './report.ts';
import type { SeriesPlan } from './series-plan.ts';
import type { SeriesSummary } from './series-reader.ts';
import type { SeriesWorkers } from './series-workers.ts';
import type { NamedAnomaly, SeriesTask, ShareReceiver } from './share-reader.ts';

export interface SeriesResults {
  /** Records in the order of the captures, one list after the other. */
  write(records: readonly MailRecord[]): Promise<void>;
  /** Anomalies in no particular order; `octetsRead` of the series are read by all shares. */
  heard(anomalies: readonly NamedAnomaly[], octetsRead: number): Promise<void>;
  /** What a share counted, also where it came to no end; called once for each. */
  count(counts: ShareCounts): void;
}

export class ShareReaders {
  readonly #job: Job;
  readonly #secrets: Uint8Array | undefined;
  readonly #signal: AbortSignal;
  readonly #workersFrom: number;
  #workers: SeriesWorkers | undefined;
  #memory: ShareMemory | undefined;

  constructor(job: Job, secrets: Uint8Array | undefined, signal: AbortSignal, workersFrom: number) {
    this.#job = job;
    this.#secrets = secrets;
    this.#signal = signal;
    this.#workersFrom = workersFrom;
  }

  /** Rejects with the reason of the signal once that is aborted. */
  async read(plan: SeriesPlan, results: SeriesResults): Promise<readonly SeriesSummary[]> {
    const task = { job: this.#job, secrets: this.#secrets, plan };
    const workers = await this.#workersFor(plan);
    const { JoinedShares } = await import('./joined-shares.ts');
    const shares = new JoinedShares(workers?.count ?? 1, results);
    try {
      const [receiver] = shares.receivers;
      assert(receiver !== undefined);
      const summaries =
        workers === undefined
          ? [await this.#readAlone(task, receiver)]
          : await workers.read(task, shares.receivers, this.#signal);
      await shares.written;
      return summaries;
    } finally {
      // Where a share failed a batch of the others may still be on its way into the store.
      await Promise.allSettled([shares.written]);
      for (const counts of shares.counts) results.count(counts);
    }
  }

  async close(): Promise<void> {
    await this.#workers?.close();
    this.#memory?.close();
  }

  /** Most runs of a day find nothing new: what decodes is loaded when there is something to decode. */
  async #readAlone(task: Omit<SeriesTask, 'share'>, receiver: ShareReceiver): Promise<SeriesSummary> {
    const { readShare } = await import('./share-reader.ts');
    const { shareMemory } = await import('./memory/share-memory.ts');
    this.#memory ??= shareMemory(this.#job);
    return readShare({ ...task, share: { index: 0, of: 1 } }, receiver, this.#signal, this.#memory);
  }

  /** Threads are started for the first series that is worth them, and kept for the others. */
  async #workersFor({ files }: SeriesPlan): Promise<SeriesWorkers | undefined> {
    const { jobs = 1 } = this.#job;
    const octets = files.reduce((sum, file) => sum + file.bytes, 0);
    // A stream can be read once.
    if (files.some((file) => file.isStream === true)) return undefined;
    if (jobs < 2 || octets < this.#workersFrom) return undefined;
    const { SeriesWorkers: Workers } = await import('./series-workers.ts');
    this.#workers ??= new Workers(jobs);
    return this.#workers;
  }
}
