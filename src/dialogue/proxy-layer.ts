/**
 * What clients say before their mail protocol when it goes through something: SOCKS 4 and 5 (RFC 1928),
 * HTTP CONNECT (RFC 9110 §9.3.6), HAProxy's PROXY line. The negotiation is dropped; the rest passes.
 */
import { dialogueLimits } from '../core/limits.ts';
import type { Sender, StreamEvent } from '../stream/types.ts';
import { HalfStream } from './half-stream.ts';
import type { Layer, LayerEvent } from './layer.ts';

export type ProxyKind = 'socks' | 'http-connect' | 'proxy-header';

/** Octets of one negotiation message at the front of `bytes`; undefined while it is not complete. */
type Measure = (bytes: Buffer) => number | undefined;

export class ProxyLayer implements Layer {
  readonly #halves: Record<Sender, HalfStream> = { client: new HalfStream(), server: new HalfStream() };
  /** Negotiation messages that each side still has to send. */
  readonly #expected: Record<Sender, Measure[]>;

  constructor(kind: ProxyKind) {
    this.#expected = expectations(kind);
  }

  *receive(event: StreamEvent): Generator<LayerEvent> {
    if (event.kind === 'open' || event.kind === 'close') {
      yield event;
      return;
    }
    const half = this.#halves[event.sender];
    half.push(event);
    while (this.#dropMessage(event.sender, half)) {
      // Each message dropped may leave the next one complete.
    }
    if (this.#expected[event.sender].length === 0) yield* half.takeEvents(event.sender);
  }

  #dropMessage(sender: Sender, half: HalfStream): boolean {
    const measure = this.#expected[sender][0];
    if (!measure) return false;
    // A negotiation that is damaged or endless is none: what follows passes as it is.
    if (half.takeGap() || half.unreadBytes > dialogueLimits.sniffBytesMax * 16) {
      this.#expected[sender] = [];
      return false;
    }
    let left = measure(half.peek(dialogueLimits.sniffBytesMax));
    if (left === undefined) return false;
    while (left > 0) left -= half.takeRun(left)?.bytes.length ?? left;
    this.#expected[sender].shift();
    return true;
  }
}

function expectations(kind: ProxyKind): Record<Sender, Measure[]> {
  switch (kind) {
    case 'proxy-header':
      return { client: [measureLine], server: [] };
    case 'http-connect':
      return { client: [measureHeader], server: [measureHeader] };
    case 'socks':
      return { client: [measureSocksGreeting], server: [measureSocksAnswer] };
  }
}

function measureLine(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(0x0a);
  return end < 0 ? undefined : end + 1;
}

function measureHeader(bytes: Buffer): number | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  return end < 0 ? undefined : end + 4;
}

/** SOCKS 4: one request. SOCKS 5: methods, perhaps user and password (RFC 1929), then the request. */
function measureSocksGreeting(bytes: Buffer): number | undefined {
  if (bytes[0] === 4) return measureSocks4(bytes);
  const methods = bytes[1];
  if (methods === undefined) return undefined;
  let at = 2 + methods;
  if (bytes[at] === 1) {
    const userLength = bytes[at + 1];
    if (userLength === undefined) return undefined;
    const passwordLength = bytes[at + 2 + userLength];
    if (passwordLength === undefined) return undefined;
    at += 3 + userLength + passwordLength;
  }
  return addressedMessageEnd(bytes, at);
}

/** SOCKS 5: the chosen method, perhaps the answer to user and password, then the reply. SOCKS 4: 8 octets. */
function measureSocksAnswer(bytes: Buffer): number | undefined {
  if (bytes[0] === 0) return bytes.length >= 8 ? 8 : undefined;
  return addressedMessageEnd(bytes, bytes[1] === 2 ? 4 : 2);
}

function measureSocks4(bytes: Buffer): number | undefined {
  const userEnd = bytes.indexOf(0, 8);
  if (userEnd < 0) return undefined;
  // SOCKS 4a: address 0.0.0.x means that a host name follows.
  const hasName = bytes.readUIntBE(4, 3) === 0 && bytes[7] !== 0;
  const nameEnd = hasName ? bytes.indexOf(0, userEnd + 1) : userEnd;
  return nameEnd < 0 ? undefined : nameEnd + 1;
}

/** RFC 1928 §4 and §6: VER, CMD or REP, RSV, ATYP, address, port. */
function addressedMessageEnd(bytes: Buffer, at: number): number | undefined {
  const type = bytes[at + 3];
  if (type === undefined) return undefined;
  const nameLength = bytes[at + 4] ?? 0;
  const addressBytes = type === 1 ? 4 : type === 4 ? 16 : 1 + nameLength;
  const end = at + 4 + addressBytes + 2;
  return bytes.length >= end ? end : undefined;
}
