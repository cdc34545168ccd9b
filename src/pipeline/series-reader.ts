/** Joins the reading stages for one capture series: file octets in, raw messages out. */
import { type CaptureHandler, type CaptureSummary, readCapture } from '../capture/read-capture.ts';
import { readSecrets } from '../capture/read-secrets.ts';
import type { CaptureFile } from '../capture/types.ts';
import type { Anomaly } from '../core/anomaly.ts';
import { pipelineLimits } from '../core/limits.ts';
import { Conversation, type ConversationSummary } from '../dialogue/conversation.ts';
import type { PortTable } from '../dialogue/ports.ts';
import { KeyLog } from '../dialogue/tls/key-log.ts';
import type { DialogueEvent, RawMessage, Tally, Trace } from '../dialogue/types.ts';
import { PacketDecoder } from '../packet/packet-decoder.ts';
import { Reassembler } from '../stream/reassembler.ts';
import type { Connection, StreamConsumer, StreamObserver } from '../stream/types.ts';
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
  /**
   * Follow the connections of this share only. What concerns no connection, the damage of a file for one,
   * is told to the receiver of the first share alone.
   */
  readonly share?: Share;
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
  /** Path of the earliest file of a stream that was open at the end of this one; its own where none was. */
  readonly neededFrom: string;
}

export interface SeriesSummary {
  readonly files: readonly ReadFile[];
  readonly counts: { readonly packet: PacketDecoder['counts']; readonly stream: Reassembler['counts'] };
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
  /** Completed since the last time the receiver was waited for. */
  #messages: RawMessage[] = [];
  #completedAt: Place[] = [];
  /** Index of the file that is read, and the packet in it. */
  #capture = 0;
  #frame = 0;
  /** Behind the day: nothing that may still come is wanted. */
  #isEnough = false;
  /** Packet time of the first packet of that file, and of the last one. */
  #firstSeconds: number | undefined;
  #lastSeconds = 0;
  /** Octets of the files that are read to their end. */
  #octetsBefore = 0;

  constructor(plan: SeriesPlan, options: SeriesOptions, receiver: SeriesReceiver) {
    this.#plan = plan;
    this.#options = options;
    this.#receiver = receiver;
    if (options.secrets) this.#keyLog.add(options.secrets);
    const observer: StreamObserver = {
      accept: (connection) => this.#accept(connection),
      anomaly: (anomaly) => receiver.anomaly(anomaly, this.#path),
    };
    const share = options.share === undefined ? {} : { share: options.share };
    this.#streams = new Reassembler(observer, { mailPorts: options.ports, ...share });
  }

  async read(): Promise<SeriesSummary> {
    const { files } = this.#plan;
    const read: ReadFile[] = [];
    for (const { path } of files) await readSecrets(path, (text) => this.#keyLog.add(text));
    for (const [index, file] of files.entries()) {
      this.#capture = index;
      this.#frame = 0;
      this.#firstSeconds = undefined;
      await this.#decideReadingOn();
      if (this.#isEnough) break;
      const capture = await this.#readFile(file.path);
      this.#octetsBefore += capture.fileBytes;
      const earliest = files[this.#streams.earliestCapture ?? index] ?? file;
      read.push({ file, capture, neededFrom: earliest.path });
    }
    // The end is a place of its own: what was completed by the last packet is delivered already.
    this.#frame += 1;
    this.#packets.finish();
    this.#streams.end();
    await this.#deliver();
    return { files: read, counts: { packet: this.#packets.counts, stream: this.#streams.counts } };
  }

  get #path(): string {
    return this.#plan.files[this.#capture]?.path ?? '';
  }

  #readFile(path: string): Promise<CaptureSummary> {
    const handler: CaptureHandler = {
      packet: (packet) => {
        this.#frame = packet.frame;
        this.#firstSeconds ??= packet.seconds;
        this.#lastSeconds = packet.seconds;
        const segment = this.#packets.decode(packet);
        if (segment) this.#streams.receive(segment, this.#capture);
      },
      secrets: (text) => this.#keyLog.add(text),
      anomaly: (anomaly) => {
        if ((this.#options.share?.index ?? 0) === 0) this.#receiver.anomaly(anomaly, path);
      },
      bytesRead: (octets) => this.#receiver.progress(this.#octetsBefore + octets),
      pause: async () => {
        await this.#deliver();
        await this.#decideReadingOn();
      },
    };
    return readCapture(path, handler, { isEnough: () => this.#isEnough });
  }

  async #decideReadingOn(): Promise<void> {
    if (this.#capture <= this.#plan.lastOfDay) return;
    const isWanted = this.#isWanted();
    const { readsOn } = this.#receiver;
    this.#isEnough = !(readsOn === undefined ? isWanted : await readsOn(isWanted));
  }

  /** Behind the day only the streams count that lead over midnight, and those not for ever. */
  #isWanted(): boolean {
    const { earliestCapture } = this.#streams;
    if (earliestCapture === undefined || earliestCapture > this.#plan.lastOfDay) return false;
    const passed = this.#firstSeconds === undefined ? 0 : this.#lastSeconds - this.#firstSeconds;
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

  #accept(connection: Connection): StreamConsumer {
    const conversation = new Conversation(connection, { ...this.#options, keyLog: this.#keyLog });
    let isOver = false;
    return {
      receive: (event) => {
        for (const out of conversation.receive(event)) this.#sort(out, conversation);
        const ends = (event.kind === 'close' && event.side === 'both') || !conversation.isOfInterest;
        if (ends && !isOver) this.#receiver.conversation(conversation.summary);
        isOver ||= ends;
        return conversation.isOfInterest;
      },
    };
  }

  #sort(event: DialogueEvent, conversation: Conversation): void {
    switch (event.kind) {
      case 'message':
        if (!this.#isOwn(event)) return;
        this.#messages.push(event);
        this.#completedAt.push(this.#place);
        return;
      case 'anomaly':
        this.#receiver.anomaly(event, this.#path);
        return;
      case 'tally':
        this.#receiver.tally(event);
        return;
      case 'trace':
        this.#receiver.trace(event, conversation.connection);
        return;
    }
  }

  /** Completed in a new file, and begun no later than the day; see `SeriesPlan`. */
  #isOwn(message: RawMessage): boolean {
    return this.#capture >= this.#plan.firstNew && message.first.capture <= this.#plan.lastOfDay;
  }
}
