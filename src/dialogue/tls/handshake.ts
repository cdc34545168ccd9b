/** From hellos to keys: what the two sides of one connection agreed on, and the secrets that belong to it. */
import type { Sender } from '../../stream/types.ts';
import { type CipherSuite, cipherSuite, cipherSuiteName } from './cipher-suites.ts';
import { type Epoch, firstTrafficEpoch, sessionEpoch } from './epoch.ts';
import { HANDSHAKE_TYPE, type HandshakeMessage } from './handshake-reader.ts';
import {
  acceptsEarlyData,
  type ClientHello,
  parseClientHello,
  parseServerHello,
  type ServerHello,
  TLS_1_0,
  TLS_1_3,
} from './hello.ts';
import type { KeyLog } from './key-log.ts';
import { createOpeners } from './session-keys.ts';

/** What is known of a session, for a person; null where it was not captured. */
export interface TlsSession {
  readonly serverName: string | null;
  readonly version: string | null;
  readonly cipherSuite: string | null;
}

/** The keys to come, or why there will be none. */
export type HandshakeResult =
  | { readonly kind: 'keys'; readonly epochs: Record<Sender, Epoch> }
  | { readonly kind: 'failed'; readonly reason: string };

/** Secrets are looked up when a ServerHello answers a ClientHello, and at no other time. */
export class Handshake {
  readonly #keyLog: KeyLog;
  #clientHello: ClientHello | undefined;
  #serverHello: ServerHello | undefined;
  /** Of a renegotiation whose ClientHello is still to come: captures may show an answer too early. */
  #aheadServerHello: ServerHello | undefined;
  #version: number | undefined;
  #earlyData: 'none' | 'undecided' | 'accepted' | 'refused' = 'none';

  constructor(keyLog: KeyLog) {
    this.#keyLog = keyLog;
  }

  /** A message in its sender's order; the result where it is one that ends the agreement. */
  receive(sender: Sender, message: HandshakeMessage): HandshakeResult | undefined {
    return sender === 'client' ? this.#fromClient(message) : this.#fromServer(message);
  }

  /** This side has said hello, in a renegotiation again. */
  hasHello(sender: Sender): boolean {
    return (sender === 'client' ? this.#clientHello : this.#serverHello) !== undefined;
  }

  get isTls13(): boolean {
    return this.#version === TLS_1_3;
  }

  /** Early data was sent, and whether the server reads it is not known yet. */
  get awaitsEarlyDataAnswer(): boolean {
    return this.#earlyData === 'undecided';
  }

  get acceptsEarlyData(): boolean {
    return this.#earlyData === 'accepted';
  }

  get session(): TlsSession {
    const suite = this.#serverHello?.cipherSuite;
    return {
      serverName: this.#clientHello?.serverName ?? null,
      version: this.#version === undefined ? null : versionName(this.#version),
      cipherSuite: suite === undefined ? null : cipherSuiteName(suite),
    };
  }

  #fromClient({ type, body }: HandshakeMessage): HandshakeResult | undefined {
    // In TLS 1.3 there is no renegotiation, and the ClientHello after a HelloRetryRequest repeats the random.
    if (type !== HANDSHAKE_TYPE.clientHello || this.isTls13) return undefined;
    const hello = parseClientHello(body);
    if (!hello) return failed('the ClientHello is damaged');
    this.#clientHello = hello;
    this.#serverHello = undefined;
    const ahead = this.#aheadServerHello;
    this.#aheadServerHello = undefined;
    return ahead && this.#agree(hello, ahead);
  }

  #fromServer({ type, body }: HandshakeMessage): HandshakeResult | undefined {
    if (type === HANDSHAKE_TYPE.encryptedExtensions && this.#earlyData === 'undecided') {
      this.#earlyData = acceptsEarlyData(body) ? 'accepted' : 'refused';
    }
    if (type !== HANDSHAKE_TYPE.serverHello || (this.isTls13 && this.#serverHello)) return undefined;
    const hello = parseServerHello(body);
    if (!hello || !this.#clientHello) return failed('the ServerHello is damaged');
    if (hello.isRetryRequest) {
      this.#version = hello.version;
      return undefined;
    }
    if (!this.#serverHello) return this.#agree(this.#clientHello, hello);
    this.#aheadServerHello = hello;
    return undefined;
  }

  #agree(client: ClientHello, server: ServerHello): HandshakeResult {
    this.#serverHello = server;
    this.#version = server.version;
    const suite = cipherSuite(server.cipherSuite);
    const isKnown = server.version >= TLS_1_0 && server.version <= TLS_1_3 && server.compressionMethod === 0;
    if (!suite || !isKnown) return failed('this version or cipher suite cannot be read');
    const epochs = this.isTls13
      ? this.#trafficEpochs(suite, client)
      : this.#sessionEpochs(suite, client.random, server);
    return epochs ? { kind: 'keys', epochs } : failed('no secrets');
  }

  #sessionEpochs(
    suite: CipherSuite,
    clientRandom: Buffer,
    server: ServerHello,
  ): Record<Sender, Epoch> | undefined {
    const masterSecret = this.#keyLog.secret('CLIENT_RANDOM', clientRandom);
    if (!masterSecret) return undefined;
    const { version, encryptThenMac, random: serverRandom } = server;
    const agreement = { suite, version, encryptThenMac, clientRandom, serverRandom };
    const openers = createOpeners(agreement, masterSecret);
    return { client: sessionEpoch(openers.client), server: sessionEpoch(openers.server) };
  }

  /** Without handshake secrets the application data can be read all the same. */
  #trafficEpochs(suite: CipherSuite, client: ClientHello): Record<Sender, Epoch> | undefined {
    const { random } = client;
    const ofClient = this.#keyLog.secret('CLIENT_TRAFFIC_SECRET_0', random);
    const ofServer = this.#keyLog.secret('SERVER_TRAFFIC_SECRET_0', random);
    if (!ofClient || !ofServer) return undefined;
    const early = this.#keyLog.secret('CLIENT_EARLY_TRAFFIC_SECRET', random);
    const clientHandshake = this.#keyLog.secret('CLIENT_HANDSHAKE_TRAFFIC_SECRET', random);
    const serverHandshake = this.#keyLog.secret('SERVER_HANDSHAKE_TRAFFIC_SECRET', random);
    const mayBeEarly = client.offersEarlyData;
    const clientEpoch = firstTrafficEpoch(suite, {
      mayBeEarly,
      early: mayBeEarly ? early : undefined,
      handshake: clientHandshake,
      application: ofClient,
    });
    const serverEpoch = firstTrafficEpoch(suite, {
      mayBeEarly: false,
      early: undefined,
      handshake: serverHandshake,
      application: ofServer,
    });
    if (!clientEpoch || !serverEpoch) return undefined;
    if (mayBeEarly && serverHandshake) this.#earlyData = 'undecided';
    return { client: clientEpoch, server: serverEpoch };
  }
}

function failed(reason: string): HandshakeResult {
  return { kind: 'failed', reason };
}

function versionName(version: number): string {
  const minor = version - TLS_1_0;
  return minor >= 0 && minor <= 3 ? `TLS 1.${minor}` : `version 0x${version.toString(16).padStart(4, '0')}`;
}
