/**
 * Reads captured TLS, passively, with secrets from a key log: TLS 1.0 (RFC 2246) to 1.2 (RFC 5246) and 1.3
 * (RFC 8446).
 *
 * A record that cannot be opened costs that record alone: each proves itself by its tag, so that after a loss
 * the next good one is found by trying record numbers. The `gap` that stands for the loss has the length of
 * the lost plaintext as far as that can be told: exact for suites that do not pad if only records of
 * application data were lost, otherwise near; never less than 1, and 1 where a direction is given up.
 */
import { anomaly } from '../../core/anomaly.ts';
import { tlsLimits } from '../../core/limits.ts';
import type {
  Connection,
  Sender,
  StreamClose,
  StreamData,
  StreamEvent,
  StreamGap,
} from '../../stream/types.ts';
import type { Layer, LayerEvent } from '../layer.ts';
import { type DialogueMemory, heapMemory } from '../octets.ts';
import { Handshake, type TlsSession } from './handshake.ts';
import type { KeyLog } from './key-log.ts';
import { CONTENT_TYPE, type TlsRecord } from './record-reader.ts';
import { TlsOpening, type TlsVerdict } from './tls-detection.ts';
import { looksPlain, TlsHalf } from './tls-half.ts';

/**
 * `undecided`: too few octets to tell TLS. `absent`: no TLS, events pass unchanged. `encrypted`: nothing of
 * the content will come (any more); octets are counted.
 */
type Mode = 'undecided' | 'absent' | 'reading' | 'encrypted';

/** What `receive` returns is to be iterated to its end before the next call. */
export class TlsLayer implements Layer {
  readonly #connection: Connection;
  readonly #keyLog: KeyLog;
  readonly #handshake: Handshake;
  readonly #memory: DialogueMemory;
  #mode: Mode = 'undecided';
  /** Copied, while undecided. */
  #held: StreamEvent[] = [];
  /** Octets and holes in it: the same however they were cut. */
  #heldCount = 0;
  /** Of each side while undecided: what was heard of it since the last hole. */
  readonly #openings = { client: new TlsOpening(), server: new TlsOpening() };
  #halves = createHalves();
  #encryptedBytes = 0;
  #isUndecryptableReported = false;

  constructor(connection: Connection, keyLog: KeyLog, memory: DialogueMemory = heapMemory) {
    this.#memory = memory;
    this.#connection = connection;
    this.#keyLog = keyLog;
    this.#handshake = new Handshake(keyLog);
  }

  *receive(event: StreamEvent): Generator<LayerEvent> {
    switch (this.#mode) {
      case 'absent':
        yield event;
        return;
      case 'encrypted':
        if (event.kind === 'data') this.#encryptedBytes += event.bytes.length;
        else if (event.kind !== 'gap') yield event;
        return;
      case 'undecided':
        yield* this.#decide(event);
        return;
      case 'reading':
        yield* this.#read(event);
    }
  }

  get heldBytes(): number {
    return this.#halves.client.reader.cost + this.#halves.server.reader.cost;
  }

  get session(): TlsSession {
    return this.#handshake.session;
  }

  /** Octets of sessions or of their rests that could not be read; single damaged records are not counted. */
  get encryptedBytes(): number {
    return this.#encryptedBytes;
  }

  *#decide(event: StreamEvent): Generator<LayerEvent> {
    if (event.kind === 'open') {
      yield event;
      return;
    }
    this.#held.push(event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event);
    const verdict = event.kind === 'close' ? 'undecided' : this.#tell(event);
    const isLast = event.kind === 'close' && event.side === 'both';
    if (verdict === 'undecided' && !isLast && this.#heldCount <= tlsLimits.undecidedMax) return;
    const held = this.#held;
    this.#held = [];
    this.#mode = verdict === 'tls' ? 'reading' : 'absent';
    if (this.#mode === 'absent' && held.some((each) => each.kind === 'data')) {
      yield { kind: 'note', what: 'absent', detail: 'no TLS where it was expected' };
    }
    for (const each of held) yield* this.receive(each);
  }

  #tell(event: StreamData | StreamGap): TlsVerdict {
    const opening = this.#openings[event.sender];
    this.#heldCount += event.kind === 'data' ? event.bytes.length : 1;
    if (event.kind === 'data') return opening.hear(event.bytes);
    opening.lose();
    return 'undecided';
  }

  *#read(event: StreamEvent): Generator<LayerEvent> {
    switch (event.kind) {
      case 'open':
        yield event;
        return;
      case 'close':
        yield* this.#close(event);
        return;
      default:
        yield* this.#receive(this.#halves[event.sender], event);
    }
  }

  *#receive(half: TlsHalf, event: StreamData | StreamGap): Generator<LayerEvent> {
    if (half.isGivenUp) {
      if (event.kind === 'data') this.#encryptedBytes += event.bytes.length;
      return;
    }
    half.receive(event);
    yield* this.#drain(half);
    const held = this.#halves.client.reader.heldBytes + this.#halves.server.reader.heldBytes;
    // A record that is coming in is not what there is too much of.
    const heldBytesMax = Math.max(this.#memory.unreadBytesMax, 2 * tlsLimits.recordBytesMax);
    if (held > Math.min(heldBytesMax, tlsLimits.heldBytesMax))
      yield* this.#giveUp("the other side's handshake did not come");
  }

  /** Reads what can be read, in turns, as each side's records may be what the other side waits for. */
  *#drain(first: TlsHalf): Generator<LayerEvent> {
    const second = this.#other(first);
    let progressed = true;
    while (progressed) {
      progressed = yield* this.#drainHalf(first);
      if (yield* this.#drainHalf(second)) progressed = true;
    }
  }

  *#drainHalf(half: TlsHalf): Generator<LayerEvent, boolean> {
    let progressed = false;
    half.isWaiting = false;
    while (this.#mode === 'reading' && !half.isGivenUp) {
      const record = half.reader.next();
      if (!record) break;
      half.isWaiting = this.#mustWait(half, record);
      if (half.isWaiting) break;
      progressed = true;
      yield* this.#record(half, record);
    }
    if (half.isWaiting && this.#keyLog.isEmpty) yield* this.#giveUp('no secrets');
    if (!half.isWaiting && half.pendingClose) yield* this.#end(half);
    return progressed;
  }

  /** Captures may show an answer before what it answers. */
  #mustWait(half: TlsHalf, record: TlsRecord): boolean {
    const isData = record.type === CONTENT_TYPE.applicationData;
    // A server whose first record is application data was captured in the middle: no hello will come.
    if (half.sender === 'server' && !this.#handshake.hasHello('client')) return !isData;
    if (half.isProtected && isData) return false;
    if (half.sender === 'client' && isData) {
      const awaitsServer = this.#handshake.hasHello('client') && !this.#handshake.hasHello('server');
      return awaitsServer || this.#handshake.awaitsEarlyDataAnswer;
    }
    const changesKeys = record.type === CONTENT_TYPE.changeCipherSpec && !this.#handshake.isTls13;
    // Chance octets behind a loss must not be waited for: keys for them would never come.
    if (record.isCandidate && !looksPlain(record)) return false;
    return changesKeys && this.#handshake.hasHello('client') && !half.expectsKeys;
  }

  *#record(half: TlsHalf, record: TlsRecord): Generator<LayerEvent> {
    const isBegun = half.isProtected || half.expectsKeys || this.#handshake.hasHello(half.sender);
    if (!isBegun && (record.type === CONTENT_TYPE.applicationData || !half.follows(record))) {
      yield* this.#giveUp('the handshake was not captured');
    } else if (this.#isProtected(half, record)) {
      yield* this.#open(half, record);
    } else if (!half.follows(record)) {
      yield* this.#recordAfterLoss(half, record);
    } else {
      yield* this.#plainRecord(half, record);
    }
  }

  #isProtected(half: TlsHalf, record: TlsRecord): boolean {
    if (record.type === CONTENT_TYPE.applicationData) return true;
    if (this.#handshake.isTls13) return false;
    return half.isProtected && record.type !== CONTENT_TYPE.changeCipherSpec;
  }

  /** The beginning of the session, and later on what says nothing. */
  *#plainRecord(half: TlsHalf, record: TlsRecord): Generator<LayerEvent> {
    if (record.type === CONTENT_TYPE.changeCipherSpec && !this.#handshake.isTls13) half.changeKeys();
    half.pass(record);
    if (record.type === CONTENT_TYPE.handshake) yield* this.#handshakeContent(half, record.fragment);
  }

  /** Behind a hole in the handshake: once the hellos are known the rest of it can be done without. */
  *#recordAfterLoss(half: TlsHalf, record: TlsRecord): Generator<LayerEvent> {
    half.handshakes.reset();
    // The change of keys may be among what was lost.
    const mayBeProtected = record.type === CONTENT_TYPE.handshake && !this.#handshake.isTls13;
    if (mayBeProtected && !half.wasteIsExceeded && half.open(record)) return;
    if (!half.isProtected && looksPlain(record)) yield* this.#plainRecord(half, record);
    else half.refuse(record);
  }

  *#open(half: TlsHalf, record: TlsRecord): Generator<LayerEvent> {
    const { seen } = record;
    const opened = half.open(record);
    if (!opened) {
      yield* this.#refuse(half, record);
      return;
    }
    if (opened.lostBytes > 0) yield half.gap(opened.lostBytes, seen);
    if (opened.type === CONTENT_TYPE.handshake) yield* this.#handshakeContent(half, opened.content);
    if (opened.type !== CONTENT_TYPE.applicationData || opened.content.length === 0) return;
    if (opened.carries === 'early' && !this.#handshake.acceptsEarlyData) return;
    // What one side says may answer what was lost of the other.
    const loss = this.#other(half).takeLoss();
    if (loss) yield loss;
    yield half.data(opened.content, seen);
  }

  *#refuse(half: TlsHalf, record: TlsRecord): Generator<LayerEvent> {
    const wasInLine = half.follows(record);
    const { frame } = record.seen;
    const bytes = record.fragment.length;
    const fate = half.refuse(record);
    const isEarly = fate === 'ignored' && half.sender === 'client' && this.#handshake.acceptsEarlyData;
    if ((fate === 'lost' && wasInLine) || isEarly) {
      yield* this.#undecryptable(frame, `a record of ${bytes} octets fails its check`);
    }
    if (half.secretsAreWrong) yield* this.#giveUp('the secrets are of another session');
    else if (half.wasteIsExceeded) yield* this.#giveUpHalf(half, frame);
  }

  *#undecryptable(frame: number, detail: string): Generator<LayerEvent> {
    if (this.#isUndecryptableReported) return;
    this.#isUndecryptableReported = true;
    yield anomaly('dialogue.tls-undecryptable', `frame ${frame}`, detail);
  }

  #other(half: TlsHalf): TlsHalf {
    return this.#halves[half.sender === 'client' ? 'server' : 'client'];
  }

  *#handshakeContent(half: TlsHalf, content: Buffer): Generator<LayerEvent> {
    for (const message of half.handshakes.receive(content)) {
      const result = this.#handshake.receive(half.sender, message);
      if (result?.kind === 'failed') {
        yield* this.#giveUp(result.reason);
        return;
      }
      if (!result) continue;
      this.#halves.client.expect(result.epochs.client);
      this.#halves.server.expect(result.epochs.server);
    }
  }

  *#close(event: StreamClose): Generator<LayerEvent> {
    if (event.side !== 'both') {
      const half = this.#halves[event.side];
      half.pendingClose = event;
      yield* this.#readToEnd(half);
      return;
    }
    const { client, server } = this.#halves;
    yield* this.#readToEnd(client);
    yield* this.#readToEnd(server);
    if (client.openedCount + server.openedCount === 0) yield* this.#giveUp('the handshake did not end');
    yield* this.#end(client);
    yield* this.#end(server);
    this.#mode = 'encrypted';
    yield event;
  }

  /** Behind a loss, records may stand behind what looked like one that is still to come. */
  *#readToEnd(half: TlsHalf): Generator<LayerEvent> {
    half.reader.end();
    yield* this.#drain(half);
  }

  /** Nothing more will come of this direction, and nothing that it waits for. */
  *#end(half: TlsHalf): Generator<LayerEvent> {
    const rest = this.#mode === 'reading' ? half.takeRest() : undefined;
    if (rest) yield rest;
    const close = half.pendingClose;
    half.pendingClose = undefined;
    if (close) yield close;
  }

  /** This direction cannot be followed any more; the other one may. */
  *#giveUpHalf(half: TlsHalf, frame: number): Generator<LayerEvent> {
    half.isGivenUp = true;
    this.#encryptedBytes += half.reader.heldBytes;
    yield* this.#undecryptable(frame, 'no record opens any more');
    const rest = half.takeRest();
    if (rest) yield rest;
  }

  /** Nothing of the content will come any more. */
  *#giveUp(reason: string): Generator<LayerEvent> {
    if (this.#mode !== 'reading') return;
    this.#mode = 'encrypted';
    const { client, server } = this.#halves;
    this.#encryptedBytes += client.reader.heldBytes + server.reader.heldBytes;
    // What was held is let go.
    this.#halves = createHalves();
    yield { kind: 'note', what: 'encrypted', detail: this.#describe(reason) };
    yield* this.#end(client);
    yield* this.#end(server);
  }

  #describe(reason: string): string {
    const { serverName, version, cipherSuite } = this.session;
    const name = serverName ?? this.#connection.server.address;
    return [name, version, cipherSuite, reason].filter((part) => part !== null).join(', ');
  }
}

function createHalves(): Record<Sender, TlsHalf> {
  return { client: new TlsHalf('client'), server: new TlsHalf('server') };
}
