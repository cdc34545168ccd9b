/** DEFLATE (RFC 4978) whose command is not in the capture: what follows the answer is no text. */
import type { Side } from './side.ts';

const bytesLookedAt = 8;

/**
 * `lost`: a hole stands before the next octet; `unknown`: so few stand before one, or before the end, that nobody can
 * tell.
 */
export function tellDeflate({
  fragmentizer,
  closed,
}: Side): 'wait' | 'deflate' | 'text' | 'lost' | 'unknown' {
  const octets = fragmentizer.peek(bytesLookedAt);
  if (octets.length < bytesLookedAt) {
    const isAll = closed || fragmentizer.unreadBytes > octets.length;
    if (!isAll) return 'wait';
    return octets.length === 0 ? 'lost' : 'unknown';
  }
  return octets.every((octet) => octet >= 0x20 && octet < 0x7f) ? 'text' : 'deflate';
}
