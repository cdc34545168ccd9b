/** Octets of commands and replies as text. */
import { isUtf8 } from 'node:buffer';

/** UTF-8 where it is that (RFC 6531), else each octet a character. Never fails. */
export function protocolText(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}
