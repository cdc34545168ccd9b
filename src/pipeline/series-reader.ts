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

export interface SeriesOptions {
  readonly ports: PortTable;
  /** Contents of the key log file given by the operator, if any. */
  readonly secrets: Buffer | undefined;
  readonly trace: boolean;
}

/** Takes what comes out; all but `messages` are called while octets are being read and must be quick. */
export interface SeriesReceiver {
  /** Completed mails, in the order of their completion; reading waits until the promise resolves. */
  messages(messages: readonly RawMessage[]): Promise<void>;
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
  /** Index of the file that is read. */
  #capture = 0;
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
    this.#streams = new Reassembler(observer, { mailPorts: options.ports });
  }

  async read(): Promise<SeriesSummary> {
    const { files } = this.#plan;
    const read: ReadFile[] = [];
    for (const { path } of files) await readSecrets(path, (text) => this.#keyLog.add(text));
    for (const [index, file] of files.entries()) {
      if (this.#isBeyondInterest(index)) break;
      this.#capture = index;
      this.#firstSeconds = undefined;
      const capture = await this.#readFile(file.path);
      this.#octetsBefore += capture.fileBytes;
      const earliest = files[this.#streams.earliestCapture ?? index] ?? file;
      read.push({ file, capture, neededFrom: earliest.path });
    }
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
        this.#firstSeconds ??= packet.seconds;
        this.#lastSeconds = packet.seconds;
        const segment = this.#packets.decode(packet);
        if (segment) this.#streams.receive(segment, this.#capture);
      },
      secrets: (text) => this.#keyLog.add(text),
      anomaly: (anomaly) => this.#receiver.anomaly(anomaly, path),
      bytesRead: (octets) => this.#receiver.progress(this.#octetsBefore + octets),
      pause: () => this.#deliver(),
    };
    return readCapture(path, handler, { isEnough: () => this.#isBeyondInterest(this.#capture) });
  }

  /** Behind the day only the streams count that lead over midnight, and those not for ever. */
  #isBeyondInterest(index: number): boolean {
    const { lastOfDay } = this.#plan;
    if (index <= lastOfDay) return false;
    const { earliestCapture } = this.#streams;
    if (earliestCapture === undefined || earliestCapture > lastOfDay) return true;
    const passed = this.#firstSeconds === undefined ? 0 : this.#lastSeconds - this.#firstSeconds;
    return passed > pipelineLimits.afterMidnightSeconds;
  }

  async #deliver(): Promise<void> {
    const messages = this.#messages;
    this.#messages = [];
    await this.#receiver.messages(messages);
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
        if (this.#isOwn(event)) this.#messages.push(event);
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
