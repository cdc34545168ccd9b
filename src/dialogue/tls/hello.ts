/** ClientHello and ServerHello, RFC 5246 §7.4.1 and RFC 8446 §4.1: what keys depend on, and whom was called. */

export const TLS_1_0 = 0x0301;
export const TLS_1_2 = 0x0303;
export const TLS_1_3 = 0x0304;

export interface ClientHello {
  readonly random: Buffer;
  /** RFC 6066 §3; null where the client named nobody. */
  readonly serverName: string | null;
  /** Application data may follow at once, RFC 8446 §4.2.10. */
  readonly offersEarlyData: boolean;
}

export interface ServerHello {
  readonly random: Buffer;
  readonly version: number;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  /** RFC 7366. */
  readonly encryptThenMac: boolean;
  /** Not an answer but the wish for another ClientHello, RFC 8446 §4.1.4. */
  readonly isRetryRequest: boolean;
}

const SERVER_NAME = 0;
const ENCRYPT_THEN_MAC = 22;
const EARLY_DATA = 42;
const SUPPORTED_VERSIONS = 43;

/** SHA-256 of "HelloRetryRequest", RFC 8446 §4.1.3. */
const RETRY_REQUEST_RANDOM = Buffer.from(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
  'hex',
);

/** Both hellos begin with the version and the random: 34 octets, then the session id's length. */
const RANDOM_AT = 2;
const SESSION_ID_AT = 34;

/** `body` without the header of the handshake message; undefined where it is damaged. The result owns its bytes. */
export function parseClientHello(body: Buffer): ClientHello | undefined {
  const cipherSuitesAt = vectorEnd(body, SESSION_ID_AT, 1);
  const compressionMethodsAt = vectorEnd(body, cipherSuitesAt, 2);
  const extensionsAt = vectorEnd(body, compressionMethodsAt, 1);
  if (extensionsAt === undefined) return undefined;
  const extensions = parseExtensions(body, extensionsAt);
  return {
    random: Buffer.from(body.subarray(RANDOM_AT, SESSION_ID_AT)),
    serverName: parseServerName(extensions.get(SERVER_NAME)),
    offersEarlyData: extensions.has(EARLY_DATA),
  };
}

export function parseServerHello(body: Buffer): ServerHello | undefined {
  const cipherSuiteAt = vectorEnd(body, SESSION_ID_AT, 1);
  if (cipherSuiteAt === undefined || cipherSuiteAt + 3 > body.length) return undefined;
  const extensions = parseExtensions(body, cipherSuiteAt + 3);
  const selected = extensions.get(SUPPORTED_VERSIONS);
  const random = Buffer.from(body.subarray(RANDOM_AT, SESSION_ID_AT));
  return {
    random,
    version: selected?.length === 2 ? selected.readUInt16BE(0) : body.readUInt16BE(0),
    cipherSuite: body.readUInt16BE(cipherSuiteAt),
    compressionMethod: body.readUInt8(cipherSuiteAt + 2),
    encryptThenMac: extensions.has(ENCRYPT_THEN_MAC),
    isRetryRequest: random.equals(RETRY_REQUEST_RANDOM),
  };
}

/** EncryptedExtensions, RFC 8446 §4.3.1: whether the server reads the client's early data. */
export function acceptsEarlyData(encryptedExtensions: Buffer): boolean {
  return parseExtensions(encryptedExtensions, 0).has(EARLY_DATA);
}

/** Where a vector with a length of `lengthBytes` ends that begins at `at`; undefined beyond the message. */
function vectorEnd(body: Buffer, at: number | undefined, lengthBytes: 1 | 2): number | undefined {
  if (at === undefined || at + lengthBytes > body.length) return undefined;
  const end = at + lengthBytes + body.readUIntBE(at, lengthBytes);
  return end > body.length ? undefined : end;
}

/** Extensions by type; the first of each, up to where they are damaged. Old hellos have none. */
function parseExtensions(body: Buffer, at: number): Map<number, Buffer> {
  const extensions = new Map<number, Buffer>();
  const end = vectorEnd(body, at, 2);
  if (end === undefined) return extensions;
  let position = at + 2;
  while (position + 4 <= end) {
    const next = vectorEnd(body, position + 2, 2);
    if (next === undefined || next > end) break;
    const type = body.readUInt16BE(position);
    if (!extensions.has(type)) extensions.set(type, body.subarray(position + 4, next));
    position = next;
  }
  return extensions;
}

/** ServerNameList: 2 octets of length, then entries of type (0: host name), length and name. */
function parseServerName(extension: Buffer | undefined): string | null {
  if (!extension || extension.length < 5 || extension[2] !== 0) return null;
  const end = vectorEnd(extension, 3, 2);
  if (end === undefined) return null;
  const name = extension.toString('latin1', 5, end);
  // Names go into reports: only what a host name may be made of gets there.
  return /^[\w.-]{1,255}$/.test(name) ? name : null;
}
