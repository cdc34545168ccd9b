/**
 * Hashes of a connection's four-tuple that are equal for both directions. They read the address octets at
 * fixed offsets and allocate nothing: most packets of a capture are of no interest and get no further.
 */
import type { Segment } from '../packet/types.ts';
import { wordAt } from './address-book.ts';

/** 32 bits, signed. The same `seed` gives the same hash in every run and every worker. */
export function flowHash(segment: Segment, seed: number): number {
  const source = endpointHash(segment.sourceAddress, segment.sourcePort, seed);
  const target = endpointHash(segment.targetAddress, segment.targetPort, seed);
  // A sum does not care which side sends.
  return mix((source + target) | 0);
}

/** Which worker follows the connection of `segment`: 0 … `workers - 1`, the same in every run. */
export function workerOf(segment: Segment, workers: number): number {
  return (flowHash(segment, 0) >>> 0) % workers;
}

function endpointHash(address: Buffer, port: number, seed: number): number {
  let hash = mix(seed ^ port);
  for (let offset = 0; offset + 4 <= address.length; offset += 4) {
    hash = mix((hash + 0x9e3779b9) ^ wordAt(address, offset));
  }
  return hash;
}

/** Every bit of the argument changes every bit of the result (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
