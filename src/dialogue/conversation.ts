/**
 * One connection from its first octet to its last: tells the protocol, peels off layers (TLS, DEFLATE,
 * proxies) and hands what is inside to the decoder of the protocol.
 */
import { type Anomaly, anomaly } from '../core/anomaly.ts';
import { dialogueLimits } from '../core/limits.ts';
import type { Connection, StreamData, StreamEvent } from '../stream/types.ts';
import { createDecoder } from './create-decoder.ts';
import { DeflateLayer } from './deflate-layer.ts';
import type { Layer, LayerEvent } from './layer.ts';
import { describe, type LayerSummary, type PeeledLayer } from './layer-summary.ts';
import { type DialogueMemory, heapMemory } from './octets.ts';
import { firstWords, Opening } from './opening.ts';
import type { PortTable } from './ports.ts';
import { type Evidence, type Openings, tellProtocol, type Verdict } from './protocol.ts';
import { ProxyLayer } from './proxy-layer.ts';
import { isReversed, reverse } from './reversed.ts';
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
import type { WrapperKind } from './wrapper.ts';

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
  /** null where it was not told, also inside of TLS without secrets. */
  readonly protocol: MailProtocol | null;
  /** How the protocol was told. */
  readonly evidence: Evidence | null;
  /** The side that was taken for the client is the server. */
  readonly reversed: boolean;
  /** Outermost first. */
  readonly layers: readonly LayerSummary[];
  /** What it is instead of mail, for a person; null where it is mail or may be. */
  readonly noMail: string | null;
  readonly octets: {
    readonly mail: number;
    /** Commands, replies, and what surrounds mails. */
    readonly protocol: number;
    readonly encrypted: number;
    readonly other: number;
  };
}

const nothing: readonly DialogueEvent[] = [];

export class Conversation {
  readonly #options: ConversationOptions;
  readonly #layers: PeeledLayer[] = [];
  /** The last layer that was expected and did not come: TLS, where plain text went on. */
  #absent: PeeledLayer | undefined;
  /** Upgrades that are being replayed, each within the one before: each takes some calls on the stack. */
  #upgradesUnderWay = 0;
  /** What absent layers were given and gave back, to be read once more. */
  #rereadBytes = 0;
  #connection: Connection;
  #decoder: DialogueDecoder | undefined;
  #protocol: MailProtocol | undefined;
  #evidence: Evidence | null = null;
  #layerName: LayerName = 'plain';
  /** What was heard while the protocol is not told. */
  #opening: Opening | undefined;
  #reversed = false;
  #encrypted = false;
  /** Why nothing of this can become mail. */
  #noMail: string | null = null;
  /** Payload delivered, and of it what was encrypted and what was mail. */
  #octets = 0;
  #encryptedOctets = 0;
  #mailOctets = 0;
  readonly #memory: DialogueMemory;
  /** Octets that the memory was told that decoder and layers hold. */
  #toldBytes = 0;

  constructor(connection: Connection, options: ConversationOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#memory = options.memory ?? heapMemory;
  }

  /** Client and server in their true roles as far as they are known by now. */
  get connection(): Connection {
    return this.#connection;
  }

  get kind(): ConversationKind {
    if (this.#encrypted) return 'encrypted';
    return this.#protocol ?? 'other';
  }

  /** null while it is not told. */
  get protocol(): MailProtocol | null {
    return this.#protocol ?? null;
  }

  /** False once nothing of this connection can become mail. */
  get isOfInterest(): boolean {
    return this.#noMail === null;
  }

  /** Part of a mail was heard that is not handed out yet, or may have been. */
  get isAmidMail(): boolean {
    return this.#decoder === undefined ? !this.#encrypted : !this.#decoder.isBetweenMails;
  }

  /** Who has not heard this from its beginning cannot read on: TLS and DEFLATE need all that came before. */
  get isLayered(): boolean {
    return this.#layers.length > 0;
  }

  get summary(): ConversationSummary {
    const { kind } = this;
    const encrypted = this.#encryptedOctets;
    const inTheClear = this.#octets - encrypted;
    // Inside a DEFLATE layer a mail is longer than what carried it.
    const mail = Math.min(this.#mailOctets, inTheClear);
    const isOther = kind === 'other';
    const rest = inTheClear - mail;
    return {
      connection: this.#connection,
      kind,
      protocol: this.protocol,
      evidence: this.#evidence,
      reversed: this.#reversed,
      layers: [...this.#layers, ...(this.#absent ? [this.#absent] : [])].map(describe),
      noMail: isOther ? (this.#noMail ?? 'not told before it ended') : null,
      octets: { mail, protocol: isOther ? 0 : rest, encrypted, other: isOther ? rest : 0 },
    };
  }

  /** What `event` completed; to be gone through to its end before the next event. */
  receive(event: StreamEvent): Iterable<DialogueEvent> {
    if (this.#noMail !== null || event.kind === 'open') return nothing;
    if (event.kind === 'data') {
      this.#octets += event.bytes.length;
      if (this.#encrypted) this.#encryptedOctets += event.bytes.length;
    }
    const heard = this.#reversed ? reverse(event) : event;
    if (this.#layers.length > 0) return this.#passFirst(heard);
    if (this.#decoder !== undefined) return this.#ask(this.#decoder, heard);
    return this.#opening === undefined && heard.kind === 'data'
      ? this.#beginWith(heard)
      : this.#passFirst(heard);
  }

  /** Nearly every packet of a mail comes here, and completes nothing: generators would cost more than it does. */
  #ask(decoder: DialogueDecoder, event: StreamEvent): Iterable<DialogueEvent> {
    const events = decoder.receive(event);
    this.#tellHeld(isEnd(event) ? 0 : decoder.heldBytes);
    if (events.length === 0) return nothing;
    for (const { kind } of events) if (kind === 'anomaly' || kind === 'upgrade') return this.#handOn(events);
    for (const out of events) if (out.kind === 'message') this.#mailOctets += out.wireBytes;
    return events;
  }

  /** The first octets tell most conversations: those need not be held. */
  #beginWith(event: StreamData): Iterable<DialogueEvent> {
    const verdict = this.#tell(firstWords(event, this.#memory), false);
    if (verdict.kind === 'undecided') return this.#passFirst(event);
    this.#decide(verdict, event.bytes.length);
    if (this.#noMail !== null) return nothing;
    const heard = isReversed(verdict) ? reverse(event) : event;
    return this.#decoder === undefined ? this.#passFirst(heard) : this.#ask(this.#decoder, heard);
  }

  *#passFirst(event: StreamEvent): Generator<DialogueEvent> {
    yield* this.#pass(event, 0);
    if (this.#noMail !== null) return;
    let heldBytes = this.#decoder?.heldBytes ?? 0;
    for (const { layer } of this.#layers) heldBytes += layer.heldBytes;
    this.#tellHeld(isEnd(event) ? 0 : heldBytes);
  }

  #tellHeld(heldBytes: number): void {
    if (heldBytes === this.#toldBytes) return;
    this.#memory.hold(heldBytes - this.#toldBytes);
    this.#toldBytes = heldBytes;
  }

  *#pass(event: StreamEvent, depth: number): Generator<DialogueEvent> {
    // Found out to be no mail while the rest of a packet was still on its way.
    if (this.#noMail !== null) return;
    const peeled = this.#layers[depth];
    if (peeled) {
      for (const inner of peeled.layer.receive(event)) {
        // A layer that turned out to be absent is gone: what comes out of it belongs to what took its place.
        const isGone = this.#layers[depth] !== peeled;
        yield* this.#fromLayer(peeled, inner, isGone ? depth - 1 : depth);
      }
    } else if (this.#decoder) {
      yield* this.#handOn(this.#decoder.receive(event));
    } else {
      yield* this.#sniff(event, depth);
    }
  }

  *#fromLayer(peeled: PeeledLayer, event: LayerEvent, depth: number): Generator<DialogueEvent> {
    switch (event.kind) {
      case 'anomaly':
        yield this.#located(event);
        return;
      case 'note':
        peeled.note = event;
        if (event.what === 'encrypted') yield* this.#becomeEncrypted(peeled);
        else if (peeled.layer instanceof ProxyLayer) this.#giveUp(event.detail);
        else this.#removeAbsent(peeled);
        return;
      default:
        yield* this.#pass(event, depth + 1);
    }
  }

  /** What the decoder of the protocol made of an event. */
  *#handOn(events: readonly DialogueEvent[]): Generator<DialogueEvent> {
    let upgrade: Upgrade | undefined;
    for (const out of events) {
      if (out.kind === 'message') this.#mailOctets += out.wireBytes;
      if (out.kind === 'upgrade') upgrade = out;
      else yield out.kind === 'anomaly' ? this.#located(out) : out;
    }
    // Only now, when the decoder has returned, may it receive what comes out of the new layer.
    if (upgrade) yield* this.#upgrade(upgrade);
  }

  *#upgrade(upgrade: Upgrade): Generator<DialogueEvent> {
    const depth = Math.max(this.#layers.length, this.#upgradesUnderWay);
    if (depth >= dialogueLimits.layersMax || this.#rereadBytes > dialogueLimits.rereadBytesMax) {
      const detail = `more than ${dialogueLimits.layersMax} layers in one another`;
      yield this.#located(anomaly('dialogue.layer-limit', 'conversation', detail));
      this.#giveUp(detail);
      return;
    }
    const isTls = upgrade.layer === 'tls';
    this.#setLayerName(isTls ? 'starttls' : 'compress');
    const restBytes = upgrade.rest.reduce(
      (sum, each) => sum + (each.kind === 'data' ? each.bytes.length : 0),
      0,
    );
    this.#peel(isTls ? 'starttls' : 'compress', isTls ? this.#tlsLayer() : new DeflateLayer(), restBytes);
    const innermost = this.#layers.length - 1;
    this.#upgradesUnderWay++;
    for (const event of upgrade.rest) yield* this.#pass(event, innermost);
    this.#upgradesUnderWay--;
  }

  /** `waitingBytes` were delivered before, and are what the layer begins with. */
  #peel(name: PeeledLayer['name'], layer: Layer, waitingBytes: number): void {
    const begunAt = Math.max(this.#octets - waitingBytes, 0);
    this.#layers.push({ name, layer, begunAt, note: undefined });
  }

  *#becomeEncrypted(peeled: PeeledLayer): Generator<DialogueEvent> {
    if (this.#encrypted) return;
    if (this.#protocol === undefined && this.#hint().protocol === undefined) {
      this.#giveUp('TLS');
      return;
    }
    this.#encrypted = true;
    // The handshake belongs to it; what was read before in the clear does not.
    this.#encryptedOctets = this.#octets - peeled.begunAt;
    yield { kind: 'tally', what: 'encrypted' };
  }

  /** The layer is taken out: otherwise STARTTLS again and again, of which nothing comes, would use up the layers. */
  #removeAbsent(peeled: PeeledLayer): void {
    this.#layers.splice(this.#layers.indexOf(peeled), 1);
    this.#absent = peeled;
    this.#rereadBytes += this.#octets - peeled.begunAt;
    this.#setLayerName('plain');
  }

  #setLayerName(name: LayerName): void {
    this.#layerName = name;
    this.#decoder?.layerChanged(name);
  }

  #tlsLayer(): TlsLayer {
    return new TlsLayer(this.#connection, this.#options.keyLog, this.#memory);
  }

  #giveUp(why: string): void {
    this.#noMail = why;
    this.#opening?.release();
    this.#opening = undefined;
    this.#tellHeld(0);
  }

  /** The anomaly with its connection named: who reads the report has only that. */
  #located(found: Anomaly): Anomaly {
    const { client, server } = this.#connection;
    const ends = `${client.address}:${client.port} to ${server.address}:${server.port}`;
    return { ...found, at: `${found.at}, ${ends}` };
  }

  /** Holds what is heard until the protocol is told, then replays it. */
  *#sniff(event: StreamEvent, depth: number): Generator<DialogueEvent> {
    const opening = this.#opening ?? new Opening(this.#memory);
    this.#opening = opening;
    opening.hold(event);
    const verdict = this.#tell(opening, opening.hasGap);
    if (verdict.kind === 'undecided') return;
    this.#opening = undefined;
    opening.release();
    this.#decide(verdict, opening.heldBytes);
    for (const each of opening.takeHeld())
      yield* this.#pass(isReversed(verdict) ? reverse(each) : each, depth);
  }

  #tell(openings: Openings, hasGap: boolean): Verdict {
    const { protocol: hint, isOfClient: hintIsOfClient } = this.#hint();
    const startKnown = this.#connection.handshakeSeen || this.#layers.length > 0;
    const fromStart = startKnown && !hasGap;
    // The octets that looked like TLS come again here, and must not be taken for it again.
    const isNoTls = this.#absent !== undefined;
    const rolesKnown = startKnown || isNoTls;
    return tellProtocol(openings, { hint, hintIsOfClient, rolesKnown, fromStart, isNoTls });
  }

  /** The port that was asked for: of the host behind the proxy, if there is one. */
  #hint(): { protocol: MailProtocol | undefined; isOfClient: boolean } {
    const { ports } = this.#options;
    const { client, server, handshakeSeen } = this.#connection;
    if (this.#layers.length === 0) {
      const hint = ports.get(server.port);
      const isOfClient = hint === undefined && !handshakeSeen;
      return { protocol: isOfClient ? ports.get(client.port) : hint, isOfClient };
    }
    const proxies = this.#layers.map(({ layer }) => (layer instanceof ProxyLayer ? layer.target : null));
    const target = proxies.findLast((each) => each !== null);
    const byServer = ports.get(target?.port ?? server.port);
    if (byServer !== undefined || handshakeSeen || target) return { protocol: byServer, isOfClient: false };
    return { protocol: ports.get(client.port), isOfClient: true };
  }

  #decide(verdict: Exclude<Verdict, { kind: 'undecided' }>, heldBytes: number): void {
    if (verdict.kind === 'none') {
      this.#giveUp(verdict.what);
      return;
    }
    if (verdict.reversed) this.#reverseRoles();
    if (verdict.kind === 'mail') this.#startDecoder(verdict.protocol, verdict.evidence);
    else this.#unwrap(verdict.wrapper, heldBytes);
  }

  /** Roles can only be mistaken where no layer was peeled off: a layer knows its client. */
  #reverseRoles(): void {
    this.#reversed = true;
    const { client, server } = this.#connection;
    this.#connection = { ...this.#connection, client: server, server: client };
  }

  #startDecoder(protocol: MailProtocol, evidence: Evidence): void {
    this.#protocol = protocol;
    this.#evidence = evidence;
    this.#decoder = createDecoder(protocol, this.#connection, this.#options);
    this.#decoder.layerChanged(this.#layerName);
  }

  #unwrap(wrapper: WrapperKind, heldBytes: number): void {
    if (this.#layers.length >= dialogueLimits.layersMax) {
      this.#giveUp(`more than ${dialogueLimits.layersMax} layers in one another`);
    } else if (wrapper !== 'tls') {
      this.#peel(wrapper, new ProxyLayer(wrapper), heldBytes);
    } else if (this.#hint().protocol === undefined && this.#options.keyLog.isEmpty) {
      // TLS from the first octet is mail on its ports; on others only secrets could tell.
      this.#giveUp('TLS');
    } else {
      this.#layerName = 'tls';
      this.#peel('tls', this.#tlsLayer(), heldBytes);
    }
  }
}

/** Nothing follows, and nothing is held any more. */
function isEnd(event: StreamEvent): boolean {
  return event.kind === 'close' && event.side === 'both';
}
