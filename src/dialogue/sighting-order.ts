/** The order in which octets of both directions were captured. */
import type { Sighting } from '../stream/types.ts';

/** `first` was captured in an earlier frame than `second`. */
export function isBefore(first: Sighting, second: Sighting): boolean {
  if (first.capture !== second.capture) return first.capture < second.capture;
  return first.frame < second.frame;
}
