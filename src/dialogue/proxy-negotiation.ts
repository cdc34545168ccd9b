/** The messages of a negotiation with a proxy, one step for each. */
import { proxySignature, type WrapperKind } from './wrapper.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** `more`: the message is not complete. `octets` are its length, which may be more than is there. */
type Progress =
  | 'more'
  | { readonly octets: number; readonly next: Step | undefined; readonly target?: Target }
  | { readonly refused: string };

/** Reads one message at the front of the octets, of which there is at least one. */
export type Step = (bytes: Buffer) => Progress;

/** What each side says first; undefined where it says nothing of its own. */
export interface Negotiation {
  readonly client: Step | undefined;
  readonly server: Step | undefined;
}

export function negotiationOf(kind: Exclude<WrapperKind, 'tls'>): Negotiation {
  switch (kind) {
    case 'socks':
      return { client: socksHello, server: socksAnswer };
    case 'http-connect':
      return { client: connectRequest, server: connectResponse };
    case 'proxy-header':
      return { client: proxyHeader, server: undefined };
  }
}

// ---- SOCKS --------------------------------------------------------------------------------------

const socksHello: Step = (bytes) => {
  if (bytes[0] === 4) return socks4Request(bytes);
  const methods = bytes[1];
  return methods === undefined ? 'more' : { octets: 2 + methods, next: socks5AfterHello };
};

/** VN, CD, DSTPORT, DSTIP, USERID, NUL. SOCKS 4a: address 0.0.0.x means that a host name follows. */
const socks4Request: Step = (bytes) => {
  const userEnd = bytes.indexOf(0, 8);
  if (userEnd < 0) return 'more';
  const hasName = bytes.readUIntBE(4, 3) === 0 && bytes[7] !== 0;
  const nameEnd = hasName ? bytes.indexOf(0, userEnd + 1) : userEnd;
  if (nameEnd < 0) return 'more';
  const host = hasName ? bytes.toString('latin1', userEnd + 1, nameEnd) : bytes.subarray(4, 8).join('.');
  return { octets: nameEnd + 1, next: undefined, target: { host, port: bytes.readUInt16BE(2) } };
};

/** User and password (RFC 1929 §2: VER 1, ULEN, UNAME, PLEN, PASSWD), or the request at once. */
const socks5AfterHello: Step = (bytes) => {
  if (bytes[0] === 5) return socks5Request(bytes);
  if (bytes[0] !== 1) return { refused: 'no request of SOCKS 5 follows its greeting' };
  const userLength = bytes[1];
  const passwordLength = userLength === undefined ? undefined : bytes[2 + userLength];
  if (userLength === undefined || passwordLength === undefined) return 'more';
  return { octets: 3 + userLength + passwordLength, next: socks5Request };
};

/** RFC 1928 §4: VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT; only CONNECT carries mail. */
const socks5Request: Step = (bytes) => {
  if (bytes[0] !== 5 || (bytes[1] ?? 1) !== 1) return { refused: 'no CONNECT of SOCKS 5' };
  return addressedMessage(bytes);
};

const socksAnswer: Step = (bytes) => {
  if (bytes[0] === 0) return socks4Reply(bytes);
  const method = bytes[1];
  if (bytes[0] !== 5) return { refused: 'the server does not answer as SOCKS does' };
  if (method === undefined) return 'more';
  if (method !== 0 && method !== 2) return { refused: `the proxy chose method ${method}` };
  return { octets: 2, next: method === 2 ? socks5Authenticated : socks5Reply };
};

/** VN 0, CD 90 where the request is granted, and six octets that say nothing. */
const socks4Reply: Step = (bytes) => {
  if (bytes.length < 2) return 'more';
  return bytes[1] === 90 ? { octets: 8, next: undefined } : { refused: 'the proxy refused the request' };
};

const socks5Authenticated: Step = (bytes) => {
  if (bytes.length < 2) return 'more';
  return bytes[1] === 0 ? { octets: 2, next: socks5Reply } : { refused: 'the proxy refused the user' };
};

const socks5Reply: Step = (bytes) => {
  if (bytes[0] !== 5 || (bytes[1] ?? 0) !== 0) return { refused: 'the proxy refused the request' };
  const reply = addressedMessage(bytes);
  // Its address is the proxy's own.
  return typeof reply === 'object' && 'octets' in reply ? { octets: reply.octets, next: undefined } : reply;
};

/** RFC 1928 §4 and §6: VER, CMD or REP, RSV, ATYP, address, port. */
function addressedMessage(bytes: Buffer): Progress {
  const type = bytes[3];
  const nameLength = bytes[4];
  if (type === undefined || nameLength === undefined) return 'more';
  const addressBytes = new Map([
    [1, 4],
    [3, 1 + nameLength],
    [4, 16],
  ]).get(type);
  if (addressBytes === undefined) return { refused: `no address of type ${type}` };
  const portAt = 4 + addressBytes;
  if (bytes.length < portAt + 2) return 'more';
  const address = bytes.subarray(4, portAt);
  const target = { host: addressText(type, address), port: bytes.readUInt16BE(portAt) };
  return { octets: portAt + 2, next: undefined, target };
}

function addressText(type: number, address: Buffer): string {
  if (type === 1) return address.join('.');
  if (type === 3) return address.toString('latin1', 1);
  return address.toString('hex').replace(/(....)(?!$)/g, '$1:');
}

// ---- HTTP CONNECT -------------------------------------------------------------------------------

/** The request, and after a demand for credentials the next one. */
const connectRequest: Step = (bytes) => {
  const octets = headerLength(bytes);
  if (octets === undefined) return 'more';
  const [, host = '', port = ''] =
    /^CONNECT (\S+):(\d{1,5})[ \r\n]/.exec(bytes.toString('latin1', 0, octets)) ?? [];
  return { octets, next: connectAgain, target: { host, port: Number(port) } };
};

const connectAgain: Step = (bytes) => {
  const method = Buffer.from('CONNECT ');
  const length = Math.min(bytes.length, method.length);
  if (bytes.compare(method, 0, length, 0, length) !== 0) return { octets: 0, next: undefined };
  return length < method.length ? 'more' : connectRequest(bytes);
};

const connectResponse: Step = (bytes) => {
  const octets = headerLength(bytes);
  const header = bytes.toString('latin1', 0, octets ?? bytes.length);
  if (bytes.length >= 5 && !header.startsWith('HTTP/'))
    return { refused: 'the server does not answer in HTTP' };
  if (octets === undefined) return 'more';
  const status = Number(/^HTTP\/\d\.\d (\d{3})/.exec(header)?.[1]);
  if (status >= 200 && status < 300) return { octets, next: undefined };
  if (status >= 100 && status < 200) return { octets, next: connectResponse };
  const body = Number(/^Content-Length:\s*(\d{1,9})\s*$/im.exec(header)?.[1]);
  // The client may answer the demand for credentials on the same connection (RFC 9110 §15.5.8).
  if (status === 407 && body >= 0) return { octets: octets + body, next: connectResponse };
  return { refused: `the proxy answered ${status}` };
};

/** Up to and including the empty line. */
function headerLength(bytes: Buffer): number | undefined {
  const end = /\r?\n\r?\n/.exec(bytes.toString('latin1'));
  return end === null ? undefined : end.index + end[0].length;
}

// ---- PROXY header -------------------------------------------------------------------------------

const proxyHeader: Step = (bytes) => (bytes[0] === 0x50 ? proxyLine(bytes) : proxyBlock(bytes));

/** Version 1: one line of at most 107 octets. */
const proxyLine: Step = (bytes) => {
  const end = bytes.indexOf(0x0a);
  if (end < 0 && bytes.length < 107) return 'more';
  return end < 0 || end >= 107
    ? { refused: 'the PROXY line has no end' }
    : { octets: end + 1, next: undefined };
};

/** Version 2: the signature, version and command, family, length of the rest. */
const proxyBlock: Step = (bytes) => {
  const headerBytes = proxySignature.length + 4;
  if (bytes.length < headerBytes) return 'more';
  if ((bytes[12] ?? 0) >> 4 !== 2) return { refused: 'no PROXY header of version 2' };
  return { octets: headerBytes + bytes.readUInt16BE(14), next: undefined };
};
