/** What the client sent and the server has still to answer. */
import type { Sighting } from '../../stream/types.ts';
import type { CollectedMessage } from '../message-collector.ts';
import type { SaslExchange } from '../sasl.ts';
import type { ChunkHeader, Command } from './command.ts';

/** A mail whose octets are all there are, before the server's final answer. */
export interface HeldMail {
  readonly method: 'DATA' | 'BDAT';
  readonly message: CollectedMessage;
  readonly wireBytes: number;
  /** Its end was captured. */
  readonly ended: boolean;
  /** The server asked for it, or nobody knows. */
  readonly isAskedFor: boolean;
}

export type Pending =
  | { readonly kind: 'command'; readonly command: Command; readonly seen: Sighting }
  | { readonly kind: 'data'; readonly seen: Sighting }
  | PendingChunk
  | { readonly kind: 'sasl'; readonly exchange: SaslExchange; readonly seen: Sighting }
  | { readonly kind: 'starttls'; readonly seen: Sighting }
  | HeldEnd;

/** A chunk whose octets were all read. */
export interface PendingChunk {
  readonly kind: 'chunk';
  readonly header: ChunkHeader;
  readonly seen: Sighting;
}

/** The end of DATA; `isTail`: only the end of the mail was captured. */
export interface HeldEnd {
  readonly kind: 'endOfData';
  readonly mail: HeldMail;
  readonly isTail: boolean;
  readonly seen: Sighting;
  readonly answersLeft: number;
  /** What the answers so far say. */
  readonly accepted: boolean | null;
}

/** What follows from the client is commands, whatever the answer will be. */
export function letsReadOn(pending: Pending): boolean {
  return pending.kind === 'command' || pending.kind === 'endOfData';
}

/** The client sends nothing more until it is answered (RFC 2920 §3.1, RFC 4954 §4). */
export function stopsClient({ kind }: Pending): boolean {
  return kind === 'data' || kind === 'sasl' || kind === 'starttls';
}

/** A reply of this code can be the answer. */
export function mayAnswer(pending: Pending, code: number): boolean {
  if (code >= 400) return true;
  switch (pending.kind) {
    case 'data':
      return code === 354;
    case 'sasl':
      return code === 334 || code === 235 || code === 250;
    case 'starttls':
      return code === 220;
    case 'command':
      if (pending.command.verb === 'QUIT') return code === 221;
      if (pending.command.verb === 'XCLIENT') return code === 220 || code === 250;
      return code < 300 && code !== 221 && code !== 220 && code !== 235;
    case 'chunk':
    case 'endOfData':
      return code === 250 || code === 251 || code === 252;
  }
}
