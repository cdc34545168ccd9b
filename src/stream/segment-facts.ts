/** Questions about one segment that several parts ask (RFC 9293 §3.1). */
import { type Segment, TcpFlag } from '../packet/types.ts';

/** A SYN takes the first sequence number; its data, if any, has the next. */
export function dataSequence(segment: Segment): number {
  return (segment.flags & TcpFlag.syn) === 0 ? segment.sequence : (segment.sequence + 1) >>> 0;
}

export function carriesOctets(segment: Segment): boolean {
  return segment.payloadLength > 0 || segment.missingLength > 0;
}

export function isReset(segment: Segment): boolean {
  return (segment.flags & TcpFlag.rst) !== 0;
}

export function isAcknowledging(segment: Segment): boolean {
  return (segment.flags & (TcpFlag.ack | TcpFlag.rst)) === TcpFlag.ack;
}

export function isEnding(segment: Segment): boolean {
  return (segment.flags & (TcpFlag.fin | TcpFlag.rst)) !== 0;
}
