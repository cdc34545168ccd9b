/**
 * TLS secrets as clients and servers log them: the SSLKEYLOGFILE format, RFC 9850, one secret a line:
 * a label, the ClientHello's random and the secret, both in hexadecimal. pcapng files carry the same text in
 * Decryption Secrets Blocks.
 */
import { tlsLimits } from '../../core/limits.ts';

const LF = 0x0a;

/** The labels that recorded traffic is deciphered with; all others are ignored. */
const LABELS = [
  /** The master secret of TLS 1.0 to 1.2. */
  'CLIENT_RANDOM',
  'CLIENT_EARLY_TRAFFIC_SECRET',
  'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
  'SERVER_HANDSHAKE_TRAFFIC_SECRET',
  'CLIENT_TRAFFIC_SECRET_0',
  'SERVER_TRAFFIC_SECRET_0',
] as const;

export type SecretLabel = (typeof LABELS)[number];

const MASTER_SECRET_BYTES = 48;
const TRAFFIC_SECRET_BYTES = [32, 48];

const LINE = /^\s*([A-Z0-9_]+)\s+([0-9A-Fa-f]{64})\s+([0-9A-Fa-f]{64,96})\s*$/;

/**
 * All secrets of a run. A secret must be there when the record that needs it arrives: a session whose
 * secret comes later stays encrypted. Whoever reads a pcapng file adds its secrets first.
 */
export class KeyLog {
  readonly #sessions = new Map<string, Map<SecretLabel, Buffer>>();

  /** Whole lines; junk is skipped. May be called any number of times, with the same lines too. */
  add(text: Buffer | string): void {
    const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
    let start = 0;
    while (start < bytes.length) {
      const found = bytes.indexOf(LF, start);
      const end = found < 0 ? bytes.length : found;
      if (end - start <= tlsLimits.keyLogLineBytesMax) this.#addLine(bytes.toString('latin1', start, end));
      start = end + 1;
    }
  }

  get isEmpty(): boolean {
    return this.#sessions.size === 0;
  }

  /** Sessions of which at least one secret is known. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  secret(label: SecretLabel, clientRandom: Buffer): Buffer | undefined {
    return this.#sessions.get(clientRandom.toString('latin1'))?.get(label);
  }

  #addLine(line: string): void {
    const [, name, random, value] = LINE.exec(line) ?? [];
    if (random === undefined || value === undefined) return;
    const label = LABELS.find((each) => each === name);
    const secret = Buffer.from(value, 'hex');
    if (label === undefined || !hasSecretLength(label, secret)) return;
    this.#session(Buffer.from(random, 'hex').toString('latin1'))?.set(label, secret);
  }

  #session(key: string): Map<SecretLabel, Buffer> | undefined {
    const known = this.#sessions.get(key);
    if (known || this.#sessions.size >= tlsLimits.sessionsMax) return known;
    const session = new Map<SecretLabel, Buffer>();
    this.#sessions.set(key, session);
    return session;
  }
}

function hasSecretLength(label: SecretLabel, secret: Buffer): boolean {
  if (label === 'CLIENT_RANDOM') return secret.length === MASTER_SECRET_BYTES;
  return TRAFFIC_SECRET_BYTES.includes(secret.length);
}
