/** What a test wants to see of a capture: everything the reader handed out, copied. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type CaptureSummary, type ReadOptions, readCapture } from '../../src/capture/read-capture.ts';
import type { Anomaly } from '../../src/core/anomaly.ts';

export interface RecordedPacket {
  readonly linkType: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly originalLength: number;
  readonly frame: number;
  readonly bytes: Buffer;
}

export interface RecordedCapture {
  readonly packets: readonly RecordedPacket[];
  readonly secrets: readonly string[];
  readonly anomalies: readonly Anomaly[];
  readonly summary: CaptureSummary;
}

export async function recordCapture(file: string, options: ReadOptions = {}): Promise<RecordedCapture> {
  const packets: RecordedPacket[] = [];
  const secrets: string[] = [];
  const anomalies: Anomaly[] = [];
  const summary = await readCapture(
    file,
    {
      packet: ({ linkType, seconds, nanoseconds, originalLength, frame, buffer, offset, capturedLength }) => {
        const bytes = Buffer.from(buffer.subarray(offset, offset + capturedLength));
        packets.push({ linkType, seconds, nanoseconds, originalLength, frame, bytes });
      },
      secrets: (text) => secrets.push(text.toString('utf8')),
      anomaly: (found) => anomalies.push(found),
    },
    options,
  );
  return { packets, secrets, anomalies, summary };
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(context: { after(clean: () => void): void }): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mailproc-test-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `content` into `folder` and records it. */
export async function recordBytes(
  folder: string,
  content: Uint8Array,
  options: ReadOptions = {},
): Promise<RecordedCapture> {
  const file = path.join(folder, 'capture');
  writeFileSync(file, content);
  return recordCapture(file, options);
}
