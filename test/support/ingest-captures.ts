/** Runs capture files that a test has made through the whole pipeline. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ingest } from '../../src/pipeline/ingest.ts';
import type { Report } from '../../src/pipeline/report.ts';
import type { MailRecord } from '../../src/record/types.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';

export interface CaptureContent {
  /** Should hold the day 20220128 if there are several: they are found in a folder then. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Ingested {
  readonly report: Report;
  /** In the order of their ids. */
  readonly records: readonly MailRecord[];
}

/** One file is given to the run as a file, several as a folder. `secrets` is the text of a key log. */
export async function ingestCaptures(captures: readonly CaptureContent[], secrets = ''): Promise<Ingested> {
  const folder = mkdtempSync(join(tmpdir(), 'mailproc-ingest-'));
  try {
    const captureFolder = join(folder, 'captures');
    mkdirSync(captureFolder);
    for (const { name, bytes } of captures) writeFileSync(join(captureFolder, name), bytes);
    const keyLogFile = join(folder, 'keys.log');
    writeFileSync(keyLogFile, secrets, 'latin1');
    const [only, more] = captures;
    const root = only !== undefined && more === undefined ? join(captureFolder, only.name) : captureFolder;
    return await ingestFolder(root, join(folder, 'image'), secrets === '' ? undefined : keyLogFile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ingestFolder(
  root: string,
  imageFolder: string,
  keyLogFile: string | undefined,
): Promise<Ingested> {
  const sink = new MemorySink();
  const job = {
    root,
    day: '2022-01-28',
    timeZone: 'Asia/Shanghai',
    store: 'memory',
    imageFolder,
    ports: new Map(),
    keyLogFile,
    reprocess: false,
  };
  const silent = { progress: () => undefined, anomaly: () => undefined };
  const report = await ingest(job, sink, silent, new AbortController().signal);
  return { report, records: sink.mails.map(({ record }) => record) };
}
