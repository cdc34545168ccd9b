/**
 * The beginning of a capture: what it is, when and where it was captured. Remembered for files that have not
 * changed, because who follows a folder looks at the same files again and again.
 */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { captureLimits } from '../core/limits.ts';
import { dateInPath } from './path-date.ts';
import type { CaptureSummary } from './read-capture.ts';

const remembered = new Map<string, CaptureSummary>();

/** Reads until the first packet is seen: for its time, and for the interfaces described before it. */
export async function probeCapture(file: string, stats: Stats): Promise<CaptureSummary> {
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  const name = [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const probed = await readBeginning(file);
  if (remembered.size >= captureLimits.probesRemembered) remembered.clear();
  remembered.set(name, probed);
  return probed;
}

/**
 * `yyyy-MM-dd` of the capture at `relativePath` (written with `/`) below `root`, by its path or its first
 * packet; undefined where it is no capture, has no packet yet, or is not there any more.
 */
export async function dayOfCapture(
  root: string,
  relativePath: string,
  clock: ZoneClock,
): Promise<string | undefined> {
  const file = `${root}/${relativePath}`;
  try {
    const stats = await stat(file);
    if (!stats.isFile() || stats.size === 0) return undefined;
    const { anomalies, firstPacketNs } = await probeCapture(file, stats);
    if (anomalies.some(({ code }) => code === 'capture.not-a-capture')) return undefined;
    return dateInPath(relativePath) ?? (firstPacketNs === null ? undefined : clock.day(firstPacketNs));
  } catch (error) {
    if (error instanceof MailprocError || (error as NodeJS.ErrnoException).code !== undefined)
      return undefined;
    throw error;
  }
}

async function readBeginning(file: string): Promise<CaptureSummary> {
  // A day without captures costs no decoder.
  const { readCapture } = await import('./read-capture.ts');
  let hasPacket = false;
  return readCapture(
    file,
    {
      packet: () => {
        hasPacket = true;
      },
      anomaly: () => {},
    },
    { readBytes: captureLimits.probeReadBytes, isEnough: () => hasPacket },
  );
}
