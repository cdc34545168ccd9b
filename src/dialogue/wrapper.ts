/** Tells what mail may be wrapped in by the first octets: TLS, SOCKS, HTTP CONNECT, a PROXY header. */
import type { Sender } from '../stream/types.ts';

export type WrapperKind = 'tls' | 'socks' | 'http-connect' | 'proxy-header';

export interface Wrapper {
  readonly kind: WrapperKind;
  /** Who speaks so; undefined where either side may. */
  readonly voice: Sender | undefined;
}

/** PROXY protocol, version 2: the signature before all else (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2.2). */
export const proxySignature: Buffer = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** A request line or a PROXY line that is longer is none. */
const lineBytesMax = 512;

const connect = Buffer.from('CONNECT ');
const proxy = Buffer.from('PROXY ');
const httpAnswer = Buffer.from('HTTP/1.');

/** `maybe`: more octets will tell; undefined: none of these. `answer`: what the other side has said. */
export function tellWrapper(opening: Buffer, answer: Buffer): Wrapper | 'maybe' | undefined {
  switch (opening[0]) {
    case undefined:
      return undefined;
    case 0x14:
    case 0x15:
    case 0x16:
    case 0x17:
      return tellTlsRecord(opening);
    case 4:
      return tellSocks4(opening);
    case 5:
      return tellSocks5(opening, answer);
    case 0x0d:
      return tellSignature(opening);
    case 0x43:
      return tellConnect(opening);
    case 0x50:
      return tellProxyLine(opening);
    default:
      return undefined;
  }
}

/** What a proxy answers, as far as it is there: captures may show an answer before what it answers. */
export function mayBeProxyAnswer(opening: Buffer): boolean {
  if (opening.length === 0) return false;
  if (opening[0] === 5) return (opening[1] ?? 0) <= 2;
  if (opening[0] === 0) return (opening[1] ?? 90) === 90;
  return isBeginningOf(opening, httpAnswer);
}

/** RFC 8446 §5.1: type, version 3.x; a handshake begins with the kind of its hello. */
function tellTlsRecord(opening: Buffer): Wrapper | 'maybe' | undefined {
  if ((opening[1] ?? 3) !== 3 || (opening[2] ?? 0) > 4) return undefined;
  if (opening.length < 3) return 'maybe';
  if (opening[0] !== 0x16) return { kind: 'tls', voice: undefined };
  if (opening.length < 6) return 'maybe';
  return { kind: 'tls', voice: opening[5] === 1 ? 'client' : opening[5] === 2 ? 'server' : undefined };
}

/** VN 4, CD 1 (CONNECT), port, address, user, NUL. */
function tellSocks4(opening: Buffer): Wrapper | 'maybe' | undefined {
  if ((opening[1] ?? 1) !== 1) return undefined;
  if (opening.length < 9) return 'maybe';
  return opening.readUInt16BE(2) === 0 ? undefined : { kind: 'socks', voice: 'client' };
}

/**
 * RFC 1928 §3: VER, NMETHODS, METHODS; what follows in the same flight begins with 5 or (RFC 1929) 1. Where nothing
 * follows, the answer tells: more may still come.
 */
function tellSocks5(opening: Buffer, answer: Buffer): Wrapper | 'maybe' | undefined {
  const methods = opening[1] ?? 1;
  if (methods === 0) return undefined;
  if (opening.length < 2 + methods) return 'maybe';
  const next = opening[2 + methods] ?? answer[0];
  if (next === undefined) return 'maybe';
  const isSocks = next === 5 || (next === 1 && opening.length > 2 + methods);
  return isSocks ? { kind: 'socks', voice: 'client' } : undefined;
}

/** RFC 9112 §3.2.3. QUIRK: ` /` behind the target is sent by some and accepted by their proxies. */
function tellConnect(opening: Buffer): Wrapper | 'maybe' | undefined {
  const line = firstLine(opening);
  if (line === undefined) return isBeginningOf(opening, connect) ? 'maybe' : undefined;
  const isRequest = /^CONNECT \S+:\d{1,5}(?: \/)? HTTP\/1\.[01]\r?\n/.test(line);
  return isRequest ? { kind: 'http-connect', voice: 'client' } : undefined;
}

/** Version 1, §2.1 of the same document. */
function tellProxyLine(opening: Buffer): Wrapper | 'maybe' | undefined {
  const line = firstLine(opening);
  if (line === undefined) return isBeginningOf(opening, proxy) ? 'maybe' : undefined;
  const isHeader = /^PROXY (?:TCP4|TCP6|UNKNOWN)[ \r]/.test(line);
  return isHeader ? { kind: 'proxy-header', voice: 'client' } : undefined;
}

function tellSignature(opening: Buffer): Wrapper | 'maybe' | undefined {
  if (!isBeginningOf(opening, proxySignature)) return undefined;
  return opening.length < proxySignature.length ? 'maybe' : { kind: 'proxy-header', voice: 'client' };
}

/** Both are equal as far as both reach. */
function isBeginningOf(opening: Buffer, whole: Buffer): boolean {
  if (opening[0] !== whole[0]) return opening.length === 0;
  const length = Math.min(opening.length, whole.length);
  return opening.compare(whole, 0, length, 0, length) === 0;
}

/** With its end; empty where it is longer than any of ours, undefined while it has not ended. */
function firstLine(opening: Buffer): string | undefined {
  const end = opening.indexOf(0x0a);
  if (end >= 0 && end < lineBytesMax) return opening.toString('latin1', 0, end + 1);
  return opening.length < lineBytesMax ? undefined : '';
}
