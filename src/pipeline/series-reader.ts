/** Joins the reading stages for one capture series: file octets in, raw messages out. */
import { strict as assert } from 'node:assert';
import { compressedExtensions } from '../capture/compressed-name.ts';
import {
  type CaptureHandler,
  type CaptureSummary,
  readCapture,
  unreadCapture,
} from '../capture/read-capture.ts';
import { readSecrets } from '../capture/read-secrets.ts';
import type { CaptureFile } from '../capture/types.ts';
import type { Anomaly } from '../core/anomaly.ts';
import { MailprocError } from '../core/errors.ts';
import { pipelineLimits } from '../core/limits.ts';
import {
  Conversation,
  type ConversationOptions,
  type ConversationSummary,
} from '../dialogue/conversation.ts';
import type { DialogueMemory } from '../dialogue/octets.ts';
import type { PortTable } from '../dialogue/ports.ts';
import { KeyLog } from '../dialogue/tls/key-log.ts';
import type { DialogueEvent, RawMessage, Tally, Trace } from '../dialogue/types.ts';
import { PacketDecoder } from '../packet/packet-decoder.ts';
import { Reassembler } from '../stream/reassembler.ts';
import type { Connection, StreamConsumer, StreamEvent, StreamObserver } from '../stream/types.ts';
import { OpenConversations } from './open-conversations.ts';
import type { SeriesPlan } from './series-plan.ts';

/** One of the equal parts into which the connections of a series are divided: 0 … `of - 1`. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

export interface SeriesOptions {
  readonly ports: PortTable;
  /** Contents of the key log file given by the operator, if any. */
  readonly secrets: Buffer | undefined;
  readonly trace: boolean;
  /** The heap where none is given. */
  readonly memory?: DialogueMemory;
  /**
   * Follow the connections of this share only. What concerns no connection, the damage of a file for one,
   * is told to the receiver of the first share alone.
   */
  readonly share?: Share;
  /** Ends the waiting for the octets of a stream; then its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** A packet of a series. */
export interface Place {
  /** Index of the file in the plan. */
  readonly capture: number;
  readonly frame: number;
}

/** How far a series is read. */
export interface ReadSoFar {
  /** For each message the packet that completed it; that is seldom the one with its last octet. */
  readonly completedAt: readonly Place[];
  /** The last packet, or the place behind it once all are read: whatever comes later is completed later. */
  readonly upTo: Place;
}

/** Takes what comes out; the methods that return no promise are called amid reading and must be quick. */
export interface SeriesReceiver {
  /** Completed mails, in the order of their completion; reading waits until the promise resolves. */
  messages(messages: readonly RawMessage[], read: ReadSoFar): Promise<void>;
  /**
   * Behind the day, after each read: whether to read on, where `isWanted` is what this share wants. The
   * shares must agree, so that one that reads on does not make the octets add up to something else.
   */
  readsOn?(isWanted: boolean): Promise<boolean>;
  anomaly(anomaly: Anomaly, capture: string): void;
  tally(tally: Tally): void;
  trace(trace: Trace, connection: Connection): void;
  /** A connection is over, or nothing more is wanted of it. */
  conversation(summary: ConversationSummary): void;
  /** Octets of the series read so far. */
  progress(octetsRead: number): void;
}

/** What became of one file. */
export interface ReadFile {
  readonly file: CaptureFile;
  readonly capture: CaptureSummary;
  /** Path of the earliest file that must be read again to go on behind this one; see `OpenConversations`. */
  readonly neededFrom: string;
  /** False where something in it is left to the next run. */
  readonly isDone: boolean;
}

export interface SeriesSummary {
  readonly files: readonly ReadFile[];
  readonly counts: { readonly packet: PacketDecoder['counts']; readonly stream: Reassembler['counts'] };
  /** In progress at the end of a file that is still written: the next run stores them. */
  readonly mailsInProgress: number;
}

/**
 * Reads a series from its first file to its last as one capture: a connection, and a mail, may span files.
 * Waits for the receiver between two reads and never within one, so that a read costs no promise a packet.
 */
export class SeriesReader {
  readonly #plan: SeriesPlan;
  readonly #options: SeriesOptions;
  readonly #receiver: SeriesReceiver;
  readonly #keyLog = new KeyLog();
  readonly #packets = new PacketDecoder();
  readonly #streams: Reassembler;
  readonly #open: OpenConversations;
  readonly #conversationOptions: ConversationOptions;
  readonly #sorter: Sorter;
  /** Completed since the last time the receiver was waited for. */
  #messages: RawMessage[] = [];
  #completedAt: Place[] = [];
  /** Index of the file that is read, and the packet in it. */
  #capture = 0;
  #frame = 0;
  /** Behind the day: nothing that may still come is wanted. */
  #isEnough = false;
  /** Packet time of the first packet behind the day, and of the last one. */
  #behindDaySeconds: number | undefined;
  #lastSeconds = 0;
  /** Octets of the files that are read to their end. */
  #octetsBefore = 0;
  /** The file ends here, and may go on: what ends now is not over. The earliest file the next run reads. */
  #resumedFrom: number | undefined;
  /** For each mail that is left to the next run the index of the file with its last octet so far. */
  readonly #inProgress: number[] = [];

  constructor(plan: SeriesPlan, options: SeriesOptions, receiver: SeriesReceiver) {
    this.#plan = plan;
    this.#options = options;
    this.#receiver = receiver;
    if (options.secrets) this.#keyLog.add(options.secrets);
    this.#conversationOptions = { ...options, keyLog: this.#keyLog };
    this.#sorter = {
      sort: (event, conversation, firstCapture) => this.#sort(event, conversation, firstCapture),
      end: (conversation) => {
        receiver.conversation(conversation.summary);
        this.#open.end(conversation);
      },
    };
    this.#open = new OpenConversations(plan.files);
    const observer: StreamObserver = {
      accept: (connection, firstCapture) => this.#accept(connection, firstCapture),
      anomaly: (anomaly) => this.#tell(anomaly),
      isCrowded: () => options.memory?.isCrowded === true,
    };
    const share = options.share === undefined ? {} : { share: options.share };
    this.#streams = new Reassembler(observer, { mailPorts: options.ports, ...share });
  }

  async read(): Promise<SeriesSummary> {
    const { files } = this.#plan;
    const read: ReadFile[] = [];
    await this.#readSecrets();
    let needed = 0;
    for (const [index, file] of files.entries()) {
      this.#capture = index;
      this.#frame = 0;
      await this.#decideReadingOn();
      if (this.#isEnough) break;
      const capture = await this.#readFile(file, index);
      this.#octetsBefore += capture.fileBytes;
      needed = this.#open.neededFrom(index, this.#streams.unopenedSince());
      const neededFrom = files[needed]?.path ?? file.path;
      read.push({ file, capture, neededFrom, isDone: !capture.isUnread && !capture.isCut });
    }
    const isLive = this.#plan.growth === 'live' && !this.#isEnough;
    return this.#end(read, isLive ? needed : undefined);
  }

  /** Who gives a key log has the secrets there: compressed files need not be unpacked twice then. */
  async #readSecrets(): Promise<void> {
    const { secrets, signal } = this.#options;
    const options = { unpacks: secrets === undefined, signal };
    for (const { path, isStream } of this.#plan.files) {
      if (isStream !== true) await readSecrets(path, (text) => this.#keyLog.add(text), options);
    }
  }

  /** `resumedFrom`: the earliest file that the next run reads to go on here; undefined where nothing goes on. */
  async #end(read: readonly ReadFile[], resumedFrom: number | undefined): Promise<SeriesSummary> {
    // The end is a place of its own: what was completed by the last packet is delivered already.
    this.#frame += 1;
    this.#resumedFrom = resumedFrom;
    const { gapOctets } = this.#streams.counts;
    if (resumedFrom === undefined) this.#packets.finish();
    this.#streams.end();
    await this.#deliver();
    const inProgress = new Set(this.#inProgress);
    if (inProgress.size > 0) inProgress.add(read.length - 1);
    const { counts } = this.#streams;
    return {
      files: read.map((each, index) => ({ ...each, isDone: each.isDone && !inProgress.has(index) })),
      counts: {
        packet: this.#packets.counts,
        stream: resumedFrom === undefined ? counts : { ...counts, gapOctets },
      },
      mailsInProgress: this.#inProgress.length,
    };
  }

  get #path(): string {
    return this.#plan.files[this.#capture]?.path ?? '';
  }

  /** A file that was there a moment ago may be compressed now, or deleted by a ring: then the others are read. */
  async #readFile(file: CaptureFile, index: number): Promise<CaptureSummary> {
    let refusal: MailprocError | undefined;
    for (const extension of ['', ...compressedExtensions]) {
      try {
        return await this.#readCapture({ ...file, path: file.path + extension }, index);
      } catch (error) {
        const isRefused = error instanceof MailprocError && error.code === 'capture.unreadable';
        if (!isRefused || file.isNamed === true) throw error;
        refusal ??= error;
      }
    }
    assert(refusal !== undefined);
    const summary = unreadCapture(file.path, refusal);
    for (const each of summary.anomalies) this.#tellOnce(each, file.path);
    return summary;
  }

  #readCapture({ path, isStream }: CaptureFile, index: number): Promise<CaptureSummary> {
    const handler: CaptureHandler = {
      packet: (packet) => {
        this.#frame = packet.frame;
        if (index > this.#plan.lastOfDay) this.#behindDaySeconds ??= packet.seconds;
        this.#lastSeconds = packet.seconds;
        const segment = this.#packets.decode(packet);
        if (segment) this.#streams.receive(segment, this.#capture);
      },
      secrets: (text) => this.#keyLog.add(text),
      anomaly: (anomaly) => this.#tellOnce(anomaly, path),
      bytesRead: (octets) => this.#receiver.progress(this.#octetsBefore + octets),
      pause: async () => {
        await this.#deliver();
        await this.#decideReadingOn();
      },
    };
    const { signal } = this.#options;
    const isLast = index === this.#plan.files.length - 1;
    return readCapture(path, handler, {
      isEnough: () => this.#isEnough,
      mayGrow: isLast && this.#plan.growth !== 'over',
      isStream: isStream === true,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** What is wrong with a file all shares find. */
  #tellOnce(anomaly: Anomaly, path: string): void {
    if ((this.#options.share?.index ?? 0) === 0) this.#receiver.anomaly(anomaly, path);
  }

  /** What seems to be missing at the end of a file that is still written will come. */
  #tell(anomaly: Anomaly): void {
    if (this.#resumedFrom === undefined) this.#receiver.anomaly(anomaly, this.#path);
  }

  async #decideReadingOn(): Promise<void> {
    if (this.#capture <= this.#plan.lastOfDay) return;
    const isWanted = this.#isWanted();
    const { readsOn } = this.#receiver;
    this.#isEnough = !(readsOn === undefined ? isWanted : await readsOn(isWanted));
  }

  /** Behind the day only the mails count that lead over midnight, and those not for ever. */
  #isWanted(): boolean {
    if (!this.#open.leadOver(this.#plan.lastOfDay)) return false;
    const passed = this.#behindDaySeconds === undefined ? 0 : this.#lastSeconds - this.#behindDaySeconds;
    return passed <= pipelineLimits.afterMidnightSeconds;
  }

  async #deliver(): Promise<void> {
    const [messages, completedAt] = [this.#messages, this.#completedAt];
    this.#messages = [];
    this.#completedAt = [];
    await this.#receiver.messages(messages, { completedAt, upTo: this.#place });
  }

  get #place(): Place {
    return { capture: this.#capture, frame: this.#frame };
  }

  #accept(connection: Connection, firstCapture: number): StreamConsumer {
    const conversation = new Conversation(connection, this.#conversationOptions);
    this.#open.begin(conversation, firstCapture);
    return new Consumer(conversation, firstCapture, this.#sorter);
  }

  #sort(event: DialogueEvent, conversation: Conversation, firstCapture: number): void {
    switch (event.kind) {
      case 'message':
        if (!this.#isOwn(event)) {
          event.octets.release();
        } else if (this.#isInProgress(event, firstCapture)) {
          event.octets.release();
          this.#inProgress.push(event.last.capture);
        } else {
          this.#messages.push(event);
          this.#completedAt.push(this.#place);
        }
        return;
      case 'anomaly':
        this.#tell(event);
        return;
      case 'tally':
        this.#receiver.tally(event);
        return;
      case 'trace':
        this.#receiver.trace(event, conversation.connection);
        return;
    }
  }

  /** Completed in a new file, and ended in a file whose mails the run stores; see `SeriesPlan`. */
  #isOwn({ last, connection }: RawMessage): boolean {
    const { firstNew, firstOwn, lastOfDay } = this.#plan;
    // Of a connection that ended before the new files, and began before those read again, only the rest of its
    // last mail is seen: all of it was stored by an earlier run.
    const isRest = last.capture < firstNew && !connection.handshakeSeen;
    return this.#capture >= firstNew && !isRest && last.capture >= firstOwn && last.capture <= lastOfDay;
  }

  /**
   * Handed out only because the file ends here for now: not whole yet, or not answered. What the next run would
   * not see from its beginning is stored as it is.
   */
  #isInProgress({ complete, direction }: RawMessage, firstCapture: number): boolean {
    if (this.#resumedFrom === undefined || firstCapture < this.#resumedFrom) return false;
    return !complete || direction !== 'retrieved';
  }
}

interface Sorter {
  sort(event: DialogueEvent, conversation: Conversation, firstCapture: number): void;
  /** Called once: the conversation is over, or of no interest any more. */
  end(conversation: Conversation): void;
}

/** An object with three fields and no closure: there is one for each of thousands of connections. */
class Consumer implements StreamConsumer {
  readonly #conversation: Conversation;
  readonly #firstCapture: number;
  readonly #sorter: Sorter;
  #isOver = false;

  constructor(conversation: Conversation, firstCapture: number, sorter: Sorter) {
    this.#conversation = conversation;
    this.#firstCapture = firstCapture;
    this.#sorter = sorter;
  }

  receive(event: StreamEvent): boolean {
    const conversation = this.#conversation;
    for (const out of conversation.receive(event)) this.#sorter.sort(out, conversation, this.#firstCapture);
    const { isOfInterest } = conversation;
    const ends = !isOfInterest || (event.kind === 'close' && event.side === 'both');
    if (ends && !this.#isOver) this.#sorter.end(conversation);
    this.#isOver ||= ends;
    return isOfInterest;
  }
}
