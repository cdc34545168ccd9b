/**
 * One connection from its first octet to its last: tells the protocol, peels off layers (TLS, DEFLATE,
 * proxies) and hands what is inside to the decoder of the protocol.
 */
import { dialogueLimits } from '../core/limits.ts';
import type { Connection, Sender, StreamEvent } from '../stream/types.ts';
import { DeflateLayer } from './deflate-layer.ts';
import { ImapDecoder } from './imap/imap-decoder.ts';
import type { Layer, LayerEvent } from './layer.ts';
import { Pop3Decoder } from './pop3/pop3-decoder.ts';
import type { PortTable } from './ports.ts';
import { type Openings, tellProtocol, type Verdict } from './protocol.ts';
import { ProxyLayer } from './proxy-layer.ts';
import { SmtpDecoder } from './smtp/smtp-decoder.ts';
import type { KeyLog } from './tls/key-log.ts';
import { TlsLayer } from './tls/tls-layer.ts';
import type {
  DialogueDecoder,
  DialogueEvent,
  DialogueOptions,
  LayerName,
  MailProtocol,
  Upgrade,
} from './types.ts';

export interface ConversationOptions extends DialogueOptions {
  readonly ports: PortTable;
  readonly keyLog: KeyLog;
}

/** What a connection turned out to be; `other` is no mail. */
export type ConversationKind = MailProtocol | 'encrypted' | 'other';

/** A connection and what its payload was, in octets that add up to all that was delivered of it. */
export interface ConversationSummary {
  readonly connection: Connection;
  readonly kind: ConversationKind;
  readonly octets: {
    readonly mail: number;
    /** Commands, replies, and what surrounds mails. */
    readonly protocol: number;
    readonly encrypted: number;
    readonly other: number;
  };
}

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #layers: Layer[] = [];
  #connection: Connection;
  #decoder: DialogueDecoder | undefined;
  #protocol: MailProtocol | undefined;
  #layerName: LayerName = 'plain';
  /** The protocol is not told yet: what was heard so far, copied, in order. */
  #held: StreamEvent[] = [];
  #openings: Record<Sender, Buffer> = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  #reversed = false;
  #encrypted = false;
  #isNoMail = false;
  /** Payload delivered, and of it what was encrypted and what was mail. */
  #octets = 0;
  #encryptedOctets = 0;
  #mailOctets = 0;

  constructor(connection: Connection, options: ConversationOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Client and server in their true roles as far as they are known by now. */
  get connection(): Connection {
    return this.#connection;
  }

  get kind(): ConversationKind {
    if (this.#encrypted) return 'encrypted';
    return this.#protocol ?? 'other';
  }

  /** False once nothing of this connection can become mail. */
  get isOfInterest(): boolean {
    return !this.#isNoMail;
  }

  get summary(): ConversationSummary {
    const { kind } = this;
    const encrypted = this.#encryptedOctets;
    const inTheClear = this.#octets - encrypted;
    // Inside a DEFLATE layer a mail is longer than what carried it.
    const mail = Math.min(this.#mailOctets, inTheClear);
    const isOther = kind === 'other';
    const rest = inTheClear - mail;
    const octets = { mail, protocol: isOther ? 0 : rest, encrypted, other: isOther ? rest : 0 };
    return { connection: this.#connection, kind, octets };
  }

  *receive(event: StreamEvent): Generator<DialogueEvent> {
    if (this.#isNoMail || event.kind === 'open') return;
    if (event.kind === 'data') {
      this.#octets += event.bytes.length;
      if (this.#encrypted) this.#encryptedOctets += event.bytes.length;
    }
    yield* this.#pass(this.#reversed ? reverse(event) : event, 0);
  }

  *#pass(event: StreamEvent, depth: number): Generator<DialogueEvent> {
    const layer = this.#layers[depth];
    if (layer) {
      for (const inner of layer.receive(event)) yield* this.#fromLayer(inner, depth);
    } else if (this.#decoder) {
      yield* this.#decode(this.#decoder, event);
    } else {
      yield* this.#sniff(event, depth);
    }
  }

  *#fromLayer(event: LayerEvent, depth: number): Generator<DialogueEvent> {
    switch (event.kind) {
      case 'anomaly':
        yield event;
        return;
      case 'note':
        if (event.what === 'encrypted') yield* this.#becomeEncrypted();
        else this.#setLayerName('plain');
        return;
      default:
        yield* this.#pass(event, depth + 1);
    }
  }

  *#decode(decoder: DialogueDecoder, event: StreamEvent): Generator<DialogueEvent> {
    let upgrade: Upgrade | undefined;
    for (const out of decoder.receive(event)) {
      if (out.kind === 'message') this.#mailOctets += out.wireBytes;
      if (out.kind === 'upgrade') upgrade = out;
      else yield out;
    }
    // Only now, when the decoder has returned, may it receive what comes out of the new layer.
    if (upgrade) yield* this.#upgrade(upgrade);
  }

  *#upgrade(upgrade: Upgrade): Generator<DialogueEvent> {
    const isTls = upgrade.layer === 'tls';
    this.#setLayerName(isTls ? 'starttls' : 'compress');
    this.#layers.push(isTls ? this.#tlsLayer() : new DeflateLayer());
    const depth = this.#layers.length - 1;
    for (const event of upgrade.rest) yield* this.#pass(event, depth);
  }

  *#becomeEncrypted(): Generator<DialogueEvent> {
    if (this.#encrypted) return;
    this.#encrypted = true;
    yield { kind: 'tally', what: 'encrypted' };
  }

  #setLayerName(name: LayerName): void {
    this.#layerName = name;
    this.#decoder?.layerChanged(name);
  }

  #tlsLayer(): TlsLayer {
    return new TlsLayer(this.#connection, this.#options.keyLog);
  }

  /** Holds what is heard until the protocol is told, then replays it. */
  *#sniff(event: StreamEvent, depth: number): Generator<DialogueEvent> {
    this.#hold(event);
    const openings: Openings = { ...this.#openings, final: this.#isLastChance(event) };
    const verdict = tellProtocol(openings, this.#hint(), this.#connection.handshakeSeen);
    if (verdict.kind === 'undecided') return;
    const held = this.#held;
    this.#held = [];
    this.#openings = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
    this.#decide(verdict);
    if (this.#isNoMail) return;
    for (const each of held) yield* this.#pass(this.#reversedBy(verdict, each), depth);
  }

  #hold(event: StreamEvent): void {
    if (event.kind !== 'data') {
      this.#held.push(event);
      return;
    }
    const bytes = Buffer.from(event.bytes);
    this.#held.push({ ...event, bytes });
    const opening = this.#openings[event.sender];
    const room = dialogueLimits.sniffBytesMax - opening.length;
    if (room > 0) this.#openings[event.sender] = Buffer.concat([opening, bytes.subarray(0, room)]);
  }

  #isLastChance(event: StreamEvent): boolean {
    if (event.kind === 'gap' || (event.kind === 'close' && event.side === 'both')) return true;
    const { client, server } = this.#openings;
    return Math.max(client.length, server.length) >= dialogueLimits.sniffBytesMax;
  }

  #hint(): MailProtocol | undefined {
    const { ports } = this.#options;
    const byServer = ports.get(this.#connection.server.port);
    return byServer ?? (this.#connection.handshakeSeen ? undefined : ports.get(this.#connection.client.port));
  }

  #decide(verdict: Exclude<Verdict, { kind: 'undecided' }>): void {
    switch (verdict.kind) {
      case 'mail':
        this.#startDecoder(verdict.protocol, verdict.reversed);
        return;
      case 'tls':
        this.#startTls();
        return;
      case 'none':
        this.#isNoMail = true;
        return;
      default:
        this.#layers.push(new ProxyLayer(verdict.kind));
    }
  }

  #startDecoder(protocol: MailProtocol, reversed: boolean): void {
    // Roles can only be mistaken where no layer was peeled off: a layer knows its client.
    if (reversed && this.#layers.length === 0) {
      this.#reversed = true;
      const { client, server } = this.#connection;
      this.#connection = { ...this.#connection, client: server, server: client };
    }
    this.#protocol = protocol;
    this.#decoder = createDecoder(protocol, this.#connection, this.#options);
    this.#decoder.layerChanged(this.#layerName);
  }

  /** TLS from the first octet: mail on its ports; on others only secrets could tell. */
  #startTls(): void {
    if (this.#hint() === undefined && this.#options.keyLog.isEmpty) {
      this.#isNoMail = true;
      return;
    }
    this.#layerName = 'tls';
    this.#layers.push(this.#tlsLayer());
  }

  #reversedBy(verdict: Verdict, event: StreamEvent): StreamEvent {
    const applies = verdict.kind === 'mail' && verdict.reversed && this.#reversed;
    return applies ? reverse(event) : event;
  }
}

function createDecoder(
  protocol: MailProtocol,
  connection: Connection,
  options: DialogueOptions,
): DialogueDecoder {
  switch (protocol) {
    case 'smtp':
      return new SmtpDecoder(connection, options);
    case 'pop3':
      return new Pop3Decoder(connection, options);
    case 'imap':
      return new ImapDecoder(connection, options);
  }
}

function reverse(event: StreamEvent): StreamEvent {
  const other: Record<Sender, Sender> = { client: 'server', server: 'client' };
  if (event.kind === 'data' || event.kind === 'gap') return { ...event, sender: other[event.sender] };
  if (event.kind === 'close' && event.side !== 'both') return { ...event, side: other[event.side] };
  return event;
}
