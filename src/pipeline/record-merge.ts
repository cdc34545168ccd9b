/**
 * Brings the records of all shares into one order, that of the captures, so that a run's result does not
 * depend on the number of workers: a record goes on when no share can come up with an earlier one.
 */
import type { MailRecord } from '../record/types.ts';
import type { Place } from './series-reader.ts';

/** Where a record stands in the order of its series. */
export interface Rank {
  readonly completedAt: Place;
  /** A packet may complete several mails: then the one that began first goes first. */
  readonly begunAt: Place;
  /** A gap may begin with a packet of another connection: several mails may begin and end with the same packets. */
  readonly connection: string;
}

export interface PlacedRecord extends Rank {
  readonly record: MailRecord;
}

/** What one share completed up to a place, in order. */
export interface PlacedRecords {
  readonly records: readonly PlacedRecord[];
  /** The share has no earlier record any more. */
  readonly upTo: Place;
  /** More were completed at `upTo`, which stand behind the last one of these. */
  readonly isPart?: boolean;
}

interface Delivery {
  readonly upTo: Rank;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

interface Lane {
  records: PlacedRecord[];
  readonly deliveries: Delivery[];
  upTo: Rank;
}

const behindAll: Place = { capture: Number.POSITIVE_INFINITY, frame: 0 };
const beforeAllRanks: Rank = rankBehind({ capture: -1, frame: 0 });
const behindAllRanks: Rank = rankBehind(behindAll);

/** Behind all that was completed at `place`. */
function rankBehind(place: Place): Rank {
  return { completedAt: place, begunAt: behindAll, connection: '' };
}

export class RecordMerge {
  readonly #lanes: readonly Lane[];
  readonly #write: (records: readonly MailRecord[]) => Promise<void>;
  #written: Promise<void> = Promise.resolve();

  /** `write` is called for one list after the other, never before the list before it was written. */
  constructor(shares: number, write: (records: readonly MailRecord[]) => Promise<void>) {
    this.#lanes = Array.from({ length: shares }, () => ({
      records: [],
      deliveries: [],
      upTo: beforeAllRanks,
    }));
    this.#write = write;
  }

  /** Resolves when `write` has taken all of the records, which may take until the other shares are as far. */
  deliver(share: number, { records, upTo: place, isPart }: PlacedRecords): Promise<void> {
    const lane = this.#lane(share);
    const upTo = (isPart === true ? records.at(-1) : undefined) ?? rankBehind(place);
    return new Promise((resolve, reject) => {
      lane.records = lane.records.concat(records);
      lane.deliveries.push({ upTo, resolve, reject });
      lane.upTo = upTo;
      this.#release();
    });
  }

  /** The share is read to its end: nobody waits for it any more. */
  finish(share: number): void {
    this.#lane(share).upTo = behindAllRanks;
    this.#release();
  }

  /** Resolves when `write` has taken all that could be handed on so far. */
  get written(): Promise<void> {
    return this.#written;
  }

  #lane(share: number): Lane {
    const lane = this.#lanes[share];
    if (lane === undefined) throw new RangeError(`there is no share ${share}`);
    return lane;
  }

  #release(): void {
    const bound = this.#lanes
      .map(({ upTo }) => upTo)
      .reduce((one, other) => (isBehind(one, other) ? other : one));
    const records = this.#lanes.flatMap((lane) => takeRecords(lane, bound)).sort(compareRecords);
    const deliveries = this.#lanes.flatMap((lane) => takeDeliveries(lane, bound));
    if (records.length === 0 && deliveries.length === 0) return;
    this.#written = this.#written.then(() => this.#write(records.map(({ record }) => record)));
    this.#written.then(
      () => {
        for (const { resolve } of deliveries) resolve();
      },
      (reason: unknown) => {
        for (const { reject } of deliveries) reject(reason);
      },
    );
  }
}

/** The order of the captures. A stable sort leaves mails of one connection as they were completed. */
export function compareRecords(one: Rank, other: Rank): number {
  return (
    comparePlaces(one.completedAt, other.completedAt) ||
    comparePlaces(one.begunAt, other.begunAt) ||
    compareTexts(one.connection, other.connection)
  );
}

function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function comparePlaces(one: Place, other: Place): number {
  return one.capture - other.capture || one.frame - other.frame;
}

function isBehind(one: Rank, other: Rank): boolean {
  return compareRecords(one, other) > 0;
}

function takeRecords(lane: Lane, bound: Rank): PlacedRecord[] {
  const first = lane.records.findIndex((record) => isBehind(record, bound));
  const count = first < 0 ? lane.records.length : first;
  const taken = lane.records.slice(0, count);
  lane.records = lane.records.slice(count);
  return taken;
}

function takeDeliveries(lane: Lane, bound: Rank): Delivery[] {
  const first = lane.deliveries.findIndex(({ upTo }) => isBehind(upTo, bound));
  return lane.deliveries.splice(0, first < 0 ? lane.deliveries.length : first);
}
