/**
 * Reads one share of a series to finished records: all that can be done without knowing the other shares.
 * It runs in the thread of the run or in a worker, and only what stands in this file's types leaves it.
 */
import { ZoneClock } from '../core/clock.ts';
import { pipelineLimits } from '../core/limits.ts';
import { wellKnownPorts } from '../dialogue/ports.ts';
import type { RawMessage } from '../dialogue/types.ts';
import type { MailRecord } from '../record/types.ts';
import type { Job } from './job.ts';
import { MailWriter } from './mail-writer.ts';
import { adaptHeapGrowth } from './memory/heap-growth.ts';
import type { ShareMemory } from './memory/share-memory.ts';
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
import { WorkInHand } from './work-in-hand.ts';

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
  memory: ShareMemory,
): Promise<SeriesSummary> {
  return await new ShareReader(task, receiver, signal, memory).read();
}

class ShareReader {
  readonly #task: SeriesTask;
  readonly #receiver: ShareReceiver;
  readonly #signal: AbortSignal;
  readonly #memory: ShareMemory;
  readonly #counts = emptyShareCounts();
  readonly #writer: MailWriter;
  readonly #inHand = new WorkInHand(pipelineLimits.mailsInHandMax, pipelineLimits.mailBytesInHandMax);
  #anomalies: NamedAnomaly[] = [];
  #octetsRead = 0;
  /** The latest delivery and the one before it, made one after the other. */
  #latest: Promise<void> = Promise.resolve();
  #before: Promise<void> = Promise.resolve();

  constructor(task: SeriesTask, receiver: ShareReceiver, signal: AbortSignal, memory: ShareMemory) {
    this.#task = task;
    this.#memory = memory;
    this.#receiver = receiver;
    this.#signal = signal;
    const clock = new ZoneClock(task.job.timeZone);
    this.#writer = new MailWriter(task.job, clock, this.#counts, (...all) => this.#note(...all));
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
      await this.#inHand.done();
      await Promise.allSettled([this.#before, this.#latest]);
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

  /** The disk is full, for one: mails for which there was no room are cut. */
  #noteTrouble(): void {
    const trouble = this.#memory.takeTrouble();
    if (trouble === undefined) return;
    countAnomaly(this.#counts, 'dialogue.spill-failed');
    const { folder, reason } = trouble;
    this.#note(folder, 'dialogue.spill-failed', 'mails in progress', `no room for all: ${reason}`);
  }

  /** Reading goes on while images are written and the delivery is on its way, but one delivery ahead only. */
  async #take(messages: readonly RawMessage[], { completedAt, upTo }: ReadSoFar): Promise<void> {
    adaptHeapGrowth();
    this.#noteTrouble();
    await this.#before;
    const found = messages.map((raw, index) => rank(raw, completedAt[index] ?? upTo)).sort(compareRanked);
    let part: (PlacedRecord | Promise<PlacedRecord>)[] = [];
    let octets = 0;
    for (const { raw, place } of found) {
      this.#signal.throwIfAborted();
      if (octets >= pipelineLimits.deliveryBytes || part.length >= pipelineLimits.deliveryMails) {
        this.#send(part, { upTo: place.completedAt, isPart: true });
        [part, octets] = [[], 0];
        // Many large mails that end together: their texts are not held side by side.
        await this.#latest;
      }
      octets += raw.octets.length;
      const room = this.#inHand.roomFor(raw.octets.length);
      if (room !== undefined) await room;
      part.push(this.#record(raw, place));
    }
    this.#signal.throwIfAborted();
    this.#send(part, { upTo });
  }

  #send(
    records: readonly (PlacedRecord | Promise<PlacedRecord>)[],
    place: Omit<PlacedRecords, 'records'>,
  ): void {
    const previous = this.#latest;
    this.#before = previous;
    this.#latest = this.#deliver(previous, Promise.all(records), place);
    // Whoever waits next hears of it.
    this.#latest.catch(() => undefined);
  }

  /** A mail without files has its record at once: to wait for promises would take a tenth of the time for it. */
  #record(raw: RawMessage, place: Rank): PlacedRecord | Promise<PlacedRecord> {
    const octets = raw.octets.length;
    const record = this.#writer.record(raw, this.#task.plan.files);
    if (!(record instanceof Promise)) return placed(record, place);
    return this.#inHand.add(
      octets,
      record.then((each) => placed(each, place)),
    );
  }

  async #deliver(
    previous: Promise<void>,
    building: Promise<PlacedRecord[]>,
    place: Omit<PlacedRecords, 'records'>,
  ): Promise<void> {
    const octetsRead = this.#octetsRead;
    const [records] = await Promise.all([building, previous]);
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

function placed(record: MailRecord, { completedAt, begunAt, connection }: Rank): PlacedRecord {
  return { record, completedAt, begunAt, connection };
}
