/** DEFLATE (RFC 4978) whose command is not in the capture: what follows the answer is no text. */
import type { Side } from './side.ts';

const bytesLookedAt = 8;

/** `unknown`: so few octets stand before a hole or the end that nobody can tell. */
export function tellDeflate({ fragmentizer, closed }: Side): 'wait' | 'deflate' | 'text' | 'unknown' {
  const octets = fragmentizer.peek(bytesLookedAt);
  if (octets.length < bytesLookedAt) {
    return closed || fragmentizer.unreadBytes > octets.length ? 'unknown' : 'wait';
  }
  return octets.every((octet) => octet >= 0x20 && octet < 0x7f) ? 'text' : 'deflate';
}
