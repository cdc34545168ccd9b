/** The receivers of all shares of a series: one order of records, one decision to read on, one progress. */
import { RecordMerge } from './record-merge.ts';
import { emptyShareCounts, type ShareCounts } from './report.ts';
import type { ShareDelivery, ShareReceiver } from './share-reader.ts';
import type { SeriesResults } from './share-readers.ts';

interface ShareState {
  octetsRead: number;
  counts: ShareCounts;
  isOver: boolean;
  /** Asked whether to read on, and waiting for the others to be as far. */
  question: { readonly isWanted: boolean; readonly answer: (isWanted: boolean) => void } | undefined;
}

export class JoinedShares {
  readonly receivers: readonly ShareReceiver[];
  readonly #results: SeriesResults;
  readonly #merge: RecordMerge;
  readonly #shares: readonly ShareState[];

  constructor(count: number, results: SeriesResults) {
    this.#results = results;
    this.#merge = new RecordMerge(count, (records) => results.write(records));
    this.#shares = Array.from({ length: count }, () => ({
      octetsRead: 0,
      counts: emptyShareCounts(),
      isOver: false,
      question: undefined,
    }));
    this.receivers = this.#shares.map((share, index) => ({
      deliver: (delivery) => this.#deliver(share, index, delivery),
      readsOn: (isWanted) => this.#ask(share, isWanted),
      end: () => this.#end(share, index),
    }));
  }

  /** Settles when all that was handed on is written, or could not be. */
  get written(): Promise<void> {
    return this.#merge.written;
  }

  /** What the shares counted so far. */
  get counts(): readonly ShareCounts[] {
    return this.#shares.map(({ counts }) => counts);
  }

  async #deliver(share: ShareState, index: number, delivery: ShareDelivery): Promise<void> {
    share.octetsRead = delivery.octetsRead;
    share.counts = delivery.counts;
    const octetsRead = Math.min(...this.#shares.map((each) => each.octetsRead));
    const written = this.#merge.deliver(index, delivery);
    await Promise.all([this.#results.heard(delivery.anomalies, octetsRead), written]);
  }

  #ask(share: ShareState, isWanted: boolean): Promise<boolean> {
    return new Promise((answer) => {
      share.question = { isWanted, answer };
      this.#answerAll();
    });
  }

  #end(share: ShareState, index: number): void {
    share.isOver = true;
    this.#merge.finish(index);
    this.#answerAll();
  }

  /** Once all that still read have asked: each decided at the same place, so the answer is the same in every run. */
  #answerAll(): void {
    const reading = this.#shares.filter(({ isOver }) => !isOver);
    const questions = reading.flatMap(({ question }) => (question === undefined ? [] : [question]));
    if (questions.length < reading.length) return;
    const isWanted = questions.some((question) => question.isWanted);
    for (const share of reading) share.question = undefined;
    for (const { answer } of questions) answer(isWanted);
  }
}
