/**
 * Reads one share of a series to finished records: all that can be done without knowing the other shares.
 * It runs in the thread of the run or in a worker, and only what stands in this file's types leaves it.
 */
import { strict as assert } from 'node:assert';
import { pipelineLimits } from '../core/limits.ts';
import { wellKnownPorts } from '../dialogue/ports.ts';
import type { RawMessage } from '../dialogue/types.ts';
import type { MailRecord } from '../record/types.ts';
import type { Job } from './job.ts';
import { MailWriter } from './making/mail-writer.ts';
import { adaptHeapGrowth } from './memory/heap-growth.ts';
import { addConversationOctets } from './octet-counts.ts';
import { compareRecords, type PlacedRecord, type PlacedRecords, type Rank } from './record-merge.ts';
import { countAnomaly, emptyShareCounts, type ShareCounts } from './report.ts';
import type { SeriesPlan } from './series-plan.ts';
import {
  type Place,
  type ReadSoFar,
  SeriesReader,
  type SeriesReceiver,
  type SeriesSummary,
  type Share,
} from './series-reader.ts';
import type { ShareEquipment } from './share-equipment.ts';

export interface SeriesTask {
  readonly job: Job;
  /** Contents of the key log file, if there is one. */
  readonly secrets: Uint8Array | undefined;
  readonly plan: SeriesPlan;
  readonly share: Share;
}

export interface NamedAnomaly {
  readonly capture: string;
  readonly code: string;
  readonly at: string;
  readonly detail: string;
}

/** What came out since the delivery before, and how far the share is. */
export interface ShareDelivery extends PlacedRecords {
  readonly anomalies: readonly NamedAnomaly[];
  /** Of the series. */
  readonly octetsRead: number;
  /** All of the share so far. */
  readonly counts: ShareCounts;
}

export interface ShareReceiver {
  /** At most one delivery behind the one that this promise is of is made before it resolves. */
  deliver(delivery: ShareDelivery): Promise<void>;
  /** See `SeriesReceiver`. */
  readsOn(isWanted: boolean): Promise<boolean>;
  /** The share is read to its end: there is no delivery behind those made. */
  end(): void;
}

/** Rejects with the reason of `signal` soon after that is aborted; what was delivered until then is whole. */
export async function readShare(
  task: SeriesTask,
  receiver: ShareReceiver,
  signal: AbortSignal,
  equipment: ShareEquipment,
): Promise<SeriesSummary> {
  return await new ShareReader(task, receiver, signal, equipment).read();
}

/** A delivery that is begun and not made yet. */
interface Underway {
  readonly made: Promise<void>;
  readonly octets: number;
  readonly mails: number;
}

class ShareReader {
  readonly #task: SeriesTask;
  readonly #receiver: ShareReceiver;
  readonly #signal: AbortSignal;
  readonly #memory: ShareEquipment['memory'];
  readonly #counts = emptyShareCounts();
  readonly #writer: MailWriter;
  /** Since the last delivery. */
  #anomalies: NamedAnomaly[] = [];
  #octetsRead = 0;
  readonly #mailsAheadMax: number;
  /** Oldest first; each is made when the one before it is. */
  readonly #underway: Underway[] = [];

  constructor(
    task: SeriesTask,
    receiver: ShareReceiver,
    signal: AbortSignal,
    { memory, making }: ShareEquipment,
  ) {
    this.#task = task;
    this.#memory = memory;
    this.#receiver = receiver;
    this.#mailsAheadMax = making.mailsAheadMax;
    this.#signal = signal;
    this.#writer = new MailWriter(making, this.#counts, (...all) => this.#note(...all));
  }

  async read(): Promise<SeriesSummary> {
    const { job, plan, secrets, share } = this.#task;
    const ports = new Map([...wellKnownPorts, ...job.ports]);
    const text = secrets && Buffer.from(secrets.buffer, secrets.byteOffset, secrets.byteLength);
    const [memory, signal] = [this.#memory, this.#signal];
    const options = { ports, secrets: text, trace: false, share, memory, signal };
    try {
      const series = await new SeriesReader(plan, options, this.#seriesReceiver()).read();
      await this.#latest;
      this.#receiver.end();
      return series;
    } finally {
      // Also where reading failed: nothing goes on behind the back of who waits for this share.
      await this.#writer.done();
      await Promise.allSettled(this.#underway.map(({ made }) => made));
    }
  }

  #seriesReceiver(): SeriesReceiver {
    const counts = this.#counts;
    return {
      messages: (messages, read) => this.#take(messages, read),
      readsOn: (isWanted) => this.#receiver.readsOn(isWanted),
      anomaly: ({ code, at, detail }, capture) => {
        countAnomaly(counts, code);
        this.#note(capture, code, at, detail);
      },
      tally: ({ what }) => {
        if (what === 'header-listing') counts.noMails.headerListings++;
        if (what === 'refused') counts.noMails.refused++;
      },
      trace: () => undefined,
      conversation: ({ kind, octets }) => {
        counts.connections[kind]++;
        addConversationOctets(counts.octets, octets);
      },
      progress: (octets) => {
        this.#octetsRead = octets;
      },
    };
  }

  #note(capture: string, code: string, at: string, detail: string): void {
    this.#anomalies.push({ capture, code, at, detail });
  }

  /** Tells of mails that were cut because there was no room for their octets, on a full disk for one. */
  #noteTrouble(): void {
    const trouble = this.#memory.takeTrouble();
    if (trouble === undefined) return;
    countAnomaly(this.#counts, 'dialogue.spill-failed');
    const { folder, reason } = trouble;
    this.#note(folder, 'dialogue.spill-failed', 'mails in progress', `no room for all: ${reason}`);
  }

  /** Reading goes on while images are written and deliveries are on their way, but not far ahead. */
  async #take(messages: readonly RawMessage[], { completedAt, upTo }: ReadSoFar): Promise<void> {
    adaptHeapGrowth();
    this.#noteTrouble();
    const found = messages.map((raw, index) => rank(raw, completedAt[index] ?? upTo)).sort(compareRanked);
    let part: Ranked[] = [];
    let octets = 0;
    for (const each of found) {
      if (octets >= pipelineLimits.deliveryBytes || part.length >= pipelineLimits.deliveryMails) {
        await this.#send(part, { upTo: each.place.completedAt, isPart: true });
        [part, octets] = [[], 0];
      }
      octets += each.raw.octets.length;
      part.push(each);
    }
    await this.#send(part, { upTo });
  }

  get #latest(): Promise<void> | undefined {
    return this.#underway.at(-1)?.made;
  }

  /** Waits until no more is underway than may be: many large mails may end together, and are not all held at once. */
  async #haveCaughtUp(): Promise<void> {
    const { bytesAheadMax, deliveriesMax } = pipelineLimits;
    const isFarAhead = (): boolean => {
      const octets = this.#underway.reduce((sum, each) => sum + each.octets, 0);
      const mails = this.#underway.reduce((sum, each) => sum + each.mails, 0);
      return octets > bytesAheadMax || mails > this.#mailsAheadMax;
    };
    while (this.#underway.length >= deliveriesMax || isFarAhead()) {
      const [oldest] = this.#underway;
      await oldest?.made;
      this.#underway.shift();
    }
  }

  /** Resolves when making the mails has begun; `#latest` resolves when the delivery is made. */
  async #send(part: readonly Ranked[], place: Omit<PlacedRecords, 'records'>): Promise<void> {
    await this.#haveCaughtUp();
    this.#signal.throwIfAborted();
    const { records } = await this.#writer.begin(
      part.map(({ raw }) => raw),
      this.#task.plan.files,
    );
    const ranks = part.map((each) => each.place);
    const made = this.#deliver(this.#latest, ranks, records, place);
    // Whoever waits next hears of it.
    made.catch(() => undefined);
    const octets = part.reduce((sum, { raw }) => sum + raw.octets.length, 0);
    this.#underway.push({ made, octets, mails: part.length });
  }

  async #deliver(
    previous: Promise<void> | undefined,
    ranks: readonly Rank[],
    making: Promise<readonly MailRecord[]>,
    place: Omit<PlacedRecords, 'records'>,
  ): Promise<void> {
    const octetsRead = this.#octetsRead;
    const [made] = await Promise.all([making, previous]);
    const records = made.map((record, index) => placed(record, ranks[index]));
    const anomalies = this.#anomalies;
    this.#anomalies = [];
    await this.#receiver.deliver({ records, ...place, anomalies, octetsRead, counts: this.#counts });
  }
}

interface Ranked {
  readonly raw: RawMessage;
  readonly place: Rank;
}

function rank(raw: RawMessage, completedAt: Place): Ranked {
  const { client, server } = raw.connection;
  const { capture, frame } = raw.first;
  const connection = `${client.address} ${client.port} ${server.address} ${server.port}`;
  return { raw, place: { completedAt, begunAt: { capture, frame }, connection } };
}

function compareRanked(one: Ranked, other: Ranked): number {
  return compareRecords(one.place, other.place);
}

function placed(record: MailRecord, rank: Rank | undefined): PlacedRecord {
  assert(rank !== undefined, 'a record for each message');
  const { completedAt, begunAt, connection } = rank;
  return { record, completedAt, begunAt, connection };
}
