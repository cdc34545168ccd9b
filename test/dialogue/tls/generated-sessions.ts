/** TLS sessions between Node's own client and server, over a pair of streams in memory, as a capture shows them. */
import { constants } from 'node:crypto';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import type { Connection, Sender, StreamData } from '../../../src/stream/types.ts';
import { streamData } from '../../support/stream-events.ts';
import { ecdsa, rsa } from './identities.ts';

export const CONNECTION: Connection = {
  id: 1,
  client: { address: '192.0.2.1', port: 40_000 },
  server: { address: '192.0.2.2', port: 993 },
  handshakeSeen: true,
};

export interface GeneratedSession {
  readonly events: readonly StreamData[];
  readonly keyLog: string;
  readonly client: Buffer;
  readonly server: Buffer;
  /** To resume with. */
  readonly ticket: Buffer | undefined;
}

export interface SessionOptions {
  readonly version?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  readonly encryptThenMac?: boolean;
  /** Client's curves and server's: different ones cause a HelloRetryRequest. */
  readonly curves?: readonly [string, string];
  readonly ticket?: Buffer | undefined;
  readonly context?: tls.SecureContext;
  readonly renegotiates?: boolean;
  /** Octets that each side says in its turn. */
  readonly clientSays?: readonly Buffer[];
  readonly serverSays?: readonly Buffer[];
}

export const FIRST_SEQUENCE = { client: 4_294_967_000, server: 77_000 };

const DEFAULT_SUITES = 'TLS_AES_128_GCM_SHA256';

/** SSL_OP_NO_ENCRYPT_THEN_MAC, which Node's types leave out. */
const NO_ENCRYPT_THEN_MAC = 0x80000;

export function text(length: number, seed = 1): Buffer {
  let state = seed;
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = 32 + ((state >>> 16) % 95);
  }
  return bytes;
}

export function serverContext(options: SessionOptions = {}): tls.SecureContext {
  return tls.createSecureContext({
    ...common(options, 1),
    key: [rsa.key, ecdsa.key],
    cert: [rsa.cert, ecdsa.cert],
  });
}

/** The client and the server speak in turns, the client first, and the client closes. */
export async function generateSession(options: SessionOptions = {}): Promise<GeneratedSession> {
  const says = {
    client: options.clientSays ?? [text(100), text(20_000, 2), text(1, 3)],
    server: options.serverSays ?? [text(20, 4), text(17_000, 5), text(300, 6)],
  };
  const wire = new Wire();
  const keyLog: Buffer[] = [];
  const server = new tls.TLSSocket(wire.server, {
    isServer: true,
    secureContext: options.context ?? serverContext(options),
  });
  const client = tls.connect({
    socket: wire.client,
    servername: 'mail.example.org',
    rejectUnauthorized: false,
    ...common(options, 0),
    ...(options.ticket ? { session: options.ticket } : {}),
  });
  client.on('keylog', (line: Buffer) => keyLog.push(line));
  let ticket: Buffer | undefined;
  client.on('session', (session: Buffer) => {
    ticket = session;
  });
  await new Promise<void>((resolve, reject) => {
    client.on('error', reject);
    server.on('error', reject);
    client.once('secureConnect', resolve);
  });
  for (const [turn, said] of says.client.entries()) {
    if (turn === 1 && options.renegotiates) await renegotiate(client);
    await Promise.all([received(server, said.length), say(client, said)]);
    const answer = says.server[turn];
    if (answer) await Promise.all([received(client, answer.length), say(server, answer)]);
  }
  server.on('end', () => server.end());
  await new Promise<void>((resolve) => {
    client.on('close', () => resolve());
    server.resume();
    client.resume();
    client.end();
  });
  return {
    events: wire.events,
    keyLog: Buffer.concat(keyLog).toString('latin1'),
    client: Buffer.concat(says.client),
    server: Buffer.concat(says.server),
    ticket,
  };
}

function common(options: SessionOptions, side: 0 | 1): tls.SecureContextOptions {
  const version = options.version ?? 'TLSv1.3';
  return {
    minVersion: version,
    maxVersion: version,
    // The trailing names satisfy OpenSSL where only suites of TLS 1.3 are asked for.
    ciphers:
      version === 'TLSv1.3'
        ? `${options.ciphers ?? DEFAULT_SUITES}:AES128-SHA:@SECLEVEL=0`
        : `${options.ciphers ?? 'ALL'}:@SECLEVEL=0`,
    dhparam: 'auto' as unknown as string,
    ecdhCurve: options.curves?.[side] ?? 'P-256',
    secureOptions:
      constants.SSL_OP_LEGACY_SERVER_CONNECT | (options.encryptThenMac === false ? NO_ENCRYPT_THEN_MAC : 0),
  };
}

function say(socket: tls.TLSSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

function received(socket: tls.TLSSocket, length: number): Promise<void> {
  return new Promise((resolve) => {
    let left = length;
    const count = (bytes: Buffer) => {
      left -= bytes.length;
      if (left > 0) return;
      socket.off('data', count);
      resolve();
    };
    socket.on('data', count);
  });
}

function renegotiate(client: tls.TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    client.renegotiate({ rejectUnauthorized: false }, (error) => (error ? reject(error) : resolve()));
  });
}

/** Two ends joined; what crosses is noted. */
class Wire {
  readonly events: StreamData[] = [];
  readonly client: Duplex;
  readonly server: Duplex;
  readonly #sent = { client: 0, server: 0 };

  constructor() {
    this.client = this.#end('client');
    this.server = this.#end('server');
  }

  #end(sender: Sender): Duplex {
    const other = () => (sender === 'client' ? this.server : this.client);
    return new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, done) => {
        this.#note(sender, chunk);
        other().push(chunk);
        done();
      },
      final: (done) => {
        other().push(null);
        done();
      },
    });
  }

  #note(sender: Sender, chunk: Buffer): void {
    // As Ethernet would carry it.
    for (let at = 0; at < chunk.length; at += 1448) {
      const bytes = Buffer.from(chunk.subarray(at, at + 1448));
      const sequence = FIRST_SEQUENCE[sender] + this.#sent[sender];
      this.#sent[sender] += bytes.length;
      this.events.push(streamData(bytes, { sender, sequence, frame: this.events.length + 1 }));
    }
  }
}
