/** How a client went on where the server's consent is not in the capture: its next octets tell. */
import type { HalfStream } from '../half-stream.ts';
import { maySucceedLiteral } from './literal-marker.ts';
import { firstHead, isSurelyCommand } from './recognise.ts';

const LF = 0x0a;
/** So many octets tell a command from other octets. */
const bytesLookedAt = 256;
/** Behind a longer literal nobody looks to tell whether it was sent: its octets would have to be held. */
const shortLiteralBytes = 4096;

/** All the octets are there that tell it, or a gap stands among them; `announced` octets may be a literal's. */
export function tellsHowItWentOn(client: HalfStream, announced: number): boolean {
  const wanted = Math.min(announced, shortLiteralBytes) + 1;
  const next = client.peek(Math.max(wanted, bytesLookedAt));
  if (client.unreadBytes > next.length) return true;
  const hasLine = next.length >= bytesLookedAt || next.includes(LF);
  return hasLine && (next.length >= wanted || isSurelyCommand(firstHead(next)));
}

/** Octets follow that begin no command. */
export function wentOnWithoutCommand(client: HalfStream): boolean {
  const head = nextHead(client);
  return head.length > 0 && !isSurelyCommand(head);
}

/** The `announced` octets of a literal seem to follow. */
export function seemsLiteral(client: HalfStream, announced: number): boolean {
  if (client.unreadBytes === 0 || isSurelyCommand(nextHead(client))) return false;
  const behind = announced > shortLiteralBytes ? undefined : client.peek(announced + 1)[announced];
  return behind === undefined || maySucceedLiteral(behind);
}

function nextHead(client: HalfStream): string {
  return firstHead(client.peek(bytesLookedAt));
}
