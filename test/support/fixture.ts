/** Runs one fixture through the whole pipeline: capture files in, rows out. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ingest } from '../../src/pipeline/ingest.ts';
import type { Report } from '../../src/pipeline/report.ts';
import { MemorySink } from '../../src/store/memory/memory-sink.ts';
import { projectRoot } from './project.ts';

export const fixturesFolder: string = join(projectRoot, 'fixtures');

/** What `expected.json` holds: all that does not depend on the machine or the moment. */
export interface Outcome {
  readonly captures: Report['captures'];
  readonly connections: Report['connections'];
  readonly noMails: Report['noMails'];
  readonly images: Report['images'];
  readonly anomalies: Report['anomalies'];
  readonly octets: Report['octets'];
  readonly skippedOctets: Report['skippedOctets'];
  readonly lostOctets: number;
  readonly rows: readonly unknown[];
}

export function fixtureNames(): string[] {
  const entries = readdirSync(fixturesFolder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The capture file of a case, or its folder of captures; relative to the project, as rows name it. */
function captureOf(name: string): string {
  const folder = join(fixturesFolder, name);
  const file = readdirSync(folder).find((entry) => entry.startsWith('capture'));
  if (file === undefined) throw new Error(`fixture ${name} has no capture`);
  return relative(projectRoot, join(folder, file));
}

/** More than one of `jobs` are worker threads, however small the fixture is. */
export async function runFixture(name: string, jobs = 1): Promise<Outcome> {
  const imageFolder = mkdtempSync(join(tmpdir(), 'mailproc-fixture-'));
  try {
    const sink = new MemorySink();
    await sink.open();
    const job = {
      root: captureOf(name),
      day: '2022-01-28',
      timeZone: 'Asia/Shanghai',
      store: 'memory',
      imageFolder,
      ports: new Map(),
      keyLogFile: undefined,
      reprocess: false,
      jobs,
    };
    const silent = { progress: () => undefined, anomaly: () => undefined };
    const report = await ingest(job, sink, silent, new AbortController().signal, 0);
    return normalise({ ...outcomeOf(report), rows: sink.rows }, imageFolder);
  } finally {
    rmSync(imageFolder, { recursive: true, force: true });
  }
}

function outcomeOf(report: Report): Omit<Outcome, 'rows'> {
  const { captures, connections, noMails, images, anomalies, octets, skippedOctets, lostOctets } = report;
  return { captures, connections, noMails, images, anomalies, octets, skippedOctets, lostOctets };
}

/** As it looks read back from JSON, with the temporary image folder under its usual name. */
function normalise(outcome: Outcome, imageFolder: string): Outcome {
  const text = JSON.stringify(outcome).replaceAll(JSON.stringify(imageFolder).slice(1, -1), 'image');
  return JSON.parse(text) as Outcome;
}

export function expectedFile(name: string): string {
  return join(fixturesFolder, name, 'expected.json');
}
