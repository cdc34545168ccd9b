/** Stream events made by hand, for what is told better by single events than by a screenplay. */
import type { Sender, Sighting, StreamData, StreamGap } from '../../src/stream/types.ts';

export interface Where {
  readonly sender?: Sender;
  readonly sequence?: number;
  readonly frame?: number;
}

export function sighting(frame: number): Sighting {
  return { capture: 0, frame, timestampNs: BigInt(frame), ipLength: 40, ttl: 64 };
}

/** A string stands for one octet a character. */
export function streamData(bytes: Buffer | string, where: Where = {}): StreamData {
  const { sender = 'client', sequence = 1, frame = 1 } = where;
  const octets = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  return { kind: 'data', sender, bytes: octets, sequence: sequence >>> 0, seen: sighting(frame) };
}

export function streamGap(length: number, where: Where = {}): StreamGap {
  const { sender = 'client', sequence = 1, frame = 1 } = where;
  return { kind: 'gap', sender, length, sequence: sequence >>> 0, seen: sighting(frame) };
}
