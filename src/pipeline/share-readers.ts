/** Reads a series by as many shares as it is worth, and brings what they find together again. */
import { strict as assert } from 'node:assert';
import type { MailRecord } from '../record/types.ts';
import type { Job } from './job.ts';
import type { ShareCounts } from './report.ts';
import type { SeriesPlan } from './series-plan.ts';
import type { SeriesSummary } from './series-reader.ts';
import type { SeriesWorkers } from './series-workers.ts';
import type { ShareEquipment } from './share-equipment.ts';
import type { NamedAnomaly, SeriesTask, ShareReceiver } from './share-reader.ts';
import { planThreads } from './thread-plan.ts';

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
  /** Of this thread, for each number of threads that make mails. */
  readonly #equipment = new Map<number, ShareEquipment>();

  constructor(job: Job, secrets: Uint8Array | undefined, signal: AbortSignal, workersFrom: number) {
    this.#job = job;
    this.#secrets = secrets;
    this.#signal = signal;
    this.#workersFrom = workersFrom;
  }

  /** Rejects with the reason of the signal once that is aborted. */
  async read(plan: SeriesPlan, results: SeriesResults): Promise<readonly SeriesSummary[]> {
    const task = { job: this.#job, secrets: this.#secrets, plan };
    const makers = this.#makersFor(plan);
    const workers = makers.length < 2 ? undefined : await this.#workersFor(makers);
    const { JoinedShares } = await import('./joined-shares.ts');
    const shares = new JoinedShares(workers?.count ?? 1, results);
    try {
      const [receiver] = shares.receivers;
      assert(receiver !== undefined);
      const summaries =
        workers === undefined
          ? [await this.#readAlone(task, makers[0] ?? 0, receiver)]
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
    for (const equipment of this.#equipment.values()) await equipment.close();
  }

  /** Most runs of a day find nothing new: what decodes is loaded when there is something to decode. */
  async #readAlone(
    task: Omit<SeriesTask, 'share'>,
    makers: number,
    receiver: ShareReceiver,
  ): Promise<SeriesSummary> {
    const { readShare } = await import('./share-reader.ts');
    const { equip } = await import('./share-equipment.ts');
    const equipment = this.#equipment.get(makers) ?? (await equip(this.#job, makers));
    this.#equipment.set(makers, equipment);
    return readShare({ ...task, share: { index: 0, of: 1 } }, receiver, this.#signal, equipment);
  }

  /** For each share the threads that make its mails. Small series are read before a thread has started. */
  #makersFor({ files }: SeriesPlan): readonly number[] {
    const octets = files.reduce((sum, file) => sum + file.bytes, 0);
    // A stream can be read once.
    const isStream = files.some((file) => file.isStream === true);
    return planThreads(isStream || octets < this.#workersFrom ? 1 : (this.#job.jobs ?? 1));
  }

  /** Threads are started for the first series that is worth them, and kept for the others. */
  async #workersFor(makers: readonly number[]): Promise<SeriesWorkers> {
    const { SeriesWorkers: Workers } = await import('./series-workers.ts');
    this.#workers ??= new Workers(makers);
    return this.#workers;
  }
}
