/**
 * The beginning of a capture: what it is, when and where it was captured. Remembered for files that have not
 * changed, because who follows a folder looks at the same files again and again.
 */

import { hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ZoneClock } from '../core/clock.ts';
import { MailprocError } from '../core/errors.ts';
import { captureLimits } from '../core/limits.ts';
import { dateInPath } from './path-date.ts';
import type { CaptureSummary } from './read-capture.ts';

export interface CaptureBeginning {
  readonly isCapture: boolean;
  readonly firstPacketNs: bigint | null;
  /** Time of the last packet that was looked at; the file may go on behind it. */
  readonly seenUntilNs: bigint | null;
  /** The same for captures of one format and of the same interfaces. */
  readonly origin: string;
}

const remembered = new Map<string, CaptureBeginning>();

/** Reads until the first packet is seen: for its time, and for the interfaces described before it. */
export async function probeCapture(file: string, stats: Stats): Promise<CaptureBeginning> {
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  const name = [dev, ino, size, mtimeMs, ctimeMs].join(' ');
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const probed = beginningOf(await readBeginning(file));
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
    const { isCapture, firstPacketNs } = await probeCapture(file, stats);
    if (!isCapture) return undefined;
    return dateInPath(relativePath) ?? (firstPacketNs === null ? undefined : clock.day(firstPacketNs));
  } catch (error) {
    if (error instanceof MailprocError || (error as NodeJS.ErrnoException).code !== undefined)
      return undefined;
    throw error;
  }
}

function beginningOf({
  anomalies,
  firstPacketNs,
  lastPacketNs,
  format,
  interfaces,
}: CaptureSummary): CaptureBeginning {
  const isCapture = anomalies.every(({ code }) => code !== 'capture.not-a-capture');
  const described = interfaces.map(({ linkType, name }) => `${linkType} ${JSON.stringify(name)}`);
  // A file may describe 65,536 interfaces, and a folder may hold many such files: a hash tells them apart.
  const origin = hash('sha256', [format ?? 'unknown', ...described].join(' '));
  return { isCapture, firstPacketNs, seenUntilNs: lastPacketNs, origin };
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
