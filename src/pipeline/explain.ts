/**
 * Tells a person what is in a capture: its files, then each connection with what was said and carried in it.
 * Files are read twice, so that what is known of them, and the TLS secrets inside, is there before the first
 * connection.
 */
import { linkTypeName } from '../capture/link-type.ts';
import { readCapture } from '../capture/read-capture.ts';
import { explainLimits } from '../core/limits.ts';
import { Conversation } from '../dialogue/conversation.ts';
import { wellKnownPorts } from '../dialogue/ports.ts';
import { KeyLog } from '../dialogue/tls/key-log.ts';
import { PacketDecoder } from '../packet/packet-decoder.ts';
import { Reassembler } from '../stream/reassembler.ts';
import type { Connection, StreamConsumer, StreamEvent } from '../stream/types.ts';
import { ConversationLog, type HeldEvents } from './conversation-log.ts';
import type { ExplainedConnection, ExplainedFile, ExplainedTotals } from './explanation.ts';
import { readSecrets } from './ingest.ts';
import type { PortHints } from './job.ts';
import {
  addConversationOctets,
  addFileOctets,
  addPacketOctets,
  addStreamOctets,
  emptyAccount,
} from './octet-counts.ts';

export interface ExplainRequest {
  /** Capture files in the order in which they were written, read as one capture. */
  readonly files: readonly string[];
  /** Besides the well-known ones. */
  readonly ports: PortHints;
  readonly keyLogFile: string | undefined;
  /** Shows every line, up to a limit, and the connections that are no mail. */
  readonly verbose: boolean;
}

/** Nothing is read until the promises resolve. */
export interface ExplainListener {
  file(file: ExplainedFile): Promise<void>;
  /** In the order in which they began, as far as memory allows. */
  connection(connection: ExplainedConnection): Promise<void>;
}

export async function explain(request: ExplainRequest, listener: ExplainListener): Promise<ExplainedTotals> {
  const keyLog = new KeyLog();
  const secrets = await readSecrets(request.keyLogFile);
  if (secrets) keyLog.add(secrets);
  for (const path of request.files) await listener.file(await survey(path, keyLog));
  return new Explainer(request, listener, keyLog).read();
}

/** The first reading: what the file is, and its secrets. */
async function survey(path: string, keyLog: KeyLog): Promise<ExplainedFile> {
  let hasSecrets = false;
  const capture = await readCapture(path, {
    packet: () => undefined,
    secrets: (text) => {
      hasSecrets = true;
      keyLog.add(text);
    },
    anomaly: () => undefined,
  });
  const { format, compression, fileBytes, packets, firstPacketNs, lastPacketNs, linkTypes, anomalies } =
    capture;
  return {
    path,
    format,
    compression,
    bytes: fileBytes,
    packets,
    linkTypes: linkTypes.map(linkTypeName),
    firstPacketNs,
    lastPacketNs,
    hasSecrets,
    damage: anomalies,
  };
}

class Explainer {
  readonly #request: ExplainRequest;
  readonly #listener: ExplainListener;
  readonly #keyLog: KeyLog;
  readonly #ports: PortHints;
  readonly #packets = new PacketDecoder();
  readonly #streams: Reassembler;
  readonly #held: HeldEvents = { count: 0 };
  /** Connections that are not handed out, in the order in which they began; undefined while they go on. */
  readonly #waiting = new Map<number, ExplainedConnection | undefined>();
  #finished = 0;
  readonly #connections = { smtp: 0, pop3: 0, imap: 0, encrypted: 0, other: 0 };
  readonly #noMail: Record<string, number> = {};
  readonly #mails = { whole: 0, incomplete: 0 };
  #octetsRead = 0;
  readonly #account = emptyAccount();
  readonly #noRows = { 'header-listing': 0, refused: 0, encrypted: 0 };

  constructor(request: ExplainRequest, listener: ExplainListener, keyLog: KeyLog) {
    this.#request = request;
    this.#listener = listener;
    this.#keyLog = keyLog;
    this.#ports = new Map([...wellKnownPorts, ...request.ports]);
    const accept = (connection: Connection) => this.#accept(connection);
    this.#streams = new Reassembler({ accept, anomaly: () => undefined }, { mailPorts: this.#ports });
  }

  async read(): Promise<ExplainedTotals> {
    for (const [index, path] of this.#request.files.entries()) {
      const capture = await readCapture(path, {
        packet: (packet) => {
          const segment = this.#packets.decode(packet);
          if (segment) this.#streams.receive(segment, index);
        },
        anomaly: () => undefined,
        pause: () => this.#deliver(),
      });
      this.#octetsRead += capture.contentBytes;
      addFileOctets(this.#account, capture);
    }
    this.#packets.finish();
    this.#streams.end();
    await this.#deliver();
    addPacketOctets(this.#account, this.#packets.counts);
    addStreamOctets(this.#account, this.#streams.counts);
    return this.#totals();
  }

  #accept(connection: Connection): StreamConsumer {
    const options = { ports: this.#ports, keyLog: this.#keyLog, trace: true };
    const conversation = new Conversation(connection, options);
    const repeatedMax = this.#request.verbose ? explainLimits.eventsMax : explainLimits.repeatedShownMax;
    const log = new ConversationLog(this.#held, repeatedMax);
    this.#waiting.set(connection.id, undefined);
    return {
      receive: (event) => this.#receive(event, conversation, log),
    };
  }

  #receive(event: StreamEvent, conversation: Conversation, log: ConversationLog): boolean {
    log.stream(event);
    for (const out of conversation.receive(event)) {
      const mail = log.dialogue(out, conversation);
      if (mail !== undefined) this.#mails[mail.complete ? 'whole' : 'incomplete']++;
      if (out.kind === 'tally') this.#noRows[out.what]++;
    }
    const isOver = event.kind === 'close' && event.side === 'both';
    if (isOver || !conversation.isOfInterest) this.#end(log.finish(conversation));
    return conversation.isOfInterest;
  }

  #end(explained: ExplainedConnection): void {
    const { connection, kind, noMail, octets } = explained;
    if (!this.#waiting.has(connection.id)) return;
    addConversationOctets(this.#account.octets, octets);
    this.#connections[kind]++;
    if (noMail !== null) this.#noMail[noMail] = (this.#noMail[noMail] ?? 0) + 1;
    if (kind === 'other' && !this.#request.verbose) {
      this.#waiting.delete(connection.id);
      this.#held.count -= explained.events.length;
      return;
    }
    this.#waiting.set(connection.id, explained);
    this.#finished++;
  }

  async #deliver(): Promise<void> {
    for (const [id, explained] of this.#waiting) {
      if (this.#finished === 0) return;
      if (explained === undefined) {
        if (this.#finished <= explainLimits.heldConnectionsMax) return;
        continue;
      }
      this.#waiting.delete(id);
      this.#finished--;
      this.#held.count -= explained.events.length;
      await this.#listener.connection(explained);
    }
  }

  #totals(): ExplainedTotals {
    const packets: Record<string, number> = {};
    for (const [name, { packets: count }] of Object.entries(this.#packets.counts.classes)) {
      if (name !== 'segment' && count > 0) packets[name] = count;
    }
    return {
      connections: this.#connections,
      noMail: this.#noMail,
      mails: this.#mails,
      noRows: this.#noRows,
      octetsRead: this.#octetsRead,
      ...this.#account,
      lostOctets: this.#streams.counts.gapOctets,
      packets,
    };
  }
}
