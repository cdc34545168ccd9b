/**
 * Handshake messages cut out of records, RFC 5246 §7.4: a record may hold several, and a message may take
 * several records.
 */
import { tlsLimits } from '../../core/limits.ts';

export const HANDSHAKE_TYPE = {
  clientHello: 1,
  serverHello: 2,
  encryptedExtensions: 8,
} as const;

export interface HandshakeMessage {
  readonly type: number;
  /** A view that dies at the next call. */
  readonly body: Buffer;
}

/** One octet of type, three of length. */
const HEADER_BYTES = 4;

const WANTED = new Set<number>(Object.values(HANDSHAKE_TYPE));

export class HandshakeReader {
  /** The beginning of a message that is wanted, or of any message's header. */
  #begun: Buffer = Buffer.alloc(0);
  /** Octets left of a message that nobody wants: certificates can be long. */
  #skipping = 0;

  /** The wanted messages that `fragment`, one record's content, completes. */
  *receive(fragment: Buffer): Generator<HandshakeMessage> {
    const skipped = Math.min(this.#skipping, fragment.length);
    this.#skipping -= skipped;
    let rest = fragment.subarray(skipped);
    // Bounded by the longest hello and one record, so that joining stays cheap: both are short.
    if (this.#begun.length > 0) rest = Buffer.concat([this.#begun, rest]);
    this.#begun = Buffer.alloc(0);
    while (rest.length >= HEADER_BYTES) {
      const type = rest.readUInt8(0);
      const end = HEADER_BYTES + rest.readUIntBE(1, 3);
      const isWanted = WANTED.has(type) && end <= tlsLimits.helloBytesMax;
      if (end > rest.length && isWanted) break;
      if (isWanted) yield { type, body: rest.subarray(HEADER_BYTES, end) };
      this.#skipping = Math.max(0, end - rest.length);
      rest = rest.subarray(Math.min(end, rest.length));
    }
    if (rest.length > 0) this.#begun = Buffer.from(rest);
  }

  /** Octets were lost: what follows is taken for the beginning of a message. */
  reset(): void {
    this.#begun = Buffer.alloc(0);
    this.#skipping = 0;
  }
}
